"""How many sightings a second `beacons.presence.step` takes in, on one core, events included.

Run from the root of the repository: `make bench-presence`.
"""

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from shapely.geometry import Polygon

from beacons.heard import Heard
from beacons.presence import PresenceModel, PresenceState, step
from beacons.zone_events import ZoneEvent
from benchmarks.baselines import NearestWithHysteresis
from benchmarks.machine import STATM, one_core, processor, rss_mb
from benchmarks.object_loop import ObjectLoop
from benchmarks.presence_crowd import MIX, WINDOW_S, PresenceCrowd
from benchmarks.text_table import number, table
from corsia.commands.finite import FiniteRange

SEED: Final = 7
SIZES: Final = (1_000, 2_000, 5_000)
# All are new in the first seconds: nothing is measured until the store is in its usual state.
WARM_UP_S: Final = 10.0
MEASURED_S: Final = 60.0
# The slow loop shows its speed in less.
LOOP_WARM_UP_S: Final = 2.0
LOOP_MEASURED_S: Final = 5.0
REQUIRED_PER_S: Final = 50_000
AIM_PER_S: Final = 150_000
MOST_RSS_MB: Final = 300

Step = Callable[[Sequence[Heard], float], Sequence[ZoneEvent]]


@dataclass(frozen=True, slots=True)
class Speed:
    """What a span of virtual time cost. CPU time, so that other work on the machine counts not.

    tick_ms_*: of the calls, one each half second. rss_mb: of the process, at the end of the span.
    """

    name: str
    handsets: int
    sightings: int
    sightings_per_s: float
    tick_ms_p50: float
    tick_ms_p95: float
    share_of_real_time: float
    events_per_min: float
    rss_mb: float


@click.command()
@click.option(
    "--minutes",
    default=10.0,
    show_default=True,
    type=FiniteRange(2.5, 600),
    help="Virtual time of the long run.",
)
@click.option(
    "--handsets",
    "sizes",
    type=click.IntRange(1, 100_000),
    multiple=True,
    help="How many are present; give it several times.  [default: 1000, 2000, 5000]",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file too.",
)
def main(minutes: float, sizes: tuple[int, ...], json_file: Path | None) -> None:
    """Measure presence in a full store of 12 gateways, beside a loop over objects.

    \b
    First the long run with the fewest handsets (does it slow down or grow?), then more handsets
    (is it linear?), then the same job done handset by handset, and a simpler job for scale.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    if not STATM.is_file():
        raise click.UsageError(f"memory is read from {STATM}, which only Linux has")
    sizes = tuple(sorted(sizes or SIZES))
    click.echo(f"{processor()}, one core; Python {platform.python_version()},"
               f" numpy {np.__version__}; virtual time, CPU time")  # fmt: skip
    click.echo(f"supermarket of 30 x 20 m, 12 gateways; {MIX}\n")
    before_mb = rss_mb()
    with one_core():
        rows = long_run(sizes[0], minutes)
        rows += [presence_speed(handsets) for handsets in sizes[1:]]
        rows += [loop_speed(sizes[0]), nearest_speed(sizes[0])]
    click.echo(_table(rows))
    for sentence in _verdicts(rows, before_mb):
        click.echo(sentence)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def long_run(handsets: int, minutes: float) -> list[Speed]:
    """Two rows of one run: its first minute, and its last."""
    crowd = PresenceCrowd(handsets, SEED)
    take_in = _presence(crowd, handsets)
    play(take_in, crowd, WARM_UP_S, handsets, "")
    first = play(take_in, crowd, MEASURED_S, handsets, "presence, first minute")
    play(take_in, crowd, minutes * 60 - WARM_UP_S - 2 * MEASURED_S, handsets, "")
    return [first, play(take_in, crowd, MEASURED_S, handsets, f"presence, minute {minutes:g}")]


def presence_speed(handsets: int) -> Speed:
    """Presence for a minute."""
    crowd = PresenceCrowd(handsets, SEED)
    take_in = _presence(crowd, handsets)
    play(take_in, crowd, WARM_UP_S, handsets, "")
    return play(take_in, crowd, MEASURED_S, handsets, "presence")


def loop_speed(handsets: int) -> Speed:
    """The same job, handset by handset."""
    crowd = PresenceCrowd(handsets, SEED)
    loop = ObjectLoop(crowd.plan)
    play(loop.step, crowd, LOOP_WARM_UP_S, handsets, "")
    return play(loop.step, crowd, LOOP_MEASURED_S, handsets, "objects, Bayes filter each")


def nearest_speed(handsets: int) -> Speed:
    """A simpler job: the nearest gateway with hysteresis, no probabilities and no events."""
    crowd = PresenceCrowd(handsets, SEED)
    anchors = {place.gateway_id: (place.x_m, place.y_m) for place in crowd.plan.gateways}
    zones = {zone.zone_id: Polygon(zone.polygon) for zone in crowd.plan.zones}
    nearest: dict[str, NearestWithHysteresis] = {}

    def take_in(heard: Sequence[Heard], now_s: float) -> list[ZoneEvent]:
        for one in heard:
            if one.device not in nearest:
                nearest[one.device] = NearestWithHysteresis(anchors, zones)
            nearest[one.device].feed(one.at_s, one.gateway_id, one.mean_rssi_dbm)
        for each in nearest.values():
            each.zone(now_s)
        return []

    play(take_in, crowd, LOOP_WARM_UP_S, handsets, "")
    return play(take_in, crowd, LOOP_MEASURED_S, handsets, "objects, nearest gateway each")


def play(take_in: Step, crowd: PresenceCrowd, lasts_s: float, handsets: int, name: str) -> Speed:
    """Play the crowd for that long, one call each half second; only the calls are measured."""
    costs_s = []
    sightings = events = 0
    for _ in range(round(lasts_s / WINDOW_S)):
        heard = crowd.window()
        sightings += len(heard)
        begun_s = time.process_time()
        events += len(take_in(heard, crowd.now_s))
        costs_s.append(time.process_time() - begun_s)
    if name:
        click.echo(f"{handsets:,} handsets, {name}: measured", err=True)
    return Speed(
        name=name,
        handsets=handsets,
        sightings=sightings,
        sightings_per_s=sightings / sum(costs_s),
        tick_ms_p50=1_000 * float(np.percentile(costs_s, 50)),
        tick_ms_p95=1_000 * float(np.percentile(costs_s, 95)),
        share_of_real_time=sum(costs_s) / lasts_s,
        events_per_min=events / (lasts_s / 60),
        rss_mb=rss_mb(),
    )


def _presence(crowd: PresenceCrowd, handsets: int) -> Step:
    model = PresenceModel([crowd.plan])
    # Those who have left are tracked for a while longer.
    state = PresenceState(model, ceiling=2 * handsets)
    return lambda heard, now_s: step(model, state, heard, now_s)


def _table(rows: Sequence[Speed]) -> str:
    return table(
        "",
        [
            "handsets", "sightings/s", "us/sighting", "ms/tick p50", "p95", "real time",
            "events/min", "RSS MB",
        ],
        [
            (
                row.name,
                [
                    number(row.handsets, 0),
                    number(row.sightings_per_s, 0),
                    number(1e6 / row.sightings_per_s, 1),
                    number(row.tick_ms_p50, 1),
                    number(row.tick_ms_p95, 1),
                    f"{row.share_of_real_time:.1%}",
                    number(row.events_per_min, 0),
                    number(row.rss_mb, 0),
                ],
            )
            for row in rows
        ],
    )  # fmt: skip


def _verdicts(rows: Sequence[Speed], before_mb: float) -> list[str]:
    """What the rows say; the order is that of `main`."""
    first, last, *larger, loop, nearest = rows
    per_s = last.sightings_per_s
    required, aim = _met(per_s >= REQUIRED_PER_S), _met(per_s >= AIM_PER_S)
    memory = _met(last.rss_mb < MOST_RSS_MB)
    slower, grown_mb = first.sightings_per_s / per_s, last.rss_mb - first.rss_mb
    return [
        "",
        f"at least {REQUIRED_PER_S:,} sightings/s: {required}; aim {AIM_PER_S:,}: {aim}",
        f"under {MOST_RSS_MB} MB: {memory}; {before_mb:.0f} MB of it before the first handset",
        f"the last minute cost {slower:.2f} times the first, a sighting; {grown_mb:+.0f} MB",
        *(
            f"{row.handsets:,} handsets cost {per_s / row.sightings_per_s:.2f} times as much"
            f" a sighting as {last.handsets:,}"
            for row in larger
        ),
        f"the same job object by object takes {per_s / loop.sightings_per_s:.1f} times as long",
        f"nearest gateways, object by object, {per_s / nearest.sightings_per_s:.2f} times",
    ]


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()

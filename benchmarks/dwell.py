"""Expected dwell in the simulated store against the truth.

Half of the handsets teach, the other half are asked at each of their dwell marks, and the other way
round. A moment counts when the handset truly is in the zone that presence says: where it is not is
`make bench-store`'s figure. What is learned stands beside what is assumed without any stay.

Run from the root of the repository: .venv/bin/python -m benchmarks.dwell
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import click
import numpy as np
import numpy.typing as npt

from beacons.dwell import DwellCurve, StayCount, dwell_curves
from beacons.presence import PresenceModel, PresenceState, step
from beacons.zone_events import Dwelling, Gone, Left
from benchmarks.store_walks import StoreWalks, store_walks
from benchmarks.text_table import table
from corsia.commands.finite import FiniteRange
from corsia.truth import TruthSample, walks

IN_S: Final = (3.0, 5.0, 10.0, 20.0)
ELAPSED_S: Final = (0.0, 4.0, 8.0, 15.0, 30.0, 60.0, 600.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A dwell mark at which the handset truly was in the zone, for `residual_s` more."""

    device: str
    zone_id: str
    elapsed_s: float
    residual_s: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What presence made of a run: stays by handset, and the moments to judge by."""

    run: StoreWalks
    stays: dict[str, list[StayCount]]
    asked: list[Asked]
    elsewhere: int  # moments at which the handset was not where presence said


@click.command()
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--minutes", type=FiniteRange(0.1, 600), default=60.0, show_default=True)
@click.option("--shoppers", type=click.IntRange(2, 2_000), default=200, show_default=True)
def main(seeds: int, minutes: float, shoppers: int) -> None:
    """Print expected residual dwell beside the true one, over the seeds 1 to SEEDS."""
    rows: list[Floats] = []
    elsewhere = 0
    for seed in range(1, seeds + 1):
        watched = watch(store_walks(seed, minutes=minutes, shoppers=shoppers))
        rows += list(judged(watched))
        elsewhere += watched.elsewhere
        click.echo(f"seed {seed} played", err=True)
    if not rows:
        raise click.ClickException("nobody stayed anywhere: play for longer, with more shoppers")
    figures = np.array(rows)
    click.echo(f"{len(rows)} moments; at {elsewhere} more the handset was elsewhere\n")
    click.echo(report(figures))


def watch(run: StoreWalks) -> Watched:
    """Let presence hear the run; its stays as SQL would have them, and its dwell marks."""
    zone_ids = [zone.zone_id for zone in run.plan.zones]
    truth = walks(
        (
            TruthSample(t_s, run.devices[device], None if zone < 0 else zone_ids[zone])
            for device, t_s, zone in zip(
                run.truth.device.tolist(),
                run.truth.t_s.tolist(),
                run.truth.zone.tolist(),
                strict=True,
            )
        ),
        visit_break_s=float("inf"),
    )
    stays: dict[str, list[StayCount]] = {device: [] for device in run.devices}
    left: dict[str, list[Left]] = {device: [] for device in run.devices}
    asked: list[Asked] = []
    elsewhere = 0
    model = PresenceModel([run.plan])
    state = PresenceState(model)
    for call in run.calls:
        for event in step(model, state, call.heard, call.now_s):
            match event:
                case Dwelling():
                    walk = truth.get(event.device)
                    stay = walk.stay_at(event.zone_id, event.at_s) if walk is not None else None
                    if stay is None:
                        elsewhere += 1
                        continue
                    elapsed_s = event.at_s - event.since_s
                    residual_s = stay.left_s - event.at_s
                    asked.append(Asked(event.device, event.zone_id, elapsed_s, residual_s))
                case Left():
                    left[event.device].append(event)
                case Gone():
                    stays[event.device] += _stays(left[event.device], event.last_heard_s)
                    left[event.device].clear()
    return Watched(run, stays, asked, elsewhere)


def judged(watched: Watched) -> Iterator[Floats]:
    """A row a moment: elapsed, true residual, learned and assumed ones, chances learned and
    assumed."""
    zones = watched.run.plan.zones
    assumed = dwell_curves(zones, ())
    for half in (0, 1):
        teach = watched.run.devices[half::2]
        learned = dwell_curves(zones, [one for name in teach for one in watched.stays[name]])
        pupils = frozenset(watched.run.devices[1 - half :: 2])
        for one in watched.asked:
            if one.device in pupils:
                said = [*_said(learned[one.zone_id], one), *_said(assumed[one.zone_id], one)]
                yield np.array([one.elapsed_s, one.residual_s, *said])


def report(figures: Floats) -> str:
    """The tables. figures: rows of `judged`."""
    elapsed_s, true_s = figures[:, 0], figures[:, 1]
    learned, assumed = np.split(figures[:, 2:], 2, axis=1)
    means = [
        (
            f"{since:.0f} to {until:.0f} s",
            [str(len(true_s[now])), *(f"{each[now].mean():.1f}" for each in
             (true_s, learned[:, 0], assumed[:, 0]))],
        )
        for since, until in pairwise(ELAPSED_S)
        if (now := (elapsed_s >= since) & (elapsed_s < until)).any()
    ]  # fmt: skip
    chances = [
        (
            f"in {in_s:.0f} s",
            [
                f"{(true_s > in_s).mean():.3f}",
                f"{learned[:, place].mean():.3f}",
                f"{assumed[:, place].mean():.3f}",
            ],
        )
        for place, in_s in enumerate(IN_S, start=1)
    ]
    return "\n\n".join(
        (
            table("residual, by elapsed", ["moments", "true", "learned", "assumed"], means),
            table("share still there", ["true", "learned", "assumed"], chances),
            table(
                "learned share in 10 s, by tenths",
                ["moments", "learned", "true"],
                list(_reliability(learned[:, 1 + IN_S.index(10.0)], true_s > 10.0)),
            ),
        )
    )


def _stays(left: list[Left], last_heard_s: float) -> Iterator[StayCount]:
    """The stays of a visit as `db.stays` counts them."""
    for one in left:
        lasts_s = min(one.at_s, last_heard_s) - one.since_s
        yield StayCount(one.zone_id, max(lasts_s, 0.0), is_over=one.at_s < last_heard_s)


def _said(curve: DwellCurve, one: Asked) -> list[float]:
    residual_s = float(curve.residual_s(one.elapsed_s))
    return [residual_s, *curve.survival(IN_S, one.elapsed_s).tolist()]


def _reliability(said: Floats, is_so: npt.NDArray[np.bool_]) -> Iterator[tuple[str, list[str]]]:
    for tenth in range(10):
        here = np.floor(said * 10).astype(int) == tenth
        if here.any():
            shares = [f"{said[here].mean():.3f}", f"{is_so[here].mean():.3f}"]
            yield f"{tenth / 10:.1f}", [str(here.sum()), *shares]


if __name__ == "__main__":
    main()

"""How well gateways calibrate each other: planted offsets found again, moved gateways found out.

Run from the root of the repository: `make bench-calibration`.

The first part is the simulated supermarket: its radio, the gateways' aggregator, the calibration.
The second is stores made up for the tests, where moves and covers can be had by the hundred.
"""

from collections import Counter
from typing import Final

import click
import numpy as np

from beacons import canary
from beacons.calibration import Fit
from beacons.gateway_flags import Before, calibrate
from beacons.link_changes import FlagKind
from beacons.links import LinkSums, links_of
from corsia.commands.finite import FiniteRange
from corsia.demo import store_plan
from corsia.fast_store import FLUSH_EVERY_STEPS, STEP_S, FastGateways
from firmware_sim.floor import supermarket
from firmware_sim.radio import PI_BUILT_IN, Radio
from firmware_sim.world import World
from tests.beacons.made_links import MadeStore, made_store

NAMESPACE: Final = bytes.fromhex("c0451a01")
START_S: Final = 1_790_000_000.0
SEEDS: Final = range(1, 6)
MINUTES: Final = (3.0, 60.0)
COVER_DB: Final = 8.0
MOVED: Final = 3  # any gateway


@click.command()
@click.option("--stores", default=60, show_default=True, type=click.IntRange(0, 10_000),
              help="Made-up stores.")  # fmt: skip
@click.option("--minutes", "spans", multiple=True, type=FiniteRange(0.5, 1_440),
              help="Give it several times.  [default: 3 and 60]")  # fmt: skip
def main(stores: int, spans: tuple[float, ...]) -> None:
    """How well gateways calibrate each other, and find out who was moved or covered."""
    for minutes in spans or MINUTES:
        click.echo(f"planted receive offsets after {minutes:g} minutes, dB")
        click.echo("seed  planted sd  error rms  largest  standard error")
        rows = []
        for seed in SEEDS:
            row = _recovered(seed, minutes)
            click.echo(f"{seed:4d}  {row[0]:10.2f}  {row[1]:9.2f}  {row[2]:7.2f}  {row[3]:14.2f}")
            rows.append(row)
        sd, rms, *_ = np.mean(rows, axis=0)
        click.echo(f"mean  {sd:10.2f}  {rms:9.2f}\n")
    for what, count in _flagged(stores).items():
        click.echo(f"{what}: {count}")


def _recovered(seed: int, minutes: float) -> tuple[float, float, float, float]:
    floor = supermarket()
    world, gateways, sums = World(floor, seed, START_S), FastGateways(floor, NAMESPACE), LinkSums()
    known = canary.gateway_of(place.gateway_id for place in floor.gateways)
    gateways.transmit(world, START_S)
    for step in range(1, round(minutes * 60 / STEP_S) + 1):
        now_s = START_S + step * STEP_S
        gateways.hear(world.adverts(now_s - STEP_S, now_s), now_s)
        for gateway in gateways.alive(now_s) if step % FLUSH_EVERY_STEPS == 0 else ():
            for one in gateway.closed(now_s):
                fellow = known[canary.numbers_of(one.identifier)]
                sums.add(
                    gateway.gateway_id, fellow, one.at_ms / 1_000, one.count, one.mean_rssi_dbm
                )
    found = calibrate(store_plan(floor).floors[0], links_of(sums.hours())).fit
    planted_db = Radio(floor, seed, PI_BUILT_IN).gateway_offset_db
    return _compared(found, planted_db - planted_db.mean())


def _compared(found: Fit, planted_db: np.ndarray) -> tuple[float, float, float, float]:
    error_db = np.array([radio.offset_db for radio in found.radios]) - planted_db
    return (
        float(np.std(planted_db)),
        float(np.sqrt(np.mean(error_db**2))),
        float(np.max(np.abs(error_db))),
        float(np.mean([radio.offset_se_db for radio in found.radios])),
    )


def _flagged(count: int) -> Counter[str]:
    """Stores of twelve gateways: untouched, one gateway moved 10 m and more, one covered."""
    said: Counter[str] = Counter()
    for seed in range(count):
        store = made_store(seed)
        links = store.links(1_000 + seed)
        first = calibrate(store.floor, links)
        before = Before(first.fit.radios, tuple(links))
        same = calibrate(store.floor, store.links(seed), before)
        said["gateways where nothing had happened, flagged"] += len(first.flags) + len(same.flags)
        said["gateways where nothing had happened"] += 2 * len(store.ids)
        moved = _moved(store, seed)
        said["moved gateways"] += 1
        for known, words in ((before, "with an earlier calibration"), (None, "without")):
            kinds = {
                (flag.gateway_id, flag.kind)
                for flag in calibrate(store.floor, moved.links(seed), known).flags
            }
            said[f"moved gateways found {words}"] += (f"g{MOVED:02d}", FlagKind.MOVED) in kinds
            said[f"others flagged beside them {words}"] += sum(
                gateway_id != f"g{MOVED:02d}" for gateway_id, _ in kinds
            )
        covered = calibrate(store.floor, store.covered(MOVED, COVER_DB).links(seed), before)
        said[f"gateways covered by {COVER_DB:g} dB that were found"] += [
            (flag.gateway_id, flag.kind) for flag in covered.flags
        ] == [(f"g{MOVED:02d}", FlagKind.COVERED)]
    return said


def _moved(store: MadeStore, seed: int) -> MadeStore:
    draw = np.random.default_rng([seed, 1])
    place = store.floor.gateways[MOVED]
    while True:
        x_m, y_m = draw.uniform((0.0, 0.0), (30.0, 20.0))
        if np.hypot(x_m - place.x_m, y_m - place.y_m) > 10.0:
            return store.moved(MOVED, float(x_m), float(y_m), seed)


if __name__ == "__main__":
    main()

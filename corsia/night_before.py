"""The night before a rehearsal: the gateways of a simulated store have hung there since yesterday,
and calibrate each other by an hour of canaries before the doors open.

Played in virtual time, in seconds, with the radio that the same seed has by day; taken in by the
code that takes canaries in by day.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from beacons.store_plan import StorePlan
from corsia.fast_store import NO_OUTAGE, FastGateways, Outage
from db.connect import Database
from engine import calibrate
from engine.calibrate import StoreCalibration
from engine.canaries import Canaries
from firmware_sim.floor import Floor
from firmware_sim.world import World

# Three minutes would tell as much (docs/decisions/0007); an hour is what a store always has.
NIGHT_S: Final = 3_600.0
# Gateways send once a second; a canary's window must not be told later than that.
STEP_S: Final = 1.0


def night(
    floor: Floor, seed: int, namespace: bytes, until_s: float, outage: Outage = NO_OUTAGE
) -> Canaries:
    """What the gateways have heard of each other in the hour before `until_s` (unix)."""
    start_s = until_s - NIGHT_S
    world, gateways = World(floor, seed, start_s), FastGateways(floor, namespace, outage)
    canaries = Canaries((place.gateway_id for place in floor.gateways), start_s)
    for step in range(round(NIGHT_S / STEP_S)):
        now_s = start_s + (step + 1) * STEP_S
        gateways.transmit(world, now_s - STEP_S)
        gateways.hear(world.adverts(now_s - STEP_S, now_s), now_s)
        for gateway in gateways.alive(now_s):
            canaries.take(gateway.gateway_id, gateway.closed(now_s), now_s)
    return canaries


async def calibrate_overnight(
    database: Database,
    plan: StorePlan,
    floor: Floor,
    seed: int,
    namespace: bytes,
    now: datetime,
    outage: Outage = NO_OUTAGE,
) -> StoreCalibration:
    """The store, which is in the database, has been calibrated by the night that ends `now`."""
    canaries = await asyncio.to_thread(night, floor, seed, namespace, now.timestamp(), outage)
    async with database.begin() as tx:
        await canaries.write(tx, plan.store_id, now)
        links = await calibrate.read_links(tx, plan, now)
    canaries.wrote()
    found = await calibrate.calibrated(links)
    async with database.begin() as tx:
        await calibrate.keep(tx, found)
    return found


def told(found: StoreCalibration) -> Iterable[str]:
    """What came of it, in sentences."""
    known = [radio for radio in found.radios if radio.links]
    if not known:
        yield "no gateway heard another in the night: they are not calibrated"
        return
    offsets_db = [radio.offset_db for radio in known]
    yield (
        f"{len(known)} gateways calibrated by {len(found.links)} links of the night before:"
        f" they hear {min(offsets_db):+.1f} to {max(offsets_db):+.1f} dB beside their mean"
    )
    for flag in found.flags:
        yield f"{flag.gateway_id}: {flag.sentence}"

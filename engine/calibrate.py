"""Calibrating a store from what its gateways have heard of each other lately: each night by
`corsia jobs`, on demand by `corsia store calibrate`."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.calibration import GatewayRadio
from beacons.gateway_flags import Before, Calibrated, calibrate
from beacons.link_changes import Flag, FlagKind
from beacons.links import Link
from beacons.store_plan import StorePlan
from db import gateway_links, gateway_radios, stores
from db.connect import Database

log = logging.getLogger(__name__)

# A quiet part of the night: what was moved in the day before is in its place, and nobody stands in
# the way. More would add nothing: three minutes already tell as much (docs/decisions/0007).
SPAN: Final = timedelta(hours=6)
# When a store is calibrated by itself, by its own clock: closed, and after SPAN of quiet.
QUIET_HOUR: Final = 4
AT_MOST_EVERY: Final = timedelta(hours=20)
# A night was missed, or the store's time zone is unknown here: then at any hour.
AT_LEAST_EVERY: Final = timedelta(hours=36)
# A new store need not wait for its first night: as many windows of ten seconds on half its links.
FIRST_WINDOWS: Final = 12


@dataclass(frozen=True, slots=True)
class StoreCalibration:
    """What a store's links say now. before: its radios until now, none before the first time."""

    store_id: str
    at: datetime
    links: tuple[Link, ...]
    floors: tuple[Calibrated, ...]
    before: tuple[GatewayRadio, ...]

    @property
    def radios(self) -> tuple[GatewayRadio, ...]:
        """Of all floors."""
        return tuple(radio for floor in self.floors for radio in floor.fit.radios)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Of all floors."""
        return tuple(flag for floor in self.floors for flag in floor.flags)


async def calibrated(
    tx: AsyncConnection, plan: StorePlan, now: datetime, span: timedelta = SPAN
) -> StoreCalibration:
    """The store by the links of the last `span`, in whole hours; nothing is written."""
    since = now - span
    links = await gateway_links.load(tx, plan.store_id, since, now)
    last = await gateway_radios.calibration(tx, plan.store_id)
    before = None
    if last is not None:
        before = Before(
            last.radios,
            await _links_before(tx, plan.store_id, since),
            frozenset(flag.gateway_id for flag in last.flags if flag.kind is FlagKind.MOVED),
        )
    # A large store takes a second, and other work waits in this loop.
    floors = [await asyncio.to_thread(calibrate, floor, links, before) for floor in plan.floors]
    earlier = last.radios if last is not None else ()
    return StoreCalibration(plan.store_id, now, tuple(links), tuple(floors), earlier)


async def keep(tx: AsyncConnection, calibration: StoreCalibration) -> None:
    """The store works with this from now on; engines that run notice within seconds."""
    await gateway_radios.save(
        tx, calibration.store_id, calibration.radios, calibration.flags, calibration.at
    )


async def calibrate_due(database: Database, now: datetime) -> list[str]:
    """Calibrate every store whose time it is; their ids."""
    done = []
    async with database.read() as tx:
        store_ids = await stores.store_ids(tx)
    for store_id in store_ids:
        async with database.read() as tx:
            last_at = await gateway_radios.changed_at(tx, store_id)
            if last_at is not None and now - last_at < AT_MOST_EVERY:
                continue
            plan = await _plan(tx, store_id)
            if plan is None or not await _is_due(tx, plan, last_at, now):
                continue
            found = await calibrated(tx, plan, now)
        if not any(radio.links for radio in found.radios):
            continue
        async with database.begin() as tx:
            await keep(tx, found)
        done.append(store_id)
        log.info("store calibrated", extra={"store": store_id, "links": len(found.links)})
        for flag in found.flags:
            log.warning(
                "gateway to be looked at",
                extra={"store": store_id, "gateway": flag.gateway_id, "why": flag.sentence},
            )
    return done


async def _links_before(tx: AsyncConnection, store_id: str, since: datetime) -> tuple[Link, ...]:
    """What an earlier calibration was made from: none of the hours that are looked at now."""
    first = since.replace(minute=0, second=0, microsecond=0)
    earlier = await gateway_radios.calibration(tx, store_id, first)
    if earlier is None:
        return ()
    until = earlier.calibrated_at
    return tuple(await gateway_links.load(tx, store_id, until - SPAN, until))


async def _plan(tx: AsyncConnection, store_id: str) -> StorePlan | None:
    try:
        return await stores.load_store(tx, store_id)
    except stores.StoredPlanError as error:
        log.warning("store not calibrated", extra={"store": store_id, "why": str(error)})
        return None


async def _is_due(
    tx: AsyncConnection, plan: StorePlan, last_at: datetime | None, now: datetime
) -> bool:
    if last_at is not None:
        return now - last_at >= AT_LEAST_EVERY or _is_quiet(plan, now)
    links = await gateway_links.load(tx, plan.store_id, now - SPAN, now)
    told = [link for link in links if link.windows >= FIRST_WINDOWS]
    return 2 * len(told) > len(links)


def _is_quiet(plan: StorePlan, now: datetime) -> bool:
    try:
        return now.astimezone(ZoneInfo(plan.tz)).hour == QUIET_HOUR
    except (ZoneInfoNotFoundError, ValueError):
        return False

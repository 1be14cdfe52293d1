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
from db.connect import DATABASE_ERRORS, Database

log = logging.getLogger(__name__)

# A quiet part of the night: what was moved in the day before is in its place, and nobody stands in
# the way. More would add nothing: three minutes already tell as much (docs/decisions/0007).
SPAN: Final = timedelta(hours=6)
# When a store is calibrated by itself, by its own clock: closed, and after SPAN of quiet.
QUIET_HOUR: Final = 4
AT_MOST_EVERY: Final = timedelta(hours=20)
# A night was missed, or the store's time zone is unknown here: then at any hour.
AT_LEAST_EVERY: Final = timedelta(hours=36)
# A new store need not wait for its first night, nor one whose gateways were off for days: as many
# windows of ten seconds on half its links. With fewer, who has not reported yet looks dead.
FIRST_WINDOWS: Final = 12


# Two machines' clocks may differ by so much and more; a calibration further in the future was made
# by a clock that was wrong, and says nothing of when the next one is due.
CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class StoreLinks:
    """What a store is calibrated from. since: the links begin there, at a full hour of the clock;
    at: they end there. before: the last calibration, its links those of one before `since`."""

    plan: StorePlan
    since: datetime
    at: datetime
    links: tuple[Link, ...]
    before: Before | None

    @property
    def are_enough(self) -> bool:
        """Whether most links have been heard for long enough; soon after the first, few have."""
        told = [link for link in self.links if link.windows >= FIRST_WINDOWS]
        return 2 * len(told) > len(self.links)


@dataclass(frozen=True, slots=True)
class StoreCalibration:
    """What a store's links say now. before: its radios until now, none before the first time."""

    store_id: str
    since: datetime
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


async def read_links(
    tx: AsyncConnection, plan: StorePlan, now: datetime, span: timedelta = SPAN
) -> StoreLinks:
    """What the store is calibrated from, of the clock hours that began in the last `span`."""
    since = gateway_links.first_hour(now - span)
    links = await gateway_links.load(tx, plan.store_id, since, now)
    last = await gateway_radios.calibration(tx, plan.store_id)
    before = None
    if last is not None:
        before = Before(
            last.radios,
            await _links_before(tx, plan.store_id, since),
            frozenset(flag.gateway_id for flag in last.flags if flag.kind is FlagKind.MOVED),
        )
    return StoreLinks(plan, since, now, tuple(links), before)


async def calibrated(of: StoreLinks) -> StoreCalibration:
    """The store by these links. Call it outside of transactions: a store of 150
    gateways takes some ten seconds."""
    # In a thread: other work waits in this loop.
    floors = [
        await asyncio.to_thread(calibrate, floor, of.links, of.before) for floor in of.plan.floors
    ]
    earlier = of.before.radios if of.before is not None else ()
    return StoreCalibration(of.plan.store_id, of.since, of.at, of.links, tuple(floors), earlier)


async def keep(tx: AsyncConnection, calibration: StoreCalibration) -> None:
    """The store works with this from now on; engines that run notice within seconds."""
    await gateway_radios.save(
        tx, calibration.store_id, calibration.radios, calibration.flags, calibration.at
    )


async def calibrate_due(database: Database, now: datetime) -> list[str]:
    """Calibrate every store whose time it is; their ids.

    A store that cannot be calibrated keeps no other from its turn.
    """
    done = []
    async with database.read() as tx:
        store_ids = await stores.store_ids(tx)
    for store_id in store_ids:
        try:
            found = await _calibrated_if_due(database, store_id, now)
        except DATABASE_ERRORS as error:
            facts = {"store": store_id, "why": type(error).__name__}
            log.warning("store not calibrated", extra=facts)
            continue
        if found is None:
            continue
        done.append(store_id)
        log.info("store calibrated", extra={"store": store_id, "links": len(found.links)})
        for flag in found.flags:
            log.warning(
                "gateway to be looked at",
                extra={"store": store_id, "gateway": flag.gateway_id, "why": flag.sentence},
            )
    return done


async def _calibrated_if_due(
    database: Database, store_id: str, now: datetime
) -> StoreCalibration | None:
    async with database.read() as tx:
        last_at = await gateway_radios.changed_at(tx, store_id)
        if last_at is not None and last_at > now + CLOCKS_DIFFER:
            last_at = None
        if last_at is not None and now - last_at < AT_MOST_EVERY:
            return None
        plan = await _plan(tx, store_id)
        if plan is None or not _is_time(plan, last_at, now):
            return None
        links = await read_links(tx, plan, now)
    if not links.are_enough:
        return None
    found = await calibrated(links)
    if not any(floor.is_measured for floor in found.floors):
        return None
    async with database.begin() as tx:
        await keep(tx, found)
    return found


async def _links_before(tx: AsyncConnection, store_id: str, since: datetime) -> tuple[Link, ...]:
    """What an earlier calibration was made from: none of the hours that are looked at now."""
    earlier = await gateway_radios.calibration(tx, store_id, since)
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


def _is_time(plan: StorePlan, last_at: datetime | None, now: datetime) -> bool:
    return last_at is None or now - last_at >= AT_LEAST_EVERY or _is_quiet(plan, now)


def _is_quiet(plan: StorePlan, now: datetime) -> bool:
    try:
        return now.astimezone(ZoneInfo(plan.tz)).hour == QUIET_HOUR
    except (ZoneInfoNotFoundError, ValueError):
        return False

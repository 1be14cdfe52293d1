"""What `corsia doctor` says of the stored stores: whether their gateways are calibrated and their
floors surveyed, how old that is, and which gateways are to be looked at. Needs `corsia[server]`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.link_changes import Flag, FlagKind
from config.clock import Clock
from config.settings import Settings
from corsia.findings import Finding, ok, warn
from db import gateway_radios, stores, surveys
from db.connect import open_database
from engine.calibrate import CLOCKS_DIFFER

# Stores are calibrated each night: two missed nights mean that nobody does it.
STALE_AFTER: Final = timedelta(hours=48)
# More than a screen of stores is summed up.
NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one store. None: never."""

    store_id: str
    calibrated_at: datetime | None
    surveyed_at: datetime | None
    flags: tuple[Flag, ...] = ()

    def is_stale(self, now: datetime) -> bool:
        return self.calibrated_at is not None and now - self.calibrated_at > STALE_AFTER

    def is_ahead(self, now: datetime) -> bool:
        """Whether a clock was wrong when it was calibrated, or is now."""
        return self.calibrated_at is not None and self.calibrated_at - now > CLOCKS_DIFFER

    @property
    def faults(self) -> list[Flag]:
        """What a person should look at; that a gateway is new is none."""
        return [flag for flag in self.flags if flag.kind is not FlagKind.NEW]


async def stored_stores(settings: Settings, clock: Clock) -> list[Finding]:
    """A line a store, or one for all; none where there is no store. The database has our schema."""
    async with open_database(settings.sql_url) as database, database.read() as tx:
        known = [await _known(tx, store_id) for store_id in await stores.store_ids(tx)]
    if len(known) > NAMED:
        return [_summed_up(known, clock.now())]
    return [_of_one(one, clock.now()) for one in known]


async def _known(tx: AsyncConnection, store_id: str) -> _Known:
    last = await gateway_radios.calibration(tx, store_id)
    return _Known(
        store_id,
        last.calibrated_at if last is not None else None,
        await surveys.last_made_at(tx, store_id),
        last.flags if last is not None else (),
    )


def _of_one(one: _Known, now: datetime) -> Finding:
    name = f"store {one.store_id}"
    surveyed = "not surveyed, which is optional"
    if one.surveyed_at is not None:
        surveyed = f"surveyed {_ago(now - one.surveyed_at)}"
    if one.calibrated_at is None:
        mend = f"run corsia jobs, or corsia store calibrate {one.store_id}"
        return warn(name, f"gateways never calibrated; {surveyed}", mend)
    if one.is_ahead(now):
        what = f"gateways calibrated at {one.calibrated_at:%Y-%m-%d %H:%M} UTC, which is not yet"
        mend = f"set the clock right, then run corsia store calibrate {one.store_id}"
        return warn(name, f"{what}; {surveyed}", mend)
    what = f"gateways calibrated {_ago(now - one.calibrated_at)}; {surveyed}"
    if one.faults:
        said = [f"{flag.gateway_id} {flag.kind.value}" for flag in one.faults]
        what += f"; to be looked at: {_named(said)}"
    if one.is_stale(now):
        mend = "run corsia jobs: it calibrates each night, if gateways hear each other"
        return warn(name, what, mend)
    if one.faults:
        mend = f"corsia store calibrate {one.store_id} --dry-run says what is wrong with them"
        return warn(name, what, mend)
    return ok(name, what)


def _summed_up(known: list[_Known], now: datetime) -> Finding:
    surveyed = sum(one.surveyed_at is not None for one in known)
    what = f"{len(known)} stores, {surveyed} of them surveyed"
    faults = (
        ("never calibrated", [one for one in known if one.calibrated_at is None]),
        ("not in the last two days", [one for one in known if one.is_stale(now)]),
        ("in the future, by a wrong clock", [one for one in known if one.is_ahead(now)]),
        ("with gateways to be looked at", [one for one in known if one.faults]),
    )
    if not any(which for _, which in faults):
        return ok("stores", f"{what}; all calibrated in the last two days")
    for sentence, which in faults:
        if which:
            what += f"; {sentence}: {_named([one.store_id for one in which])}"
    return warn("stores", what, "run corsia jobs, or corsia store calibrate")


def _named(all_of_them: list[str]) -> str:
    more = f" and {len(all_of_them) - NAMED} more" if len(all_of_them) > NAMED else ""
    return ", ".join(all_of_them[:NAMED]) + more


def _ago(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    if hours < 1:
        return "in the last hour"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"

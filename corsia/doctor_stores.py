"""What `corsia doctor` says of the stored stores: whether their gateways are calibrated and their
floors surveyed, and how old that is. Needs `corsia[server]`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import Clock
from config.settings import Settings
from corsia.findings import Finding, ok, warn
from db import gateway_radios, stores, surveys
from db.connect import open_database

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


async def stored_stores(settings: Settings, clock: Clock) -> list[Finding]:
    """A line a store, or one for all; none where there is no store. The database has our schema."""
    async with open_database(settings.sql_url) as database, database.read() as tx:
        known = [await _known(tx, store_id) for store_id in await stores.store_ids(tx)]
    if len(known) > NAMED:
        return [_summed_up(known, clock.now())]
    return [_of_one(one, clock.now()) for one in known]


async def _known(tx: AsyncConnection, store_id: str) -> _Known:
    kept = await surveys.kept_surveys(tx, store_id)
    return _Known(
        store_id,
        await gateway_radios.changed_at(tx, store_id),
        max((one.made_at for one in kept), default=None),
    )


def _of_one(one: _Known, now: datetime) -> Finding:
    name = f"store {one.store_id}"
    surveyed = "not surveyed, which is optional"
    if one.surveyed_at is not None:
        surveyed = f"surveyed {_ago(now - one.surveyed_at)}"
    if one.calibrated_at is None:
        mend = f"run corsia jobs, or corsia store calibrate {one.store_id}"
        return warn(name, f"gateways never calibrated; {surveyed}", mend)
    what = f"gateways calibrated {_ago(now - one.calibrated_at)}; {surveyed}"
    if now - one.calibrated_at > STALE_AFTER:
        mend = "run corsia jobs: it calibrates each night, if gateways hear each other"
        return warn(name, what, mend)
    return ok(name, what)


def _summed_up(known: list[_Known], now: datetime) -> Finding:
    never = [one.store_id for one in known if one.calibrated_at is None]
    stale = [
        one.store_id
        for one in known
        if one.calibrated_at is not None and now - one.calibrated_at > STALE_AFTER
    ]
    surveyed = sum(one.surveyed_at is not None for one in known)
    what = f"{len(known)} stores, {surveyed} of them surveyed"
    if not never and not stale:
        return ok("stores", f"{what}; all calibrated in the last two days")
    for sentence, which in (("never calibrated", never), ("not in the last two days", stale)):
        if which:
            more = f" and {len(which) - NAMED} more" if len(which) > NAMED else ""
            what += f"; {sentence}: {', '.join(which[:NAMED])}{more}"
    return warn("stores", what, "run corsia jobs, or corsia store calibrate")


def _ago(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    if hours < 1:
        return "in the last hour"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"

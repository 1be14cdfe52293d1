"""What shoppers looked at in the app."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db import profiles
from db.connect import insert_once
from db.tables import browsing, decisions
from offers.relevance import SAID_WITHOUT_PROFILE
from offers.situation import Browsed

# Profile data: the strictest ceiling of the countries we know is a year.
KEPT: Final = timedelta(days=365)
# More than this much recent browsing changes no decision.
RECENT_MAX: Final = 100
# What a decision notes that rests on a profile: how much was looked at, and how keen the shopper
# was taken to be.
_OF_PROFILE: Final = frozenset({"browsed", "context"})


@dataclass(frozen=True, slots=True)
class BrowsingEvent:
    """One look; `event_id` is the handset's own, so that a repeat is harmless."""

    event_id: str
    kind: str
    category: str
    product: str | None
    at: datetime


async def add_browsing(
    tx: AsyncConnection, shopper_id: str, events: Sequence[BrowsingEvent], now: datetime
) -> int:
    """Store the events; how many were new."""
    stored = 0
    for event in events:
        row = {
            "shopper_id": shopper_id,
            "event_id": event.event_id,
            "kind": event.kind,
            "category": event.category,
            "product": event.product,
            "at": event.at,
            "erase_after": now + KEPT,
        }
        stored += await insert_once(tx, browsing, row)
    return stored


async def recent(
    tx: AsyncConnection, shopper_id: str, since: datetime, until: datetime
) -> tuple[Browsed, ...]:
    """What a shopper looked at from `since` to `until`, newest first."""
    rows = await tx.execute(
        select(browsing.c.kind, browsing.c.category, browsing.c.at)
        .where(browsing.c.shopper_id == shopper_id, browsing.c.at >= since, browsing.c.at <= until)
        .order_by(browsing.c.at.desc())
        .limit(RECENT_MAX)
    )
    return tuple(Browsed(row.kind, row.category, row.at) for row in rows)


async def last_looks(
    tx: AsyncConnection, shopper_id: str, since: datetime, until: datetime
) -> dict[str, dict[str, datetime]]:
    """For each category and each product the last look of each kind from `since` to `until`."""
    looks: dict[str, dict[str, datetime]] = {}
    for subject in (browsing.c.category, browsing.c.product):
        rows = await tx.execute(
            select(subject, browsing.c.kind, func.max(browsing.c.at))
            .where(
                browsing.c.shopper_id == shopper_id,
                browsing.c.at >= since,
                browsing.c.at <= until,
                subject.is_not(None),
            )
            .group_by(subject, browsing.c.kind)
        )
        for name, kind, at in rows:
            kinds = looks.setdefault(name, {})
            kinds[kind] = max(at, kinds.get(kind, at))
    return looks


async def forget_browsing(tx: AsyncConnection, shopper_id: str) -> None:
    """Profiling consent was withdrawn: what was looked at and the profile are deleted, and from the
    decisions whatever told of them; what else they saw remains their reason."""
    await tx.execute(delete(browsing).where(browsing.c.shopper_id == shopper_id))
    await profiles.forget(tx, shopper_id)
    rows = await tx.execute(
        select(decisions.c.id, decisions.c.seen, decisions.c.weighed).where(
            decisions.c.shopper_id == shopper_id
        )
    )
    scrubbed = [
        {"decision_id": row.id, "rest": seen, "scrubbed": weighed}
        for row in rows
        for seen, weighed in [(_without_profile(row.seen), [_said(one) for one in row.weighed])]
        if (seen, weighed) != (row.seen, row.weighed)
    ]
    if scrubbed:
        await tx.execute(
            update(decisions)
            .where(decisions.c.id == bindparam("decision_id"))
            .values(seen=bindparam("rest"), weighed=bindparam("scrubbed")),
            scrubbed,
        )


def _without_profile(seen: dict[str, Any]) -> dict[str, Any]:
    """That nothing was looked at may stay: it tells of nothing."""
    return {name: value for name, value in seen.items() if not (name in _OF_PROFILE and value)}


def _said(weighed: dict[str, Any]) -> dict[str, Any]:
    """What was weighed of one campaign, without what rests on a profile."""
    words = [word for word in weighed["relevance"] if word in SAID_WITHOUT_PROFILE]
    rest = {name: value for name, value in weighed.items() if name not in _OF_PROFILE}
    return {**rest, "relevance": words}

"""Stored moments and sends as a replay needs them: in the order in which they happened."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db import products
from db.decisions import StoredDecision, decision_of, message_of
from db.learnt_tables import learnt, profiles, stated
from db.tables import browsing, decisions, receipts, redemptions, sends, visits
from db.worth_tables import purchases
from offers.audience_fields import BROWSING_BACK, PURCHASES_BACK
from offers.replay import Fate

_DAY: Final = timedelta(days=1)
# What is asked for up to an instant is another from the next one on.
_NEXT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class StoredMoment:
    """One stored decision, and the visit that it belongs to."""

    decision: StoredDecision
    store_id: str
    entered_at: datetime


async def moments(
    tx: AsyncConnection, since: datetime, until: datetime, after: StoredMoment | None, most: int
) -> Sequence[StoredMoment]:
    """The next moments from `since` to before `until`, the oldest first.

    after: the last of those that were read before; None to begin.
    """
    asked = (
        select(decisions, visits.c.store_id, visits.c.entered_at)
        .join(visits, visits.c.id == decisions.c.visit_id)
        .where(decisions.c.at >= since, decisions.c.at < until)
        .order_by(decisions.c.at, decisions.c.nth, decisions.c.id)
        .limit(most)
    )
    if after is not None:
        last = after.decision
        place = tuple_(decisions.c.at, decisions.c.nth, decisions.c.id)
        asked = asked.where(place > (last.at, last.nth, last.decision_id))
    rows = await tx.execute(asked)
    return [StoredMoment(decision_of(row), row.store_id, row.entered_at) for row in rows]


async def how_many(tx: AsyncConnection, since: datetime, until: datetime) -> int:
    """How many moments there are from `since` to before `until`."""
    found = await tx.scalar(
        select(func.count()).where(decisions.c.at >= since, decisions.c.at < until)
    )
    return int(found or 0)


async def fates(tx: AsyncConnection, since: datetime) -> list[tuple[str, Fate]]:
    """Shopper and fate of everything that was sent since then, the oldest first."""
    opened_at = (
        select(func.min(receipts.c.at))
        .where(receipts.c.decision_id == sends.c.decision_id, receipts.c.kind == "opened")
        .scalar_subquery()
    )
    rows = await tx.execute(
        select(sends, opened_at.label("opened_at"), redemptions.c.at.label("used_at"))
        .outerjoin(redemptions, redemptions.c.decision_id == sends.c.decision_id)
        .where(sends.c.at >= since)
        .order_by(sends.c.at, sends.c.decision_id)
    )
    return [
        (
            row.shopper_id,
            Fate(
                message_of(row),
                row.released_at,
                min((at for at in (row.opened_at, row.used_at) if at is not None), default=None),
            ),
        )
        for row in rows
    ]


async def changes(
    tx: AsyncConnection, shopper_ids: Collection[str], since: datetime, until: datetime
) -> dict[str, list[datetime]]:
    """When, from `since` to `until`, anything that is known of these shoppers became another.

    Between two of these instants of one shopper, and within one visit, all that is looked up of
    them is the same. They are in no order, and some may lie outside.
    """
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for table, back in ((browsing, BROWSING_BACK), (purchases, PURCHASES_BACK)):
        rows = await tx.execute(
            select(table.c.shopper_id, table.c.at).where(
                table.c.shopper_id.in_(shopper_ids),
                or_(
                    table.c.at.between(since, until),
                    table.c.at.between(since - back - _NEXT, until - back),
                ),
            )
        )
        for shopper_id, at in rows:
            found[shopper_id] += (at, at + back + _NEXT)
    bought = await tx.execute(
        select(purchases.c.shopper_id, purchases.c.stored_at).where(
            purchases.c.shopper_id.in_(shopper_ids), purchases.c.stored_at.between(since, until)
        )
    )
    for shopper_id, at in bought:
        found[shopper_id].append(at)
    for table in (profiles, stated):
        kept = await tx.execute(
            select(table.c.shopper_id, table.c.since, table.c.until).where(
                table.c.shopper_id.in_(shopper_ids),
                or_(table.c.since.between(since, until), table.c.until.between(since, until)),
            )
        )
        for shopper_id, *ends in kept:
            found[shopper_id] += [end for end in ends if end is not None]
    # How many days ago a visit was.
    begun = await tx.execute(
        select(visits.c.shopper_id, visits.c.entered_at).where(
            visits.c.shopper_id.in_(shopper_ids), visits.c.entered_at <= until
        )
    )
    for shopper_id, at in begun:
        first, last = max(0, (since - at) // _DAY), (until - at) // _DAY
        found[shopper_id] += [at + days * _DAY for days in range(first, last + 1)]
    # Learnt of all, or of what is sold, and so known of each.
    nights = await tx.scalars(select(learnt.c.since).where(learnt.c.since.between(since, until)))
    of_all = [*nights, *await products.changes(tx, since, until)]
    if of_all:
        for shopper_id in shopper_ids:
            found[shopper_id] += of_all
    return found


async def span(tx: AsyncConnection) -> tuple[datetime, datetime] | None:
    """When the oldest and the newest moment was; None when there is none."""
    first, last = (
        await tx.execute(select(func.min(decisions.c.at), func.max(decisions.c.at)))
    ).one()
    return None if first is None else (first, last)

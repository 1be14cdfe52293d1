"""Stored moments and sends as a replay needs them: in the order in which they happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.decisions import StoredDecision, decision_of, message_of
from db.tables import decisions, receipts, redemptions, sends, visits
from offers.replay import Fate


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

"""The outbox: one row a push and handset, claimed under a lease, settled once.

States: `due` -> `leased` -> `settled`, or back to `due` for a retry. A worker that dies leaves its
lease to run out; the push is then claimed again and sent with the same tag, so that a double is
not seen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ids import new_id
from db.tables import campaigns, decisions, outbox, push_targets, sends, visits

# Longer than the slowest answer that the transport waits for, so that a living worker keeps it.
LEASE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A push that this worker, and no other, may send now."""

    decision_id: str
    handset_id: str
    shopper_id: str
    store_id: str
    visit_id: str
    zone_id: str
    campaign_id: str
    campaign: dict[str, object]  # the campaign's document
    target_kind: str | None  # None: the handset has no target any more
    target_value: str | None
    platform: str | None
    decided_at: datetime
    expires_at: datetime
    attempts: int
    lease: str


async def put(
    tx: AsyncConnection, decision_id: str, handset_id: str, now: datetime, expires_at: datetime
) -> None:
    """A push to be sent now, worth nothing after `expires_at`. The send must be stored first."""
    await tx.execute(
        outbox.insert().values(
            decision_id=decision_id,
            handset_id=handset_id,
            state="due",
            due_at=now,
            expires_at=expires_at,
            attempts=0,
            maybe_sent=False,
        )
    )


async def claim(tx: AsyncConnection, now: datetime, most: int) -> list[Claimed]:
    """Lease the pushes that are due, oldest first."""
    free = or_(
        and_(outbox.c.state == "due", outbox.c.due_at <= now),
        and_(outbox.c.state == "leased", outbox.c.leased_until <= now),
    )
    due = select(outbox.c.decision_id, outbox.c.handset_id).where(free).order_by(outbox.c.due_at)
    rows = (await tx.execute(due.limit(most).with_for_update(skip_locked=True))).all()
    if not rows:
        return []
    lease = new_id()
    for row in rows:
        await tx.execute(
            update(outbox)
            .where(_one(row.decision_id, row.handset_id), free)
            .values(
                state="leased",
                lease=lease,
                leased_until=now + LEASE,
                attempts=outbox.c.attempts + 1,
                # Whoever held the lease before died, perhaps between sending and settling.
                maybe_sent=or_(outbox.c.maybe_sent, outbox.c.state == "leased"),
            )
        )
    claimed = await tx.execute(
        select(
            outbox.c.decision_id,
            outbox.c.handset_id,
            outbox.c.expires_at,
            outbox.c.attempts,
            sends.c.shopper_id,
            sends.c.visit_id,
            sends.c.campaign_id,
            decisions.c.zone_id,
            decisions.c.at.label("decided_at"),
            visits.c.store_id,
            campaigns.c.document,
            push_targets.c.kind,
            push_targets.c.value,
            push_targets.c.platform,
        )
        .join(sends, sends.c.decision_id == outbox.c.decision_id)
        .join(decisions, decisions.c.id == outbox.c.decision_id)
        .join(visits, visits.c.id == sends.c.visit_id)
        .join(campaigns, campaigns.c.id == sends.c.campaign_id)
        .outerjoin(
            push_targets,
            and_(
                push_targets.c.handset_id == outbox.c.handset_id,
                push_targets.c.retired_at.is_(None),
            ),
        )
        .where(outbox.c.lease == lease)
        .order_by(outbox.c.due_at, outbox.c.decision_id)
    )
    return [
        Claimed(
            decision_id=row.decision_id,
            handset_id=row.handset_id,
            shopper_id=row.shopper_id,
            store_id=row.store_id,
            visit_id=row.visit_id,
            zone_id=row.zone_id,
            campaign_id=row.campaign_id,
            campaign=row.document,
            target_kind=row.kind,
            target_value=row.value,
            platform=row.platform,
            decided_at=row.decided_at,
            expires_at=row.expires_at,
            attempts=row.attempts,
            lease=lease,
        )
        for row in claimed
    ]


async def settle(
    tx: AsyncConnection,
    claimed: Claimed,
    outcome: str,
    why: str,
    now: datetime,
    *,
    maybe_sent: bool = False,
) -> bool:
    """The push is done with; False when the lease has passed to somebody else meanwhile."""
    done = await tx.execute(
        update(outbox)
        .where(_one(claimed.decision_id, claimed.handset_id), outbox.c.lease == claimed.lease)
        .values(
            state="settled",
            lease=None,
            leased_until=None,
            outcome=outcome,
            maybe_sent=or_(outbox.c.maybe_sent, literal(maybe_sent)),
            why=why[:120],
            settled_at=now,
        )
    )
    return done.rowcount == 1


async def retry(
    tx: AsyncConnection, claimed: Claimed, due_at: datetime, why: str, *, maybe_sent: bool
) -> bool:
    """Try again later; False when the lease has passed to somebody else meanwhile."""
    done = await tx.execute(
        update(outbox)
        .where(_one(claimed.decision_id, claimed.handset_id), outbox.c.lease == claimed.lease)
        .values(
            state="due",
            lease=None,
            leased_until=None,
            due_at=due_at,
            why=why[:120],
            maybe_sent=or_(outbox.c.maybe_sent, literal(maybe_sent)),
        )
    )
    return done.rowcount == 1


async def came_to_nothing(tx: AsyncConnection, decision_id: str) -> bool:
    """Whether every handset's push of a decision is settled and none can have been delivered.

    One transaction at a time may ask this of a decision: two that settle its last pushes would
    each see the other's as open.
    """
    await tx.execute(
        select(sends.c.decision_id).where(sends.c.decision_id == decision_id).with_for_update()
    )
    open_or_delivered = await tx.scalar(
        select(func.count())
        .select_from(outbox)
        .where(
            outbox.c.decision_id == decision_id,
            or_(
                outbox.c.state != "settled",
                outbox.c.outcome == "delivered",
                outbox.c.maybe_sent,
            ),
        )
    )
    return open_or_delivered == 0


async def next_due(tx: AsyncConnection) -> datetime | None:
    """When the next push can be claimed; None when there is none to come."""
    waiting: datetime | None = await tx.scalar(
        select(func.min(outbox.c.due_at)).where(outbox.c.state == "due")
    )
    leased: datetime | None = await tx.scalar(
        select(func.min(outbox.c.leased_until)).where(outbox.c.state == "leased")
    )
    return min((at for at in (waiting, leased) if at is not None), default=None)


async def outcomes(tx: AsyncConnection) -> dict[str, int]:
    """How many pushes came to which end; those under way are `pending`."""
    rows = await tx.execute(
        select(func.coalesce(outbox.c.outcome, "pending"), func.count()).group_by(outbox.c.outcome)
    )
    return {str(outcome): int(count) for outcome, count in rows}


def _one(decision_id: str, handset_id: str) -> ColumnElement[bool]:
    return and_(outbox.c.decision_id == decision_id, outbox.c.handset_id == handset_id)

"""The outbox: one row a push and handset, claimed under a lease, settled once.

States: `due` -> `leased` -> `settled`, or back to `due` for a retry. A worker that dies leaves its
lease to run out; the push is then claimed again and sent with the same tag, so that a double is
not seen.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ids import new_id
from db.tables import campaigns, decisions, outbox, push_targets, sends, shoppers, visits

# Longer than the slowest answer that the transport waits for, so that a living worker keeps it.
LEASE: Final = timedelta(seconds=30)
WHY_LENGTH: Final = 120  # the column's


@dataclass(frozen=True, slots=True)
class Claimed:
    """A push that this worker, and no other, may send until the lease runs out."""

    decision_id: str
    handset_id: str
    shopper_id: str
    store_id: str
    visit_id: str
    zone_id: str
    campaign_id: str
    campaign: dict[str, object]  # the campaign's document; shared by the rows of one claim
    target_kind: str | None  # None: the handset has no target any more
    target_value: str | None
    platform: str | None
    locale: str | None  # the shopper's, as the app told it: it or it-IT
    decided_at: datetime
    expires_at: datetime
    attempts: int  # how often it was sent before, as far as is known
    lease: str
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class End:
    """A push is done with. outcome: delivered, expired, target_gone or refused.

    maybe_sent: FCM may have taken it although nobody knows. was_tried: it was handed to FCM, or
    that was tried.
    """

    outcome: str
    why: str
    maybe_sent: bool = False
    was_tried: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """A push is to be tried again then. maybe_sent, was_tried: as of an End."""

    at: datetime
    why: str
    maybe_sent: bool
    was_tried: bool = False


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


async def claim(
    tx: AsyncConnection, now: datetime, most: int, without: Collection[str] = ()
) -> list[Claimed]:
    """Lease the pushes that are due, those of dead workers first, then the oldest.

    without: platforms to leave out.
    """
    lease, until = new_id(), now + LEASE
    values = {"lease": lease, "leased_until": until}
    # Two questions rather than one with an `or`: each walks its index and stops at the limit.
    lapsed = and_(outbox.c.state == "leased", outbox.c.leased_until <= now)
    # Whoever held the lease died, perhaps between sending and settling.
    in_doubt = {**values, "maybe_sent": True, "attempts": outbox.c.attempts + 1}
    taken = await _lease(tx, lapsed, outbox.c.leased_until, most, without, in_doubt)
    if taken < most:
        waiting = and_(outbox.c.state == "due", outbox.c.due_at <= now)
        taken += await _lease(tx, waiting, outbox.c.due_at, most - taken, without, values)
    if taken == 0:
        return []
    rows = (await tx.execute(_leased(lease))).all()
    documents = await _documents(tx, {row.campaign_id for row in rows})
    return [
        Claimed(
            decision_id=row.decision_id,
            handset_id=row.handset_id,
            shopper_id=row.shopper_id,
            store_id=row.store_id,
            visit_id=row.visit_id,
            zone_id=row.zone_id,
            campaign_id=row.campaign_id,
            campaign=documents[row.campaign_id],
            target_kind=row.kind,
            target_value=row.value,
            platform=row.platform,
            locale=row.locale,
            decided_at=row.decided_at,
            expires_at=row.expires_at,
            attempts=row.attempts,
            lease=lease,
            leased_until=until,
        )
        for row in rows
    ]


async def held(tx: AsyncConnection, claimed: Sequence[Claimed]) -> list[Claimed]:
    """Those whose lease still stands; it cannot pass to anybody before the transaction ends."""
    rows = await tx.execute(
        select(outbox.c.decision_id, outbox.c.handset_id, outbox.c.lease)
        .where(
            outbox.c.lease.in_({one.lease for one in claimed}),
            # These and no others of the same claim, which may be another's to settle now.
            tuple_(outbox.c.decision_id, outbox.c.handset_id).in_(
                [(one.decision_id, one.handset_id) for one in claimed]
            ),
        )
        .order_by(outbox.c.decision_id, outbox.c.handset_id)
        .with_for_update()
    )
    found = {(row.decision_id, row.handset_id, row.lease) for row in rows}
    return [one for one in claimed if (one.decision_id, one.handset_id, one.lease) in found]


async def settle(
    tx: AsyncConnection, ends: Sequence[tuple[Claimed, End | Again]], now: datetime
) -> None:
    """Write what came of pushes; nothing for those whose lease has passed to somebody else."""
    done = [
        {**_where(claimed), "is_outcome": end.outcome, **_said(end)}
        for claimed, end in ends
        if isinstance(end, End)
    ]
    if done:
        settled = update(outbox).where(_this_lease()).values(
            state="settled",
            attempts=outbox.c.attempts + bindparam("is_tries"),
            lease=None,
            leased_until=None,
            outcome=bindparam("is_outcome"),
            maybe_sent=or_(outbox.c.maybe_sent, bindparam("is_maybe_sent")),
            why=bindparam("is_why"),
            settled_at=now,
        )  # fmt: skip
        await tx.execute(settled, done)
    again = [
        {**_where(claimed), "is_due_at": end.at, **_said(end)}
        for claimed, end in ends
        if isinstance(end, Again)
    ]
    if again:
        retried = update(outbox).where(_this_lease()).values(
            state="due",
            attempts=outbox.c.attempts + bindparam("is_tries"),
            lease=None,
            leased_until=None,
            due_at=bindparam("is_due_at"),
            why=bindparam("is_why"),
            maybe_sent=or_(outbox.c.maybe_sent, bindparam("is_maybe_sent")),
        )  # fmt: skip
        await tx.execute(retried, again)


async def came_to_nothing(tx: AsyncConnection, decision_ids: Collection[str]) -> list[str]:
    """Those decisions whose every push is settled, and none can have been delivered.

    One transaction at a time may ask this of a decision: two that settle its last pushes would
    each see the other's as open. They take their turns in one order.
    """
    locked = await tx.scalars(
        select(sends.c.decision_id)
        .where(sends.c.decision_id.in_(decision_ids))
        .order_by(sends.c.decision_id)
        .with_for_update()
    )
    asked = locked.all()
    open_or_delivered = await tx.scalars(
        select(outbox.c.decision_id).where(
            outbox.c.decision_id.in_(decision_ids),
            or_(
                outbox.c.state != "settled",
                outbox.c.outcome == "delivered",
                outbox.c.maybe_sent,
            ),
        )
    )
    something = set(open_or_delivered.all())
    return [decision_id for decision_id in asked if decision_id not in something]


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


async def _lease(
    tx: AsyncConnection,
    free: ColumnElement[bool],
    by: Column[datetime],
    most: int,
    without: Collection[str],
    values: Mapping[str, object],
) -> int:
    """Lease the first of the rows that are free; how many they are.

    By where the database keeps them, found once and locked. By their keys PostgreSQL reads the
    whole outbox when it is short, and SQLite asks anew for each row (then more than `most`).
    """
    if without:
        # Asked of each row as it comes up: a list of all such targets would be made each time.
        other = push_targets.c.handset_id == outbox.c.handset_id
        free = and_(free, ~exists().where(other, push_targets.c.platform.in_(without)))
    is_sqlite = tx.dialect.name == "sqlite"
    place: ColumnElement[Any] = literal_column("outbox.rowid" if is_sqlite else "outbox.ctid")
    first = select(place).select_from(outbox).where(free).order_by(by).limit(most)
    places = first.with_for_update(of=outbox, skip_locked=True).scalar_subquery()
    is_first = place.in_(places) if is_sqlite else place == func.any(func.array(places))
    leased = await tx.execute(update(outbox).where(is_first).values(state="leased", **values))
    return leased.rowcount


def _leased(lease: str) -> Select[Any]:
    return (
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
            push_targets.c.kind,
            push_targets.c.value,
            push_targets.c.platform,
            shoppers.c.locale,
        )
        .join(sends, sends.c.decision_id == outbox.c.decision_id)
        .join(decisions, decisions.c.id == outbox.c.decision_id)
        .join(visits, visits.c.id == sends.c.visit_id)
        .join(shoppers, shoppers.c.id == sends.c.shopper_id)
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


async def _documents(
    tx: AsyncConnection, campaign_ids: Collection[str]
) -> dict[str, dict[str, object]]:
    """The documents of campaigns by id: parsed once, however many pushes say the same."""
    rows = await tx.execute(
        select(campaigns.c.id, campaigns.c.document).where(campaigns.c.id.in_(campaign_ids))
    )
    return {row.id: row.document for row in rows}


def _this_lease() -> ColumnElement[bool]:
    return and_(
        outbox.c.decision_id == bindparam("of_decision"),
        outbox.c.handset_id == bindparam("of_handset"),
        outbox.c.lease == bindparam("of_lease"),
    )


def _where(claimed: Claimed) -> dict[str, object]:
    return {
        "of_decision": claimed.decision_id,
        "of_handset": claimed.handset_id,
        "of_lease": claimed.lease,
    }


def _said(end: End | Again) -> dict[str, object]:
    # It may quote FCM, and PostgreSQL refuses a NUL, with all that is settled together.
    why = end.why.replace("\0", "")[:WHY_LENGTH]
    return {"is_why": why, "is_maybe_sent": end.maybe_sent, "is_tries": int(end.was_tried)}

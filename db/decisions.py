"""Decisions, sent and held, with all their reasons; and the sends among them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.tables import decisions, sends
from offers.pressure import Channel, Message

KEPT: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision as it was taken. `weighed` and `seen` are as JSON."""

    decision_id: str
    visit_id: str
    shopper_id: str
    zone_id: str
    outcome: str  # send or hold
    campaign_id: str | None
    ghost: bool
    reasons: list[str]
    weighed: list[dict[str, Any]]
    seen: dict[str, Any]
    heard_at: datetime  # of the last sighting that it rests on
    at: datetime
    nth: int = 0  # among those that were taken at the same instant in one store


async def store_decision(tx: AsyncConnection, decision: StoredDecision) -> None:
    """Keep a decision."""
    await tx.execute(
        decisions.insert().values(
            id=decision.decision_id,
            visit_id=decision.visit_id,
            shopper_id=decision.shopper_id,
            zone_id=decision.zone_id,
            outcome=decision.outcome,
            campaign_id=decision.campaign_id,
            ghost=decision.ghost,
            reasons=decision.reasons,
            weighed=decision.weighed,
            seen=decision.seen,
            heard_at=decision.heard_at,
            at=decision.at,
            nth=decision.nth,
            erase_after=decision.at + KEPT,
        )
    )


async def retell(tx: AsyncConnection, decision: StoredDecision) -> None:
    """A decision of this transaction came out otherwise than it was stored."""
    await tx.execute(
        update(decisions)
        .where(decisions.c.id == decision.decision_id)
        .values(
            outcome=decision.outcome,
            ghost=decision.ghost,
            reasons=decision.reasons,
            weighed=decision.weighed,
            seen=decision.seen,
        )
    )


async def load_decision(tx: AsyncConnection, decision_id: str) -> StoredDecision | None:
    """One decision; None when there is none of that id."""
    row = (await tx.execute(select(decisions).where(decisions.c.id == decision_id))).one_or_none()
    return None if row is None else decision_of(row)


async def decisions_of(
    tx: AsyncConnection, shopper_id: str, since: datetime, most: int
) -> list[StoredDecision]:
    """A shopper's decisions since then, newest first."""
    rows = await tx.execute(
        select(decisions)
        .where(decisions.c.shopper_id == shopper_id, decisions.c.at >= since)
        .order_by(decisions.c.at.desc())
        .limit(most)
    )
    return [decision_of(row) for row in rows]


async def decisions_between(
    tx: AsyncConnection, shopper_id: str, since: datetime, until: datetime
) -> list[StoredDecision]:
    """A shopper's decisions from `since` to `until`, oldest first."""
    rows = await tx.execute(
        select(decisions)
        .where(
            decisions.c.shopper_id == shopper_id, decisions.c.at >= since, decisions.c.at <= until
        )
        .order_by(decisions.c.at)
    )
    return [decision_of(row) for row in rows]


async def store_send(tx: AsyncConnection, sent: Message, shopper_id: str) -> bool:
    """Note a send; False when this campaign went to this shopper in this visit already.

    sent: of a visit, zone and store. The decision must be stored first.
    """
    return await insert_once(
        tx,
        sends,
        {
            "decision_id": sent.message_id,
            "shopper_id": shopper_id,
            "campaign_id": sent.campaign_id,
            "visit_id": sent.visit_id,
            "zone_id": sent.zone_id,
            "store_id": sent.store_id,
            "channel": sent.channel.value,
            "categories": sorted(sent.categories),
            "is_promotion": sent.is_promotion,
            "at": sent.at,
        },
    )


async def release_send(tx: AsyncConnection, decision_id: str, at: datetime) -> Message | None:
    """The send came to nothing and no longer counts; None when it had been released before."""
    done = await tx.execute(
        update(sends)
        .where(sends.c.decision_id == decision_id, sends.c.released_at.is_(None))
        .values(released_at=at)
    )
    if done.rowcount != 1:
        return None
    row = (await tx.execute(select(sends).where(sends.c.decision_id == decision_id))).one()
    return message_of(row)


def decision_of(row: Any) -> StoredDecision:
    """A row of `decisions` as a value."""
    return StoredDecision(
        row.id,
        row.visit_id,
        row.shopper_id,
        row.zone_id,
        row.outcome,
        row.campaign_id,
        row.ghost,
        row.reasons,
        row.weighed,
        row.seen,
        row.heard_at,
        row.at,
        row.nth,
    )


def message_of(row: Any, *, is_answered: bool = False) -> Message:
    """A row of `sends` as caps count it."""
    return Message(
        message_id=row.decision_id,
        at=row.at,
        campaign_id=row.campaign_id,
        visit_id=row.visit_id,
        zone_id=row.zone_id,
        store_id=row.store_id,
        channel=Channel(row.channel),
        categories=frozenset(row.categories),
        is_promotion=row.is_promotion,
        is_answered=is_answered,
    )

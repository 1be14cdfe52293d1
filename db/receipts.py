"""What handsets report of pushes, and redemptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.ids import new_id
from db.tables import receipts, redemptions, sends


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing that happened to a push on a handset; `receipt_id` is the handset's own."""

    receipt_id: str
    decision_id: str
    kind: str  # displayed, opened or dismissed
    at: datetime


@dataclass(frozen=True, slots=True)
class Redemption:
    """An offer used, once."""

    redemption_id: str
    decision_id: str
    campaign_id: str
    idempotency_key: str
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SentOffer:
    """A send as its shopper may ask about it."""

    decision_id: str
    shopper_id: str
    campaign_id: str
    visit_id: str
    at: datetime
    came_to_nothing: bool  # it reached no handset, and its budget was given back


async def sent_offer(tx: AsyncConnection, decision_id: str, shopper_id: str) -> SentOffer | None:
    """The send, if it went to this shopper."""
    row = (
        await tx.execute(
            select(sends).where(
                sends.c.decision_id == decision_id, sends.c.shopper_id == shopper_id
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return SentOffer(
        row.decision_id,
        row.shopper_id,
        row.campaign_id,
        row.visit_id,
        row.at,
        came_to_nothing=row.released_at is not None,
    )


async def released_sends(tx: AsyncConnection, shopper_id: str, since: datetime) -> frozenset[str]:
    """The decisions since then whose sends reached no handset of the shopper."""
    found = await tx.scalars(
        select(sends.c.decision_id).where(
            sends.c.shopper_id == shopper_id, sends.c.at >= since, sends.c.released_at.is_not(None)
        )
    )
    return frozenset(found.all())


async def add_receipts(tx: AsyncConnection, handset_id: str, reported: Sequence[Receipt]) -> int:
    """Store what a handset reports; how many were new: of each kind it has one for a decision."""
    stored = 0
    for receipt in reported:
        row = {
            "decision_id": receipt.decision_id,
            "receipt_id": receipt.receipt_id,
            "handset_id": handset_id,
            "kind": receipt.kind,
            "at": receipt.at,
        }
        stored += await insert_once(tx, receipts, row)
    return stored


async def redeem(
    tx: AsyncConnection, offer: SentOffer, idempotency_key: str, code: str, now: datetime
) -> Redemption:
    """The redemption of this offer: a new one, or the one that was first."""
    await insert_once(
        tx,
        redemptions,
        {
            "id": new_id(),
            "decision_id": offer.decision_id,
            "shopper_id": offer.shopper_id,
            "campaign_id": offer.campaign_id,
            "idempotency_key": idempotency_key,
            "code": code,
            "at": now,
        },
    )
    found = await redemption_of(tx, offer.decision_id)
    assert found is not None
    return found


async def redemption_of(tx: AsyncConnection, decision_id: str) -> Redemption | None:
    """The redemption of an offer; None while it has not been used."""
    row = (
        await tx.execute(select(redemptions).where(redemptions.c.decision_id == decision_id))
    ).one_or_none()
    if row is None:
        return None
    return Redemption(
        row.id, row.decision_id, row.campaign_id, row.idempotency_key, row.code, row.at
    )

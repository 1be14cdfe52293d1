"""A store's month in rows: shoppers dealt by the salt, moments, visits and receipts, and an effect
that was planted in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db import campaigns, salts, stores
from db.connect import Database
from db.tables import decisions, receipts, redemptions, sends, shoppers, visits
from db.worth_tables import control_salts, purchases
from offers.assignment import Arm, arm
from tests.db.rows import STORE, a_plan
from tests.offers.situations import a_campaign

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MARGIN_CENTS = 300
DISCOUNT_CENTS = 50


@dataclass(frozen=True, slots=True)
class Planted:
    """What is true of the month. base: who buys anyway; gain: who buys because of the push."""

    shoppers: int = 1_200
    share: float = 0.5
    base: float = 0.2
    gain: float = 0.2
    hold_out: float = 0.0


async def a_month(database: Database, start: datetime, planted: Planted, seed: int) -> None:
    """Write the month into an empty database; it has begun at `start`."""
    chance = Random(seed)
    campaign = a_campaign(
        valid_from=start,
        valid_until=start + 28 * DAY,
        control_share=planted.share,
        categories=frozenset({"pasta"}),
    )
    async with database.begin() as tx:
        await stores.save_store(tx, a_plan(), start)
        await campaigns.save_campaign(tx, campaign, start)
        # Not drawn, as by chance one month in thirty shows an effect that nobody planted.
        first = {"since": salts.BEGINNING, "salt": "of the month", "why": "a test"}
        await tx.execute(control_salts.insert().values(first))
        history = await salts.load_or_make(tx)
        written: dict[Table, list[dict[str, Any]]] = {}
        for n in range(planted.shoppers):
            at = start + chance.random() * 27 * DAY
            side = arm(
                history, f"s{n}", "pasta", planted.share, at, hold_out_share=planted.hold_out
            )
            for table, row in _visit(n, at, side, planted, chance):
                written.setdefault(table, []).append(row)
        await _write(tx, written)


async def _write(tx: AsyncConnection, written: dict[Table, list[dict[str, Any]]]) -> None:
    for table in (shoppers, visits, decisions, sends, receipts, redemptions, purchases):
        if table in written:
            await tx.execute(insert(table), written[table])


def _visit(
    n: int, at: datetime, side: Arm, planted: Planted, chance: Random
) -> Iterator[tuple[Table, dict[str, Any]]]:
    who, where, decision = f"s{n}", f"v{n}", f"d{n}"
    is_treated = side is Arm.TREATED
    kept = {"erase_after": at + 365 * DAY}
    yield shoppers, {"id": who, "country": "IT", "locale": "it", "created_at": at, **kept}
    yield visits, {
        "id": where, "shopper_id": who, "store_id": STORE, "handset_id": f"h{n}",
        "entered_at": at, "last_heard_at": at + 30 * MINUTE, "left_at": at + 30 * MINUTE, **kept,
    }  # fmt: skip
    yield decisions, {
        "id": decision, "visit_id": where, "shopper_id": who, "zone_id": "aisle-7",
        "outcome": "send" if is_treated else "hold", "campaign_id": "pasta",
        "ghost": not is_treated, "reasons": [] if is_treated else [side.value],
        "weighed": [], "seen": {"arm": side.value}, "heard_at": at, "at": at + MINUTE, **kept,
    }  # fmt: skip
    buys = chance.random() < planted.base + (planted.gain if is_treated else 0.0)
    has_coupon = is_treated and buys and chance.random() < 0.5
    if is_treated:
        yield sends, {
            "decision_id": decision, "shopper_id": who, "campaign_id": "pasta", "visit_id": where,
            "at": at + MINUTE, **SENT,
        }  # fmt: skip
        if chance.random() < 0.8:
            yield receipts, {
                "decision_id": decision, "receipt_id": f"shown-{n}", "handset_id": f"h{n}",
                "kind": "displayed", "at": at + MINUTE,
            }  # fmt: skip
    if has_coupon:
        yield redemptions, {
            "id": f"x{n}", "decision_id": decision, "shopper_id": who, "campaign_id": "pasta",
            "idempotency_key": "key", "code": f"code-{n}", "at": at + 2 * MINUTE,
        }  # fmt: skip
    if buys:
        yield purchases, {
            "id": f"p{n}", "store_id": STORE, "receipt_id": f"r{n}", "line": 1, "shopper_id": who,
            "is_member": True, "visit_id": where, "product_id": "penne", "category": "pasta",
            "quantity": 1, "price_cents": 900, "margin_cents": MARGIN_CENTS,
            "discount_cents": DISCOUNT_CENTS if has_coupon else 0,
            "decision_id": decision if has_coupon else None,
            "at": at + 20 * MINUTE, "stored_at": at + 20 * MINUTE, **kept,
        }  # fmt: skip


# What a send counts against, where it does not matter.
SENT = {
    "zone_id": "aisle-7", "store_id": STORE, "channel": "push", "categories": [],
    "is_promotion": True,
}  # fmt: skip

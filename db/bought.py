"""What a shopper has bought, as audiences and offers of a step up ask for it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, distinct, func, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from db.worth_tables import purchases
from offers.audience_fields import PURCHASES_BACK, Bought


@dataclass(frozen=True, slots=True)
class Purchased:
    """bought: by category and by product, a receipt counted once. paid_cents: by category, what one
    piece cost, once for each time that the product was bought."""

    bought: dict[str, Bought]
    paid_cents: dict[str, tuple[int, ...]]


async def purchased(tx: AsyncConnection, shopper_id: str, at: datetime) -> Purchased:
    """What the shopper had bought, as far as it was known at a moment.

    Ask for consent first. Lines that were kept for a coupon alone, without it, are left out.
    """
    known = (
        purchases.c.shopper_id == shopper_id,
        purchases.c.may_profile,
        purchases.c.at.between(at - PURCHASES_BACK, at),
        purchases.c.stored_at <= at,
    )
    receipt = purchases.c.store_id.concat("|").concat(purchases.c.receipt_id)
    sums = (
        func.max(purchases.c.at).label("last_at"),
        func.count(distinct(receipt)).label("times"),
        func.sum(purchases.c.price_cents - purchases.c.discount_cents).label("cents"),
        func.sum(purchases.c.price_cents).label("price_cents"),
        func.sum(purchases.c.quantity).label("pieces"),
    )
    by_category = (
        select(purchases.c.category, null().label("product_id"), *sums)
        .where(*known)
        .group_by(purchases.c.category)
    )
    by_product = (
        select(purchases.c.category, purchases.c.product_id, *sums)
        .where(*known)
        .group_by(purchases.c.category, purchases.c.product_id)
    )
    rows = await tx.execute(union_all(by_category, by_product))
    return _purchased(rows.all())


def _purchased(rows: Iterable[Row[Any]]) -> Purchased:
    """A name that is a category and a product is told as the category."""
    categories: dict[str, Bought] = {}
    products: dict[str, Bought] = {}
    paid_cents: defaultdict[str, tuple[int, ...]] = defaultdict(tuple)
    for row in rows:
        one = Bought(row.last_at, row.times, int(row.cents))
        if row.product_id is None:
            categories[row.category] = one
            continue
        products[row.product_id] = _both(products.get(row.product_id), one)
        paid_cents[row.category] += (round(row.price_cents / row.pieces),) * row.times
    return Purchased(products | categories, dict(paid_cents))


def _both(before: Bought | None, one: Bought) -> Bought:
    """A product that has changed its category, under both."""
    if before is None:
        return one
    last_at = max(before.last_at, one.last_at)
    return Bought(last_at, before.count + one.count, before.cents + one.cents)

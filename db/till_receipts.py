"""Receipts as tills send them: known again when they are sent again, and whom they concern."""

import hashlib
from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.purchases import OLDEST_RECEIPT, TillReceipt
from db.tables import consents, redemptions, shoppers
from db.worth_tables import till_receipts
from shoppers.consent import Purpose


async def is_the_same(tx: AsyncConnection, receipt: TillReceipt) -> bool:
    """Whether the receipt is new, or was told before just so; it is remembered as it is now.

    For receipts of which something is kept, after whoever they concern is locked.
    """
    told = hashlib.sha256(msgspec.json.encode(receipt)).hexdigest()
    row = {
        "store_id": receipt.store_id,
        "receipt_id": receipt.receipt_id,
        "sha256": told,
        "erase_after": receipt.at + OLDEST_RECEIPT,
    }
    if await insert_once(tx, till_receipts, row):
        return True
    before = select(till_receipts.c.sha256).where(
        till_receipts.c.store_id == receipt.store_id,
        till_receipts.c.receipt_id == receipt.receipt_id,
    )
    return await tx.scalar(before) == told


async def coupon_owners(tx: AsyncConnection, codes: Collection[str]) -> set[str]:
    """Whose redemptions have these codes."""
    found = select(redemptions.c.shopper_id).where(redemptions.c.code.in_(codes))
    return set((await tx.scalars(found)).all())


async def lock_allowing(
    tx: AsyncConnection, shopper_ids: Collection[str], paid_at: datetime
) -> set[str]:
    """Of these shoppers, who allowed profiling when they paid and still does.

    None of them is changed by anybody else before the transaction ends; all are locked in one
    order, or two receipts might wait for each other.
    """
    locked = select(shoppers.c.id).where(shoppers.c.id.in_(shopper_ids)).order_by(shoppers.c.id)
    there = (await tx.scalars(locked.with_for_update())).all()
    return await _allowing(tx, there, paid_at) & await _allowing(tx, there, None)


async def _allowing(
    tx: AsyncConnection, shopper_ids: Collection[str], at: datetime | None
) -> set[str]:
    """Who allowed profiling at that time; None: now."""
    answers = select(func.max(consents.c.id)).where(
        consents.c.shopper_id.in_(shopper_ids), consents.c.purpose == Purpose.PROFILING.value
    )
    if at is not None:
        answers = answers.where(consents.c.at <= at)
    last = answers.group_by(consents.c.shopper_id)
    found = select(consents.c.shopper_id).where(consents.c.id.in_(last), consents.c.granted)
    return set((await tx.scalars(found)).all())

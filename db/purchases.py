"""Purchases: lines of till receipts of shoppers that a till knew, and the codes it knew them by."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_new, insert_once
from db.ids import new_id
from db.tables import redemptions, visits
from db.visits import UNHEARD_OF
from db.worth_tables import member_codes, purchases

# What identifiable people bought, line by line, may be kept for profiling for twelve months
# (Italy: Garante, ruling on loyalty cards of 24 February 2005).
KEPT: Final = timedelta(days=365)
# A till that was offline sends its receipts within this. Older ones are refused, so that a code
# that was shown need not be kept for longer and a day's figures do not change for ever.
OLDEST_RECEIPT: Final = timedelta(days=7)
# One code a quarter-hour, good until the end of the next: whoever opens the app in the queue has
# at least a quarter of an hour to reach the till.
CODE_WINDOW: Final = timedelta(minutes=15)
CODE_LIFE: Final = timedelta(minutes=30)
# Crockford's base 32: no letter that a cashier reads as a digit. 10 characters are 50 bits.
CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARS: Final = 10


class Coupon(StrEnum):
    """What became of a coupon on a receipt. The names are answered to tills: never renamed."""

    REDEEMED = "redeemed"
    USED_BEFORE = "used_before"  # on another receipt
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line of a till receipt. Money is of all its pieces, before the discount; margin_cents:
    None where the till does not know it. coupon: the redemption's code; discount_cents is its."""

    product_id: str
    category: str
    quantity: int
    price_cents: int
    margin_cents: int | None = None
    discount_cents: int = 0
    coupon: str | None = None


@dataclass(frozen=True, slots=True)
class TillReceipt:
    """What was paid at once. receipt_id: the till's own, one for ever in its store."""

    store_id: str
    receipt_id: str
    at: datetime
    lines: Sequence[ReceiptLine]
    member_code: str | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """One line as it is stored. decision_id: whose coupon was redeemed on it."""

    purchase_id: str
    store_id: str
    receipt_id: str
    line: int
    shopper_id: str
    is_member: bool
    visit_id: str | None
    product_id: str
    category: str
    quantity: int
    price_cents: int
    margin_cents: int | None
    discount_cents: int
    decision_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a receipt. stored: new lines; coupons: by code."""

    stored: int
    coupons: dict[str, Coupon]


@dataclass(frozen=True, slots=True)
class _Redeemed:
    decision_id: str
    shopper_id: str


async def member_code(tx: AsyncConnection, shopper_id: str, now: datetime) -> tuple[str, datetime]:
    """The code by which tills know the shopper now, and until when it is good. Lock them first."""
    since = _window(now)
    this = and_(member_codes.c.shopper_id == shopper_id, member_codes.c.since == since)
    until = since + CODE_LIFE
    while (standing := await tx.scalar(select(member_codes.c.code).where(this))) is None:
        # Again only where somebody else has this very code: one in millions of millions.
        row = {
            "shopper_id": shopper_id,
            "since": since,
            "until": until,
            "code": new_code(),
            "erase_after": until + OLDEST_RECEIPT,
        }
        await insert_once(tx, member_codes, row)
    return standing, until


async def member_of(tx: AsyncConnection, code: str, at: datetime) -> str | None:
    """Whose code it was at that time; None when nobody's."""
    found: str | None = await tx.scalar(
        select(member_codes.c.shopper_id).where(
            member_codes.c.code == code, member_codes.c.since <= at, member_codes.c.until > at
        )
    )
    return found


async def receipt_at(tx: AsyncConnection, store_id: str, receipt_id: str) -> datetime | None:
    """The time of a receipt of which lines are stored; None when there are none."""
    found: datetime | None = await tx.scalar(
        select(func.min(purchases.c.at)).where(
            purchases.c.store_id == store_id, purchases.c.receipt_id == receipt_id
        )
    )
    return found


async def add_receipt(
    tx: AsyncConnection,
    receipt: TillReceipt,
    member_id: str | None,
    may_profile: Callable[[str], bool],
    now: datetime,
) -> Taken:
    """Store the lines of shoppers that are known, each once, and use the coupons up.

    member_id: who showed themselves; None when nobody did. may_profile: whether a shopper lets us
    keep what they buy; of the others only lines with their coupon are kept, which are money.
    A line with a coupon is its owner's. Lock every shopper concerned first.
    """
    codes = list(dict.fromkeys(line.coupon for line in receipt.lines if line.coupon is not None))
    coupons, used = await _use(tx, codes, receipt)
    # Without a member the first coupon says whose basket it is.
    basket_id = member_id or next((used[code].shopper_id for code in codes if code in used), None)
    told = select(purchases.c.line).where(
        purchases.c.store_id == receipt.store_id, purchases.c.receipt_id == receipt.receipt_id
    )
    stored = set((await tx.scalars(told)).all())
    visits_of: dict[str, str | None] = {}
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(receipt.lines, 1):
        redeemed = used.get(line.coupon) if line.coupon is not None else None
        shopper_id = basket_id if redeemed is None else redeemed.shopper_id
        if shopper_id is None or number in stored:
            continue
        is_allowed = may_profile(shopper_id)
        if redeemed is None and not is_allowed:
            continue
        if shopper_id not in visits_of:
            visits_of[shopper_id] = (
                await _visit(tx, shopper_id, receipt.store_id, receipt.at) if is_allowed else None
            )
        rows.append(
            {
                "id": new_id(),
                "store_id": receipt.store_id,
                "receipt_id": receipt.receipt_id,
                "line": number,
                "shopper_id": shopper_id,
                "is_member": shopper_id == member_id and is_allowed,
                "may_profile": is_allowed,
                "visit_id": visits_of[shopper_id],
                "product_id": line.product_id,
                "category": line.category,
                "quantity": line.quantity,
                "price_cents": line.price_cents,
                "margin_cents": line.margin_cents,
                "discount_cents": line.discount_cents,
                "decision_id": None if redeemed is None else redeemed.decision_id,
                "at": receipt.at,
                "stored_at": now,
                "erase_after": receipt.at + KEPT,
            }
        )
    await insert_new(tx, purchases, rows)
    return Taken(len(rows), coupons)


async def purchases_since(
    tx: AsyncConnection, shopper_id: str | None, since: datetime
) -> list[Purchase]:
    """Lines bought since then, oldest first: of a shopper, or (None) of everybody.

    For profiles ask for consent first: lines with a coupon are kept without it.
    """
    wanted = select(purchases).where(purchases.c.at >= since)
    if shopper_id is not None:
        wanted = wanted.where(purchases.c.shopper_id == shopper_id)
    rows = await tx.execute(wanted.order_by(purchases.c.at, purchases.c.receipt_id, "line"))
    return [purchase(row) for row in rows]


async def forget_purchases(tx: AsyncConnection, shopper_id: str) -> None:
    """Profiling consent was withdrawn: what was bought is deleted, but for redeemed coupons, which
    are money and no longer compared or profiled."""
    own = purchases.c.shopper_id == shopper_id
    await tx.execute(delete(purchases).where(own, purchases.c.decision_id.is_(None)))
    only_money = {"is_member": False, "may_profile": False, "visit_id": None}
    await tx.execute(update(purchases).where(own).values(only_money))
    await tx.execute(delete(member_codes).where(member_codes.c.shopper_id == shopper_id))


def new_code() -> str:
    """A random code of CODE_CHARS for a person to show and a cashier to type."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_CHARS))


def purchase(row: Any) -> Purchase:
    """A row of `purchases` as a value."""
    return Purchase(
        row.id,
        row.store_id,
        row.receipt_id,
        row.line,
        row.shopper_id,
        row.is_member,
        row.visit_id,
        row.product_id,
        row.category,
        row.quantity,
        row.price_cents,
        row.margin_cents,
        row.discount_cents,
        row.decision_id,
        row.at,
    )


async def _use(
    tx: AsyncConnection, codes: Sequence[str], receipt: TillReceipt
) -> tuple[dict[str, Coupon], dict[str, _Redeemed]]:
    """Use coupons up on this receipt: issued becomes redeemed in one conditional UPDATE.

    What became of each code, and those that are good. The same receipt again finds them redeemed,
    as before.
    """
    if not codes:
        return {}, {}
    these = redemptions.c.code.in_(codes)
    await tx.execute(
        update(redemptions)
        .where(these, redemptions.c.used_at.is_(None))
        .values(
            used_at=receipt.at,
            used_store_id=receipt.store_id,
            used_receipt_id=receipt.receipt_id,
        )
    )
    coupons = dict.fromkeys(codes, Coupon.UNKNOWN)
    used: dict[str, _Redeemed] = {}
    for row in await tx.execute(select(redemptions).where(these)):
        coupons[row.code] = Coupon.USED_BEFORE
        if (row.used_store_id, row.used_receipt_id) == (receipt.store_id, receipt.receipt_id):
            coupons[row.code] = Coupon.REDEEMED
            used[row.code] = _Redeemed(row.decision_id, row.shopper_id)
    return coupons, used


async def _visit(tx: AsyncConnection, shopper_id: str, store_id: str, at: datetime) -> str | None:
    """The shopper's visit to the store at that time; a handset may have fallen silent in the
    queue."""
    found: str | None = await tx.scalar(
        select(visits.c.id)
        .where(
            visits.c.shopper_id == shopper_id,
            visits.c.store_id == store_id,
            visits.c.entered_at <= at,
            or_(
                visits.c.left_at >= at - UNHEARD_OF,
                and_(visits.c.left_at.is_(None), visits.c.last_heard_at >= at - UNHEARD_OF),
            ),
        )
        .order_by(visits.c.entered_at.desc())
        .limit(1)
    )
    return found


def _window(now: datetime) -> datetime:
    seconds = int(CODE_WINDOW.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)

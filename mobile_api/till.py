"""Tills: what was paid, by whom when they showed it, and the code with which they show it."""

from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from db.purchases import (
    OLDEST_RECEIPT,
    ReceiptLine,
    TillReceipt,
    add_receipt,
    member_code,
    member_of,
    receipt_at,
)
from db.till_receipts import coupon_owners, is_the_same, lock_allowing
from db.tills import Till, of_token
from mobile_api.gate import locked_caller
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB
from mobile_api.problems import (
    IMPOSSIBLE_RECEIPT,
    RECEIPT_DIFFERS,
    UNAUTHENTICATED,
    RefusedError,
)
from mobile_api.till_models import CouponAnswer, MemberCode, ReceiptPaid, ReceiptTaken

# A till's clock may be a little ahead of ours.
MAX_AHEAD: Final = timedelta(minutes=5)


async def take_receipt(request: web.Request, body: ReceiptPaid) -> ReceiptTaken:
    """Take a till receipt

    (store, receipt_id) names a receipt for ever: sent again it changes nothing, and with other
    lines it is refused. Only lines of a shopper are kept who showed their code and allows
    profiling, or whose coupon is on the line. A receipt is a fact: a coupon that is no good refuses
    nothing, its line says so.
    """
    now = request.app[CLOCK].now()
    if not now - OLDEST_RECEIPT <= body.at <= now + MAX_AHEAD:
        raise RefusedError(IMPOSSIBLE_RECEIPT, "our time is in the Date header")
    async with request.app[DB].read() as tx:
        till = await _till(tx, request)
    receipt = TillReceipt(
        till.store_id,
        body.receipt_id,
        body.at,
        [ReceiptLine(**line.model_dump()) for line in body.lines],
        body.member_code,
    )
    codes = {line.coupon for line in receipt.lines if line.coupon is not None}
    async with request.app[DB].begin() as tx:
        before = await receipt_at(tx, till.store_id, body.receipt_id)
        if before is not None and before != body.at:
            raise RefusedError(RECEIPT_DIFFERS)
        member_id = None
        if body.member_code is not None:
            member_id = await member_of(tx, body.member_code, body.at)
        concerned = await coupon_owners(tx, codes) | ({member_id} if member_id else set())
        profiled = await lock_allowing(tx, concerned, body.at)
        if concerned and not await is_the_same(tx, receipt):
            raise RefusedError(RECEIPT_DIFFERS)
        taken = await add_receipt(tx, receipt, member_id, profiled.__contains__, now)
    return ReceiptTaken(
        stored=taken.stored,
        coupons=[
            CouponAnswer(code=code, outcome=outcome.value)
            for code, outcome in taken.coupons.items()
        ],
    )


async def show_code(request: web.Request) -> MemberCode:
    """The code to show at the till

    A new one every quarter of an hour, good until the end of the next. It opens nothing: a till
    that reads it may add what was bought.
    """
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        code, until = await member_code(tx, handset.shopper_id, request.app[CLOCK].now())
    return MemberCode(code=code, until=until)


async def _till(tx: AsyncConnection, request: web.Request) -> Till:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    # What is not ASCII is none of our tokens, and cannot be hashed.
    is_token = scheme.lower() == "bearer" and token.isascii()
    till = await of_token(tx, token.strip()) if is_token else None
    if till is None:
        raise RefusedError(UNAUTHENTICATED, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
    return till


OPERATIONS: Final = (
    operation(
        "POST",
        "/v1/till/receipts",
        take_receipt,
        tag="tills",
        security=Security.TILL,
        problems=(IMPOSSIBLE_RECEIPT, RECEIPT_DIFFERS),
    ),
    operation("GET", "/v1/me/code", show_code, tag="tills", security=Security.HANDSET),
)

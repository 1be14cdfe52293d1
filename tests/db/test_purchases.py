"""Till receipts: each line once, each coupon on one receipt, nobody kept who did not allow it."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.clock import VirtualClock
from db import purchases, receipts, visits
from db.connect import Database
from db.purchases import (
    CODE_LIFE,
    CODE_WINDOW,
    Coupon,
    ReceiptLine,
    TillReceipt,
    add_receipt,
    forget_purchases,
    member_code,
    member_of,
    purchases_since,
)
from db.tables import redemptions
from tests.db.rows import STORE, Person, a_person, a_send, a_store

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


def a_line(product_id: str = "penne", **changes: object) -> ReceiptLine:
    given: dict[str, object] = {"category": "pasta", "quantity": 1, "price_cents": 200, **changes}
    return ReceiptLine(product_id, **given)  # type: ignore[arg-type]


def a_receipt(at: datetime, *lines: ReceiptLine, receipt_id: str = "r-1") -> TillReceipt:
    return TillReceipt(STORE, receipt_id, at, lines or (a_line(),))


async def a_coupon(database: Database, now: datetime) -> tuple[Person, str, str]:
    """A shopper who redeemed an offer in the app: them, the decision and the code."""
    async with database.begin() as tx:
        person = await a_person(tx, now)
        decision_id = await a_send(tx, person, now)
        offer = await receipts.sent_offer(tx, decision_id, person.shopper_id)
        assert offer is not None
        redemption = await receipts.redeem(tx, offer, "key", purchases.new_code(), now)
    return person, decision_id, redemption.code


def everybody(_shopper_id: str) -> bool:
    return True


def nobody(_shopper_id: str) -> bool:
    return False


async def test_a_receipt_sent_twice_is_stored_once(database: Database, clock: VirtualClock) -> None:
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now)
    receipt = a_receipt(now + MINUTE, a_line(margin_cents=60), a_line("rice", category="rice"))

    taken = []
    for _ in range(2):
        async with database.begin() as tx:
            done = await add_receipt(tx, receipt, person.shopper_id, everybody, now)
            taken.append(done.stored)

    async with database.read() as tx:
        stored = await purchases_since(tx, person.shopper_id, now)
        assert await purchases_since(tx, None, now) == stored
        assert await purchases_since(tx, person.shopper_id, now + 2 * MINUTE) == []
    assert taken == [2, 0]
    assert [(one.line, one.product_id, one.margin_cents) for one in stored] == [
        (1, "penne", 60),
        (2, "rice", None),
    ]
    assert {one.visit_id for one in stored} == {person.visit_id}
    assert all(one.is_member for one in stored)


@pytest.mark.parametrize(
    ("left_after", "paid_after", "is_linked"),
    [(None, 5, True), (30, 35, True), (30, 41, False), (None, 15, False)],
    ids=["open", "silent in the queue", "left before", "not heard for long"],
)
async def test_a_purchase_belongs_to_the_visit_of_its_time(
    database: Database,
    clock: VirtualClock,
    left_after: int | None,
    paid_after: int,
    is_linked: bool,
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now)
        if left_after is not None:
            await visits.close_visit(tx, person.visit_id, now + left_after * MINUTE)
        receipt = a_receipt(now + paid_after * MINUTE)
        await add_receipt(tx, receipt, person.shopper_id, everybody, now)
        (bought,) = await purchases_since(tx, person.shopper_id, now)
    assert bought.visit_id == (person.visit_id if is_linked else None)


async def test_a_coupon_is_used_on_one_receipt_only(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    person, decision_id, code = await a_coupon(database, now)
    line = a_line(coupon=code, discount_cents=50)
    first, second = a_receipt(now, line), a_receipt(now, line, receipt_id="r-2")

    taken = []
    for receipt in (first, first, second):
        async with database.begin() as tx:
            taken.append(await add_receipt(tx, receipt, None, everybody, now))

    assert [one.stored for one in taken] == [1, 0, 0]
    assert [one.coupons[code] for one in taken] == [
        Coupon.REDEEMED,
        Coupon.REDEEMED,
        Coupon.USED_BEFORE,
    ]
    async with database.read() as tx:
        (bought,) = await purchases_since(tx, person.shopper_id, now)
        row = (await tx.execute(select(redemptions))).one()
    assert (bought.decision_id, bought.discount_cents) == (decision_id, 50)
    # Known by its coupon alone: the control group has none, so it is not compared.
    assert not bought.is_member
    assert (row.used_at, row.used_store_id, row.used_receipt_id) == (now, STORE, "r-1")


async def test_two_tills_race_for_one_coupon_and_one_wins(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    _, _, code = await a_coupon(database, now)

    async def pay(receipt_id: str) -> Coupon:
        receipt = a_receipt(now, a_line(coupon=code), receipt_id=receipt_id)
        async with database.begin() as tx:
            return (await add_receipt(tx, receipt, None, everybody, now)).coupons[code]

    async with asyncio.TaskGroup() as tasks:
        tills = [tasks.create_task(pay(f"r-{n}")) for n in range(4)]
    assert sorted(till.result() for till in tills) == [Coupon.REDEEMED] + 3 * [Coupon.USED_BEFORE]


async def test_an_unknown_coupon_makes_nobody_known(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        receipt = a_receipt(clock.now(), a_line(coupon="0123456789"))
        taken = await add_receipt(tx, receipt, None, everybody, clock.now())
    assert (taken.stored, taken.coupons) == (0, {"0123456789": Coupon.UNKNOWN})


async def test_a_coupon_of_somebody_else_stays_theirs(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    owner, _, code = await a_coupon(database, now)
    async with database.begin() as tx:
        member = await a_person(tx, now, target=None)
        receipt = a_receipt(now, a_line("rice"), a_line(coupon=code))
        await add_receipt(tx, receipt, member.shopper_id, everybody, now)
        stored = await purchases_since(tx, None, now)
    assert [(one.shopper_id, one.is_member) for one in stored] == [
        (member.shopper_id, True),
        (owner.shopper_id, False),
    ]


async def test_without_consent_only_the_coupon_is_kept(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    person, decision_id, code = await a_coupon(database, now)
    async with database.begin() as tx:
        receipt = a_receipt(now, a_line("rice"), a_line(coupon=code))
        await add_receipt(tx, receipt, person.shopper_id, nobody, now)
        (bought,) = await purchases_since(tx, person.shopper_id, now)
    assert (bought.decision_id, bought.is_member, bought.visit_id) == (decision_id, False, None)


async def test_a_coupon_on_each_of_many_lines_is_money_on_each(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    coupons = [await a_coupon(database, now) for _ in range(3)]
    lines = [a_line(coupon=code) for _, _, code in coupons] + [a_line(coupon=coupons[0][2])]
    async with database.begin() as tx:
        taken = await add_receipt(tx, a_receipt(now, *lines), None, nobody, now)
        stored = await purchases_since(tx, None, now)
    assert set(taken.coupons.values()) == {Coupon.REDEEMED}
    owners = [(person.shopper_id, decision_id) for person, decision_id, _ in coupons]
    assert sorted((one.line, one.shopper_id, one.decision_id) for one in stored) == [
        (number, *owner) for number, owner in enumerate([*owners, owners[0]], 1)
    ]


async def test_who_withdraws_is_left_with_their_coupons(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    person, decision_id, code = await a_coupon(database, now)
    async with database.begin() as tx:
        await member_code(tx, person.shopper_id, now)
        receipt = a_receipt(now, a_line("rice"), a_line(coupon=code))
        await add_receipt(tx, receipt, person.shopper_id, everybody, now)
        await forget_purchases(tx, person.shopper_id)
        (bought,) = await purchases_since(tx, person.shopper_id, now)
    assert (bought.decision_id, bought.is_member, bought.visit_id) == (decision_id, False, None)


async def test_a_member_code_is_the_same_for_a_while_and_then_another(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    async with database.begin() as tx:
        person, other = await a_person(tx, start), await a_person(tx, start, target=None)
        code, until = await member_code(tx, person.shopper_id, start)
        assert until == start + CODE_LIFE
        assert (await member_code(tx, person.shopper_id, start + MINUTE))[0] == code
        assert (await member_code(tx, other.shopper_id, start))[0] != code
        later = start + CODE_WINDOW
        assert (await member_code(tx, person.shopper_id, later))[0] != code

        assert await member_of(tx, code, until - MINUTE) == person.shopper_id
        assert await member_of(tx, code, until) is None
        assert await member_of(tx, code, start - MINUTE) is None
        assert await member_of(tx, "0123456789", start) is None

"""Tills over HTTP: receipts taken once, shoppers known by what they show, coupons made money."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db import tills
from db.bought import Purchased, purchased
from db.purchases import purchases_since
from db.remembered import facts_of
from db.worth_tables import purchases
from offers.campaign import Tier
from offers.situation import Weighed
from tests.mobile_api.harness import STORE, Answered, Api, Phone, grants

WON = Weighed("c1", 12.0, (), ("you are near it",), Tier.GENERIC)
MINUTE = timedelta(minutes=1)


def a_line(**changes: object) -> dict[str, object]:
    return {
        "product_id": "espresso", "category": "coffee", "quantity": 2, "price_cents": 600,
        **changes,
    }  # fmt: skip


def a_receipt(api: Api, *lines: dict[str, object], **changes: object) -> dict[str, object]:
    at = api.clock.now().isoformat().replace("+00:00", "Z")
    return {"receipt_id": "r-1", "at": at, "lines": list(lines) or [a_line()], **changes}


async def pay(api: Api, headers: Mapping[str, str], receipt: dict[str, object]) -> Answered:
    return await api.call("POST", "/v1/till/receipts", receipt, headers)


async def shown_code(phone: Phone) -> str:
    answered = await phone.call("GET", "/v1/me/code")
    assert answered.status == 200
    return str(answered.json()["code"])


async def redeemed(api: Api, phone: Phone) -> tuple[str, str]:
    """An offer redeemed in the app: the decision and the code."""
    await api.campaign("c1")
    decision_id = await api.decision(phone, (WON,))
    body, key = {"decision_id": decision_id}, {"Idempotency-Key": f"key-{decision_id}"[:64]}
    answered = await phone.call("POST", "/v1/me/redemptions", body, key)
    assert answered.status == 201
    return decision_id, answered.json()["code"]


async def test_a_receipt_with_a_member_code_is_kept_once(api_on_both: Api) -> None:
    api = api_on_both
    phone, till = await api.phone(), await api.till()
    receipt = a_receipt(
        api, a_line(margin_cents=150), a_line(), member_code=await shown_code(phone)
    )

    first, again = await pay(api, till, receipt), await pay(api, till, receipt)

    assert (first.status, first.json()) == (200, {"stored": 2, "coupons": []})
    assert (again.status, again.json()) == (200, {"stored": 0, "coupons": []})
    async with api.database.read() as tx:
        bought = await purchases_since(tx, phone.shopper_id, api.clock.now())
    assert [one.margin_cents for one in bought] == [150, None]
    assert {one.store_id for one in bought} == {STORE}


async def test_nobody_known_is_nobody_kept(api: Api) -> None:
    till = await api.till()
    for code in (None, "0123456789"):
        answered = await pay(api, till, a_receipt(api, member_code=code))
        assert (answered.status, answered.json()["stored"]) == (200, 0)
    assert await api.rows(purchases) == 0


async def test_without_profiling_nothing_is_kept_but_the_coupon(api: Api) -> None:
    phone, till = await api.phone(("location_ble", "push_marketing")), await api.till()
    decision_id, code = await redeemed(api, phone)
    receipt = a_receipt(
        api, a_line(), a_line(coupon=code, discount_cents=100),
        member_code=await shown_code(phone),
    )  # fmt: skip

    answered = await pay(api, till, receipt)

    assert answered.json() == {"stored": 1, "coupons": [{"code": code, "outcome": "redeemed"}]}
    async with api.database.read() as tx:
        row: Any = (await tx.execute(select(purchases))).one()
    assert (row.line, row.decision_id, row.is_member) == (2, decision_id, False)


async def test_a_coupon_is_good_for_one_receipt(api: Api) -> None:
    phone, till = await api.phone(), await api.till()
    _, code = await redeemed(api, phone)
    line = a_line(coupon=code)
    outcomes = [
        (await pay(api, till, a_receipt(api, line, receipt_id=receipt_id))).json()["coupons"]
        for receipt_id in ("r-1", "r-1", "r-2")
    ]
    assert [one[0]["outcome"] for one in outcomes] == ["redeemed", "redeemed", "used_before"]


async def test_another_receipt_of_the_same_id_is_refused(api: Api) -> None:
    phone, till = await api.phone(), await api.till()
    code = await shown_code(phone)
    await pay(api, till, a_receipt(api, member_code=code))
    await api.clock.advance(60)
    answered = await pay(api, till, a_receipt(api, member_code=code))
    assert (answered.status, answered.problem) == (409, "receipt-differs")


async def test_a_receipt_sent_again_with_other_lines_is_refused_and_uses_no_coupon(
    api_on_both: Api,
) -> None:
    api = api_on_both
    phone, till = await api.phone(), await api.till()
    _, code = await redeemed(api, phone)
    shown = await shown_code(phone)
    first = a_receipt(api, member_code=shown)
    with_coupon = a_receipt(api, a_line(coupon=code, discount_cents=100), member_code=shown)

    answers = [await pay(api, till, one) for one in (first, with_coupon, first)]

    assert [one.status for one in answers] == [200, 409, 200]
    assert answers[1].problem == "receipt-differs"
    # It is still good, and money where it is used.
    other = await pay(api, till, with_coupon | {"receipt_id": "r-2"})
    assert other.json() == {"stored": 1, "coupons": [{"code": code, "outcome": "redeemed"}]}


async def test_a_receipt_of_before_consent_or_after_it_is_not_kept(api: Api) -> None:
    """What was bought without consent is not made a profile by consent that is given later."""
    phone, till = await api.phone(("location_ble", "push_marketing")), await api.till()
    _, code = await redeemed(api, phone)
    receipt = a_receipt(api, a_line(), a_line(coupon=code), member_code=await shown_code(phone))
    await api.clock.advance(60)
    given = {"consents": grants(["profiling"])}
    assert (await phone.call("PUT", "/v1/me/consents", given)).status == 200
    assert (await pay(api, till, receipt)).json()["stored"] == 1
    async with api.database.read() as tx:
        row: Any = (await tx.execute(select(purchases))).one()
        assert await purchased(tx, phone.shopper_id, api.clock.now()) == Purchased({}, {})
        facts = await facts_of(tx, [phone.shopper_id], api.clock.now())
    assert (row.is_member, row.may_profile, row.visit_id) == (False, False, None)
    assert phone.shopper_id not in facts


@pytest.mark.parametrize("ago", [timedelta(days=7, seconds=1), -6 * MINUTE])
async def test_a_receipt_of_an_impossible_time_is_refused(api: Api, ago: timedelta) -> None:
    at = (api.clock.now() - ago).isoformat()
    answered = await pay(api, await api.till(), a_receipt(api, at=at))
    assert (answered.status, answered.problem) == (422, "impossible-receipt")


async def test_a_late_receipt_is_known_by_the_code_of_its_time(api: Api) -> None:
    phone, till = await api.phone(), await api.till()
    receipt = a_receipt(api, member_code=await shown_code(phone))
    await api.clock.advance(6 * 86_400)
    assert (await pay(api, till, receipt)).json()["stored"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [a_line(quantity=0)]},
        {"lines": [a_line(price_cents=-1)]},
        {"lines": [a_line(price_cents=1.5)]},
        {"lines": 501 * [a_line()]},
        {"receipt_id": ""},
        {"cashier": "somebody"},
    ],
    ids=lambda change: str(change)[:40],
)
async def test_a_receipt_that_does_not_fit_is_refused_whole(
    api: Api, change: dict[str, object]
) -> None:
    answered = await pay(api, await api.till(), a_receipt(api) | change)
    assert (answered.status, answered.problem) == (422, "invalid-body")


async def test_only_a_till_that_is_not_revoked_may_send(api: Api) -> None:
    till, phone = await api.till(), await api.phone()
    strange = {"Authorization": b"Bearer \xff\xfe".decode("utf-8", "surrogateescape")}
    for headers in ({}, {"Authorization": "Bearer nobody"}, strange, phone.authorization):
        answered = await pay(api, headers, a_receipt(api))
        assert (answered.status, answered.problem) == (401, "unauthenticated")
    async with api.database.begin() as tx:
        assert await tills.revoke(tx, STORE, "till-1", api.clock.now())
        assert not await tills.revoke(tx, STORE, "till-1", api.clock.now())
    assert (await pay(api, till, a_receipt(api))).status == 401
    assert (await pay(api, await api.till(), a_receipt(api))).status == 200


async def test_a_till_that_has_a_token_gets_no_second(api: Api) -> None:
    await api.till()
    async with api.database.begin() as tx:
        assert await tills.add(tx, STORE, "till-1", api.clock.now()) is None
        assert [one.name for one in await tills.listed(tx)] == ["till-1"]


async def test_who_withdraws_profiling_is_left_with_their_coupons(api: Api) -> None:
    phone, till = await api.phone(), await api.till()
    decision_id, code = await redeemed(api, phone)
    receipt = a_receipt(api, a_line(), a_line(coupon=code), member_code=await shown_code(phone))
    assert (await pay(api, till, receipt)).json()["stored"] == 2
    withdrawn = {"consents": grants(["profiling"], granted=False)}
    assert (await phone.call("PUT", "/v1/me/consents", withdrawn)).status == 200
    async with api.database.read() as tx:
        (left,) = await purchases_since(tx, phone.shopper_id, api.clock.now())
    assert (left.decision_id, left.is_member) == (decision_id, False)

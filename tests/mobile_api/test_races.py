"""Calls that come while their shopper is being erased, or is withdrawing what the call needs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from db import browsing, consents, handsets
from db.tables import browsing as browsing_table
from db.tables import consents as consents_table
from db.tables import push_targets, receipts, redemptions, refresh_tokens
from offers.campaign import Tier
from offers.situation import Weighed
from shoppers.consent import Grant, Purpose
from tests.db.waiting import until_somebody_waits
from tests.mobile_api.harness import ALL_CONSENTS, Answered, Api, Phone, grants

EVENT: Final = {
    "event_id": "event-001", "kind": "viewed", "category": "tea", "at": "2026-11-21T10:00:00Z",
}  # fmt: skip


async def change_consents(phone: Phone, _decision_id: str) -> Answered:
    return await phone.call(
        "PUT", "/v1/me/consents", {"consents": grants(("profiling",), granted=False)}
    )


async def set_push_target(phone: Phone, _decision_id: str) -> Answered:
    target = {"kind": "fid", "value": "their-push-target", "platform": "android"}
    return await phone.call("PUT", "/v1/me/push-target", target)


async def add_events(phone: Phone, _decision_id: str) -> Answered:
    return await phone.call("POST", "/v1/me/events", {"events": [EVENT]})


async def add_receipts(phone: Phone, decision_id: str) -> Answered:
    receipt = {
        "receipt_id": "receipt-001", "decision_id": decision_id, "kind": "opened",
        "at": "2026-11-21T10:00:00Z",
    }  # fmt: skip
    return await phone.call("POST", "/v1/me/receipts", {"receipts": [receipt]})


async def redeem(phone: Phone, decision_id: str) -> Answered:
    key = {"Idempotency-Key": "key-00001"}
    return await phone.call("POST", "/v1/me/redemptions", {"decision_id": decision_id}, key)


async def refresh(phone: Phone, _decision_id: str) -> Answered:
    token = {"refresh_token": phone.state["tokens"]["refresh_token"]}
    return await phone.api.call("POST", "/v1/tokens/refresh", token)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (change_consents, "unauthenticated"),
        (set_push_target, "unauthenticated"),
        (add_events, "unauthenticated"),
        (add_receipts, "unauthenticated"),
        (redeem, "unauthenticated"),
        (refresh, "refresh-invalid"),
    ],
)
async def test_a_call_of_somebody_who_is_just_being_erased_is_nobodys(
    api_on_both: Api, call: Callable[[Phone, str], Awaitable[Answered]], problem: str
) -> None:
    api = api_on_both
    phone = await api.phone()
    await api.campaign("c1")
    decision_id = await api.decision(phone, (Weighed("c1", 12.0, (), (), Tier.GENERIC),))

    async def ask() -> Answered:
        return await call(phone, decision_id)

    async with asyncio.TaskGroup() as tasks, api.database.begin() as tx:
        await handsets.erase_shopper(tx, phone.shopper_id)
        asking = tasks.create_task(ask(), name="ask")
        await until_somebody_waits(api.database)

    answered = asking.result()
    assert (answered.status, answered.problem) == (401, problem)
    for table in (browsing_table, push_targets, receipts, redemptions, refresh_tokens):
        assert await api.rows(table) == 0, table.name
    assert await api.rows(consents_table) == len(ALL_CONSENTS)


async def test_what_is_browsed_while_profiling_is_withdrawn_is_not_stored(
    api_on_both: Api,
) -> None:
    api = api_on_both
    phone = await api.phone()
    no = Grant(Purpose.PROFILING, False, "2026-11", "it-IT", api.clock.now())

    async with asyncio.TaskGroup() as tasks, api.database.begin() as tx:
        await handsets.lock_shopper(tx, phone.shopper_id)
        await consents.add_grants(tx, phone.shopper_id, [no])
        await browsing.forget_browsing(tx, phone.shopper_id)
        asking = tasks.create_task(add_events(phone, ""), name="browse")
        await until_somebody_waits(api.database)

    answered = asking.result()
    assert (answered.status, answered.json()) == (202, {"stored": 0})
    assert await api.rows(browsing_table) == 0

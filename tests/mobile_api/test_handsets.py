"""Registration, tokens, consents and push targets."""

import base64
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from db.connect import Database
from db.consents import ledger
from db.handsets import push_target
from db.tables import (
    browsing,
    consents,
    decisions,
    handsets,
    push_targets,
    refresh_tokens,
    shoppers,
)
from mobile_api.parts import Rate, Rates
from offers.campaign import Tier
from offers.situation import Weighed
from tests.mobile_api.conftest import Serve
from tests.mobile_api.harness import ALL_CONSENTS, Answered, Api, Phone, grants, registration


def secret_of(state: dict[str, Any]) -> str | None:
    return None if state["ceid"] is None else str(state["ceid"]["secret"])


async def stored_secret(phone: Phone) -> bytes | None:
    async with phone.api.database.read() as tx:
        return await tx.scalar(
            select(handsets.c.sealed_secret).where(handsets.c.id == phone.handset_id)
        )


async def test_a_handset_registers_with_its_consents(api_on_both: Api) -> None:
    answered = await api_on_both.call("POST", "/v1/handsets", registration(ALL_CONSENTS))

    state = answered.json()
    assert answered.status == 201
    assert (state["tenant"], state["namespace"]) == ("demo", "c0451a01")
    assert len(base64.b64decode(state["ceid"]["secret"])) == 32
    assert state["ceid"]["window_s"] == 900
    assert state["consents"][0] == {
        "purpose": "location_ble",
        "granted": True,
        "text_version": "2026-11",
        "locale": "it-IT",
        "at": "2026-11-21T10:00:00Z",
    }
    assert state["tokens"]["access_expires_at"] == "2026-11-21T10:15:00Z"
    phone = Phone(api_on_both, state)
    me = await phone.call("GET", "/v1/me")
    del state["tokens"]
    assert (me.status, me.json()) == (200, state)


async def test_without_consent_there_is_no_secret(api: Api) -> None:
    phone = await api.phone(("profiling",))
    assert phone.state["ceid"] is None
    assert await stored_secret(phone) is None


async def test_secrets_are_sealed_at_rest(api: Api) -> None:
    phone = await api.phone()
    stored = await stored_secret(phone)
    assert stored is not None
    assert base64.b64decode(phone.state["ceid"]["secret"]) not in stored


async def test_two_handsets_share_nothing(api: Api) -> None:
    one, other = await api.phone(), await api.phone()
    assert one.shopper_id != other.shopper_id
    assert secret_of(one.state) != secret_of(other.state)


@pytest.mark.parametrize(
    "change",
    [
        {"platform": "symbian"},
        {"platform": None},
        {"app_version": ""},
        {"app_version": "v" * 33},
        {"app_version": "1\x000"},
        {"locale": "Italian"},
        {"country": "it"},
        {"country": "ITA"},
        {"consents": "all"},
        {"consents": [{"purpose": "spying", "granted": True}]},
        {"consents": [{**grants(("profiling",))[0], "granted": "yes"}]},
        {"consents": [{**grants(("profiling",))[0], "locale": "it-IT\n"}]},
        {"consents": grants(("profiling",)) * 21},
        {"shopper_id": "chosen-by-me"},
    ],
    ids=str,
)
async def test_a_registration_that_does_not_fit_is_refused(
    api: Api, change: dict[str, object]
) -> None:
    answered = await api.call("POST", "/v1/handsets", {**registration(), **change})
    assert (answered.status, answered.problem) == (422, "invalid-body")
    assert answered.json()["errors"][0]["loc"][0] == next(iter(change))
    assert await api.rows(shoppers) == 0
    assert (
        await api.metric("corsia_http_problems_total", route="/v1/handsets", problem="invalid-body")
        == 1
    )


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"\xff"', b'{"platform": NaN}'])
async def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    answered = await api.raw("POST", "/v1/handsets", body, {"Content-Type": "application/json"})
    assert (answered.status, answered.problem) == (422, "invalid-body")


# --- access tokens ----------------------------------------------------------------------------
HANDSET_CALLS = [
    ("GET", "/v1/me"),
    ("DELETE", "/v1/me"),
    ("PUT", "/v1/me/consents"),
    ("PUT", "/v1/me/push-target"),
    ("DELETE", "/v1/me/push-target"),
    ("POST", "/v1/me/events"),
    ("GET", "/v1/me/feed"),
    ("POST", "/v1/me/receipts"),
    ("POST", "/v1/me/redemptions"),
    ("GET", f"/v1/me/decisions/{'0' * 32}"),
    ("GET", "/v1/me/export"),
]


@pytest.mark.parametrize(("method", "path"), HANDSET_CALLS)
async def test_every_call_of_a_handset_needs_a_token(api: Api, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        answered = await api.call(method, path, None, headers)
        assert (answered.status, answered.problem) == (401, "unauthenticated")
        assert answered.headers["WWW-Authenticate"] == "Bearer"


async def test_an_access_token_ends_after_15_minutes(api: Api) -> None:
    phone = await api.phone()
    await api.clock.advance(899)
    assert (await phone.call("GET", "/v1/me")).status == 200
    await api.clock.advance(1)
    assert (await phone.call("GET", "/v1/me")).problem == "unauthenticated"


async def with_token(api: Api, token: str) -> Answered:
    return await api.call("GET", "/v1/me", None, {"Authorization": f"Bearer {token}"})


async def test_tokens_that_we_did_not_sign_are_refused(api: Api) -> None:
    phone = await api.phone()
    token = str(phone.state["tokens"]["access_token"])
    claims = jwt.decode(token, options={"verify_signature": False})
    head, payload, signature = token.split(".")
    forged = [
        jwt.encode(claims, "x" * 32, "HS256"),
        jwt.encode(claims, "", "none"),
        f"{head}.{payload}.",
        f"{head}.{payload}.{'A' * len(signature)}",
        phone.state["tokens"]["refresh_token"],
    ]
    for one in forged:
        assert (await with_token(api, one)).problem == "unauthenticated"


async def test_another_operators_token_is_refused(serve: Serve, sqlite_database: Database) -> None:
    async with serve(sqlite_database, tenant="other") as other:
        phone = await other.phone()
    async with serve(sqlite_database) as api:
        token = str(phone.state["tokens"]["access_token"])
        assert (await with_token(api, token)).problem == "unauthenticated"


async def test_an_access_token_names_nobody_but_the_handset(api: Api) -> None:
    phone = await api.phone()
    claims = jwt.decode(phone.state["tokens"]["access_token"], options={"verify_signature": False})
    assert claims.keys() == {"iss", "aud", "sub", "exp"}
    assert claims["sub"] == phone.handset_id


# --- refresh tokens ---------------------------------------------------------------------------
async def refresh(api: Api, token: str) -> Answered:
    return await api.call("POST", "/v1/tokens/refresh", {"refresh_token": token})


async def test_a_refresh_token_renews_the_access_once(api_on_both: Api) -> None:
    phone = await api_on_both.phone()
    await api_on_both.clock.advance(901)

    answered = await refresh(api_on_both, phone.state["tokens"]["refresh_token"])

    assert answered.status == 200
    assert answered.json()["access_expires_at"] == "2026-11-21T10:30:01Z"
    assert (await with_token(api_on_both, answered.json()["access_token"])).status == 200
    assert answered.json()["refresh_token"] != phone.state["tokens"]["refresh_token"]


async def test_a_refresh_token_used_twice_kills_its_family(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()
    first = phone.state["tokens"]["refresh_token"]
    second = (await refresh(api_on_both, first)).json()["refresh_token"]

    reused = await refresh(api_on_both, first)

    assert (reused.status, reused.problem) == (401, "refresh-reused")
    afterwards = await refresh(api_on_both, second)
    assert (afterwards.status, afterwards.problem) == (401, "refresh-invalid")
    others = await refresh(api_on_both, other.state["tokens"]["refresh_token"])
    assert others.status == 200


async def test_refresh_tokens_end_after_half_a_year_unused(api: Api) -> None:
    phone = await api.phone()
    await api.clock.advance(timedelta(days=180).total_seconds())
    answered = await refresh(api, phone.state["tokens"]["refresh_token"])
    assert (answered.status, answered.problem) == (401, "refresh-invalid")


async def test_unknown_refresh_tokens_are_refused(api: Api) -> None:
    assert (await refresh(api, "A" * 43)).problem == "refresh-invalid"
    assert (await refresh(api, "short")).problem == "invalid-body"


async def test_refresh_tokens_are_stored_as_hashes(api: Api) -> None:
    phone = await api.phone()
    async with api.database.read() as tx:
        stored = (await tx.scalars(select(refresh_tokens.c.token_sha256))).all()
    assert len(stored) == 1
    assert phone.state["tokens"]["refresh_token"] not in stored


async def test_a_refresh_keeps_the_shopper_longer(api: Api) -> None:
    phone = await api.phone()

    async def kept_until() -> datetime:
        async with api.database.read() as tx:
            kept = await tx.scalar(
                select(shoppers.c.erase_after).where(shoppers.c.id == phone.shopper_id)
            )
            assert isinstance(kept, datetime)
            return kept

    before = await kept_until()
    await api.clock.advance(86_400)
    await refresh(api, phone.state["tokens"]["refresh_token"])
    assert await kept_until() == before + timedelta(days=1)


# --- consents ---------------------------------------------------------------------------------
async def consent(phone: Phone, purposes: tuple[str, ...], *, granted: bool) -> dict[str, Any]:
    answered = await phone.call(
        "PUT", "/v1/me/consents", {"consents": grants(purposes, granted=granted)}
    )
    assert answered.status == 200, answered
    state: dict[str, Any] = answered.json()
    return state


async def test_withdrawing_location_deletes_the_secret(api_on_both: Api) -> None:
    phone = await api_on_both.phone()
    state = await consent(phone, ("location_ble",), granted=False)
    assert state["ceid"] is None
    assert await stored_secret(phone) is None


async def test_granting_location_again_makes_another_secret(api: Api) -> None:
    phone = await api.phone()
    await consent(phone, ("location_ble",), granted=False)
    state = await consent(phone, ("location_ble",), granted=True)
    assert state["ceid"] is not None
    assert secret_of(state) != secret_of(phone.state)


async def test_granting_what_is_granted_keeps_the_secret(api: Api) -> None:
    phone = await api.phone()
    state = await consent(phone, ("location_ble",), granted=True)
    assert secret_of(state) == secret_of(phone.state)


async def test_the_last_of_several_answers_counts(api: Api) -> None:
    phone = await api.phone(())
    both = [*grants(("location_ble",)), *grants(("location_ble",), granted=False)]
    state = (await phone.call("PUT", "/v1/me/consents", {"consents": both})).json()
    assert state["ceid"] is None
    assert [grant["granted"] for grant in state["consents"]] == [False]


async def test_the_ledger_is_only_added_to(api_on_both: Api) -> None:
    phone = await api_on_both.phone(("profiling",))
    await consent(phone, ("profiling",), granted=False)
    await consent(phone, ("profiling",), granted=True)
    async with api_on_both.database.read() as tx:
        lines = await ledger(tx, phone.shopper_id)
    assert [line.granted for line in lines] == [True, False, True]


async def test_withdrawing_profiling_deletes_what_was_browsed(api: Api) -> None:
    phone, other = await api.phone(), await api.phone()
    event = {
        "event_id": "e" * 32,
        "kind": "viewed",
        "category": "tea",
        "at": "2026-11-21T10:00:00Z",
    }
    for one in (phone, other):
        assert (await one.call("POST", "/v1/me/events", {"events": [event]})).status == 202
    await consent(phone, ("profiling",), granted=False)
    assert await api.rows(browsing) == 1


async def test_withdrawing_profiling_takes_what_was_browsed_out_of_decisions(
    api_on_both: Api,
) -> None:
    api = api_on_both
    phone, other = await api.phone(), await api.phone()
    browsed = {"country": "IT", "browsed": [{"kind": "viewed", "category": "tea"}]}
    count = {"country": "IT", "browsed": 3}
    nothing = {"country": "IT", "browsed": []}
    none = {"country": "IT", "browsed": 0}
    seen_by_mine: tuple[object, ...] = (browsed, count, nothing, none, {})
    for one, seen in [(other, browsed), *((phone, seen) for seen in seen_by_mine)]:
        decision_id = await api.decision(one, (Weighed("c1", 1.0, (), (), Tier.GENERIC),))
        async with api.database.begin() as tx:
            await tx.execute(
                update(decisions).where(decisions.c.id == decision_id).values(seen=seen)
            )

    await consent(phone, ("profiling",), granted=False)

    async with api.database.read() as tx:
        rows = (await tx.execute(select(decisions.c.shopper_id, decisions.c.seen))).all()
    mine = [row.seen for row in rows if row.shopper_id == phone.shopper_id]
    left: list[object] = [{"country": "IT"}, {"country": "IT"}, nothing, none, {}]
    assert sorted(mine, key=str) == sorted(left, key=str)
    assert [row.seen for row in rows if row.shopper_id == other.shopper_id] == [browsed]


async def test_more_consent_changes_than_anybody_makes_in_a_day_are_refused(api: Api) -> None:
    phone = await api.phone(("profiling", "push_marketing"))
    flips = [*grants(("location_ble",)), *grants(("location_ble",), granted=False)] * 10
    for _ in range(10):
        answered = await phone.call("PUT", "/v1/me/consents", {"consents": flips})
    lines = await api.rows(consents)

    assert (answered.status, answered.problem) == (429, "too-many-requests")
    assert int(answered.headers["Retry-After"]) > 0
    assert lines == 2 + 9 * 20
    state = await consent(phone, ("profiling", "push_marketing"), granted=False)
    assert [grant["granted"] for grant in state["consents"]] == [False, False, False]


async def test_a_consent_change_that_does_not_fit_changes_nothing(api: Api) -> None:
    phone = await api.phone()
    mixed = [*grants(("location_ble",), granted=False), {"purpose": "spying"}]
    answered = await phone.call("PUT", "/v1/me/consents", {"consents": mixed})
    assert answered.problem == "invalid-body"
    assert await stored_secret(phone) is not None
    assert await api.rows(consents) == len(ALL_CONSENTS)


# --- push targets -----------------------------------------------------------------------------
async def test_a_push_target_is_set_replaced_and_dropped(api_on_both: Api) -> None:
    phone = await api_on_both.phone()

    async def stored() -> str | None:
        async with api_on_both.database.read() as tx:
            target = await push_target(tx, phone.handset_id)
            return None if target is None else f"{target.kind} {target.value}"

    for kind, value in (("token", "first-target"), ("fid", "second-target")):
        body = {"kind": kind, "value": value, "platform": "android"}
        answered = await phone.call("PUT", "/v1/me/push-target", body)
        assert (answered.status, answered.body) == (204, b"")
        assert await stored() == f"{kind} {value}"
    for _ in range(2):  # the second finds nothing, and that is what was wanted
        assert (await phone.call("DELETE", "/v1/me/push-target")).status == 204
        assert await stored() is None


@pytest.mark.parametrize(
    "change", [{"kind": "mail"}, {"value": ""}, {"value": "a b c d e f"}, {"value": "x" * 513}]
)
async def test_a_push_target_that_does_not_fit_is_refused(
    api: Api, change: dict[str, object]
) -> None:
    phone = await api.phone()
    body = {"kind": "fid", "value": "first-target", "platform": "ios", **change}
    assert (await phone.call("PUT", "/v1/me/push-target", body)).problem == "invalid-body"
    assert await api.rows(push_targets) == 0


# --- limits -----------------------------------------------------------------------------------
async def test_a_handset_that_asks_too_often_waits(serve: Serve, sqlite_database: Database) -> None:
    rates = Rates(handset=Rate(per_minute=60, burst=3))
    async with serve(sqlite_database, rates=rates) as api:
        phone, other = await api.phone(), await api.phone()
        statuses = [(await phone.call("GET", "/v1/me")).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        answered = await phone.call("GET", "/v1/me")
        assert (answered.problem, answered.headers["Retry-After"]) == ("too-many-requests", "1")
        assert (await other.call("GET", "/v1/me")).status == 200
        await api.clock.advance(1)
        assert (await phone.call("GET", "/v1/me")).status == 200


async def test_registrations_of_one_address_are_limited(
    serve: Serve, sqlite_database: Database
) -> None:
    rates = Rates(peer=Rate(per_minute=60, burst=2))
    async with serve(sqlite_database, rates=rates) as api:
        answers = [await api.call("POST", "/v1/handsets", registration()) for _ in range(3)]
        assert [a.status for a in answers] == [201, 201, 429]
        assert await api.rows(shoppers) == 2


async def test_without_redis_nobody_is_limited(serve: Serve, sqlite_database: Database) -> None:
    rates = Rates(peer=Rate(1, 1), handset=Rate(1, 1))
    async with serve(sqlite_database, rates=rates, redis_url="redis://127.0.0.1:1") as api:
        phone = await api.phone()
        for _ in range(3):
            assert (await phone.call("GET", "/v1/me")).status == 200

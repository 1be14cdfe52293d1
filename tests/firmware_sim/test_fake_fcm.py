"""The fake FCM over HTTP: tokens, each documented answer, faults, and deliveries."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import jwt
import pytest
from aiohttp import ClientError, ClientSession, ServerDisconnectedError

from config.clock import VirtualClock
from firmware_sim.fake_fcm import PROJECT_ID, FakeFcm, Judged
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_oauth import GRANT
from firmware_sim.fcm_targets import mint_target
from tests.engine.shop import eventually

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FID = mint_target("fid", Random(1))
STRANGER = mint_target("fid", Random(2))
TOKEN = mint_target("token", Random(3))


@dataclass
class Bench:
    """A running fake with one handset, and what a client needs to talk to it."""

    fcm: FakeFcm
    clock: VirtualClock
    http: ClientSession
    delivered: list[Delivery]
    bearer: str = ""

    def claims(self, **changes: object) -> dict[str, object]:
        now_s = int(self.clock.now().timestamp())
        key = self.fcm.service_account_json()
        return {
            "iss": key["client_email"],
            "aud": key["token_uri"],
            "scope": SCOPE,
            "iat": now_s,
            "exp": now_s + 3600,
            **changes,
        }

    async def ask_token(
        self, claims: dict[str, object], key: str | None = None, grant: str = GRANT
    ) -> tuple[int, dict[str, Any]]:
        account = self.fcm.service_account_json()
        assertion = jwt.encode(claims, key or account["private_key"], "RS256")
        form = {"grant_type": grant, "assertion": assertion}
        async with self.http.post(account["token_uri"], data=form) as answer:
            return answer.status, await answer.json()

    async def log_in(self) -> None:
        _, body = await self.ask_token(self.claims())
        self.bearer = body["access_token"]

    async def send(
        self,
        message: object = None,
        *,
        project: str = PROJECT_ID,
        raw: bytes | None = None,
        **request: object,
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        url = f"{self.fcm.base_url}/v1/projects/{project}/messages:send"
        headers = {"Authorization": f"Bearer {self.bearer}"}
        body: dict[str, Any] = {"json": {"message": message or push(), **request}}
        if raw is not None:
            body = {"data": raw}
        async with self.http.post(url, headers=headers, **body) as answer:
            is_json = answer.content_type == "application/json"
            said = await answer.json() if is_json else {"text": await answer.text()}
            return answer.status, said, dict(answer.headers)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = VirtualClock(START)
    delivered: list[Delivery] = []
    async with (
        FakeFcm(clock, seed=7, on_delivery=delivered.append) as fcm,
        ClientSession() as http,
    ):
        fcm.register("fid", FID)
        made = Bench(fcm, clock, http, delivered)
        await made.log_in()
        yield made


def push(**changes: object) -> dict[str, object]:
    return {"fid": FID, "notification": {"title": "Pasta", "body": "2 for 1"}, **changes}


def error_code(said: dict[str, Any]) -> str | None:
    for detail in said["error"].get("details", []):
        if detail["@type"].endswith(("FcmError", "FcmErrorCode")):
            code: str = detail["errorCode"]
            return code
    return None


async def test_a_signed_assertion_buys_a_token_for_an_hour(bench: Bench) -> None:
    status, body = await bench.ask_token(bench.claims())

    assert status == 200
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3599


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iss": "someone@else.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"aud": "https://example.org/token"}, "invalid_grant"),
        ({"exp": int(START.timestamp()) - 301}, "invalid_grant"),
        ({"exp": int(START.timestamp()) + 7200}, "invalid_grant"),
        ({"iat": int(START.timestamp()) + 900}, "invalid_grant"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
async def test_an_assertion_that_is_not_right_buys_nothing(
    bench: Bench, changes: dict[str, object], error: str
) -> None:
    status, body = await bench.ask_token(bench.claims(**changes))

    assert (status, body["error"]) == (400, error)


async def test_an_assertion_signed_with_another_key_buys_nothing(bench: Bench) -> None:
    other = FakeFcm(bench.clock, seed=8, on_delivery=bench.delivered.append)

    status, body = await bench.ask_token(
        bench.claims(), other.service_account_json()["private_key"]
    )

    assert (status, body["error"]) == (400, "invalid_grant")


async def test_only_the_jwt_grant_is_known(bench: Bench) -> None:
    status, body = await bench.ask_token(bench.claims(), grant="password")

    assert (status, body["error"]) == (400, "unsupported_grant_type")


async def test_the_token_endpoint_fails_when_told_to(bench: Bench) -> None:
    bench.fcm.fail_tokens(503)

    assert (await bench.ask_token(bench.claims()))[0] == 503
    assert (await bench.ask_token(bench.claims()))[0] == 200


async def test_a_message_is_accepted_and_reaches_the_handset_later(bench: Bench) -> None:
    status, said, _ = await bench.send(push(data={"decision_id": "d1"}))

    assert status == 200
    assert said["name"].startswith(f"projects/{PROJECT_ID}/messages/0:")
    assert bench.delivered == []
    await bench.clock.advance(5)
    (delivery,) = bench.delivered
    assert (delivery.target_kind, delivery.target_value) == ("fid", FID)
    assert (delivery.title, delivery.body) == ("Pasta", "2 for 1")
    assert delivery.data == {"decision_id": "d1"}
    assert delivery.message_name == said["name"]
    assert timedelta(0) < delivery.delivered_at - delivery.accepted_at < timedelta(seconds=3)
    assert bench.fcm.counts["send_requests"] == 1
    assert bench.fcm.counts["delivered"] == 1


async def test_an_answer_takes_as_long_as_it_is_told_to() -> None:
    clock = VirtualClock(START)
    async with (
        FakeFcm(clock, seed=7, on_delivery=lambda _: None, answer_delay_s=2) as fcm,
        ClientSession() as http,
    ):
        fcm.register("fid", FID)
        bench = Bench(fcm, clock, http, [])
        await bench.log_in()
        sending = asyncio.create_task(bench.send(), name="send")

        async def is_taken() -> bool:
            return fcm.counts["accepted"] == 1

        await eventually(is_taken)
        await clock.advance(1.9)
        assert not sending.done()
        await clock.advance(0.1)
        status, _, _ = await sending

    assert status == 200


async def test_a_dry_run_is_checked_and_not_delivered(bench: Bench) -> None:
    status, said, _ = await bench.send(validate_only=True)

    assert (status, said["name"]) == (200, f"projects/{PROJECT_ID}/messages/fake_message_id")
    assert (await bench.send(push(fid=STRANGER), validate_only=True))[0] == 404
    await bench.clock.advance(60)
    assert bench.delivered == []


async def test_camel_case_is_read_as_snake_case(bench: Bench) -> None:
    message = push(android={"collapseKey": "visit", "notification": {"channelId": "offers"}})

    assert (await bench.send(message, validateOnly=False))[0] == 200
    await bench.clock.advance(60)

    assert bench.delivered[0].collapse_key == "visit"


async def test_a_token_field_takes_an_installation_id_too(bench: Bench) -> None:
    bench.fcm.register("token", TOKEN)
    notification = {"title": "Pasta"}

    assert (await bench.send({"token": TOKEN, "notification": notification}))[0] == 200
    assert (await bench.send({"token": FID, "notification": notification}))[0] == 200


async def test_a_target_that_could_exist_is_unregistered(bench: Bench) -> None:
    bench.fcm.register("fid", STRANGER)
    bench.fcm.unregister("fid", STRANGER)

    for message in (push(fid=STRANGER), {"token": TOKEN, "data": {"a": "b"}}):
        status, said, _ = await bench.send(message)
        assert (status, error_code(said)) == (404, "UNREGISTERED")
        assert said["error"]["status"] == "NOT_FOUND"


async def test_a_target_that_could_not_exist_is_malformed(bench: Bench) -> None:
    status, said, _ = await bench.send(push(fid="sim-1"))

    assert (status, error_code(said)) == (400, "INVALID_ARGUMENT")
    assert "not a valid FCM registration token" in said["error"]["message"]
    with pytest.raises(ValueError, match="mint_target"):
        bench.fcm.register("fid", "sim-1")


async def test_a_body_that_cannot_be_read_names_every_fault_and_no_fcm_error(bench: Bench) -> None:
    message = push(data={"ok": "1", "count": 12}, sound="x")
    status, said, _ = await bench.send(message)

    assert (status, said["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert error_code(said) is None
    (bad_request,) = said["error"]["details"]
    assert bad_request["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert bad_request["fieldViolations"] == [
        {
            "field": "message.data[1].value",
            "description": "Invalid value at 'message.data[1].value' (TYPE_STRING), 12",
        },
        {
            "field": "message",
            "description": "Invalid JSON payload received. Unknown name \"sound\" at 'message': "
            "Cannot find field.",
        },
    ]


async def test_a_rule_that_is_broken_is_named_with_an_fcm_error(bench: Bench) -> None:
    status, said, _ = await bench.send(push(data={"google.x": "1"}))

    assert (status, error_code(said)) == (400, "INVALID_ARGUMENT")
    assert said["error"]["message"] == "Invalid data payload key: google.x"


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"message": NaN}'])
async def test_what_is_no_json_object_is_refused(bench: Bench, raw: bytes) -> None:
    status, said, _ = await bench.send(raw=raw)

    assert (status, said["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_sending_needs_a_token_that_still_lives(bench: Bench) -> None:
    good = bench.bearer
    bench.bearer = "ya29.c.guess"
    status, said, _ = await bench.send()
    assert (status, said["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert error_code(said) is None

    bench.bearer = good
    assert (await bench.send())[0] == 200
    await bench.clock.advance(3600)
    assert (await bench.send())[0] == 401


async def test_a_revoked_token_is_refused(bench: Bench) -> None:
    bench.fcm.tokens.revoke_all()

    assert (await bench.send())[0] == 401


async def test_a_token_for_another_purpose_may_not_send(bench: Bench) -> None:
    scope = "https://www.googleapis.com/auth/datastore"
    bench.bearer = (await bench.ask_token(bench.claims(scope=scope)))[1]["access_token"]

    status, said, _ = await bench.send()

    assert (status, said["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_another_project_is_denied_and_its_number_is_not(bench: Bench) -> None:
    status, said, _ = await bench.send(project="someone-else")

    assert (status, error_code(said)) == (403, None)
    assert (await bench.send(project="314159265358"))[0] == 200


@pytest.mark.parametrize(
    ("trouble", "status", "rpc_status", "code"),
    [
        (Trouble.BAD_REQUEST, 400, "INVALID_ARGUMENT", None),
        (Trouble.INVALID_TARGET, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (Trouble.APNS_GONE, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (Trouble.UNAUTHENTICATED, 401, "UNAUTHENTICATED", None),
        (Trouble.THIRD_PARTY_AUTH, 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        (Trouble.APNS_AUTH_OF_OLD, 401, "UNAUTHENTICATED", "APNS_AUTH_ERROR"),
        (Trouble.SENDER_ID_MISMATCH, 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        (Trouble.PERMISSION_DENIED, 403, "PERMISSION_DENIED", None),
        (Trouble.UNREGISTERED, 404, "NOT_FOUND", "UNREGISTERED"),
        (Trouble.QUOTA_EXCEEDED, 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        (Trouble.INTERNAL, 500, "INTERNAL", "INTERNAL"),
        (Trouble.UNAVAILABLE, 503, "UNAVAILABLE", "UNAVAILABLE"),
    ],
)
async def test_each_documented_failure_can_be_asked_for(
    bench: Bench, trouble: Trouble, status: int, rpc_status: str, code: str | None
) -> None:
    bench.fcm.faults.for_next(Fault(trouble))

    got, said, headers = await bench.send()

    assert (got, said["error"]["code"], said["error"]["status"]) == (status, status, rpc_status)
    assert error_code(said) == code
    assert "Retry-After" not in headers
    await bench.clock.advance(60)
    assert bench.delivered == []
    assert (await bench.send())[0] == 200


async def test_a_dead_apns_token_is_a_400_with_an_apns_error_410(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.APNS_GONE))

    _, said, _ = await bench.send()

    assert said["error"]["details"][1] == {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": 410,
        "reason": "Unregistered",
    }


@pytest.mark.parametrize("trouble", [Trouble.QUOTA_EXCEEDED, Trouble.UNAVAILABLE])
async def test_retry_after_comes_in_seconds_or_as_a_date(bench: Bench, trouble: Trouble) -> None:
    bench.fcm.faults.for_next(Fault(trouble, retry_after_s=7))
    bench.fcm.faults.for_next(Fault(trouble, retry_after_s=7, retry_after_is_date=True))

    _, _, seconds = await bench.send()
    _, _, date = await bench.send()

    assert seconds["Retry-After"] == "7"
    assert parsedate_to_datetime(date["Retry-After"]) == START + timedelta(seconds=7)


async def test_a_bad_gateway_is_a_page(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.HTML_BAD_GATEWAY))

    status, said, headers = await bench.send()

    assert status == 502
    assert headers["Content-Type"].startswith("text/html")
    assert said["text"].startswith("<!DOCTYPE html>")


async def test_a_cut_after_accepting_delivers_and_never_answers(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))

    with pytest.raises((ServerDisconnectedError, ClientError)):
        await bench.send()

    await bench.clock.advance(60)
    assert len(bench.delivered) == 1


async def test_a_cut_before_accepting_delivers_nothing(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.CUT_BEFORE_ACCEPTING))

    with pytest.raises((ServerDisconnectedError, ClientError)):
        await bench.send()

    await bench.clock.advance(60)
    assert bench.delivered == []
    assert bench.fcm.counts["cut"] == 1


async def test_a_slow_answer_comes_when_its_time_has_passed(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.SLOW, delay_s=10))

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(bench.send())
        while bench.fcm.counts["accepted"] == 0:
            await bench.clock.sleep(0)
        await bench.clock.advance(9)
        assert not sending.done()
        assert len(bench.delivered) == 1
        await bench.clock.advance(2)

    assert sending.result()[0] == 200


async def test_each_send_is_told_of_once_with_what_truly_became_of_it(clock: VirtualClock) -> None:
    judged: list[Judged] = []
    async with (
        FakeFcm(clock, seed=7, on_delivery=lambda _: None, on_send=judged.append) as fcm,
        ClientSession() as http,
    ):
        fcm.register("fid", FID)
        bench = Bench(fcm, clock, http, [])
        await bench.log_in()
        decided = {"data": {"decision_id": "d1"}}
        await bench.send(push(**decided))
        fcm.faults.for_next(Fault(Trouble.UNAVAILABLE))
        await bench.send(push(**decided))
        for trouble in (Trouble.CUT_AFTER_ACCEPTING, Trouble.CUT_BEFORE_ACCEPTING):
            fcm.faults.for_next(Fault(trouble))
            with pytest.raises(ClientError):
                await bench.send(push(**decided))
        await bench.send(push(fid=STRANGER))
        await bench.send({"nonsense": 1})

    assert [(one.target, one.decision_id, one.is_accepted, one.trouble) for one in judged] == [
        (FID, "d1", True, None),
        (FID, "d1", False, Trouble.UNAVAILABLE),
        (FID, "d1", True, Trouble.CUT_AFTER_ACCEPTING),
        (FID, "d1", False, Trouble.CUT_BEFORE_ACCEPTING),
        (STRANGER, None, False, None),
    ]
    assert {one.at for one in judged} == {clock.now()}


async def test_a_target_keeps_its_fault_until_it_is_well_again(bench: Bench) -> None:
    bench.fcm.register("fid", STRANGER)
    bench.fcm.faults.for_target(FID, Fault(Trouble.UNREGISTERED))

    assert [(await bench.send())[0] for _ in range(2)] == [404, 404]
    assert (await bench.send(push(fid=STRANGER)))[0] == 200
    bench.fcm.faults.for_target(FID, None)
    assert (await bench.send())[0] == 200


async def test_a_mix_hits_its_share_and_repeats_with_its_seed(bench: Bench) -> None:
    async def statuses(fcm: FakeFcm) -> list[int]:
        fcm.faults.mix({Fault(Trouble.INTERNAL): 0.2, Fault(Trouble.UNAVAILABLE): 0.1})
        return [(await bench.send())[0] for _ in range(200)]

    first = await statuses(bench.fcm)

    assert 25 <= first.count(500) <= 55
    assert 10 <= first.count(503) <= 32
    assert first.count(200) == 200 - first.count(500) - first.count(503)
    async with FakeFcm(bench.clock, seed=7, on_delivery=bench.delivered.append) as again:
        again.register("fid", FID)
        bench.fcm = again
        await bench.log_in()
        assert await statuses(again) == first


async def test_shares_of_more_than_everything_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="at most 1"):
        bench.fcm.faults.mix({Fault(Trouble.INTERNAL): 0.7, Fault(Trouble.UNAVAILABLE): 0.7})


async def test_stopping_is_clean_with_answers_and_deliveries_under_way() -> None:
    clock = VirtualClock(START)
    delivered: list[Delivery] = []
    async with ClientSession() as http:
        async with FakeFcm(clock, seed=1, on_delivery=delivered.append) as fcm:
            fcm.register("fid", FID)
            bench = Bench(fcm, clock, http, delivered)
            await bench.log_in()
            await bench.send()
            fcm.faults.for_next(Fault(Trouble.SLOW))
            hanging = asyncio.ensure_future(bench.send())
            while fcm.counts["accepted"] < 2:
                await clock.sleep(0)
        with pytest.raises(ClientError):
            await hanging
    await clock.advance(60)
    assert delivered == []


async def test_an_error_in_a_handset_ends_the_fake_with_that_error() -> None:
    clock = VirtualClock(START)

    def fall_over(_delivery: Delivery) -> None:
        raise RuntimeError("handset")

    async def live() -> None:
        async with FakeFcm(clock, seed=1, on_delivery=fall_over) as fcm, ClientSession() as http:
            fcm.register("fid", FID)
            bench = Bench(fcm, clock, http, [])
            await bench.log_in()
            await bench.send()
            await clock.advance(5)

    with pytest.raises(ExceptionGroup) as caught:
        await live()

    assert caught.group_contains(RuntimeError, match="handset")

"""The transport to FCM against the fake FCM over HTTP: every documented answer and silence."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from config.clock import VirtualClock
from engine.fcm import SEND_WITHIN_S, FcmTransport
from engine.fcm_answers import (
    Delivered,
    Expired,
    Outcome,
    Refused,
    RetryAt,
    Stops,
    TargetGone,
    Why,
)
from engine.fcm_credential import service_account
from engine.fcm_message import Platform, PushNote, TargetKind
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_targets import mint_target

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
FID = mint_target("fid", Random(1))
TOKEN = mint_target("token", Random(3))


@dataclass
class Bench:
    """A transport with a key that works at a running fake, and a handset."""

    fcm: FakeFcm
    clock: VirtualClock
    transport: FcmTransport
    delivered: list[Delivery]

    async def push(self, lives_s: float = 7200, earlier_tries: int = 0) -> Outcome:
        now = self.clock.now()
        ends_at = now + timedelta(seconds=lives_s)
        return await self.transport.push(replace(NOTE, expires_at=ends_at), now, earlier_tries)

    async def handset_receives(self) -> list[Delivery]:
        await self.clock.advance(30)
        return self.delivered


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = VirtualClock(START)
    delivered: list[Delivery] = []
    async with FakeFcm(clock, seed=7, on_delivery=delivered.append) as fcm:
        fcm.register("fid", FID)
        async with FcmTransport(
            service_account(fcm.service_account_json()),
            clock,
            Random(5),
            base_url=fcm.base_url,
            answer_timeout_s=0.3,
        ) as transport:
            yield Bench(fcm, clock, transport, delivered)


NOTE = PushNote(
    decision_id="d-1",
    title="Pasta, 2 for 1",
    body="Aisle 7, until half past six",
    image_url="https://shop.example/pasta.png",
    target_kind="fid",
    target_value=FID,
    platform="android",
    collapse_key="visit-9",
    expires_at=START + timedelta(hours=2),
    zone_id="aisle-7",
    deep_link="https://shop.example/o/1",
)


async def test_an_offer_reaches_the_handset_with_what_a_resend_needs(bench: Bench) -> None:
    outcome = await bench.push(lives_s=90)

    assert isinstance(outcome, Delivered)
    (delivery,) = await bench.handset_receives()
    assert delivery.message_name == outcome.message_name
    assert (delivery.title, delivery.body) == (NOTE.title, NOTE.body)
    assert delivery.data["decision_id"] == "d-1"
    assert delivery.tag == delivery.collapse_key == "visit-9"


@pytest.mark.parametrize("platform", ["android", "ios", "web"])
@pytest.mark.parametrize("kind", ["fid", "token"])
async def test_every_platform_and_kind_of_target_is_accepted(
    bench: Bench, platform: Platform, kind: TargetKind
) -> None:
    value = TOKEN if kind == "token" else FID
    note = replace(NOTE, target_kind=kind, target_value=value, platform=platform)
    bench.fcm.register(note.target_kind, value, note.platform)

    outcome = await bench.transport.push(note, bench.clock.now())

    assert isinstance(outcome, Delivered)
    (delivery,) = await bench.handset_receives()
    assert delivery.data["zone_id"] == "aisle-7"
    assert delivery.tag == "visit-9"


async def test_a_target_that_has_left_is_gone(bench: Bench) -> None:
    bench.fcm.unregister("fid", FID)

    assert await bench.push() == TargetGone(Why.UNREGISTERED)


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (Trouble.UNREGISTERED, TargetGone(Why.UNREGISTERED)),
        (Trouble.APNS_GONE, TargetGone(Why.APNS_UNREGISTERED)),
        (Trouble.SENDER_ID_MISMATCH, TargetGone(Why.SENDER_ID_MISMATCH, alarm=True)),
        (Trouble.BAD_REQUEST, Refused(Why.INVALID_MESSAGE, detail="message.data[0].value")),
        (Trouble.INVALID_TARGET, Refused(Why.INVALID_TARGET)),
        (Trouble.THIRD_PARTY_AUTH, Refused(Why.THIRD_PARTY_AUTH, Stops.PLATFORM)),
        (Trouble.APNS_AUTH_OF_OLD, Refused(Why.THIRD_PARTY_AUTH, Stops.PLATFORM)),
        (Trouble.PERMISSION_DENIED, Refused(Why.PERMISSION_DENIED, Stops.EVERYTHING)),
    ],
)
async def test_a_final_answer_is_not_sent_twice(
    bench: Bench, trouble: Trouble, outcome: Outcome
) -> None:
    bench.fcm.faults.for_next(Fault(trouble))

    assert await bench.push() == outcome
    assert bench.fcm.counts["send_requests"] == 1


@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize(
    ("trouble", "why"),
    [(Trouble.QUOTA_EXCEEDED, Why.QUOTA), (Trouble.UNAVAILABLE, Why.UNAVAILABLE)],
)
async def test_retry_after_is_honoured_while_the_offer_lives(
    bench: Bench, trouble: Trouble, why: Why, as_date: bool
) -> None:
    fault = Fault(trouble, retry_after_s=20, retry_after_is_date=as_date)
    bench.fcm.faults.for_next(fault, times=2)

    assert await bench.push(lives_s=60) == RetryAt(START + timedelta(seconds=20), why)
    assert await bench.push(lives_s=15) == Expired(why)
    assert bench.fcm.counts["send_requests"] == 2


@pytest.mark.parametrize(
    ("trouble", "why", "first_delay_s", "maybe_sent"),
    [
        (Trouble.QUOTA_EXCEEDED, Why.QUOTA, 60, False),
        (Trouble.UNAVAILABLE, Why.UNAVAILABLE, 10, False),
        (Trouble.INTERNAL, Why.INTERNAL, 10, True),
        (Trouble.HTML_BAD_GATEWAY, Why.INTERNAL, 10, True),
        (Trouble.SLOW, Why.TIMEOUT, 10, True),
        (Trouble.CUT_AFTER_ACCEPTING, Why.CONNECTION_CUT, 1, True),
        (Trouble.CUT_BEFORE_ACCEPTING, Why.CONNECTION_CUT, 1, True),
    ],
)
async def test_without_retry_after_the_delay_doubles_and_never_shrinks(
    bench: Bench, trouble: Trouble, why: Why, first_delay_s: float, maybe_sent: bool
) -> None:
    for earlier_tries in range(4):
        bench.fcm.faults.for_next(Fault(trouble))
        outcome = await bench.push(earlier_tries=earlier_tries)

        assert isinstance(outcome, RetryAt)
        assert (outcome.why, outcome.maybe_sent) == (why, maybe_sent)
        delay_s = (outcome.at - bench.clock.now()).total_seconds()
        assert 1 <= delay_s / (first_delay_s * 2**earlier_tries) <= 1.5
    assert bench.fcm.counts["send_requests"] == 4


async def test_an_offer_that_ends_before_the_next_try_has_expired(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))

    assert await bench.push(lives_s=0.9) == Expired(Why.CONNECTION_CUT, maybe_sent=True)


async def test_an_offer_that_has_ended_is_not_sent(bench: Bench) -> None:
    assert await bench.push(lives_s=0) == Expired(Why.OFFER_ENDED)
    assert bench.fcm.counts["send_requests"] == 0


async def test_a_resend_after_a_cut_takes_the_place_of_what_it_repeats(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))
    assert isinstance(await bench.push(), RetryAt)
    assert isinstance(await bench.push(earlier_tries=1), Delivered)

    first, second = await bench.handset_receives()

    assert first.tag == second.tag
    assert first.data["decision_id"] == second.data["decision_id"]


async def test_an_ambiguous_resend_to_a_handset_that_is_off_arrives_once(bench: Bench) -> None:
    bench.fcm.set_online("fid", FID, is_online=False)
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))
    await bench.push()
    await bench.push(earlier_tries=1)

    bench.fcm.set_online("fid", FID, is_online=True)

    assert len(await bench.handset_receives()) == 1


async def test_nobody_listening_is_unreachable_and_surely_not_sent(bench: Bench) -> None:
    account = service_account(bench.fcm.service_account_json())
    async with FakeFcm(bench.clock, seed=8, on_delivery=bench.delivered.append) as other:
        closed_url = other.base_url
    async with FcmTransport(account, bench.clock, Random(1), base_url=closed_url) as transport:
        outcome = await transport.push(NOTE, bench.clock.now())

    assert isinstance(outcome, RetryAt)
    assert (outcome.why, outcome.maybe_sent) == (Why.UNREACHABLE, False)


async def test_a_refused_access_token_is_renewed_once_and_the_push_goes_through(
    bench: Bench,
) -> None:
    await bench.push()
    bench.fcm.tokens.revoke_all()

    assert isinstance(await bench.push(), Delivered)
    assert bench.fcm.counts["status_401"] == 1
    assert bench.fcm.counts["token_requests"] == 2


async def test_many_pushes_with_a_refused_token_renew_it_once(bench: Bench) -> None:
    await bench.push()
    bench.fcm.tokens.revoke_all()

    async with asyncio.TaskGroup() as group:
        pushes = [group.create_task(bench.push()) for _ in range(20)]

    assert all(isinstance(push.result(), Delivered) for push in pushes)
    assert bench.fcm.counts["token_requests"] == 2


async def test_a_new_token_that_is_refused_too_stops_everything(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.UNAUTHENTICATED), times=2)

    assert await bench.push() == Refused(Why.CREDENTIAL_REFUSED, Stops.EVERYTHING)
    assert bench.fcm.counts["send_requests"] == 2
    assert bench.fcm.counts["token_requests"] == 2


async def test_a_key_that_is_not_known_stops_everything(bench: Bench) -> None:
    bench.fcm.fail_tokens(400)

    assert await bench.push() == Refused(Why.CREDENTIAL_REFUSED, Stops.EVERYTHING)
    assert bench.fcm.counts["send_requests"] == 0


async def test_without_a_token_the_push_waits_for_one(bench: Bench) -> None:
    bench.fcm.fail_tokens(503)

    outcome = await bench.push()

    assert isinstance(outcome, RetryAt)
    assert (outcome.why, outcome.maybe_sent) == (Why.NO_CREDENTIAL, False)
    await bench.clock.advance(6)
    assert isinstance(await bench.push(), Delivered)


async def test_a_text_too_long_for_fcm_is_shortened_until_fcm_takes_it(bench: Bench) -> None:
    note = replace(NOTE, body='Größe "ß" 🍝 \\ ' * 700)

    assert isinstance(await bench.transport.push(note, bench.clock.now()), Delivered)
    (delivery,) = await bench.handset_receives()
    assert delivery.body is not None
    assert delivery.body.endswith("…")
    assert len(delivery.body) > 1000


async def test_a_note_that_no_message_can_carry_is_our_fault(bench: Bench) -> None:
    note = replace(NOTE, deep_link="https://shop.example/" + "x" * 4096)

    outcome = await bench.transport.push(note, bench.clock.now())

    assert isinstance(outcome, Refused)
    assert outcome.why is Why.UNSENDABLE
    assert bench.fcm.counts["send_requests"] == 0


async def test_no_log_line_names_the_target_the_token_or_the_offer(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for trouble in Trouble:
        bench.fcm.faults.for_next(Fault(trouble))
        await bench.push()
    bench.fcm.tokens.revoke_all()
    bench.fcm.fail_tokens(503)
    await bench.push()

    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "push credential renewed" in logged
    assert "push credential not renewed" in logged
    for secret in (FID, "ya29.", "PRIVATE KEY", NOTE.title, NOTE.body):
        assert secret not in logged
    assert FID not in repr(NOTE)


@asynccontextmanager
async def a_slow_token_endpoint(fcm: FakeFcm, may_answer: asyncio.Event) -> AsyncIterator[str]:
    """The address of a token endpoint that gives the fake's tokens, when it may."""

    async def token(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        await may_answer.wait()
        answer = fcm.tokens.answer(form, f"http://{request.host}/token")
        return web.Response(status=answer.status, body=answer.body)

    app = web.Application()
    app.router.add_post("/token", token)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    finally:
        may_answer.set()
        await runner.cleanup()


async def test_a_push_whose_token_was_slow_to_come_is_left_to_another_look(bench: Bench) -> None:
    may_answer = asyncio.Event()
    async with (
        a_slow_token_endpoint(bench.fcm, may_answer) as token_url,
        FcmTransport(
            replace(service_account(bench.fcm.service_account_json()), token_url=token_url),
            bench.clock,
            Random(5),
            base_url=bench.fcm.base_url,
        ) as transport,
    ):
        note = replace(NOTE, expires_at=bench.clock.now() + timedelta(seconds=30))
        pushing = asyncio.create_task(transport.push(note, bench.clock.now()), name="push")
        await bench.clock.advance(SEND_WITHIN_S + 0.1)
        may_answer.set()
        outcome = await pushing

        assert isinstance(outcome, RetryAt)
        assert (outcome.why, outcome.maybe_sent) == (Why.NO_CREDENTIAL, False)
        assert bench.fcm.counts["send_requests"] == 0
        # By then the token is there.
        assert isinstance(await transport.push(note, outcome.at), Delivered)


class Hanging(AbstractResolver):
    """A name server that never answers."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def resolve(self, *_: object, **__: object) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError("it never answers")

    async def close(self) -> None:
        pass


async def test_a_name_that_is_not_found_in_time_was_never_sent_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", Hanging)
    async with FcmTransport(
        service_account(bench.fcm.service_account_json()),
        bench.clock,
        Random(5),
        base_url="http://push.example",
        answer_timeout_s=2.0,
        connect_timeout_s=0.05,
    ) as transport:
        note = replace(NOTE, expires_at=bench.clock.now() + timedelta(seconds=30))
        outcome = await transport.push(note, bench.clock.now())

    assert isinstance(outcome, RetryAt)
    assert (outcome.why, outcome.maybe_sent) == (Why.UNREACHABLE, False)

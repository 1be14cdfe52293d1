"""A stand-in for Firebase Cloud Messaging: OAuth tokens, sends, and deliveries to handsets.

An HTTP server on loopback that checks a request as the real one does, fails when it is told to,
and hands each message to the simulated handset that owns the target, some time later.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Final, Self, assert_never

from aiohttp import web

from config.clock import Clock
from firmware_sim import fcm_answers
from firmware_sim.fcm_answers import Answer, retry_after_text
from firmware_sim.fcm_courier import Courier, Latency
from firmware_sim.fcm_delivery import Delivery, DeviceTargetKind, Platform
from firmware_sim.fcm_faults import Fault, FaultPlan, Trouble
from firmware_sim.fcm_json import Violation, read_json
from firmware_sim.fcm_oauth import TokenIssuer
from firmware_sim.fcm_schema import REQUEST
from firmware_sim.fcm_targets import is_plausible, kinds_for
from firmware_sim.fcm_validation import Message, part, target_of, text, violations

PROJECT_ID: Final = "corsia-sim"
PROJECT_NUMBER: Final = "314159265358"
# What the real one answers to a dry run.
DRY_RUN_MESSAGE_ID: Final = "fake_message_id"
# How long the end waits for answers under way; slow ones are cut off.
STOP_WITHIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a send, whatever its sender is told. target: its value, a topic's name too."""

    at: datetime
    target: str
    decision_id: str | None
    is_accepted: bool
    trouble: Trouble | None


class FakeFcm:
    """The server; `async with` starts it and stops it.

    on_delivery: called once for each message that reaches a handset; it must not raise.
    on_send: called once for each send that could be read, when it is judged; it must not raise.
    port: 0 takes a free one. answer_delay_s: how long each send's answer takes, whatever it says.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int,
        on_delivery: Callable[[Delivery], None],
        on_send: Callable[[Judged], None] = lambda _judged: None,
        latency: Latency | None = None,
        answer_delay_s: float = 0.0,
        project_id: str = PROJECT_ID,
        port: int = 0,
    ) -> None:
        self._clock = clock
        self._chance = Random(seed)
        self._project_id = project_id
        self._port = port
        self._answer_delay_s = answer_delay_s
        self._on_send = on_send
        # What happened: send_requests, token_requests, status_<code>, accepted, validated,
        # delivered, expired, given_up, cut.
        self.counts: Final[Counter[str]] = Counter()
        self.faults: Final = FaultPlan(Random(seed + 1))
        self.tokens: Final = TokenIssuer(clock, Random(seed + 2), project_id)
        self._courier = Courier(
            clock, Random(seed + 3), latency or Latency(), on_delivery, self.counts
        )
        self._carrying: asyncio.Task[None] | None = None
        self._token_failures: list[int] = []
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN_S)

    async def __aenter__(self) -> Self:
        started = asyncio.Event()
        self._carrying = asyncio.create_task(self._courier.run(started), name="fake-fcm-courier")
        await started.wait()
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        carrying = self._carrying
        assert carrying is not None
        carrying.cancel()
        # Waits without raising what the task raised; that comes next, unless it was only stopped.
        await asyncio.wait([carrying])
        if not carrying.cancelled():
            carrying.result()

    @property
    def base_url(self) -> str:
        """Where it listens: what `CORSIA_FCM_URL` is to be."""
        return f"http://127.0.0.1:{self._port}"

    def service_account_json(self) -> dict[str, str]:
        """A key file whose holder may send here; to be asked for while the server runs."""
        return self.tokens.service_account_json(self._token_uri)

    def register(
        self, target_kind: DeviceTargetKind, value: str, platform: Platform = "android"
    ) -> None:
        """From now on the target exists.

        Raises ValueError when no Firebase library would mint it: see `fcm_targets.mint_target`.
        """
        self._courier.register(target_kind, value, platform)

    def unregister(self, target_kind: DeviceTargetKind, value: str) -> None:
        """The app was removed: sends to the target answer 404 UNREGISTERED."""
        self._courier.unregister(target_kind, value)

    def set_online(self, target_kind: DeviceTargetKind, value: str, *, is_online: bool) -> None:
        """Whether the handset can be reached; what waited and still lives is sent on its return."""
        self._courier.set_online(target_kind, value, is_online=is_online)

    def fail_tokens(self, status: int, times: int = 1) -> None:
        """The next token requests are answered with this HTTP status and no token."""
        self._token_failures += [status] * times

    @property
    def _token_uri(self) -> str:
        return f"{self.base_url}/token"

    async def _token(self, request: web.Request) -> web.Response:
        self.counts["token_requests"] += 1
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self._token_failures:
            return self._response(Answer(self._token_failures.pop(0), b"{}"))
        return self._response(self.tokens.answer(form, self._token_uri))

    async def _send(self, request: web.Request) -> web.Response:
        answer = await self._judged(request)
        if self._answer_delay_s > 0:
            await self._clock.sleep(self._answer_delay_s)
        return answer

    async def _judged(self, request: web.Request) -> web.Response:
        self.counts["send_requests"] += 1
        body = await request.read()
        project = request.match_info["project"]
        objection = self.tokens.objection(request.headers.get("Authorization"))
        if objection is None and project not in {self._project_id, PROJECT_NUMBER}:
            objection = fcm_answers.permission_denied(project)
        if objection is not None:
            return self._response(objection)
        sending, wrong = read_json(REQUEST, body)
        if wrong:
            return self._response(fcm_answers.bad_shape(wrong))
        wrong = violations(part(sending, "message"))
        if wrong:
            return self._response(fcm_answers.bad_values(wrong))
        target = target_of(part(sending, "message"))
        assert target is not None
        platform = self._courier.platform_of(kinds_for(target[0]), target[1])
        fault = self.faults.pick(target[1], platform)
        if fault is None:
            return self._response(self._take(sending, None))
        return await self._fail(fault, request, sending)

    def _take(self, sending: Message, trouble: Trouble | None) -> Answer:
        """Accept the message if its target exists; topics always do, and have no subscribers."""
        message = part(sending, "message")
        target = target_of(message)
        assert target is not None
        kinds, value = kinds_for(target[0]), target[1]
        owner = next((kind for kind in kinds if self._courier.knows(kind, value)), None)
        if kinds and owner is None:
            self._note(message, trouble, is_accepted=False)
            if any(is_plausible(kind, value) for kind in kinds):
                return fcm_answers.unregistered()
            return fcm_answers.invalid_target()
        if sending.get("validate_only"):
            self.counts["validated"] += 1
            return fcm_answers.sent(self._project_id, DRY_RUN_MESSAGE_ID)
        self.counts["accepted"] += 1
        self._note(message, trouble, is_accepted=True)
        # The form of an Android message's id: microseconds, then a hash.
        microseconds = int(self._clock.now().timestamp() * 1e6)
        message_id = f"0:{microseconds}%{self._chance.getrandbits(64):016x}"
        if owner is not None:
            name = f"projects/{self._project_id}/messages/{message_id}"
            self._courier.send(owner, value, message, name)
        return fcm_answers.sent(self._project_id, message_id)

    async def _fail(self, fault: Fault, request: web.Request, sending: Message) -> web.Response:
        match fault.trouble:
            case Trouble.CUT_BEFORE_ACCEPTING:
                self._note(part(sending, "message"), fault.trouble, is_accepted=False)
                return self._cut(request)
            case Trouble.CUT_AFTER_ACCEPTING:
                self._take(sending, fault.trouble)
                return self._cut(request)
            case Trouble.SLOW:
                answer = self._take(sending, fault.trouble)
                await self._clock.sleep(fault.delay_s)
                return self._response(answer)
            case _:
                self._note(part(sending, "message"), fault.trouble, is_accepted=False)
                return self._response(self._answer_of(fault))

    def _note(self, message: Message, trouble: Trouble | None, *, is_accepted: bool) -> None:
        target = target_of(message)
        assert target is not None
        decision_id = text(message, "data", "decision_id")
        self._on_send(Judged(self._clock.now(), target[1], decision_id, is_accepted, trouble))

    def _answer_of(self, fault: Fault) -> Answer:
        match fault.trouble:
            case Trouble.BAD_REQUEST:
                field = "message.data[0].value"
                return fcm_answers.bad_shape(
                    [Violation(field, f"Invalid value at '{field}' (TYPE_STRING), 12")]
                )
            case Trouble.INVALID_TARGET:
                return fcm_answers.invalid_target()
            case Trouble.APNS_GONE:
                return fcm_answers.apns_gone()
            case Trouble.UNAUTHENTICATED:
                return fcm_answers.unauthenticated()
            case Trouble.THIRD_PARTY_AUTH:
                return fcm_answers.third_party_auth()
            case Trouble.APNS_AUTH_OF_OLD:
                return fcm_answers.apns_auth_of_old()
            case Trouble.SENDER_ID_MISMATCH:
                return fcm_answers.sender_id_mismatch()
            case Trouble.PERMISSION_DENIED:
                return fcm_answers.permission_denied(self._project_id)
            case Trouble.UNREGISTERED:
                return fcm_answers.unregistered()
            case Trouble.QUOTA_EXCEEDED:
                return fcm_answers.quota_exceeded(self._project_id, self._retry_after(fault))
            case Trouble.INTERNAL:
                return fcm_answers.internal()
            case Trouble.UNAVAILABLE:
                return fcm_answers.unavailable(self._retry_after(fault))
            case Trouble.HTML_BAD_GATEWAY:
                return fcm_answers.html_bad_gateway()
            case Trouble.SLOW | Trouble.CUT_AFTER_ACCEPTING | Trouble.CUT_BEFORE_ACCEPTING:
                raise AssertionError("these are not answers")
            case _:
                assert_never(fault.trouble)

    def _retry_after(self, fault: Fault) -> str | None:
        if fault.retry_after_s is None:
            return None
        return retry_after_text(
            fault.retry_after_s, self._clock.now(), as_date=fault.retry_after_is_date
        )

    def _cut(self, request: web.Request) -> web.Response:
        self.counts["cut"] += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere

    def _response(self, answer: Answer) -> web.Response:
        self.counts[f"status_{answer.status}"] += 1
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers=answer.headers,
            content_type=answer.content_type,
        )

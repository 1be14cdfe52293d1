"""Batches up to the server, in order, until it has each: signed, repeated, never lost.

One step is `send_due`; `run` is only the waiting between steps. A batch leaves the spool when the
server says that it has it, or that it can never read it; anything else is tried again for ever.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from beacons.sighting import MSGPACK
from config.clock import Clock
from config.http_signature import signed_headers
from gateway.answers import Problem, accepted_of, problem_of, read_answer, retry_after_s
from gateway.backoff import Backoff
from gateway.identity import Identity
from gateway.server_time import ServerTime
from gateway.spool import Spool, SpoolError
from gateway.spool_file import SpooledBatch

# A full batch is 60 kB: seconds on the worst shop line we plan for.
SEND_TIMEOUT_S: Final = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing waits."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has the batch; `duplicate`: it had it before."""

    duplicate: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """The server can never read the batch."""

    problem: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now."""

    after_s: float
    why: str


Step = Idle | Sent | SetAside | Retry


@dataclass(slots=True)
class UplinkHealth:
    """What the uplink says of itself; it alone writes here, the status file reads."""

    last_accepted_at: datetime | None = None
    batches: int = 0
    duplicates: int = 0
    failures: int = 0
    trouble: str | None = None  # why the last step failed, None once one works


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    took_s: float


class Uplink:
    """One gateway's way up. One at a time: the order of batches is the order of the spool."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        identity: Identity,
        spool: Spool,
        clock: Clock,
        time: ServerTime,
        chance: random.Random,
    ) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._url = URL(f"{self._api_url}/v1/gateways/{identity.gateway_id}/sightings")
        self._identity = identity
        self._spool = spool
        self._clock = clock
        self._time = time
        self._backoff = Backoff(chance)
        self._clock_was_refused = False
        self._has_asked_the_time = False
        self._one_at_a_time = asyncio.Lock()
        self.health: Final = UplinkHealth()

    async def run(self) -> None:
        """Send whatever comes, for ever."""
        while True:
            await self.run_until_empty()
            await self._spool.filled()

    async def run_until_empty(self) -> None:
        """Send until nothing waits any more."""
        while True:
            match await self.send_due():
                case Sent() | SetAside():
                    continue
                case Idle():
                    return
                case Retry(after_s):
                    await self._clock.sleep(after_s)
                case step:
                    assert_never(step)

    async def send_due(self) -> Step:
        """One try at the oldest batch, and what came of it."""
        try:
            async with self._one_at_a_time:
                step = await self._step()
        except (aiohttp.ClientError, OSError, SpoolError) as error:
            # TimeoutError is an OSError; its text is empty.
            step = self._retry(str(error) or type(error).__name__)
        self._note(step)
        return step

    async def _step(self) -> Step:
        if not (self._has_asked_the_time and self._time.is_plausible):
            await self._ask_the_time()
            if not self._time.is_plausible:
                return self._retry(
                    "this machine's clock was never set, and the server told no time"
                )
        batch = await self._spool.oldest()
        if batch is None:
            return Idle()
        answer = await self._post(batch)
        return await self._done_with(batch, answer)

    async def _post(self, batch: SpooledBatch) -> _Answer:
        began_s = self._clock.monotonic_s()
        created_s = int(self._time.now().timestamp())
        signed = signed_headers(
            self._identity.key,
            self._identity.gateway_id,
            "POST",
            self._url.raw_path,
            batch.body,
            created_s,
        )
        async with (
            asyncio.timeout(SEND_TIMEOUT_S),
            self._session.post(
                self._url,
                data=batch.body,
                headers={"Content-Type": MSGPACK, **signed},
                allow_redirects=False,
            ) as response,
        ):
            body = await read_answer(response)
            took_s = self._clock.monotonic_s() - began_s
            return _Answer(response.status, response.headers, body, took_s)

    async def _done_with(self, batch: SpooledBatch, answer: _Answer) -> Step:
        problem = problem_of(answer.body)
        match answer.status:
            case status if 200 <= status < 300:
                accepted = accepted_of(answer.body)
                if accepted is None:
                    return self._retry(f"{status}, but not from a Corsia server")
                self._check_the_time(answer.headers, answer.took_s)
                await self._spool.sent(batch)
                return Sent(accepted.duplicate)
            # A 422 that is no problem document is some other server's.
            case 413 | 422 if problem is not None or answer.status == 413:
                why = problem.sentence if problem is not None else "the batch is too large"
                await self._spool.set_aside(batch, why)
                return SetAside(why)
            case 401 | 403 if problem is not None and problem.is_clock_skew:
                return self._with_the_clock_corrected(answer)
            case 429 | 503:
                after_s = retry_after_s(answer.headers.get("Retry-After"), self._time.now())
                return self._retry(_said(answer.status, problem), after_s)
            case _:
                return self._retry(_said(answer.status, problem))

    def _with_the_clock_corrected(self, answer: _Answer) -> Retry:
        learned = self._time.learn(answer.headers.get("Date"))
        why = "the server refused this machine's clock"
        log.warning(why, extra={"offset_s": self._time.offset_s, "learned": learned})
        if learned and not self._clock_was_refused:
            self._clock_was_refused = True
            return Retry(0.0, why)
        return self._retry(why)

    async def _ask_the_time(self) -> None:
        """Before the first batch: a clock some seconds ahead makes every sighting impossible."""
        began_s = self._clock.monotonic_s()
        async with (
            asyncio.timeout(SEND_TIMEOUT_S),
            self._session.get(f"{self._api_url}/livez", allow_redirects=False) as response,
        ):
            self._check_the_time(response.headers, self._clock.monotonic_s() - began_s)
        self._has_asked_the_time = True

    def _check_the_time(self, headers: CIMultiDictProxy[str], took_s: float) -> None:
        if self._time.check(headers.get("Date"), took_s):
            log.warning("this machine's clock is off", extra={"offset_s": self._time.offset_s})

    def _retry(self, why: str, after_s: float | None = None) -> Retry:
        wait_s = self._backoff.next_s()
        # The server's word, and a little of ours so that a thousand gateways do not come at once.
        return Retry(wait_s if after_s is None else after_s + wait_s, why)

    def _note(self, step: Step) -> None:
        match step:
            case Retry(_, why):
                self.health.failures += 1
                if self.health.trouble != why:
                    log.warning("uplink waits", extra={"why": why})
                self.health.trouble = why
                return
            case Sent(duplicate):
                self.health.last_accepted_at = self._time.now()
                self.health.batches += 1
                self.health.duplicates += duplicate
            case SetAside(problem):
                log.error("batch refused for good: set aside", extra={"problem": problem})
            case Idle():
                pass
            case _:
                assert_never(step)
        if self.health.trouble is not None:
            log.info("uplink works again")
            self.health.trouble = None
            self._backoff.reset()
            self._clock_was_refused = False


def _said(status: int, problem: Problem | None) -> str:
    return f"the server answered {status}" + (f": {problem.sentence}" if problem else "")

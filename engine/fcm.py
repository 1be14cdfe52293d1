"""The transport to Firebase Cloud Messaging: one offer to one handset, one HTTP request.

Its own because firebase-admin's sender blocks the loop, ignores Retry-After and cannot be pointed
at another address (DESIGN section 8). It repeats a request only when our access token was refused;
when to try again is an outcome, for the outbox to keep.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import Final, Self

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)

from config.clock import Clock
from engine.fcm_answers import (
    CONNECTION_DELAY_S,
    SERVER_DELAY_S,
    Expired,
    Life,
    Outcome,
    Refused,
    StaleCredential,
    Stops,
    Why,
    classify,
    later,
)
from engine.fcm_credential import AccessTokens, KeyRefused, ServiceAccount, TokenUnavailable
from engine.fcm_message import PushNote, UnsendableNote, request_body

FCM_URL: Final = "https://fcm.googleapis.com"
# At 50 ms an answer, 250 connections carry 5,000 pushes a second: more than one process can make.
CONNECTION_LIMIT: Final = 250
# From the look-up of the name to the end of the TLS handshake.
CONNECT_TIMEOUT_S: Final = 3.0
# Beyond this an offer in an aisle has lost its moment; FCM answers in tens of milliseconds.
ANSWER_TIMEOUT_S: Final = 10.0
# What was checked before a push may have changed after this long: it is then sent by the next try,
# which checks again. Only a token that is slow to come takes so long.
SEND_WITHIN_S: Final = 1.0
HEADERS: Final = {
    "Content-Type": "application/json",
    # Without it the service leaves the details, and so the errorCode, out of some answers.
    "X-GOOG-API-FORMAT-VERSION": "2",
}


@dataclass(frozen=True, slots=True)
class _Attempt:
    started_at: datetime
    started_s: float
    ends_at: datetime
    earlier_tries: int

    def life(self, monotonic_s: float) -> Life:
        """What the offer has left by now."""
        now = self.started_at + timedelta(seconds=monotonic_s - self.started_s)
        return Life(now, self.ends_at, self.earlier_tries)


class FcmTransport:
    """Pushes to FCM; `async with` opens its connections and closes them.

    base_url: FCM itself, or a stand-in. chance: the jitter of retries.
    """

    def __init__(
        self,
        account: ServiceAccount,
        clock: Clock,
        chance: Random,
        *,
        base_url: str = FCM_URL,
        connection_limit: int = CONNECTION_LIMIT,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._url = f"{base_url.rstrip('/')}/v1/projects/{account.project_id}/messages:send"
        self._connection_limit = connection_limit
        self._answer_timeout_s = answer_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._tokens = AccessTokens(account, clock)
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            # One more for the access token: pushes that hang must not keep it from being renewed.
            connector=TCPConnector(limit=self._connection_limit + 1),
            cookie_jar=DummyCookieJar(),
            # The whole request has its own timeout below. This one is for all before it is
            # written (`sock_connect` leaves out the look-up of the name): FCM cannot have it then.
            timeout=ClientTimeout(total=None, connect=self._connect_timeout_s),
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def keep_credential(self) -> None:
        """Renew the access token ahead of its end, so that no push waits; until cancelled."""
        assert self._session is not None, "the transport is used inside `async with`"
        await self._tokens.keep_fresh(self._session)

    async def push(self, note: PushNote, now: datetime, earlier_tries: int = 0) -> Outcome:
        """Send the offer once, and say what became of it.

        earlier_tries: how often this note was sent before; each doubles the wait for the next.
        """
        attempt = _Attempt(now, self._clock.monotonic_s(), note.expires_at, earlier_tries)
        http = self._session
        assert http is not None, "the transport is used inside `async with`"
        try:
            token = await self._tokens.current(http)
            outcome = await self._sent(http, note, token, attempt)
            if isinstance(outcome, StaleCredential):
                token = await self._tokens.renewed(http, refused=token)
                outcome = await self._sent(http, note, token, attempt)
        except UnsendableNote as error:
            return Refused(Why.UNSENDABLE, detail=str(error))
        except KeyRefused:
            return Refused(Why.CREDENTIAL_REFUSED, Stops.EVERYTHING)
        except TokenUnavailable:
            return later(Why.NO_CREDENTIAL, CONNECTION_DELAY_S, self._life(attempt), self._chance)
        if isinstance(outcome, StaleCredential):
            return Refused(Why.CREDENTIAL_REFUSED, Stops.EVERYTHING)
        return outcome

    async def _sent(
        self, http: ClientSession, note: PushNote, token: str, attempt: _Attempt
    ) -> Outcome | StaleCredential:
        # Only now: a token may have taken seconds to come, and the offer's time runs on.
        life = self._life(attempt)
        if life.now >= note.expires_at:
            return Expired(Why.OFFER_ENDED)
        if life.now - attempt.started_at > timedelta(seconds=SEND_WITHIN_S):
            return later(Why.NO_CREDENTIAL, CONNECTION_DELAY_S, life, self._chance)
        body = request_body(note, life.now)
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        try:
            async with (
                asyncio.timeout(self._answer_timeout_s),
                http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                said = await answer.read()
        except (ClientConnectorError, ConnectionTimeoutError):
            # Nothing was written: FCM cannot have the message.
            return later(Why.UNREACHABLE, CONNECTION_DELAY_S, self._life(attempt), self._chance)
        except TimeoutError:
            return later(
                Why.TIMEOUT, SERVER_DELAY_S, self._life(attempt), self._chance, maybe_sent=True
            )
        except ClientError:
            return later(
                Why.CONNECTION_CUT,
                CONNECTION_DELAY_S,
                self._life(attempt),
                self._chance,
                maybe_sent=True,
            )
        return classify(answer.status, answer.headers, said, self._life(attempt), self._chance)

    def _life(self, attempt: _Attempt) -> Life:
        return attempt.life(self._clock.monotonic_s())

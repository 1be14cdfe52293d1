"""Our right to send: the service account's key, and access tokens renewed before they end.

firebase-admin reads and checks the key and signs with it; the token is fetched over our own HTTP
client. The SDK's way blocks the loop for 33-48 ms, or for its 120 s timeout on a bad network, and
goes by the machine's clock where ours may be a virtual one.
Source: RFC 7523; Google, "Using OAuth 2.0 for server to server applications".
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import ClientError, ClientSession
from firebase_admin import credentials
from google.auth import jwt

from config.clock import Clock

log = logging.getLogger(__name__)

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_LIFE_S: Final = 3600  # the longest that Google takes
# A token lives an hour. Five minutes leave room for many failed tries before it ends; whoever
# keeps it fresh is ahead of that, so that no push ever finds a token it must renew.
RENEW_AHEAD_S: Final = 300.0
KEEP_AHEAD_S: Final = 600.0
# After a failed try, how long everybody goes by that failure instead of trying as well.
FAILURE_HOLDS_S: Final = 5.0
# Google answers within half a second; whoever waits for it holds the lease of a push.
FETCH_TIMEOUT_S: Final = 5.0


class CredentialError(Exception):
    """No access token can be had."""


class KeyFileError(CredentialError):
    """The service account's key is no such thing."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the service account key cannot be used: {why}")


class KeyRefused(CredentialError):
    """Google does not know the key: it was revoked, or our clock is far off."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"the token endpoint refuses our key: HTTP {status} {error}")


class TokenUnavailable(CredentialError):
    """The token endpoint cannot be reached, or is unwell."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no access token for now: {why}")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who we are to Google, and the key that shows it."""

    project_id: str
    email: str
    token_url: str
    signer: Any = field(repr=False)


def load_service_account(path: Path) -> ServiceAccount:
    """The account in a key file of the Firebase console. Raises KeyFileError."""
    try:
        key = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeyFileError(type(error).__name__) from error
    if not isinstance(key, dict):
        raise KeyFileError("it is no JSON object")
    return service_account(key)


def service_account(key: Mapping[str, object]) -> ServiceAccount:
    """The account in a parsed key file. Raises KeyFileError."""
    project_id, token_url = key.get("project_id"), key.get("token_uri")
    if not isinstance(project_id, str) or not isinstance(token_url, str):
        raise KeyFileError("project_id or token_uri is missing")
    try:
        certificate = credentials.Certificate(dict(key))
    except ValueError as error:
        # The cause is left out of the message: it may quote the key.
        raise KeyFileError("firebase-admin refuses it") from error
    return ServiceAccount(
        project_id, certificate.service_account_email, token_url, certificate.signer
    )


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    keep_at_s: float
    renew_at_s: float
    ends_at_s: float


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int = 3600


class AccessTokens:
    """The account's access token: fetched once for everybody, ahead of its end."""

    def __init__(self, account: ServiceAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._token: _Token | None = None
        self._fetching = asyncio.Lock()
        self._failure: CredentialError | None = None
        self._failure_until_s = 0.0

    async def current(self, http: ClientSession) -> str:
        """A token that lives. While one push renews it early, the others go on with the old one.

        Raises KeyRefused or TokenUnavailable.
        """
        token = self._token
        now_s = self._clock.monotonic_s()
        if token is not None and now_s < token.renew_at_s:
            return token.value
        if token is not None and now_s < token.ends_at_s and self._is_being_seen_to(now_s):
            return token.value
        return await self._replaced(token, http)

    async def renewed(self, http: ClientSession, refused: str) -> str:
        """A token other than the one that FCM has just refused. Raises as `current` does."""
        token = self._token
        if token is not None and token.value != refused:
            return token.value
        self._token = None
        return await self._replaced(None, http)

    async def keep_fresh(self, http: ClientSession) -> None:
        """Fetch a token now and each next one ahead of its end, until cancelled.

        Without it the first push after a renewal is due waits for the new token.
        """
        while True:
            token = self._token
            now_s = self._clock.monotonic_s()
            if token is not None and now_s < token.keep_at_s:
                await self._clock.sleep(token.keep_at_s - now_s)
                continue
            with suppress(CredentialError):  # `_replaced` has told of it
                await self._replaced(token, http)
            if self._token is token:
                await self._clock.sleep(FAILURE_HOLDS_S)

    def _is_being_seen_to(self, now_s: float) -> bool:
        return self._fetching.locked() or now_s < self._failure_until_s

    async def _replaced(self, old: _Token | None, http: ClientSession) -> str:
        async with self._fetching:
            if self._token is not None and self._token is not old:
                return self._token.value  # somebody did it while we waited
            if self._failure is not None and self._clock.monotonic_s() < self._failure_until_s:
                raise self._failure.with_traceback(None)
            try:
                self._token = await self._fetched(http)
            except CredentialError as error:
                self._failure = error
                self._failure_until_s = self._clock.monotonic_s() + FAILURE_HOLDS_S
                log.warning("push credential not renewed", extra={"why": str(error)})
                if old is not None and self._clock.monotonic_s() < old.ends_at_s:
                    return old.value
                raise
            self._failure = None
            return self._token.value

    async def _fetched(self, http: ClientSession) -> _Token:
        asked_at_s = self._clock.monotonic_s()
        issued_s = int(self._clock.now().timestamp())
        claims = {
            "iss": self._account.email,
            "aud": self._account.token_url,
            "scope": SCOPE,
            "iat": issued_s,
            "exp": issued_s + ASSERTION_LIFE_S,
        }
        # An RSA signature takes milliseconds on a small machine: not on the loop.
        assertion = await asyncio.to_thread(jwt.encode, self._account.signer, claims)
        form = {"grant_type": GRANT, "assertion": assertion.decode()}
        try:
            async with (
                asyncio.timeout(FETCH_TIMEOUT_S),
                http.post(self._account.token_url, data=form, allow_redirects=False) as answer,
            ):
                status, body = answer.status, await answer.read()
        except (ClientError, TimeoutError) as error:
            raise TokenUnavailable(type(error).__name__) from error
        if status in {400, 401, 403}:
            raise KeyRefused(status, _oauth_error(body))
        if status != 200:
            raise TokenUnavailable(f"HTTP {status}")
        try:
            said = msgspec.json.decode(body, type=_TokenAnswer)
        except msgspec.MsgspecError as error:
            raise TokenUnavailable("an answer without a token") from error
        ends_at_s = asked_at_s + said.expires_in
        log.info("push credential renewed", extra={"lives_s": said.expires_in})
        # A token of a short life is renewed half-way rather than at once.
        renew_at_s = ends_at_s - min(RENEW_AHEAD_S, said.expires_in / 2)
        keep_at_s = ends_at_s - min(KEEP_AHEAD_S, said.expires_in * 2 / 3)
        return _Token(said.access_token, keep_at_s, renew_at_s, ends_at_s)


def _oauth_error(body: bytes) -> str:
    """The error code of RFC 6749, 5.2; empty when there is none."""
    try:
        said: Any = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) else ""

"""The handset app's HTTP: one API, tried again when the network fails, tokens kept fresh.

Leaves to `handset` what is asked and when.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal, TypeVar

import aiohttp
import msgspec

from config.clock import Clock

CALL_TIMEOUT_S: Final = 10.0
# A phone in a store with a poor network keeps trying for about as long as its answer matters.
RETRY_FOR_S: Final = 30.0
FIRST_BACK_OFF_S: Final = 0.5
LONGEST_BACK_OFF_S: Final = 8.0
# Refresh while the old token still has this long to live: longer than one call may take.
REFRESH_AHEAD_S: Final = 15.0
# `Date` counts whole seconds; a difference below this may be rounding and is taken as none.
DATE_RESOLUTION_S: Final = 2.0

Purpose = Literal["location_ble", "profiling", "push_marketing"]
PURPOSES: Final[tuple[Purpose, ...]] = ("location_ble", "profiling", "push_marketing")
T = TypeVar("T")


class ApiError(Exception):
    """A call that came to nothing. status: the last one seen, None when no answer came."""

    def __init__(self, what: str, status: int | None, detail: str) -> None:
        self.what = what
        self.status = status
        self.detail = detail
        super().__init__(f"{what}: {status or 'no answer'} {detail}")


class ApiRefusedError(ApiError):
    """The backend said no, with a 4xx; the detail is the slug of its problem."""


class ApiUnreachableError(ApiError):
    """No good answer before the retries ended."""


class ApiAnswerError(ApiError):
    """A 2xx whose body is not what the contract says."""


class Ceid(msgspec.Struct, frozen=True):
    """What the handset's identifiers are made from; the secret is base64 in JSON."""

    secret: bytes
    window_s: int


class Tokens(msgspec.Struct, frozen=True):
    """The right to speak for one handset."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str


class HandsetState(msgspec.Struct, frozen=True):
    """What the backend knows of this handset. ceid None: it must not advertise."""

    handset_id: str
    shopper_id: str
    tenant: str
    namespace: str
    ceid: Ceid | None


class _Registration(HandsetState, frozen=True):
    tokens: Tokens


class Redemption(msgspec.Struct, frozen=True):
    """An offer used."""

    redemption_id: str
    decision_id: str
    campaign_id: str


class FeedOffer(msgspec.Struct, frozen=True):
    """One offer of the feed."""

    campaign_id: str
    decision_id: str | None
    title: str


class _Feed(msgspec.Struct, frozen=True):
    offers: tuple[FeedOffer, ...]


class SurveyFloor(msgspec.Struct, frozen=True):
    """A floor to tap on."""

    floor_id: str


class OpenSurvey(msgspec.Struct, frozen=True):
    """The survey that this handset is to walk."""

    survey_id: str
    floors: tuple[SurveyFloor, ...]


class _SurveyState(msgspec.Struct, frozen=True):
    survey: OpenSurvey | None


class _Problem(msgspec.Struct, frozen=True):
    type: str = ""


class ApiClient:
    """One handset's calls. Every call is tried again with the same ids, and but for the age of
    what it says with the same body.

    clock_skew_s: how far this handset's own clock is ahead of the truth.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        clock: Clock,
        chance: random.Random,
        clock_skew_s: float = 0.0,
    ) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._clock = clock
        self._chance = chance
        self._clock_skew = timedelta(seconds=clock_skew_s)
        self._server_offset = timedelta()
        self._tokens: Tokens | None = None
        # A refresh token is spent by its use: two refreshes at once would end the family.
        self._refreshing = asyncio.Lock()

    @property
    def clock_error_s(self) -> float:
        """How far `server_now` is ahead of the truth: the skew that `Date` did not reveal."""
        return (self._clock_skew + self._server_offset).total_seconds()

    def server_now(self) -> datetime:
        """The server's time as far as this handset knows it."""
        return self._own_now() + self._server_offset

    async def register(self, body: Mapping[str, object]) -> HandsetState:
        """A new handset; from here on the client speaks for it."""
        answer = await self._call("POST", "/v1/handsets", body, authorized=False)
        registration = answer.read(_Registration)
        self._tokens = registration.tokens
        return registration

    async def put_consents(self, grants: list[dict[str, object]]) -> HandsetState:
        answer = await self._call("PUT", "/v1/me/consents", {"consents": grants})
        return answer.read(HandsetState)

    async def put_push_target(self, kind: str, value: str, platform: str) -> None:
        target = {"kind": kind, "value": value, "platform": platform}
        await self._call("PUT", "/v1/me/push-target", target)

    async def put_preferences(self, pushes_per_week: int | None) -> None:
        """Allow so many pushes in seven days; None: as many as come."""
        await self._call("PUT", "/v1/me/preferences", {"pushes_per_week": pushes_per_week})

    async def post_events(self, events: list[dict[str, object]]) -> None:
        await self._call("POST", "/v1/me/events", {"events": events})

    async def feed(self) -> tuple[FeedOffer, ...]:
        """The offers in the app now."""
        return (await self._call("GET", "/v1/me/feed")).read(_Feed).offers

    async def post_receipt(self, receipt: Mapping[str, object]) -> None:
        await self._call("POST", "/v1/me/receipts", {"receipts": [receipt]})

    async def redeem(self, decision_id: str, key: str) -> Redemption:
        """Use an offer; `key` makes a repeat harmless."""
        answer = await self._call(
            "POST",
            "/v1/me/redemptions",
            {"decision_id": decision_id},
            headers={"Idempotency-Key": key},
        )
        return answer.read(Redemption)

    async def survey(self) -> OpenSurvey | None:
        """The survey that is being made with this handset; None when there is none."""
        return (await self._call("GET", "/v1/me/survey")).read(_SurveyState).survey

    async def post_taps(self, body: Callable[[], Mapping[str, object]]) -> None:
        """Say where the survey's walk is. body: made anew for every try, because taps age."""
        await self._call("POST", "/v1/me/survey/taps", body)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | Callable[[], Mapping[str, object]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        authorized: bool = True,
    ) -> "_Answer":
        """The answer, a 2xx. Raises ApiRefusedError on a 4xx, ApiUnreachableError in the end."""
        what = f"{method} {path}"
        end_s = self._clock.monotonic_s() + RETRY_FOR_S
        back_off_s = FIRST_BACK_OFF_S
        was_refreshed = False
        while True:
            wait_s = back_off_s * self._chance.uniform(0.5, 1.0)
            status: int | None = None
            try:
                sent = await self._fresh_tokens() if authorized else None
                token_header = {"Authorization": f"Bearer {sent.access_token}"} if sent else {}
                said = body() if callable(body) else body
                answer = await self._once(method, path, said, {**(headers or {}), **token_header})
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                detail = type(error).__name__
            else:
                status = answer.status
                if status < HTTPStatus.BAD_REQUEST:
                    return answer
                if status == HTTPStatus.UNAUTHORIZED and sent is not None and not was_refreshed:
                    was_refreshed = True
                    await self._refresh(sent)
                    continue
                detail = answer.slug()
                if status == HTTPStatus.TOO_MANY_REQUESTS:
                    wait_s = max(wait_s, answer.retry_after_s())
                elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise ApiRefusedError(what, status, detail)
            if self._clock.monotonic_s() + wait_s > end_s:
                raise ApiUnreachableError(what, status, detail)
            await self._clock.sleep(wait_s)
            back_off_s = min(2 * back_off_s, LONGEST_BACK_OFF_S)

    async def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> "_Answer":
        before = self._own_now()
        async with (
            asyncio.timeout(CALL_TIMEOUT_S),
            self._session.request(
                method, f"{self._api_url}{path}", json=body, headers=headers
            ) as response,
        ):
            raw = await response.read()
            self._learn_time(response.headers.get("Date"), before)
            return _Answer(f"{method} {path}", response.status, response.headers, raw)

    async def _fresh_tokens(self) -> Tokens:
        assert self._tokens is not None, "registers first"
        left = self._tokens.access_expires_at - self.server_now()
        if left.total_seconds() < REFRESH_AHEAD_S:
            await self._refresh(self._tokens)
        return self._tokens

    async def _refresh(self, spent: Tokens) -> None:
        async with self._refreshing:
            if self._tokens is not spent:
                return  # another call has done it meanwhile
            answer = await self._call(
                "POST",
                "/v1/tokens/refresh",
                {"refresh_token": spent.refresh_token},
                authorized=False,
            )
            self._tokens = answer.read(Tokens)

    def _own_now(self) -> datetime:
        return self._clock.now() + self._clock_skew

    def _learn_time(self, date: str | None, before: datetime) -> None:
        if date is None:
            return
        try:
            server = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            return
        if server.tzinfo is None:
            server = server.replace(tzinfo=UTC)
        halfway = before + (self._own_now() - before) / 2
        # The server's clock stood between `Date` and the next second.
        offset = server + timedelta(seconds=0.5) - halfway
        if abs(offset - self._server_offset).total_seconds() >= DATE_RESOLUTION_S:
            self._server_offset = offset


@dataclass(frozen=True, slots=True)
class _Answer:
    what: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        """The body as that kind. Raises ApiAnswerError."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as error:
            raise ApiAnswerError(self.what, self.status, str(error)) from error

    def slug(self) -> str:
        """What kind of problem it is, in one word."""
        try:
            return msgspec.json.decode(self.body, type=_Problem).type.rpartition("/")[2]
        except msgspec.DecodeError:
            return "no problem document"

    def retry_after_s(self) -> float:
        """How long the server asks to wait; it may not say."""
        try:
            return float(self.headers.get("Retry-After", "0"))
        except ValueError:
            return 0.0

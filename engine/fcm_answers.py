"""What became of a push: FCM's answer, or its silence, as a value the outbox can act on.

Judged by `details[].errorCode` first, then by `status`, then by the HTTP code. Where an answer is
not understood the target is kept: a wrong address must not retire every handset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from random import Random
from typing import Final, assert_never

from engine.fcm_said import Said, read_answer

# Assumed sane bounds for a Retry-After: a second at least, an hour at most.
RETRY_AFTER_MIN_S: Final = 1.0
RETRY_AFTER_MAX_S: Final = 3600.0
# FCM: "429 without Retry-After: one minute"; "at least ten seconds before the first retry" of a
# server error. A connection that broke says nothing about FCM's load.
QUOTA_DELAY_S: Final = 60.0
SERVER_DELAY_S: Final = 10.0
CONNECTION_DELAY_S: Final = 1.0
JITTER: Final = 0.5  # a delay is lengthened by up to this share of itself, never shortened
APNS_GONE: Final = 410
# Beyond this many doublings any delay is at its bound.
DOUBLINGS_LIMIT: Final = 12


class Why(Enum):
    """The reason of an outcome; the value serves as a label of metrics."""

    UNREGISTERED = "unregistered"
    APNS_UNREGISTERED = "apns_unregistered"
    SENDER_ID_MISMATCH = "sender_id_mismatch"
    INVALID_MESSAGE = "invalid_message"
    INVALID_TARGET = "invalid_target"
    UNSENDABLE = "unsendable"
    CREDENTIAL_REFUSED = "credential_refused"
    PERMISSION_DENIED = "permission_denied"
    THIRD_PARTY_AUTH = "third_party_auth"
    QUOTA = "quota"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    TIMEOUT = "timeout"
    CONNECTION_CUT = "connection_cut"
    UNREACHABLE = "unreachable"
    NO_CREDENTIAL = "no_credential"
    NOT_UNDERSTOOD = "not_understood"
    OFFER_ENDED = "offer_ended"


class Meaning(Enum):
    """What FCM says of a push, whichever of its three codes says it."""

    TARGET_GONE = "the app is no longer there"
    OTHER_SENDER = "the target belongs to another project"
    INVALID = "it cannot or will not read the message"
    THIRD_PARTY = "APNs or the web push service refuses FCM's key for our app"
    STALE = "our access token is refused"
    DENIED = "our service account may not send"
    QUOTA = "too much at once"
    UNAVAILABLE = "not taken, try again"
    BROKEN = "something failed there, perhaps after it was taken"


# By errorCode (the newest and the one before 2019), by google.rpc status, by HTTP code. A 404 that
# no errorCode explains is left out: it is a wrong address, not a target that is gone.
MEANINGS: Final[Mapping[str | int, Meaning]] = {
    "UNREGISTERED": Meaning.TARGET_GONE,
    "SENDER_ID_MISMATCH": Meaning.OTHER_SENDER,
    "INVALID_ARGUMENT": Meaning.INVALID,
    "THIRD_PARTY_AUTH_ERROR": Meaning.THIRD_PARTY,
    "APNS_AUTH_ERROR": Meaning.THIRD_PARTY,
    "QUOTA_EXCEEDED": Meaning.QUOTA,
    "UNAVAILABLE": Meaning.UNAVAILABLE,
    "INTERNAL": Meaning.BROKEN,
    "UNAUTHENTICATED": Meaning.STALE,
    "PERMISSION_DENIED": Meaning.DENIED,
    "RESOURCE_EXHAUSTED": Meaning.QUOTA,
    "DEADLINE_EXCEEDED": Meaning.BROKEN,
    "UNKNOWN": Meaning.BROKEN,
    400: Meaning.INVALID,
    401: Meaning.STALE,
    403: Meaning.DENIED,
    408: Meaning.BROKEN,
    413: Meaning.INVALID,
    429: Meaning.QUOTA,
    503: Meaning.UNAVAILABLE,
}


class Stops(Enum):
    """What must stop sending until somebody has looked."""

    NOTHING = "nothing"
    PLATFORM = "platform"  # the target's platform: its APNs key or web push key is bad
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Delivered:
    """FCM took the message."""

    message_name: str


@dataclass(frozen=True, slots=True)
class TargetGone:
    """Retire the target: nothing will ever reach it. alarm: it was never ours to send to."""

    why: Why
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Send again then, as it is. maybe_sent: FCM may have taken it already."""

    at: datetime
    why: Why
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Never send this one again, and alarm. detail: names of fields, never what is in them."""

    why: Why
    stops: Stops = Stops.NOTHING
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """The offer ends before it could be sent again. maybe_sent: FCM may have taken it."""

    why: Why
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class StaleCredential:
    """The access token was refused; a new one may do. Never leaves the transport."""


Outcome = Delivered | TargetGone | RetryAt | Refused | Expired


@dataclass(frozen=True, slots=True)
class Life:
    """How long an offer has, and how often it was tried before. now: when the answer came."""

    now: datetime
    ends_at: datetime
    earlier_tries: int = 0


def classify(
    status: int, headers: Mapping[str, str], body: bytes, life: Life, chance: Random
) -> Outcome | StaleCredential:
    """What an HTTP answer of FCM means.

    headers: looked up as `Retry-After`; a case-insensitive mapping, or one in that spelling.
    chance: the jitter of a retry.
    """
    said = read_answer(body)
    if 200 <= status < 300:
        if said.message_name is not None:
            return Delivered(said.message_name)
        return later(Why.NOT_UNDERSTOOD, SERVER_DELAY_S, life, chance, maybe_sent=True)
    codes = (said.error_code, said.status, status)
    meaning = next((MEANINGS[code] for code in codes if code in MEANINGS), None)
    if meaning is None and status >= 500:
        meaning = Meaning.BROKEN
    match meaning:
        case Meaning.TARGET_GONE:
            return TargetGone(Why.UNREGISTERED)
        case Meaning.OTHER_SENDER:
            return TargetGone(Why.SENDER_ID_MISMATCH, alarm=True)
        case Meaning.INVALID:
            return _invalid(said)
        case Meaning.THIRD_PARTY:
            return Refused(Why.THIRD_PARTY_AUTH, Stops.PLATFORM)
        case Meaning.STALE:
            return StaleCredential()
        case Meaning.DENIED:
            return Refused(Why.PERMISSION_DENIED, Stops.EVERYTHING)
        case Meaning.QUOTA:
            return _asked_to_wait(Why.QUOTA, QUOTA_DELAY_S, headers, life, chance)
        case Meaning.UNAVAILABLE:
            return _asked_to_wait(Why.UNAVAILABLE, SERVER_DELAY_S, headers, life, chance)
        case Meaning.BROKEN:
            return _asked_to_wait(
                Why.INTERNAL, SERVER_DELAY_S, headers, life, chance, maybe_sent=True
            )
        case None:
            # A redirect, a 404 of a wrong address, a 405: nothing of ours will get through.
            return Refused(Why.NOT_UNDERSTOOD, Stops.EVERYTHING, f"HTTP {status}")
        case _:
            assert_never(meaning)


def later(
    why: Why, first_delay_s: float, life: Life, chance: Random, *, maybe_sent: bool = False
) -> RetryAt | Expired:
    """Try again after a delay that doubles with each try, if the offer still lives then."""
    doubled_s = first_delay_s * 2 ** min(life.earlier_tries, DOUBLINGS_LIMIT)
    delay_s = min(doubled_s * (1 + JITTER * chance.random()), RETRY_AFTER_MAX_S)
    return _at(why, delay_s, life, maybe_sent=maybe_sent)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for, within our bounds; None when it says nothing.

    Source: RFC 9110, 10.2.3: seconds or an HTTP-date.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # More digits than this is beyond the bound, and int() has a limit of its own.
        asked_s = float(value[:12])
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):  # the latter for a year or an offset beyond a C int
            return None
        asked_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(asked_s, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)


def _invalid(said: Said) -> TargetGone | Refused:
    if said.apns_status == APNS_GONE:
        return TargetGone(Why.APNS_UNREGISTERED)
    if said.error_code and not said.is_bad_request:
        # FCM read all of it and names no field: then it is the target that it cannot read.
        return Refused(Why.INVALID_TARGET)
    return Refused(Why.INVALID_MESSAGE, detail=", ".join(said.fields))


def _asked_to_wait(
    why: Why,
    first_delay_s: float,
    headers: Mapping[str, str],
    life: Life,
    chance: Random,
    *,
    maybe_sent: bool = False,
) -> RetryAt | Expired:
    asked_s = retry_after_s(headers.get("Retry-After"), life.now)
    if asked_s is None:
        return later(why, first_delay_s, life, chance, maybe_sent=maybe_sent)
    return _at(why, asked_s, life, maybe_sent=maybe_sent)


def _at(why: Why, delay_s: float, life: Life, *, maybe_sent: bool) -> RetryAt | Expired:
    at = life.now + timedelta(seconds=delay_s)
    if at >= life.ends_at:
        return Expired(why, maybe_sent)
    return RetryAt(at, why, maybe_sent)

"""Answers that say no: the list of them, and the one place that writes them (RFC 9457)."""

import logging
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import redis.exceptions
import sqlalchemy.exc
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
TYPE_BASE: Final = "https://corsia.invalid/problems/"
# Long enough for a Redis or a database to come back from a restart, short enough not to be felt.
RETRY_AFTER_S: Final = 5
# What the errors of one body may say; the first ones are what a person reads.
MAX_ERRORS: Final = 20
MAX_MESSAGE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One way to be refused. The slug ends the problem's `type` and labels its metric."""

    slug: str
    status: int
    title: str

    @property
    def type(self) -> str:
        return f"{TYPE_BASE}{self.slug}"


MALFORMED_REQUEST: Final = ProblemKind("malformed-request", 400, "The request cannot be read")
UNAUTHENTICATED: Final = ProblemKind("unauthenticated", 401, "A valid access token is needed")
REFRESH_INVALID: Final = ProblemKind("refresh-invalid", 401, "The refresh token is not valid")
REFRESH_REUSED: Final = ProblemKind(
    "refresh-reused", 401, "The refresh token was used before; all of its family are void"
)
BAD_SIGNATURE: Final = ProblemKind("bad-signature", 401, "The signature does not fit the request")
CLOCK_SKEW: Final = ProblemKind("clock-skew", 401, "The signature's time is too far from ours")
UNKNOWN_GATEWAY: Final = ProblemKind("unknown-gateway", 403, "No such gateway")
REVOKED_GATEWAY: Final = ProblemKind("revoked-gateway", 403, "The gateway has been revoked")
NOT_FOUND: Final = ProblemKind("not-found", 404, "There is nothing at this path")
UNKNOWN_CODE: Final = ProblemKind("unknown-code", 404, "No such enrolment code")
UNKNOWN_DECISION: Final = ProblemKind("unknown-decision", 404, "No such decision")
METHOD_NOT_ALLOWED: Final = ProblemKind("method-not-allowed", 405, "The path has no such method")
TOO_SLOW: Final = ProblemKind("too-slow", 408, "The body did not arrive in time")
ALREADY_REDEEMED: Final = ProblemKind("already-redeemed", 409, "The offer has been redeemed")
OFFER_OVER: Final = ProblemKind("offer-over", 409, "The offer is over")
NO_SURVEY: Final = ProblemKind("no-survey", 409, "No survey is being made with this handset")
SURVEY_FULL: Final = ProblemKind("survey-full", 409, "The survey has as many taps as it can hold")
RECEIPT_DIFFERS: Final = ProblemKind(
    "receipt-differs", 409, "Another receipt of this id has been taken"
)
TOO_LARGE: Final = ProblemKind("too-large", 413, "The body is too large")
UNREAD_MEDIA_TYPE: Final = ProblemKind("unread-media-type", 415, "The media type is not read here")
INVALID_BODY: Final = ProblemKind("invalid-body", 422, "The body does not fit its schema")
INVALID_QUERY: Final = ProblemKind("invalid-query", 422, "The query does not fit its schema")
INVALID_HEADER: Final = ProblemKind("invalid-header", 422, "A header is missing or unreadable")
MALFORMED_BATCH: Final = ProblemKind("malformed-batch", 422, "The body is no batch of sightings")
IMPOSSIBLE_TAP: Final = ProblemKind("impossible-tap", 422, "A tap's place or time cannot be right")
IMPOSSIBLE_TIME: Final = ProblemKind("impossible-time", 422, "A sighting's time cannot be right")
IMPOSSIBLE_RECEIPT: Final = ProblemKind(
    "impossible-receipt", 422, "The receipt is older than a week, or from the future"
)
TOO_MANY_REQUESTS: Final = ProblemKind("too-many-requests", 429, "Too many requests")
INTERNAL_ERROR: Final = ProblemKind("internal-error", 500, "The fault is ours")
STUCK: Final = ProblemKind("stuck", 503, "The process answers too late")
NOT_READY: Final = ProblemKind("not-ready", 503, "A part of the service is away")

# What may be raised when Redis or the database cannot be reached in time or cannot do its work;
# is_away tells those from our own faults. PostgreSQL's own words for it (starting up, no such
# database, too many connections) arrive as plain DBAPIError.
AWAY: Final = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ResponseError,
    sqlalchemy.exc.DBAPIError,
    sqlalchemy.exc.TimeoutError,
    OSError,  # a server that refuses the connection; TimeoutError is one of them
)
_OUR_FAULT: Final = (
    sqlalchemy.exc.DataError,
    sqlalchemy.exc.IntegrityError,
    sqlalchemy.exc.InternalError,
    sqlalchemy.exc.NotSupportedError,
    sqlalchemy.exc.ProgrammingError,
)
# Redis answers, but takes no writes: full, a replica, part of a cluster that is down.
_REDIS_REFUSES: Final = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)
# The same where the client has no class for it: the first word of what Redis says. It cannot write
# its snapshot, has lost its replicas, or is held up by a script.
_REDIS_REFUSES_WITH: Final = frozenset({"MISCONF", "NOREPLICAS", "BUSY"})
_OF_STATUS: Final = {
    kind.status: kind for kind in (NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE, MALFORMED_REQUEST)
}
_KEPT_HEADERS: Final = ("Allow",)


class ProblemError(BaseModel):
    """Where a body is wrong, and how."""

    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="names the kind of problem; compare this, not the title")
    title: str
    status: int
    detail: str | None = None
    errors: list[ProblemError] | None = None


class RefusedError(Exception):
    """A request that gets a problem for its answer."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str | None = None,
        *,
        errors: Iterable[ProblemError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)[:MAX_ERRORS]
        self.headers = dict(headers or {})


# Which problem a response carries, for the metrics.
PROBLEM_KIND: Final = web.ResponseKey("problem_kind", ProblemKind)


def problem_response(refused: RefusedError) -> web.Response:
    """The problem as an HTTP answer."""
    kind = refused.kind
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=refused.detail,
        errors=refused.errors or None,
    )
    headers = dict(refused.headers)
    if kind.status == NOT_READY.status:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    response = web.Response(
        body=problem.model_dump_json(exclude_none=True).encode(),
        status=kind.status,
        content_type=PROBLEM_JSON,
        headers=headers,
    )
    response[PROBLEM_KIND] = kind
    return response


@web.middleware
async def problems_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer of 400 and above as a problem; nothing of a failed request leaks."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return problem_response(refused)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem_response(_of_framework(error))
    except Exception as error:  # noqa: BLE001 - one request's fault must not end the process
        away = is_away(error)
        _log_failure("a part is away" if away else "request failed", request, error)
        return problem_response(RefusedError(NOT_READY if away else INTERNAL_ERROR))


def is_away(error: Exception) -> bool:
    """Whether the error says that Redis or the database is away, and not that we are wrong."""
    if isinstance(error, redis.exceptions.ResponseError):
        code = str(error).partition(" ")[0]
        return isinstance(error, _REDIS_REFUSES) or code in _REDIS_REFUSES_WITH
    return isinstance(error, AWAY) and not isinstance(error, _OUR_FAULT)


def route_of(request: web.Request) -> str:
    """The route's template, never the path: a path may hold an id."""
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _of_framework(error: web.HTTPException) -> RefusedError:
    kind = _OF_STATUS.get(error.status, MALFORMED_REQUEST)
    headers = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
    return RefusedError(kind, headers=headers)


def _log_failure(event: str, request: web.Request, error: Exception) -> None:
    # The kind of the error and where it arose, not its message: a database's message quotes rows.
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    log.error(
        event,
        extra={
            "route": route_of(request),
            "error": type(error).__name__,
            "raised_at": " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames)),
        },
    )

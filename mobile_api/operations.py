"""Operations: one typed handler each, from which routes and the OpenAPI document are made.

A handler takes the request and, by name, what its hints ask for: `body`, `path`, `query` and
`headers`, each a pydantic model. It returns a model, None, or an Answer when its status varies.
"""

import asyncio
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, ValidationError

from mobile_api.problems import (
    INTERNAL_ERROR,
    INVALID_BODY,
    INVALID_HEADER,
    INVALID_QUERY,
    MALFORMED_REQUEST,
    MAX_MESSAGE_CHARS,
    NOT_FOUND,
    NOT_READY,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    TOO_SLOW,
    UNAUTHENTICATED,
    UNREAD_MEDIA_TYPE,
    ProblemError,
    ProblemKind,
    RefusedError,
)

JSON: Final = "application/json"
# A body of the largest size over a store's slow line takes a second or two.
BODY_DEADLINE_S: Final = 10.0
# The slowest honest answer is a commit that waits for another writer (5 s on SQLite).
ANSWER_DEADLINE_S: Final = 15.0

T = TypeVar("T")


class Security(Enum):
    """How a caller says who they are."""

    OPEN = "open"  # by nothing yet: enrolment, registration, refresh
    HANDSET = "handset"  # by an access token
    GATEWAY = "gateway"  # by a signed request
    TILL = "till"  # by the token of a till
    SYSTEM = "system"  # the machine's own questions: no limit, no identity


class Received(BaseModel):
    """A body that we receive: exact types, no unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Parameters(BaseModel):
    """Parameters of a path, a query or headers; they arrive as text."""

    model_config = ConfigDict(frozen=True)


class HeaderParameters(Parameters):
    """Headers: `idempotency_key` reads `Idempotency-Key`."""

    model_config = ConfigDict(
        frozen=True, alias_generator=lambda name: "-".join(map(str.capitalize, name.split("_")))
    )


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer whose status is one of several."""

    body: T
    status: int


@dataclass(frozen=True, slots=True)
class RawBody:
    """A body that the handler reads itself: its media types with their schemas."""

    schemas: Mapping[str, Mapping[str, Any]]
    components: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    tag: str
    security: Security
    status: int
    also: tuple[int, ...]  # further statuses of success
    problems: tuple[ProblemKind, ...]
    media_type: str  # of the answer
    raw: RawBody | None
    answer: type[BaseModel] | None
    takes: Mapping[str, type[BaseModel]]  # body, path, query, headers


Gate = Callable[[web.Request, Security], Awaitable[None]]

_PLACES: Final = ("body", "path", "query", "headers")
_BODY_PROBLEMS: Final = (TOO_SLOW, TOO_LARGE, UNREAD_MEDIA_TYPE, MALFORMED_REQUEST)


def operation(
    method: str,
    path: str,
    handler: Callable[..., Awaitable[Any]],
    *,
    tag: str,
    security: Security,
    status: int = 200,
    also: Iterable[int] = (),
    problems: Iterable[ProblemKind] = (),
    media_type: str = JSON,
    raw: RawBody | None = None,
) -> Operation:
    """The operation that `handler` serves; bodies and parameters are read from its hints.

    problems: those that the handler itself raises; the common ones are added.
    """
    hints = typing.get_type_hints(handler)
    takes: dict[str, type[BaseModel]] = {place: hints[place] for place in _PLACES if place in hints}
    common: list[ProblemKind] = []
    if security is not Security.SYSTEM:
        common += [TOO_MANY_REQUESTS, NOT_READY, INTERNAL_ERROR]
    if security in {Security.HANDSET, Security.TILL}:
        common.append(UNAUTHENTICATED)
    if "body" in takes or raw:
        common += _BODY_PROBLEMS
    common += [kind for place, kind in _PROBLEM_OF_PLACE.items() if place in takes]
    return Operation(
        method,
        path,
        handler,
        tag,
        security,
        status,
        tuple(also),
        tuple(dict.fromkeys((*problems, *common))),
        media_type,
        raw,
        _answered(hints.get("return")),
        takes,
    )


def add_routes(app: web.Application, operations: Iterable[Operation], gate: Gate) -> None:
    """Serve the operations. gate: raises RefusedError for a caller who may not pass."""
    for op in operations:
        app.router.add_route(op.method, op.path, _served(op, gate), expect_handler=_expect)


def template(path: str) -> str:
    """The path as OpenAPI writes it."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


async def read_body(request: web.Request, accepted: Iterable[str]) -> bytes:
    """The body's bytes, when it is of an accepted media type, in time and not too large."""
    if request.content_type not in accepted or hdrs.CONTENT_ENCODING in request.headers:
        raise RefusedError(UNREAD_MEDIA_TYPE, f"send {' or '.join(accepted)}, not compressed")
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await request.read()
    except TimeoutError as error:
        raise RefusedError(TOO_SLOW) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise RefusedError(TOO_LARGE, f"at most {request.client_max_size} octets") from error
    except web.RequestPayloadError as error:
        raise RefusedError(MALFORMED_REQUEST, "the body breaks off or is framed wrongly") from error


def _served(op: Operation, gate: Gate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            await gate(request, op.security)
        taken = {place: await _READERS[place](request, model) for place, model in op.takes.items()}
        # A raw body is read by the handler, which has that much longer.
        reading_s = BODY_DEADLINE_S if op.raw is not None else 0.0
        async with asyncio.timeout(reading_s + ANSWER_DEADLINE_S):
            return _response(op, await op.handler(request, **taken))

    return serve


def _response(op: Operation, answered: object) -> web.StreamResponse:
    status = op.status
    if isinstance(answered, Answer):
        status, answered = answered.status, answered.body
    match answered:
        case None:
            return web.Response(status=status)
        case web.StreamResponse():
            return answered
        case BaseModel():
            return web.Response(
                body=answered.model_dump_json().encode(),
                status=status,
                content_type=op.media_type,
            )
        case _:
            raise TypeError(f"{op.handler.__name__} returned a {type(answered).__name__}")


async def _expect(request: web.Request) -> None:
    # The framework's own handler, but inside our middlewares' reach: an unknown expectation is
    # simply not met, which RFC 9110 10.1.1 allows.
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _read_json(request: web.Request, model: type[BaseModel]) -> BaseModel:
    return _parsed(model.model_validate_json, await read_body(request, (JSON,)), INVALID_BODY)


async def _read_path(request: web.Request, model: type[BaseModel]) -> BaseModel:
    return _parsed(model.model_validate_strings, dict(request.match_info), NOT_FOUND)


async def _read_query(request: web.Request, model: type[BaseModel]) -> BaseModel:
    return _parsed(model.model_validate_strings, dict(request.query), INVALID_QUERY)


async def _read_headers(request: web.Request, model: type[BaseModel]) -> BaseModel:
    names = (str(field.alias) for field in model.model_fields.values())
    given = {name: request.headers[name] for name in names if name in request.headers}
    return _parsed(model.model_validate_strings, given, INVALID_HEADER)


_READERS: Final = {
    "body": _read_json,
    "path": _read_path,
    "query": _read_query,
    "headers": _read_headers,
}
_PROBLEM_OF_PLACE: Final = {
    "body": INVALID_BODY,
    "path": NOT_FOUND,
    "query": INVALID_QUERY,
    "headers": INVALID_HEADER,
}


def _parsed(parse: Callable[[Any], BaseModel], given: object, kind: ProblemKind) -> BaseModel:
    try:
        return parse(given)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False, include_context=False)
        raise RefusedError(
            kind,
            errors=[
                ProblemError(
                    loc=[_short(part) for part in e["loc"]], msg=e["msg"][:MAX_MESSAGE_CHARS]
                )
                for e in said
            ],
        ) from error


def _short(part: int | str) -> int | str:
    return part if isinstance(part, int) else part[:MAX_MESSAGE_CHARS]


def _answered(hint: object) -> type[BaseModel] | None:
    for kind in (hint, *typing.get_args(hint)):
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return kind
    return None

"""The HTTP server below the application: bytes that are no HTTP get a problem too.

The framework answers these itself, in plain text, names its version and logs the peer's address;
it has no setting for that, so its protocol class is replaced here, and nowhere else.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from mobile_api.metrics import METRICS
from mobile_api.parts import CLOCK
from mobile_api.problems import INTERNAL_ERROR, MALFORMED_REQUEST, RefusedError, problem_response
from mobile_api.security_headers import add_headers

log = logging.getLogger(__name__)

# Requests under way get this long when the process is told to stop; it has 3 s in all.
SHUTDOWN_S: Final = 2.0


class ApiRunner(web.AppRunner):
    """Runs the application; what comes before it speaks the same language."""

    def __init__(self, app: web.Application) -> None:
        http_log = logging.getLogger(f"{__name__}.connection")
        http_log.addFilter(_anonymous)
        super().__init__(
            app, access_log=None, logger=http_log, handle_signals=False, shutdown_timeout=SHUTDOWN_S
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            self._refusal,
            request_factory=made.request_factory,
            **made._kwargs,  # noqa: SLF001 - there is no other way to them
        )

    def _refusal(self, status: int) -> web.Response:
        kind = INTERNAL_ERROR if status >= INTERNAL_ERROR.status else MALFORMED_REQUEST
        metrics = self.app[METRICS]
        metrics.requests.labels("OTHER", "unmatched", str(kind.status)).inc()
        metrics.problems.labels("unmatched", kind.slug).inc()
        response = problem_response(RefusedError(kind))
        add_headers(response, self.app[CLOCK].now())
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, handler: Any, refusal: Callable[[int], web.Response], **given: Any) -> None:
        super().__init__(handler, **given)
        self._refusal = refusal

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, self._refusal, **self._kwargs)


class _Protocol(web.RequestHandler):
    __slots__ = ("_refusal",)

    def __init__(
        self, server: web.Server, refusal: Callable[[int], web.Response], **given: Any
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **given)
        self._refusal = refusal

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what was sent
    ) -> web.StreamResponse:
        name = None if exc is None else type(exc).__name__
        log.debug("answered below the application", extra={"status": status, "error": name})
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; another cannot follow")
        return self._refusal(status)


def _anonymous(record: logging.LogRecord) -> bool:
    """The server's own line without what it quotes: a peer's address, a stranger's bytes."""
    error = record.exc_info[0] if record.exc_info else None
    record.msg, record.args, record.exc_info = "a connection went wrong", (), None
    record.__dict__["error"] = None if error is None else error.__name__
    return True

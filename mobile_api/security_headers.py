"""Headers on every answer: the time, and nothing kept, framed, sniffed or told about us."""

import email.utils
from datetime import datetime
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from config.clock import Clock

# No CORS header is among them: no browser page of another origin has business here.
# Strict-Transport-Security is for the proxy that ends TLS (RFC 6797, section 7.2).
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "corsia",
    "X-Content-Type-Options": "nosniff",
}


def headers_middleware(clock: Clock) -> Middleware:
    """Adds the headers. Gateways without a clock battery set theirs by our Date."""

    @web.middleware
    async def add(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        add_headers(response, clock.now())
        return response

    return add


def add_headers(response: web.StreamResponse, now: datetime) -> None:
    """The headers are on the answer."""
    response.headers.update(HEADERS)
    response.headers[hdrs.DATE] = email.utils.format_datetime(now, usegmt=True)

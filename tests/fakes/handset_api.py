"""A small stand-in for mobile_api's handset side, by the HTTP contract and no more.

It keeps everything in memory, remembers each request, and fails when it is told to.
"""

import asyncio
import base64
import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from config.clock import Clock, VirtualClock

TENANT = "demo"
NAMESPACE = "c0451a01"
TOKEN_LIFE_S = 600


class HandsetApi:
    """The server; `async with` starts and stops it.

    date_ahead_s: how far its `Date` is ahead of the clock, as a server with a wrong clock.
    """

    def __init__(self, clock: Clock, date_ahead_s: float = 0.0) -> None:
        self._clock = clock
        self._date_ahead = timedelta(seconds=date_ahead_s)
        self._failures: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._access: dict[str, str] = {}
        self._refresh: dict[str, str] = {}
        self.requests: list[tuple[str, Any]] = []
        self.handsets: dict[str, dict[str, Any]] = {}
        self.is_ready = True
        app = web.Application(middlewares=[self._front])
        app.router.add_get("/readyz", self._readyz)
        app.router.add_post("/v1/handsets", self._register)
        app.router.add_post("/v1/tokens/refresh", self._refresh_tokens)
        app.router.add_put("/v1/me/consents", self._consents)
        app.router.add_put("/v1/me/push-target", self._push_target)
        app.router.add_put("/v1/me/preferences", self._preferences)
        app.router.add_post("/v1/me/events", self._stored)
        app.router.add_post("/v1/me/receipts", self._stored)
        app.router.add_get("/v1/me/feed", self._feed)
        app.router.add_post("/v1/me/redemptions", self._redeem)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    def fail(self, call: str, *statuses: int, slug: str = "told-to-fail") -> None:
        """The next calls of `METHOD /path` answer these; status 0 cuts the connection."""
        self._failures[call] += [(status, slug) for status in statuses]

    def expire_access(self) -> None:
        """Every access token is refused from here on; refresh tokens still work."""
        self._access.clear()

    def bodies(self, call: str) -> list[Any]:
        """What was sent with that call, whatever was answered."""
        return [body for name, body in self.requests if name == call]

    @web.middleware
    async def _front(self, request: web.Request, handler: Any) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        self.requests.append((call, await request.json() if request.can_read_body else None))
        if self._failures[call]:
            status, slug = self._failures[call].pop(0)
            if status == 0:
                assert request.transport is not None
                request.transport.abort()
                raise asyncio.CancelledError
            return self._dated(_problem(status, slug))
        if request.path.startswith("/v1/me") and self._who(request) is None:
            return self._dated(_problem(401, "unauthenticated"))
        return self._dated(await handler(request))

    def _dated(self, response: web.StreamResponse) -> web.StreamResponse:
        at = self._clock.now() + self._date_ahead
        response.headers["Date"] = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    def _who(self, request: web.Request) -> dict[str, Any] | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        handset_id = self._access.get(token)
        return None if handset_id is None else self.handsets[handset_id]

    def _mine(self, request: web.Request) -> dict[str, Any]:
        handset = self._who(request)
        assert handset is not None
        return handset

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.is_ready else 503)

    async def _register(self, request: web.Request) -> web.Response:
        body = await request.json()
        handset = {
            "handset_id": uuid.uuid4().hex,
            "shopper_id": uuid.uuid4().hex,
            "tenant": TENANT,
            "namespace": NAMESPACE,
            "ceid": None,
            "consents": [],
            "registered": body,
            "redeemed": {},
        }
        self.handsets[handset["handset_id"]] = handset
        self._grant(handset, body["consents"])
        tokens = self._tokens(handset["handset_id"])
        return web.json_response({**_state(handset), "tokens": tokens}, status=201)

    async def _refresh_tokens(self, request: web.Request) -> web.Response:
        handset_id = self._refresh.pop((await request.json())["refresh_token"], None)
        if handset_id is None:
            return _problem(401, "refresh-reused")
        return web.json_response(self._tokens(handset_id))

    async def _consents(self, request: web.Request) -> web.Response:
        handset = self._mine(request)
        self._grant(handset, (await request.json())["consents"])
        return web.json_response(_state(handset))

    async def _push_target(self, request: web.Request) -> web.Response:
        self._mine(request)["push_target"] = await request.json()
        return web.Response(status=204)

    async def _preferences(self, request: web.Request) -> web.Response:
        self._mine(request)["preferences"] = await request.json()
        return web.Response(status=204)

    async def _stored(self, request: web.Request) -> web.Response:
        (items,) = (await request.json()).values()
        return web.json_response({"stored": len(items)}, status=202)

    async def _feed(self, _request: web.Request) -> web.Response:
        return web.json_response({"offers": []})

    async def _redeem(self, request: web.Request) -> web.Response:
        handset, key = self._mine(request), request.headers["Idempotency-Key"]
        decision_id = (await request.json())["decision_id"]
        status = 200 if key in handset["redeemed"] else 201
        answer = handset["redeemed"].setdefault(
            key,
            {
                "redemption_id": uuid.uuid4().hex,
                "decision_id": decision_id,
                "campaign_id": "campaign",
                "code": "1234",
                "redeemed_at": _stamp(self._clock.now()),
            },
        )
        return web.json_response(answer, status=status)

    def _grant(self, handset: dict[str, Any], grants: list[dict[str, Any]]) -> None:
        for grant in grants:
            handset["consents"].append(grant)
            if grant["purpose"] == "location_ble":
                secret = base64.b64encode(secrets.token_bytes(32)).decode()
                granted = {"secret": secret, "window_s": 900}
                handset["ceid"] = granted if grant["granted"] else None

    def _tokens(self, handset_id: str) -> dict[str, str]:
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._access[access] = handset_id
        self._refresh[refresh] = handset_id
        expires_at = self._clock.now() + self._date_ahead + timedelta(seconds=TOKEN_LIFE_S)
        return {
            "access_token": access,
            "access_expires_at": _stamp(expires_at),
            "refresh_token": refresh,
        }


async def until(
    clock: VirtualClock,
    condition: Callable[[], object],
    limit_s: float = 120.0,
    step_s: float = 0.05,
) -> None:
    """Move the time on in small steps, sockets included, until the condition holds."""
    end_s = clock.monotonic_s() + limit_s
    while not condition():
        assert clock.monotonic_s() < end_s, "it did not come true"
        await clock.advance(step_s)
        # A turn through the selector, so that loopback answers are in before the next step.
        await asyncio.to_thread(lambda: None)


def _state(handset: dict[str, Any]) -> dict[str, Any]:
    names = ("handset_id", "shopper_id", "tenant", "namespace", "ceid", "consents")
    return {name: handset[name] for name in names}


def _problem(status: int, slug: str) -> web.Response:
    kind = f"https://corsia.invalid/problems/{slug}"
    return web.json_response(
        {"type": kind, "title": slug, "status": status},
        status=status,
        content_type="application/problem+json",
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

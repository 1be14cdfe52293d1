"""The application put together, and the process that serves it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from config.clock import Clock
from config.settings import Settings, data_key, token_key
from db.connect import open_database
from db.live import open_live
from mobile_api import (
    events,
    feed,
    gateways,
    handsets,
    health,
    opinions,
    personal,
    preferences,
    redemptions,
    surveys,
    till,
)
from mobile_api.gate import gate
from mobile_api.health import LAG, READINESS, LoopLag, Readiness
from mobile_api.http_server import ApiRunner
from mobile_api.metrics import METRICS, metrics_middleware, new_metrics
from mobile_api.openapi import document
from mobile_api.operations import Operation, Security, add_routes, operation
from mobile_api.parts import CLOCK, DB, LIVE, OPERATOR, RATES, SIGNER, Operator, Rates
from mobile_api.problems import problems_middleware
from mobile_api.security_headers import headers_middleware
from mobile_api.tokens import TokenSigner

log = logging.getLogger(__name__)

TITLE: Final = "Corsia"
VERSION: Final = "1"
_OPENAPI_JSON: Final = web.AppKey("openapi_json", bytes)


async def openapi_document(request: web.Request) -> web.Response:
    """This document"""
    return web.Response(body=request.app[_OPENAPI_JSON], content_type="application/json")


OPERATIONS: Final[tuple[Operation, ...]] = (
    *gateways.OPERATIONS,
    *handsets.OPERATIONS,
    *events.OPERATIONS,
    *feed.OPERATIONS,
    *redemptions.OPERATIONS,
    *till.OPERATIONS,
    *surveys.OPERATIONS,
    *preferences.OPERATIONS,
    *opinions.OPERATIONS,
    *personal.OPERATIONS,
    *health.OPERATIONS,
    operation("GET", "/openapi.json", openapi_document, tag="system", security=Security.SYSTEM),
)


def make_app(
    settings: Settings,
    clock: Clock,
    *,
    rates: Rates = Rates(),  # noqa: B008 - a frozen value
) -> web.Application:
    """The application; it opens the database and Redis of the settings when it starts up.

    settings.redis_url must be set. Rates are per client.
    """
    metrics = new_metrics()
    app = web.Application(
        middlewares=[
            headers_middleware(clock),
            metrics_middleware(metrics, clock),
            problems_middleware,
        ],
        client_max_size=settings.api_body_max_bytes,
    )
    app[CLOCK] = clock
    app[METRICS] = metrics
    app[RATES] = rates
    app[LAG] = LoopLag(clock)
    app[OPERATOR] = Operator(settings.tenant, settings.namespace, data_key(settings))
    app[SIGNER] = TokenSigner(token_key(settings), settings.tenant)
    app[_OPENAPI_JSON] = json.dumps(document(TITLE, VERSION, OPERATIONS)).encode()

    async def database(app: web.Application) -> AsyncIterator[None]:
        async with open_database(settings.sql_url) as opened:
            app[DB] = opened
            yield

    async def redis(app: web.Application) -> AsyncIterator[None]:
        assert settings.redis_url is not None
        async with open_live(settings.redis_url) as opened:
            app[LIVE] = opened
            yield

    async def readiness(app: web.Application) -> AsyncIterator[None]:
        app[READINESS] = Readiness(clock, app[DB], app[LIVE])
        yield

    app.cleanup_ctx.extend((database, redis, readiness))
    add_routes(app, OPERATIONS, gate)
    return app


async def run_api(
    settings: Settings, clock: Clock, *, listening: asyncio.Future[int] | None = None
) -> None:
    """Serve until cancelled. listening: gets the port, for those who asked for port 0."""
    app = make_app(settings, clock)
    runner = ApiRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.api_host, settings.api_port)
        await site.start()
        port = int(runner.addresses[0][1])
        log.info("api listens", extra={"host": settings.api_host, "port": port})
        if listening is not None:
            listening.set_result(port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app[LAG].measure(), name="loop lag")
    finally:
        await runner.cleanup()
        log.info("api stopped")

"""Whether the process lives, whether it can work, and its figures."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

import sqlalchemy
from aiohttp import web
from prometheus_client import generate_latest

from config.clock import Clock
from db import migrate
from db.connect import Database
from db.live import Live
from mobile_api.engine_metrics import engine_text
from mobile_api.metrics import METRICS
from mobile_api.models import Health
from mobile_api.operations import Security, operation
from mobile_api.parts import DB, LIVE
from mobile_api.problems import AWAY, NOT_READY, STUCK, ProblemError, RefusedError

log = logging.getLogger(__name__)

LAG_INTERVAL_S: Final = 0.25
# A loop that answers a second late answers nobody in time.
MAX_LAG_S: Final = 1.0
# Probes come from several places every few seconds; the servers are asked once for all of them.
READY_CACHE_S: Final = 1.0
READY_DEADLINE_S: Final = 2.0
PLAIN_METRICS: Final = "text/plain"


class LoopLag:
    """How late the event loop runs what is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s: float | None = None
        self._last_s = 0.0

    @property
    def seconds(self) -> float:
        """The last lag measured, or the one that is growing now."""
        overdue_s = 0.0 if self._due_s is None else self._clock.monotonic_s() - self._due_s
        return max(self._last_s, overdue_s, 0.0)

    async def measure(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due_s = self._clock.monotonic_s() + LAG_INTERVAL_S
            await self._clock.sleep(LAG_INTERVAL_S)
            self._last_s = self._clock.monotonic_s() - self._due_s


@dataclass(frozen=True, slots=True)
class _Checked:
    at_s: float
    failed: tuple[str, ...]


class Readiness:
    """Which parts are away, asked at most once in READY_CACHE_S."""

    def __init__(self, clock: Clock, database: Database, live: Live) -> None:
        self._clock = clock
        self._database = database
        self._live = live
        self._asking = asyncio.Lock()
        self._last: _Checked | None = None

    async def failed(self) -> tuple[str, ...]:
        """The names of the parts that fail; none when all is well."""
        async with self._asking:
            now_s = self._clock.monotonic_s()
            if self._last is None or now_s - self._last.at_s >= READY_CACHE_S:
                self._last = _Checked(now_s, await self._ask())
            return self._last.failed

    async def _ask(self) -> tuple[str, ...]:
        failed: list[str] = []
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                await self._live.ping()
        except AWAY as error:
            failed.append(_away("redis", error))
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                async with self._database.read() as tx:
                    await tx.execute(sqlalchemy.select(1))
                if await migrate.current(self._database) != migrate.newest():
                    failed.append("migrations")
        except AWAY as error:
            failed.append(_away("database", error))
        return tuple(failed)


LAG: Final = web.AppKey("lag", LoopLag)
READINESS: Final = web.AppKey("readiness", Readiness)


async def live_probe(request: web.Request) -> Health:
    """Whether the process answers in time"""
    if request.app[LAG].seconds >= MAX_LAG_S:
        raise RefusedError(STUCK)
    return Health(status="ok")


async def ready_probe(request: web.Request) -> Health:
    """Whether Redis, the database and its schema are there

    A 503 names the parts that are not.
    """
    failed = await request.app[READINESS].failed()
    if failed:
        errors = [ProblemError(loc=[part], msg="not usable") for part in failed]
        raise RefusedError(NOT_READY, ", ".join(failed), errors=errors)
    return Health(status="ok")


async def metrics_text(request: web.Request) -> web.Response:
    """The figures of this process and of the engines, for Prometheus"""
    text = generate_latest(request.app[METRICS].registry)
    text += await engine_text(request.app[DB], request.app[LIVE])
    return web.Response(
        body=text,
        headers={"Content-Type": f"{PLAIN_METRICS}; version=1.0.0; charset=utf-8"},
    )


def _away(part: str, error: Exception) -> str:
    log.warning("not ready", extra={"part": part, "error": type(error).__name__})
    return part


OPERATIONS: Final = (
    operation(
        "GET", "/livez", live_probe, tag="system", security=Security.SYSTEM, problems=(STUCK,)
    ),
    operation(
        "GET", "/readyz", ready_probe, tag="system", security=Security.SYSTEM, problems=(NOT_READY,)
    ),
    operation(
        "GET",
        "/metrics",
        metrics_text,
        tag="system",
        security=Security.SYSTEM,
        media_type=PLAIN_METRICS,
    ),
)

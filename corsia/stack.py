"""Everything of one deployment on one machine: servers, schema, processes; for `up` and
`rehearse`."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp

from config.clock import Clock
from config.settings import PREFIX, Settings, data_key, token_key
from corsia.children import Children, Command
from db import gateways, migrate
from db.connect import Database, open_database
from db.live import Live, open_live
from db.redis_server import embedded_redis

# Codes of a demonstration are used at once, by gateways on this machine.
CODE_VALID_FOR: Final = timedelta(minutes=15)
# Where the embedded Redis lives in the data directory.
REDIS_DIR: Final = "redis"
READY_WITHIN_S: Final = 60.0
READY_POLL_S: Final = 0.1


class StackError(Exception):
    """What could not be started, and what it said last."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The parts that run."""

    settings: Settings
    run_dir: Path
    database: Database
    live: Live
    children: Children
    clock: Clock

    @property
    def api_url(self) -> str:
        """Where the API listens."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def serve(self, name: str, child: str | None = None) -> None:
        """Start one of our processes: api, engine, push or jobs.

        child: what it is called, where there are several.
        """
        self.children.start(Command(child or name, (name,), _environment(self.settings)))

    async def start_gateway(self, gateway_id: str, source: str, api_url: str) -> None:
        """Start a gateway that enrols itself with a code of its own."""
        async with self.database.begin() as tx:
            until = self.clock.now() + CODE_VALID_FOR
            code = await gateways.new_enrolment_code(tx, gateway_id, until)
        environment = {
            "CORSIA_GATEWAY_API_URL": api_url,
            "CORSIA_GATEWAY_DATA_DIR": str(self.gateway_dir(gateway_id)),
            "CORSIA_GATEWAY_SOURCE": source,
            "CORSIA_GATEWAY_LOG_LEVEL": self.settings.log_level,
        }
        arguments = ("gateway", "run", "--code", code)
        self.children.start(Command(f"gateway-{gateway_id}", arguments, environment))

    def gateway_dir(self, gateway_id: str) -> Path:
        """Where a gateway of this run keeps its key and spool."""
        return self.run_dir / "gateways" / gateway_id

    async def wait_for_file(self, path: Path, child: str) -> None:
        """Return once a child has written its file. Raises StackError."""
        deadline_s = self.clock.monotonic_s() + READY_WITHIN_S
        while not path.exists():
            await self._still_hoping(child, deadline_s)

    async def wait_for_api(self) -> None:
        """Return once our API says that all it needs is there. Raises StackError."""
        deadline_s = self.clock.monotonic_s() + READY_WITHIN_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            while True:
                try:
                    async with http.get(f"{self.api_url}/readyz") as answer:
                        if answer.ok and await answer.json() == {"status": "ok"}:
                            break
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                    pass  # not yet; what the child said last tells why, should it stay so
                await self._still_hoping("api", deadline_s)

    async def _still_hoping(self, child: str, deadline_s: float) -> None:
        ended = self.children.by_name[child].exit_code
        if ended is not None or self.clock.monotonic_s() > deadline_s:
            said = "\n  ".join(self.children.last_words(child)) or "nothing"
            raise StackError(f"{child} did not start; it said last:\n  {said}")
        await self.clock.sleep(READY_POLL_S)


@asynccontextmanager
async def open_stack(
    settings: Settings, run_dir: Path, tasks: asyncio.TaskGroup, clock: Clock
) -> AsyncIterator[Stack]:
    """Redis, the database at its newest schema, and room for children; all stopped at the end.

    Raises RedisServerError, DatabaseUrlError, sqlalchemy.exc.DBAPIError.
    """
    async with AsyncExitStack() as stack:
        if settings.redis_url is None:
            redis_url = await stack.enter_async_context(
                embedded_redis(settings.data_path / REDIS_DIR, clock)
            )
            settings = settings.model_copy(update={"redis_url": redis_url})
        # Made before the children look for them, so that none of them races another.
        token_key(settings)
        data_key(settings)
        database = await stack.enter_async_context(open_database(settings.sql_url))
        await migrate.upgrade(database)
        live = await stack.enter_async_context(open_live(settings.redis_url or ""))
        children = Children(run_dir / "logs", tasks, clock)
        try:
            yield Stack(settings, run_dir, database, live, children, clock)
        finally:
            await children.stop(lambda _name: True)


def of_its_own(settings: Settings, run_dir: Path) -> Settings:
    """The settings for a run that must touch nothing of the operator's: its own database, Redis,
    data and port, whatever is configured."""
    return settings.model_copy(
        update={
            "data_dir": run_dir / "data",
            "database_url": None,
            "redis_url": None,
            "fcm_key_file": None,
            "api_host": "127.0.0.1",
            "api_port": free_port("127.0.0.1"),
        }
    )


def free_port(host: str) -> int:
    """A TCP port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def simulator_ready(path: Path) -> tuple[str, Sequence[str]]:
    """The fake FCM's address and the gateways that the simulator has air for."""
    said = json.loads(path.read_text())
    return said["fcm_url"], said["gateways"]


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as a child reads them; defaults are left to it."""
    given = {
        "data_dir": settings.data_path,
        "tenant": settings.tenant,
        "namespace": settings.namespace,
        "database_url": settings.sql_url,
        "redis_url": settings.redis_url,
        "api_host": settings.api_host,
        "api_port": settings.api_port,
        "api_body_max_bytes": settings.api_body_max_bytes,
        "fcm_url": settings.fcm_url,
        "fcm_key_file": settings.fcm_key_file,
        "push_concurrency": settings.push_concurrency,
        "log_level": settings.log_level,
        "log_style": settings.log_style,
    }
    return {f"{PREFIX}{name}".upper(): str(value) for name, value in given.items() if value}

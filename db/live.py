"""Redis: every key, its type and its expiry; the stream, the caps and the live picture.

| key | type | expires | what |
| --- | --- | --- | --- |
| `{store:S}:sightings` | stream | trimmed at STREAM_MAX | batches on their way to the engine |
| `{store:S}:seqs` | hash | 2 days idle | `gateway:boot` -> last sequence number taken |
| `{store:S}:here` | hash | 2 minutes idle | handset -> where presence believes it is |
| `{store:S}:presence` | string | CHECKPOINT_EXPIRE_S | a checkpoint of presence |
| `{store:S}:owner` | string | LEASE_S | the engine process that owns the store |
| `{shopper:P}:messages` | sorted set | MESSAGES_EXPIRE_S | messages reserved (JSON) by time in us |
| `{shopper:P}:released` | set | RELEASED_EXPIRE_S | those given back: not to be taken again |
| `{store:S}:counts` | hash | never | what engine and push workers counted |
| `outbox:wake` | list | 1 minute | at most one entry: there is a push to send |
| `rate:C` | string | its period | requests of one client (GCRA) |

All of it can be lost: batches of the last moments are sent again or counted as lost, sequence
numbers stand in SQL too, caps are counted from SQL and handed in with each reservation, and
presence and the live picture form again within seconds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from beacons.sighting import Batch, encode_batch
from db import live_scripts
from db.live_members import member, reservation, us
from db.redis_client import open_redis, together
from offers.pressure import LOOKS_BACK, Cap, Message

GROUP: Final = "engine"
# 12 gateways at one batch a second: over two hours of a store whose engine is away.
STREAM_MAX: Final = 100_000
SEQS_EXPIRE_S: Final = 2 * 86_400
HERE_EXPIRE_S: Final = 120
MESSAGES_EXPIRE_S: Final = int(LOOKS_BACK.total_seconds()) + 86_400
# Whoever read a send in SQL before it was given back reserves within seconds.
RELEASED_EXPIRE_S: Final = 3_600
# What is older is refused when it is restored; Redis need not keep it.
CHECKPOINT_EXPIRE_S: Final = 20
# The fullest store planned for: 2,000 handsets at 8 kB each on the finest grid, and half as much.
CHECKPOINT_MAX_BYTES: Final = 24_000_000
LEASE_S: Final = 10
WAKE: Final = "outbox:wake"
WAKE_EXPIRE_S: Final = 60


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """A batch as the engine takes it from the stream."""

    entry_id: str
    gateway_id: str
    data: bytes  # msgpack, beacons.sighting.Batch


class Here(msgspec.Struct, array_like=True, frozen=True):
    """Where presence believes a handset to be."""

    zone_id: str | None
    confidence: float
    x_m: float
    y_m: float
    heard_s: float  # unix
    floor_id: str | None = None  # of x_m and y_m


class Live:
    """Redis as we use it; every script and key is here."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._append = redis.register_script(live_scripts.APPEND)
        self._reserve = redis.register_script(live_scripts.RESERVE)
        self._lease = redis.register_script(live_scripts.LEASE)
        self._release_lease = redis.register_script(live_scripts.RELEASE_LEASE)
        self._keep_checkpoint = redis.register_script(live_scripts.KEEP_CHECKPOINT)
        self._rate = redis.register_script(live_scripts.RATE)

    async def ping(self) -> None:
        """Nothing, when Redis answers. Raises redis.exceptions.RedisError."""
        answer: Any = self.redis.ping()
        await answer

    # --- the stream ---------------------------------------------------------------------------
    async def append(self, store_id: str, gateway_id: str, batch: Batch) -> bool:
        """Put a batch on the store's stream; False when it has been there before."""
        taken = await self._append(
            keys=[_stream(store_id), f"{{store:{store_id}}}:seqs"],
            args=[
                f"{gateway_id}:{batch.boot}",
                batch.seq,
                gateway_id,
                encode_batch(batch),
                STREAM_MAX,
                SEQS_EXPIRE_S,
            ],
        )
        return bool(taken)

    async def open_stream(self, store_id: str) -> None:
        """Make the store's stream and its group, where they are not there yet."""
        try:
            await self.redis.xgroup_create(_stream(store_id), GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def unacknowledged(self, store_id: str, consumer: str, most: int) -> list[StreamEntry]:
        """All that an owner of the store took and never acknowledged, now this consumer's.

        most: how many are asked for at a time.
        """
        found: list[StreamEntry] = []
        start = b"0-0"
        while True:
            answer: Any = await self.redis.xautoclaim(
                _stream(store_id), GROUP, consumer, min_idle_time=0, start_id=start, count=most
            )
            start = answer[0]
            found += _entries(answer[1])
            if start == b"0-0":
                return found

    async def take(
        self, store_id: str, consumer: str, most: int, block_ms: int
    ) -> list[StreamEntry]:
        """The next entries; after `block_ms` without one, none."""
        answer: Any = await self.redis.xreadgroup(
            GROUP, consumer, {_stream(store_id): ">"}, count=most, block=block_ms
        )
        return _entries(answer[0][1]) if answer else []

    async def acknowledge(self, store_id: str, entries: Sequence[StreamEntry]) -> None:
        """The entries are done with: their effects stand in SQL. They are deleted at once."""
        ids = [entry.entry_id for entry in entries]
        if ids:
            async with together(self.redis) as pipe:
                pipe.xack(_stream(store_id), GROUP, *ids)
                pipe.xdel(_stream(store_id), *ids)

    async def last_entry_id(self, store_id: str) -> str:
        """The entry put there last, be it deleted since: what `listen` goes on from."""
        try:
            answer: Any = await self.redis.xinfo_stream(_stream(store_id))
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return "0-0"
        last: bytes = answer["last-generated-id"]
        return last.decode()

    async def listen(
        self, store_id: str, after: str, most: int, block_ms: int
    ) -> list[StreamEntry]:
        """The entries after that one, as a bystander: the engine gets them all the same.

        The engine deletes what it is done with, so ask again at once: what it was faster with is
        missing. After `block_ms` without an entry, none.
        """
        answer: Any = await self.redis.xread({_stream(store_id): after}, most, block_ms)
        return _entries(answer[0][1]) if answer else []

    async def backlog(self, store_id: str) -> int:
        """Batches on the stream that nobody has finished with."""
        return int(await self.redis.xlen(_stream(store_id)))

    # --- one owner a store --------------------------------------------------------------------
    async def hold_lease(self, store_id: str, owner: str) -> bool:
        """Take the store or keep it; False while another process owns it."""
        return bool(await self._lease(keys=[_owner(store_id)], args=[owner, LEASE_S * 1_000]))

    async def drop_lease(self, store_id: str, owner: str) -> None:
        """Give the store up at once, where it is ours."""
        await self._release_lease(keys=[_owner(store_id)], args=[owner])

    # --- caps ---------------------------------------------------------------------------------
    async def reserve(
        self,
        shopper_id: str,
        wanted: Message,
        known: Sequence[Message],
        caps: Sequence[Cap],
        local: datetime,
    ) -> bool:
        """Count one message to the shopper, unless one of the caps has no room for it; atomic.

        known: what SQL has of LOOKS_BACK, so that a lost Redis forbids as much as a kept one.
        local: now, with the time zone that calendar days are of.
        """
        arguments = [
            *reservation(wanted, caps, local, LOOKS_BACK, MESSAGES_EXPIRE_S),
            *(part for sent in known for part in (member(sent), us(sent.at))),
        ]
        return bool(await self._reserve(keys=_pressure(shopper_id), args=arguments))

    async def unreserve(self, shopper_id: str, wanted: Message) -> None:
        """The message was not stored, as far as is known: it counts no longer, unless SQL has it
        after all (the answer to a commit may be lost)."""
        messages, _ = _pressure(shopper_id)
        await self.redis.zrem(messages, member(wanted))

    async def release_all(self, given_back: Sequence[tuple[str, Message]]) -> None:
        """Messages came to nothing: they no longer count. given_back: shopper and message."""
        async with together(self.redis) as pipe:
            for shopper_id, sent in given_back:
                messages, released = _pressure(shopper_id)
                # First of all, so that nobody takes it again in between.
                pipe.sadd(released, member(sent))
                pipe.expire(released, RELEASED_EXPIRE_S)
                pipe.zrem(messages, member(sent))

    async def forget_shopper(self, shopper_id: str) -> None:
        """Delete what Redis holds about a shopper."""
        await self.redis.delete(*_pressure(shopper_id))

    # --- the live picture ---------------------------------------------------------------------
    async def picture(
        self, store_id: str, here: Mapping[str, Here], gone: Sequence[str] = ()
    ) -> None:
        """Say where handsets are now, and which are gone."""
        key = _here(store_id)
        async with together(self.redis) as pipe:
            if here:
                mapping: Mapping[Any, Any] = {
                    name: msgspec.msgpack.encode(place) for name, place in here.items()
                }
                pipe.hset(key, mapping=mapping)
                pipe.expire(key, HERE_EXPIRE_S)
            if gone:
                pipe.hdel(key, *gone)

    async def where_all(self, store_id: str, handset_ids: Sequence[str]) -> dict[str, Here]:
        """Where these handsets are; those that nobody knows of are missing."""
        if not handset_ids:
            return {}
        packed: Any = await self.redis.hmget(_here(store_id), list(handset_ids))
        return {
            handset_id: msgspec.msgpack.decode(place, type=Here)
            for handset_id, place in zip(handset_ids, packed, strict=True)
            if place is not None
        }

    async def everyone(self, store_id: str) -> dict[str, Here]:
        """Where everybody is, by handset."""
        packed: Any = await self.redis.hgetall(_here(store_id))
        return {
            name.decode(): msgspec.msgpack.decode(place, type=Here)
            for name, place in packed.items()
        }

    # --- presence, for an engine that goes on ------------------------------------------------
    async def keep_checkpoint(self, store_id: str, owner: str, checkpoint: bytes) -> bool:
        """Keep it for the next engine of the store; False when the store is not the owner's now.

        checkpoint: at most CHECKPOINT_MAX_BYTES.
        """
        assert len(checkpoint) <= CHECKPOINT_MAX_BYTES
        keys = [_owner(store_id), _presence(store_id)]
        answer = await self._keep_checkpoint(
            keys=keys, args=[owner, checkpoint, CHECKPOINT_EXPIRE_S]
        )
        return bool(answer)

    async def checkpoint(self, store_id: str) -> bytes | None:
        """What was kept last; None when there is none, or none that is young enough."""
        found: Any = await self.redis.get(_presence(store_id))
        return None if found is None else bytes(found)

    # --- counters and wake-ups ----------------------------------------------------------------
    async def count(self, store_id: str, counted: Mapping[str, int]) -> None:
        """Add to what the engine counted of a store's stream."""
        await self.count_all({store_id: counted})

    async def count_all(self, counted: Mapping[str, Mapping[str, int]]) -> None:
        """The same for many stores, in one go."""
        async with together(self.redis) as pipe:
            for store_id, of_store in counted.items():
                for name, number in of_store.items():
                    pipe.hincrby(f"{{store:{store_id}}}:counts", name, number)

    async def counts(self, store_id: str) -> dict[str, int]:
        """What the engine counted of a store's stream since Redis was last emptied."""
        answer: Any = await self.redis.hgetall(f"{{store:{store_id}}}:counts")
        return {name.decode(): int(number) for name, number in answer.items()}

    async def wake_push(self) -> None:
        """Tell one push worker that there is something to send."""
        async with together(self.redis) as pipe:
            pipe.lpush(WAKE, b"1")
            pipe.ltrim(WAKE, 0, 0)
            pipe.expire(WAKE, WAKE_EXPIRE_S)

    async def wait_for_push(self, most_s: float) -> None:
        """Return when there is something to send, or after `most_s`."""
        answer: Any = self.redis.blpop([WAKE], timeout=most_s)
        await answer

    # --- limits -------------------------------------------------------------------------------
    async def rate(self, client: str, now: datetime, per_minute: int, burst: int) -> timedelta:
        """How long this client must wait before its request; zero when it may go on."""
        wait_ms: Any = await self._rate(
            keys=[f"rate:{client}"], args=[_ms(now), 60_000 / per_minute, burst]
        )
        return timedelta(milliseconds=int(wait_ms))


@asynccontextmanager
async def open_live(url: str) -> AsyncIterator[Live]:
    """Redis at `url` for the length of the block; nothing is asked of it yet."""
    async with open_redis(url) as redis:
        yield Live(redis)


def _stream(store_id: str) -> str:
    return f"{{store:{store_id}}}:sightings"


def _here(store_id: str) -> str:
    return f"{{store:{store_id}}}:here"


def _presence(store_id: str) -> str:
    return f"{{store:{store_id}}}:presence"


def _owner(store_id: str) -> str:
    return f"{{store:{store_id}}}:owner"


def _pressure(shopper_id: str) -> list[str]:
    return [f"{{shopper:{shopper_id}}}:messages", f"{{shopper:{shopper_id}}}:released"]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def _entries(answer: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]) -> list[StreamEntry]:
    return [
        StreamEntry(entry_id.decode(), fields[b"g"].decode(), fields[b"b"])
        for entry_id, fields in answer
        if fields is not None
    ]

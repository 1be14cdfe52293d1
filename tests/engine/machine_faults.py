"""What goes wrong in the tests of sequences: commits, kills, Redis, clocks.

The parts are the real ones; each fails where the world would make it fail, at the call.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import VirtualClock
from db.connect import Database
from db.live import Here, Live
from offers.pressure import Cap, Message


class Trouble(Enum):
    """What happens to a process at its next transaction, or to its Redis for one step."""

    COMMIT_FAILS = "the database goes away before the commit"
    COMMIT_UNHEARD = "the commit goes through and its answer is lost"
    KILLED_BEFORE = "the process is killed before the commit"
    KILLED_AFTER = "the process is killed right after the commit"
    REDIS_AWAY = "Redis refuses connections"
    REDIS_UNHEARD = "Redis does what it is asked and its answer is lost"


OF_REDIS: Final = frozenset({Trouble.REDIS_AWAY, Trouble.REDIS_UNHEARD})
KILLS: Final = frozenset({Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER})


class Killed(BaseException):
    """kill -9: no code of ours may catch it."""


class JumpyClock(VirtualClock):
    """A virtual clock whose wall can be set; what is monotonic goes on."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._set_by = timedelta()
        self.is_back_s = 0.0  # how far it was set back since `set_to`

    def now(self) -> datetime:
        return super().now() + self._set_by

    def set_back(self, seconds: float) -> None:
        """Somebody sets the clock of the machines back."""
        self._set_by -= timedelta(seconds=seconds)
        self.is_back_s += seconds

    def set_to(self, at: datetime) -> None:
        """It is that instant now."""
        self._set_by += at - self.now()
        self.is_back_s = 0.0


class ShakyDatabase(Database):
    """A process's way to the database. trouble: what the next transaction that writes meets."""

    trouble: Trouble | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        trouble, self.trouble = self.trouble, None
        async with super().begin() as tx:
            yield tx
            if trouble is Trouble.COMMIT_FAILS:
                raise ConnectionResetError
            if trouble is Trouble.KILLED_BEFORE:
                raise Killed
        if trouble is Trouble.COMMIT_UNHEARD:
            raise ConnectionResetError
        if trouble is Trouble.KILLED_AFTER:
            raise Killed


class ShakyLive(Live):
    """A process's way to Redis. trouble: what each call meets, as long as it stands."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.trouble: Trouble | None = None

    async def reserve(
        self,
        shopper_id: str,
        wanted: Message,
        known: Sequence[Message],
        caps: Sequence[Cap],
        local: datetime,
    ) -> bool:
        self._before()
        answer = await super().reserve(shopper_id, wanted, known, caps, local)
        self._after()
        return answer

    async def unreserve(self, shopper_id: str, wanted: Message) -> None:
        self._before()
        await super().unreserve(shopper_id, wanted)
        self._after()

    async def release_all(self, given_back: Sequence[tuple[str, Message]]) -> None:
        self._before()
        await super().release_all(given_back)
        self._after()

    async def where_all(self, store_id: str, handset_ids: Sequence[str]) -> dict[str, Here]:
        self._before()
        answer = await super().where_all(store_id, handset_ids)
        self._after()
        return answer

    async def wake_push(self) -> None:
        self._before()
        await super().wake_push()
        self._after()

    def _before(self) -> None:
        if self.trouble is Trouble.REDIS_AWAY:
            raise RedisAway

    def _after(self) -> None:
        if self.trouble is Trouble.REDIS_UNHEARD:
            raise RedisAway

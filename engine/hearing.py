"""A store's stream as its owner hears it: what is on it comes before presence goes on."""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.exceptions import RedisError

from config.clock import Clock
from db.live import Live, StreamEntry
from engine.store import StoreEngine

# How long one question for batches waits. Presence does not wait for it (measured: Redis ends a
# wait up to a tenth of a second late, and the decisions of a half second came 0.11 s later).
BLOCK_MS: Final = 500
# A clock that stands still must not make a turn follow a turn without a pause.
TURN_LEAST_S: Final = 0.005
ENTRIES_AT_ONCE: Final = 500
# What may wait for a database that does not answer: minutes of a store, a few megabytes.
UNACKNOWLEDGED_MAX: Final = 5_000


class Hearing:
    """Batches off the stream of one store, kept until they are acknowledged.

    tasks: where the question for more goes on while its owner writes.
    """

    def __init__(
        self,
        store: StoreEngine,
        me: str,
        live: Live,
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._store_id = store.store_id
        self._me = me
        self._live = live
        self._clock = clock
        self._tasks = tasks
        self._unacknowledged: list[StreamEntry] = []
        self._unclaimed = 0  # entries on the stream that nobody is given any more
        self._taking: asyncio.Task[list[StreamEntry] | RedisError] | None = None

    @property
    def has_room(self) -> bool:
        """Whether more can be heard before what was is acknowledged."""
        return len(self._unacknowledged) < UNACKNOWLEDGED_MAX

    async def begin(self) -> list[StreamEntry]:
        """What the owner before never acknowledged, and what came since. Raises RedisError."""
        await self._live.open_stream(self._store_id)
        self._unacknowledged = await self._claimed(())
        self._unacknowledged += await self._rest(())
        return self._unacknowledged

    async def more(self) -> list[StreamEntry]:
        """What has come, as soon as there is something; nothing, when presence can go on.

        Before presence goes on all that is on the stream is taken: what it has not heard, it takes
        for silence. Raises RedisError.
        """
        now = self._clock.now()
        if not self._store.is_due(now):
            wait_s = max(self._store.goes_on_in_s(now), TURN_LEAST_S)
            await asyncio.wait([self._under_way()], timeout=wait_s)
        entries: list[StreamEntry] = []
        if self._taking is not None and self._taking.done():
            entries = await self._taken()
        if self._store.is_due(self._clock.now()):
            entries += await self._rest(entries)
        # What another was handed and we claimed is older than what we took ourselves.
        entries.sort(key=lambda entry: tuple(map(int, entry.entry_id.split("-"))))
        self._unacknowledged += entries
        return entries

    async def acknowledge(self) -> None:
        """All that was heard is done with. Raises RedisError."""
        await self._live.acknowledge(self._store_id, self._unacknowledged)
        self._unacknowledged = []

    def stop(self) -> None:
        """Ask no more. What a question that was under way is handed, the store's next owner
        claims."""
        if self._taking is not None:
            self._taking.cancel()

    async def _rest(self, in_hand: Sequence[StreamEntry]) -> list[StreamEntry]:
        """What else is on the stream. in_hand: what has been taken in this turn."""
        rest: list[StreamEntry] = []
        while True:
            held = [*self._unacknowledged, *in_hand, *rest]
            others = await self._live.backlog(self._store_id) - len(held)
            self._unclaimed = min(self._unclaimed, max(others, 0))
            if others <= self._unclaimed or len(held) >= UNACKNOWLEDGED_MAX:
                return rest
            more = await self._taken() or await self._claimed(held)
            if not more:
                self._unclaimed = others
            rest += more

    async def _claimed(self, held: Sequence[StreamEntry]) -> list[StreamEntry]:
        """What was given to somebody else, who never acknowledged it: to the last question of the
        engine before us, when we had claimed all that it held."""
        known = {entry.entry_id for entry in held}
        found = await self._live.unacknowledged(self._store_id, self._me, ENTRIES_AT_ONCE)
        return [entry for entry in found if entry.entry_id not in known]

    def _under_way(self) -> asyncio.Task[list[StreamEntry] | RedisError]:
        """The question for batches, asked now if it is not."""
        if self._taking is None:
            self._taking = self._tasks.create_task(self._take(), name="take")
        return self._taking

    async def _take(self) -> list[StreamEntry] | RedisError:
        try:
            return await self._live.take(self._store_id, self._me, ENTRIES_AT_ONCE, BLOCK_MS)
        except RedisError as error:
            return error  # for its turn; raised here it would break off another's writing

    async def _taken(self) -> list[StreamEntry]:
        """What the question for batches brings. Raises RedisError."""
        await asyncio.wait([self._under_way()])
        taken, self._taking = self._under_way().result(), None
        if isinstance(taken, RedisError):
            raise taken
        return taken

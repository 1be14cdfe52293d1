"""The processes in the tests of sequences: engines and push workers, which fail as they are told.

Each works as its `run` does, a turn at a time, with ways of its own to the database and to Redis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from beacons.zone_events import Dwelling
from db import visits
from db.connect import DATABASE_ERRORS
from db.outbox import Claimed
from engine.fcm import FcmTransport
from engine.identities import Identities
from engine.live_campaigns import LiveCampaigns
from engine.owning import write_news
from engine.plan import EnginePlan
from engine.push import Sender, claim_due
from engine.store import DECIDE_WITHIN, StoreEngine
from tests.engine.machine_faults import (
    OF_REDIS,
    JumpyClock,
    Killed,
    ShakyDatabase,
    ShakyLive,
    Trouble,
)


@dataclass
class EngineProcess:
    """One engine process and its store; after a kill or a lost Redis it begins anew."""

    store_id: str
    plan: EnginePlan
    database: ShakyDatabase
    live: ShakyLive
    clock: JumpyClock
    campaigns: LiveCampaigns = field(init=False)
    store: StoreEngine | None = None
    is_in_doubt: bool = False

    def __post_init__(self) -> None:
        self.campaigns = LiveCampaigns(self.clock)

    async def hears(self, dwelling: Dwelling) -> None:
        """Presence tells the engine that a handset stands somewhere."""
        async with self.database.read() as tx:
            opened = await visits.open_visits(tx, self.store_id)
        if self.store is None:
            self.store = StoreEngine(
                self.plan, Identities("demo"), self.campaigns, [], self.clock.now()
            )
        self.store.resume(opened, {}, self.clock.now())
        self.store._unwritten.append(dwelling)

    async def writes(self, trouble: Trouble | None) -> int:
        """Decide on what was heard, as `engine.owning` goes about it; how many decisions stand."""
        store, now = self.store, self.clock.now()
        assert store is not None
        if self.is_in_doubt:
            async with self.database.read() as tx:
                store.reread(await visits.open_visits(tx, self.store_id))
            self.is_in_doubt = False
        fresh = sum(
            now.timestamp() - event.at_s <= DECIDE_WITHIN.total_seconds()
            for event in store._unwritten
            if isinstance(event, Dwelling)
        )
        self._meet(trouble)
        try:
            await write_news(store, self.database, self.live, now)
        except RedisError:
            self.store = None  # and so begins anew
            # Only what is told after the commit can fail when all is written.
            return fresh if not store.has_news() else 0
        except DATABASE_ERRORS:
            self.is_in_doubt = True
            return fresh if trouble is Trouble.COMMIT_UNHEARD else 0
        except Killed:
            self.begin_anew()
            return fresh if trouble is Trouble.KILLED_AFTER else 0
        finally:
            self._meet(None)
        return fresh

    def begin_anew(self) -> None:
        """The process ends and another begins: what it had not written is gone."""
        self.store, self.campaigns, self.is_in_doubt = None, LiveCampaigns(self.clock), False

    def _meet(self, trouble: Trouble | None) -> None:
        self.live.trouble = trouble if trouble in OF_REDIS else None
        self.database.trouble = None if trouble in OF_REDIS else trouble


@dataclass
class PushProcess:
    """One push worker, claim by claim."""

    database: ShakyDatabase
    live: ShakyLive
    transport: FcmTransport
    clock: JumpyClock
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    async def claim(self, trouble: Trouble | None = None) -> list[Claimed]:
        """What is due, leased to this worker; nothing when that goes wrong."""
        self.database.trouble = None if trouble in OF_REDIS else trouble
        try:
            return await claim_due(self.database, self.clock.now())
        except DATABASE_ERRORS:
            return []
        except Killed:
            self._begin()
            return []
        finally:
            self.database.trouble = None

    async def send(self, claimed: Sequence[Claimed], trouble: Trouble | None = None) -> None:
        """Send what was claimed; a kill leaves the rest to whoever comes when the lease is out."""
        self.live.trouble = trouble if trouble in OF_REDIS else None
        self.database.trouble = None if trouble in OF_REDIS else trouble
        try:
            for one in claimed:
                await self.sender.send(one)
        except Killed:
            self._begin()
        finally:
            self.live.trouble = self.database.trouble = None

    def _begin(self) -> None:
        self.sender = Sender(self.database, self.live, self.transport, self.clock)

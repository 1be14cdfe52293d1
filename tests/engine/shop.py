"""A small shop at work in virtual time: handsets that stand somewhere, and the engine that hears
them, over a real Redis and a real database."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select

from beacons.ceid import day_key, eid, window
from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.sighting import Batch, Sighting
from beacons.store_plan import StorePlan
from config.clock import SystemClock, VirtualClock
from db import consents, handsets, stores
from db.campaigns import save_campaign
from db.connect import Database
from db.handsets import PushTarget
from db.live import Live, StreamEntry
from db.pressure import save_policy
from db.sealing import seal
from engine.identities import Identities
from engine.live_campaigns import LiveCampaigns
from engine.owning import load_store_engine, write_news
from engine.run import refresh_identities
from engine.store import StoreEngine
from offers.campaign import Campaign
from shoppers.consent import Grant, Purpose
from tests.offers.situations import NOBODY_HELD_OUT, a_campaign

STORE, TENANT = "shop", "demo"
KEY = bytes(range(32))
BOOT = "0123456789abcdef"
EVERYTHING = tuple(Purpose)
GATEWAYS = ((2, 3), (10, 3), (6, 11), (6, 5))
# Where one stands to be in a zone and in no other.
IN_A, IN_B, AT_CHECKOUT = (2.0, 4.0), (10.0, 4.0), (6.0, 11.0)
Point = tuple[float, float]


def a_shop(store_id: str = STORE) -> StorePlan:
    """Two aisles four metres apart, a checkout, and gateways over all of them."""
    floor = FloorPlan(
        floor_id="ground",
        outline=((0, 0), (12, 0), (12, 13), (0, 13)),
        obstacles=(),
        zones=(
            Zone("aisle-a", "Pasta", ZoneKind.AISLE, ((0, 0), (4, 0), (4, 8), (0, 8))),
            Zone("aisle-b", "Rice", ZoneKind.AISLE, ((8, 0), (12, 0), (12, 8), (8, 8))),
            Zone("checkout", "Tills", ZoneKind.CHECKOUT, ((3, 9), (9, 9), (9, 13), (3, 13))),
        ),
        gateways=tuple(
            GatewayPlace(f"{store_id}-{number}", x, y, 3.0)
            for number, (x, y) in enumerate(GATEWAYS)
        ),
    )
    return StorePlan(store_id, "Corner shop", "Europe/Rome", "IT", (floor,))


def for_aisle_a(campaign_id: str = "pasta", **changes: Any) -> Campaign:
    return a_campaign(campaign_id, **{"zone_ids": frozenset({"aisle-a"}), **changes})


@dataclass(frozen=True, slots=True)
class Phone:
    """A registered handset and what it puts on air."""

    handset_id: str
    shopper_id: str
    secret: bytes

    def identifier(self, unix_s: float) -> str:
        now = window(unix_s)
        heard = eid(day_key(self.secret, TENANT, now // 96), now)
        return f"{heard.hex()}{now & 0xFF:02x}10"


@dataclass
class Shop:
    """One store, its engine, and the gateways' numbers."""

    database: Database
    live: Live
    clock: VirtualClock
    store_id: str = STORE
    identities: Identities = field(default_factory=lambda: Identities(TENANT))
    sent: Counter[str] = field(default_factory=Counter)
    _engine: StoreEngine | None = None
    _phones: int = 0

    @property
    def engine(self) -> StoreEngine:
        assert self._engine is not None
        return self._engine

    async def open(self, *campaigns: Campaign) -> None:
        """Save the plan and the campaigns (one for aisle A unless given), start the engine."""
        async with self.database.begin() as tx:
            await stores.save_store(tx, a_shop(self.store_id), self.clock.now())
            for campaign in campaigns or (for_aisle_a(),):
                await save_campaign(tx, campaign, self.clock.now())
            # Phones are many and their shoppers' ids drawn: none of them is to be held out.
            await save_policy(tx, NOBODY_HELD_OUT, "the manager", self.clock.now())
        await self.live.open_stream(self.store_id)
        await self.restart()

    async def restart(self) -> None:
        """A new process: only what SQL, the stream and the last checkpoint hold is known."""
        self.identities = Identities(TENANT)
        await self.learn()
        self._engine = await load_store_engine(
            self.database, self.store_id, self.identities, LiveCampaigns(self.clock), self.clock
        )
        checkpoint = await self.live.checkpoint(self.store_id)
        if checkpoint is not None:
            self._engine.restore(checkpoint, self.clock.now())

    async def keep(self) -> None:
        """Keep a checkpoint of presence, as the engine does every few seconds."""
        await self.keep_this(self.engine.checkpoint())

    async def keep_this(self, checkpoint: bytes) -> None:
        """Keep it as the owner of the store would."""
        assert await self.live.hold_lease(self.store_id, "me")
        assert await self.live.keep_checkpoint(self.store_id, "me", checkpoint)
        await self.live.drop_lease(self.store_id, "me")

    async def learn(self) -> None:
        await refresh_identities(self.database, self.identities, KEY, None)

    async def phone(
        self, *allowed: Purpose, country: str = "IT", target: str | None = "fid-1"
    ) -> Phone:
        """Register a handset that allows everything, unless told what."""
        now = self.clock.now()
        self._phones += 1
        secret = bytes([self._phones]) * 32
        async with self.database.begin() as tx:
            handset = await handsets.register(
                tx, platform="android", app_version="1", country=country, locale="it-IT", now=now
            )
            grants = [Grant(one, True, "v1", "it-IT", now) for one in allowed or EVERYTHING]
            await consents.add_grants(tx, handset.shopper_id, grants)
            sealed = seal(KEY, handset.handset_id, secret)
            await handsets.set_secret(tx, handset.handset_id, sealed, now)
            if target is not None:
                wanted = PushTarget(handset.handset_id, "fid", target, "android")
                await handsets.set_push_target(tx, wanted, now)
        await self.learn()
        return Phone(handset.handset_id, handset.shopper_id, secret)

    async def spend(
        self, seconds: float, where: Mapping[Phone, Point] | None = None, every_s: float = 1.0
    ) -> None:
        """Let time pass with phones standing where they are; heard, and worked off, every so often.

        every_s: a multiple of half a second.
        """
        for _ in range(round(seconds / every_s)):
            await self.transmit(where or {})
            await self.clock.advance(every_s)
            await self.turn()

    async def transmit(
        self, where: Mapping[Phone, Point], alive: Sequence[GatewayPlace] | None = None
    ) -> None:
        """What the gateways hear in the coming half second, put on the stream."""
        for place in alive or a_shop(self.store_id).floors[0].gateways:
            heard = tuple(
                sighting(phone, self.clock.now().timestamp(), rssi_dbm(point, place))
                for phone, point in where.items()
            )
            if heard:
                await self.append(place.gateway_id, heard)

    async def append(self, gateway_id: str, heard: tuple[Sighting, ...], skipping: int = 0) -> None:
        self.sent[gateway_id] += 1 + skipping
        batch = Batch(1, BOOT, self.sent[gateway_id], heard)
        assert await self.live.append(self.store_id, gateway_id, batch)

    async def take(self) -> list[StreamEntry]:
        if await self.live.backlog(self.store_id) == 0:
            return []  # Redis ends a wait in tenths of a second only
        return await self.live.take(self.store_id, "me", 1_000, 1)

    async def turn(self) -> None:
        """One turn of the engine: hear, write, acknowledge, paint."""
        entries = await self.take()
        self.engine.hear(entries, self.clock.now())
        await write_news(self.engine, self.database, self.live, self.clock.now())
        await self.live.acknowledge(self.store_id, entries)
        await self.live.picture(self.store_id, self.engine.picture())

    async def rows(self, table: Table) -> list[Any]:
        """Every row of a table, oldest first where it has a time."""
        by = [table.c[name] for name in ("at", "entered_at") if name in table.c]
        async with self.database.read() as tx:
            return list((await tx.execute(select(table).order_by(*by))).all())


def sighting(phone: Phone, unix_s: float, rssi: float) -> Sighting:
    at_ms = round(unix_s * 2) * 500
    identifier = phone.identifier(unix_s)
    return Sighting("ceid", identifier, at_ms, 2, round(rssi, 1), math.ceil(rssi))


def rssi_dbm(point: Point, place: GatewayPlace) -> float:
    """The log-distance law without any noise."""
    flat_m = math.dist(point, (place.x_m, place.y_m))
    return -60.0 - 27.0 * math.log10(max(1.0, math.hypot(flat_m, place.z_m - 1.1)))


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Return once it is so: for work that goes on in another task, over sockets."""
    async with asyncio.timeout(20):
        while not await check():
            await SystemClock().sleep(0.01)

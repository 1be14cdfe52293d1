"""One moment of a demonstration, put together from the run's logs, Redis, SQL and the processes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import select

from corsia.held_back import HeldBack, HoldsSeen, held_since
from corsia.live_shop import Dot, Shop, ShownPush, ZoneCount
from corsia.run_tail import RunTail
from corsia.running_score import Running, RunningScore
from corsia.stack import Stack
from db import campaigns
from db.tables import sends
from firmware_sim.floor import Floor
from gateway.settings import STATUS_FILE
from gateway.status import Status, read_status

# Holds come by the dozen a second and gateways write their status each second: more often than
# this nobody could read them.
SLOW_PERIOD_S: Final = 2.0
# A gateway that has not written its status for so long is down, or hangs.
STATUS_FRESH_S: Final = 5.0
HOLDS_KEPT: Final = 40
HOLDS_A_LOOK: Final = 200
GATEWAY_PREFIX: Final = "gateway-"


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process, or several of a kind. pid: None while it does not run, or for several."""

    name: str
    pid: int | None
    running: int
    of: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to see. up_s, first_push_s: since the command was given."""

    at: datetime
    up_s: float
    came: int
    gateways_up: int
    gateways: int
    dots: tuple[Dot, ...]
    zones: tuple[ZoneCount, ...]
    pushes: tuple[ShownPush, ...]  # the newest first, the last few
    pushes_shown: int
    first_push_s: float | None
    holds: tuple[HeldBack, ...]  # the newest first, the last few
    running: Running | None
    processes: tuple[ProcessRow, ...]


class Pictures:
    """Follows a run and says how it stands."""

    def __init__(self, stack: Stack, floor: Floor, began_at: datetime) -> None:
        self.shop = Shop()
        self.score = RunningScore(stack.database, floor.store_id, self.shop, stack.clock)
        self._stack = stack
        self._floor = floor
        self._began_at = began_at
        self._tail = RunTail(stack.run_dir)
        self._holds = HoldsSeen(HOLDS_KEPT)
        self._holds_until = began_at
        self._statuses: tuple[Status, ...] = ()
        self._next_slow_at = began_at

    async def take(self) -> Picture:
        """Look at everything that may have changed. Raises redis.exceptions.RedisError."""
        self.shop.take(*self._tail.read())
        if self.shop.untitled():
            self.shop.entitle(await self._titles(self.shop.untitled()))
        now = self._stack.clock.now()
        if now >= self._next_slow_at:
            self._next_slow_at = now + timedelta(seconds=SLOW_PERIOD_S)
            self.shop.forget(now.timestamp())
            self._statuses = self._read_statuses()
            self.score.note_spools([status.spool for status in self._statuses])
            await self._look_at_holds(now)
        here = await self._stack.live.everyone(self._floor.store_id)
        now_s = now.timestamp()
        first_s = self.shop.first_shown_s
        return Picture(
            at=now,
            up_s=(now - self._began_at).total_seconds(),
            came=self.shop.came,
            gateways_up=sum(_is_listening(status, now) for status in self._statuses),
            gateways=len(self._floor.gateways),
            dots=self.shop.dots(here, now_s),
            zones=self.shop.zone_counts([zone.zone_id for zone in self._floor.zones], here, now_s),
            pushes=self.shop.pushes(),
            pushes_shown=self.shop.shown,
            first_push_s=None if first_s is None else first_s - self._began_at.timestamp(),
            holds=self._holds.newest(),
            running=self.score.latest,
            processes=_processes(self._stack),
        )

    async def _titles(self, decision_ids: Collection[str]) -> dict[str, str]:
        async with self._stack.database.read() as tx:
            offers = {one.campaign_id: one.offer for one in await campaigns.load_campaigns(tx)}
            rows = await tx.execute(
                select(sends.c.decision_id, sends.c.campaign_id).where(
                    sends.c.decision_id.in_(decision_ids)
                )
            )
            # One whose campaign another version wrote has no title that we can read.
            return {
                row.decision_id: offers[row.campaign_id].title
                for row in rows
                if row.campaign_id in offers
            }

    def _read_statuses(self) -> tuple[Status, ...]:
        folders = [self._stack.gateway_dir(place.gateway_id) for place in self._floor.gateways]
        found = [_status(folder) for folder in folders]
        return tuple(status for status in found if status is not None)

    async def _look_at_holds(self, now: datetime) -> None:
        present = self.shop.shopper_ids(now.timestamp())
        if not present:
            return
        async with self._stack.database.read() as tx:
            holds = await held_since(tx, present, self._holds_until, HOLDS_A_LOOK)
        self._holds.take(holds)
        if holds:
            self._holds_until = holds[-1].at


def _status(folder: Path) -> Status | None:
    return read_status(folder / STATUS_FILE)


def _is_listening(status: Status, now: datetime) -> bool:
    is_fresh = now - status.at < timedelta(seconds=STATUS_FRESH_S)
    return is_fresh and status.source.state == "listening"


def _processes(stack: Stack) -> tuple[ProcessRow, ...]:
    children = stack.children.by_name
    rows = [
        ProcessRow(name, child.pid, int(child.pid is not None), 1, max(child.starts - 1, 0))
        for name, child in children.items()
        if not name.startswith(GATEWAY_PREFIX)
    ]
    gateways = [child for name, child in children.items() if name.startswith(GATEWAY_PREFIX)]
    if gateways:
        running = sum(child.pid is not None for child in gateways)
        restarts = sum(max(child.starts - 1, 0) for child in gateways)
        rows.append(ProcessRow("gateways", None, running, len(gateways), restarts))
    return tuple(rows)

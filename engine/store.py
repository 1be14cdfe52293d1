"""One store at work: batches in, presence on, visits and decisions out, in one transaction.

Everything in memory can be rebuilt: presence forms again within seconds, open visits are read back
from SQL. Events whose transaction failed are kept and tried again; the stream is acknowledged only
after they are written.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.presence import Heard, PresenceState, estimates, step
from beacons.sighting import WINDOW_MS, Batch, MalformedBatch, Sighting, decode_batch
from beacons.zone_events import Appeared, Dwelling, Entered, Gone, Left, ZoneEvent
from config.log import short
from db import gateways, visits
from db.handsets import keep_until
from db.live import Here, Live, StreamEntry
from db.visits import Visit
from engine.canaries import Canaries
from engine.decisions import Reserved, Taken, decide_here
from engine.identities import Identities, Owner
from engine.plan import EnginePlan

log = logging.getLogger(__name__)

# Older sightings (a gateway that was cut off) may not cause a push (DESIGN 4).
FRESH_S: Final = 120.0
# A shopper whose engine was restarted goes on with the same visit.
RESUME_WITHIN: Final = timedelta(minutes=5)
# A shopper who stands still causes no events: this often it is written that they are still here.
HEARD_NOTED_EVERY: Final = timedelta(minutes=1)
# Presence is about two seconds behind; a belief much older is no ground for an offer.
DECIDE_WITHIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Used:
    """A batch that has been taken in and must be noted in SQL."""

    gateway_id: str
    batch: Batch


class StoreEngine:
    """Presence, visits and decisions of one store; owned by one process at a time."""

    def __init__(
        self,
        plan: EnginePlan,
        identities: Identities,
        progress: Sequence[gateways.Progress],
        now: datetime,
    ) -> None:
        self.plan = plan
        self.state = PresenceState(plan.model)
        self.canaries = Canaries(plan.gateway_ids, now.timestamp())
        self.counts: Counter[str] = Counter()
        self._identities = identities
        self._visits: dict[str, Visit] = {}  # as SQL has them
        self._draft: dict[str, Visit] = {}  # as they will be when the transaction is through
        self._awaited: dict[str, Visit] = {}  # resumed, and their handsets not heard since
        self._reserved: list[Reserved] = []
        self._owners: dict[str, Owner] = {}
        self._last_seq = {(one.gateway_id, one.boot): one.last_seq for one in progress}
        self._unwritten: list[ZoneEvent] = []
        self._used: list[Used] = []

    def resume(self, open_visits: Sequence[Visit], now: datetime) -> list[Visit]:
        """Go on with the visits that were open a moment ago; those too old, to be closed."""
        stale = []
        for visit in open_visits:
            if now - visit.last_heard_at <= RESUME_WITHIN:
                self._visits[visit.handset_id] = visit
                self._awaited[visit.handset_id] = visit
                self._owners[visit.handset_id] = Owner(visit.handset_id, visit.shopper_id)
            else:
                stale.append(visit)
        return stale

    def reread(self, open_visits: Sequence[Visit]) -> None:
        """Take SQL's word for which visits are open: a commit may have gone through although its
        answer was lost."""
        self._visits = {visit.handset_id: visit for visit in open_visits}

    def hear(self, entries: Sequence[StreamEntry], now: datetime) -> None:
        """Take in what the gateways sent and let presence go on to `now`."""
        now_s = now.timestamp()
        self._identities.turn_to(now_s)
        heard: list[Heard] = []
        for entry in entries:
            batch = self._fresh_batch(entry)
            if batch is not None:
                self._used.append(Used(entry.gateway_id, batch))
                rest = self.canaries.take(entry.gateway_id, batch.sightings)
                self.counts["canary_sightings"] += len(batch.sightings) - len(rest)
                heard += self._heard(entry.gateway_id, rest, now_s)
        events = step(self.plan.model, self.state, heard, now_s)
        for event in events:
            self._awaited.pop(event.device, None)
        self._unwritten += [*events, *self._not_come_back(now)]

    async def write(self, tx: AsyncConnection, live: Live, now: datetime) -> list[Taken]:
        """Put into SQL what has happened since the last `wrote`; the decisions taken.

        Follow it with `wrote` when the transaction is through, with `undo` when it is not.
        """
        self._draft = dict(self._visits)
        for used in self._used:
            await gateways.take_batch(
                tx, used.gateway_id, used.batch.boot, used.batch.seq,
                len(used.batch.sightings), now,
            )  # fmt: skip
        taken: list[Taken] = []
        for event in self._unwritten:
            decided = await self._write_event(tx, live, event, now)
            if decided is not None:
                taken.append(decided)
        await self._note_heard(tx)
        await self.canaries.write(tx, self.plan.store.store_id, now)
        return taken

    def wrote(self) -> None:
        """The transaction of `write` is through."""
        self._visits = self._draft
        self.canaries.wrote()
        self._reserved.clear()
        self._used.clear()
        self._unwritten.clear()

    async def undo(self, live: Live) -> None:
        """The transaction of `write` failed: what it reserved counts no longer."""
        for reserved in self._reserved:
            await live.release(reserved.shopper_id, reserved.sent)
        self._reserved.clear()

    def has_news(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._used or self._unwritten)

    def picture(self) -> dict[str, Here]:
        """Where everybody is, for the live view and the check before a push."""
        return {
            device: Here(one.zone_id, one.confidence, one.x_m, one.y_m, one.heard_s)
            for device, one in estimates(self.plan.model, self.state).items()
        }

    def _not_come_back(self, now: datetime) -> list[ZoneEvent]:
        """The ends of resumed visits whose handsets presence never saw: it cannot tell of them."""
        over = [
            visit for visit in self._awaited.values() if now - visit.last_heard_at > RESUME_WITHIN
        ]
        for visit in over:
            del self._awaited[visit.handset_id]
        return [
            Gone(visit.handset_id, now.timestamp(), visit.last_heard_at.timestamp())
            for visit in over
        ]

    async def _note_heard(self, tx: AsyncConnection) -> None:
        for device, one in estimates(self.plan.model, self.state).items():
            visit = self._draft.get(device)
            heard_at = datetime.fromtimestamp(one.heard_s, UTC)
            if visit is not None and heard_at - visit.last_heard_at >= HEARD_NOTED_EVERY:
                await visits.heard_until(tx, visit.visit_id, heard_at)
                self._draft[device] = replace(visit, last_heard_at=heard_at)

    def _fresh_batch(self, entry: StreamEntry) -> Batch | None:
        try:
            batch = decode_batch(entry.data)
        except MalformedBatch:
            # The API decoded it before: only a writer that is not ours could have put it here.
            self.counts["malformed_batches"] += 1
            log.warning("stream entry is no batch", extra={"gateway": entry.gateway_id})
            return None
        spool = (entry.gateway_id, batch.boot)
        last = self._last_seq.get(spool, 0)
        if batch.seq <= last:
            self.counts["repeated_batches"] += 1
            return None
        self.counts["missing_batches"] += batch.seq - last - 1
        self._last_seq[spool] = batch.seq
        return batch

    def _heard(self, gateway_id: str, sightings: Sequence[Sighting], now_s: float) -> list[Heard]:
        heard = []
        for sighting in sightings:
            end_s = (sighting.at_ms + WINDOW_MS) / 1_000
            if now_s - end_s > FRESH_S:
                self.counts["late_sightings"] += 1
                continue
            owner = (
                self._identities.owner(sighting.identifier) if (sighting.kind == "ceid") else None
            )
            if owner is None:
                self.counts["unknown_sightings"] += 1
                continue
            self._owners[owner.handset_id] = owner
            heard.append(
                Heard(
                    device=owner.handset_id,
                    gateway_id=gateway_id,
                    at_s=sighting.at_ms / 1_000,
                    count=sighting.count,
                    mean_rssi_dbm=sighting.mean_rssi_dbm,
                    max_rssi_dbm=float(sighting.max_rssi_dbm),
                )
            )
        self.counts["resolved_sightings"] += len(heard)
        return heard

    async def _write_event(
        self, tx: AsyncConnection, live: Live, event: ZoneEvent, now: datetime
    ) -> Taken | None:
        at = datetime.fromtimestamp(event.at_s, UTC)
        if isinstance(event, Appeared):
            await self._visit(tx, event.device, at)
            return None
        visit = await self._visit(tx, event.device, at)
        if visit is None:
            return None
        match event:
            case Entered():
                since = datetime.fromtimestamp(event.since_s, UTC)
                await visits.enter_zone(tx, visit.visit_id, event.zone_id, since, event.confidence)
                await visits.heard_until(tx, visit.visit_id, at)
            case Dwelling():
                if now - at > DECIDE_WITHIN:
                    # It waited for a database that was away: who knows where they are now.
                    self.counts["dwells_too_old"] += 1
                    return None
                return await decide_here(tx, live, self.plan, visit, event, now, self._reserved)
            case Left():
                await visits.leave_zones(tx, visit.visit_id, at)
                await visits.heard_until(tx, visit.visit_id, at)
            case Gone():
                last = datetime.fromtimestamp(event.last_heard_s, UTC)
                await visits.close_visit(tx, visit.visit_id, last)
                await keep_until(tx, [visit.shopper_id], last)
                del self._draft[event.device]
                self._owners.pop(event.device, None)
            case _:
                assert_never(event)
        return None

    async def _visit(self, tx: AsyncConnection, handset_id: str, at: datetime) -> Visit | None:
        """The handset's open visit, begun now if there is none; None when it has been erased."""
        owner = self._owners.get(handset_id)
        if owner is None or not await visits.can_visit(tx, owner.shopper_id):
            self._draft.pop(handset_id, None)
            log.info("events of an erased handset dropped", extra={"handset": short(handset_id)})
            return None
        visit = self._draft.get(handset_id)
        if visit is None:
            visit = await visits.open_visit(
                tx, owner.shopper_id, self.plan.store.store_id, handset_id, at
            )
            self._draft[handset_id] = visit
        return visit

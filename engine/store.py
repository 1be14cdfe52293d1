"""One store at work: batches in, presence on, visits and decisions out, in one transaction.

Everything in memory can be rebuilt: presence goes on from a checkpoint or forms again within
seconds, open visits are read back from SQL. Events whose transaction failed are kept and tried
again; the stream is acknowledged only after they are written.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons import presence_checkpoint
from beacons.filter_tables import TICK_S
from beacons.floor import ZoneKind
from beacons.heard import tick_of
from beacons.presence import PresenceState, estimates, step
from beacons.presence_checkpoint import MalformedCheckpoint
from beacons.zone_events import Appeared, Dwelling, Entered, Gone, Left, ZoneEvent
from config.log import short
from db import gateways, surveys, visits
from db.handsets import keep_until
from db.live import Here, Live, StreamEntry
from db.visits import Visit
from engine.canaries import Canaries
from engine.decisions import Reserved, Taken, decide_here
from engine.identities import Identities, Owner
from engine.intake import Intake, Used
from engine.live_campaigns import LiveCampaigns
from engine.plan import EnginePlan
from engine.resumed import RESUME_WITHIN, Resumed

log = logging.getLogger(__name__)

# A shopper who stands still causes no events: this often it is written that they are still here.
HEARD_NOTED_EVERY: Final = timedelta(minutes=1)
# Presence is about two seconds behind; a belief much older is no ground for an offer.
DECIDE_WITHIN: Final = timedelta(seconds=10)


class StoreEngine:
    """Presence, visits and decisions of one store; owned by one process at a time."""

    def __init__(
        self,
        plan: EnginePlan,
        identities: Identities,
        campaigns: LiveCampaigns,
        progress: Sequence[gateways.Progress],
        now: datetime,
    ) -> None:
        """campaigns: refreshed before each `write` that `is_to_decide`."""
        self.plan = plan
        self.campaigns = campaigns
        self.state = PresenceState(plan.model)
        self.canaries = Canaries(plan.gateway_ids, now.timestamp())
        self.counts: Counter[str] = Counter()
        self._intake = Intake(identities, self.canaries, progress, self.counts)
        self._visits: dict[str, Visit] = {}  # as SQL has them
        self._draft: dict[str, Visit] = {}  # as they will be when the transaction is through
        self._resumed = Resumed()
        self._is_catching_up = False
        self._shelf = campaigns.shelf  # as of the last `write`
        self._reserved: list[Reserved] = []
        self._unwritten: list[ZoneEvent] = []
        self._gone: set[str] = set()  # in the transaction under way
        self._used: list[Used] = []

    @property
    def store_id(self) -> str:
        return self.plan.store.store_id

    def resume(
        self, open_visits: Sequence[Visit], open_stays: Mapping[str, str], now: datetime
    ) -> list[Visit]:
        """Go on with the visits that were open a moment ago; those too old, to be closed.

        open_stays: handset -> the zone that SQL has it in.
        """
        stale = []
        for visit in open_visits:
            if now - visit.last_heard_at <= RESUME_WITHIN:
                self._visits[visit.handset_id] = visit
                self._intake.owners[visit.handset_id] = Owner(visit.handset_id, visit.shopper_id)
            else:
                stale.append(visit)
        self._resumed.wait_for(self._visits.values(), open_stays, now.timestamp())
        return stale

    def checkpoint(self) -> bytes:
        """Presence as it is, for the next engine. Only what it told of and SQL has may be in it:
        ask when there is no news."""
        return presence_checkpoint.save(self.plan.model, self.state)

    def restore(self, checkpoint: bytes, now: datetime) -> bool:
        """Go on with the presence of the engine before; False when it is of no use. After `resume`,
        before anything is heard."""
        now_s = now.timestamp()
        try:
            self.state = presence_checkpoint.restore(self.plan.model, checkpoint, now_s)
        except MalformedCheckpoint as error:
            log.info("presence forms anew", extra={"store": self.store_id, "why": str(error)})
            return False
        # Nobody listened in between: that nothing was heard says nothing.
        self._is_catching_up = True
        self._resumed.restored(estimates(self.plan.model, self.state), now_s)
        return True

    def take_up(self, plan: EnginePlan, now: datetime) -> None:
        """Work with this plan from now on. Call it when there is no news.

        Visits go on; so does presence where the floor is the same, otherwise it forms anew.
        """
        now_s = now.timestamp()
        said = estimates(self.plan.model, self.state)
        checkpoint = self.checkpoint()
        known = {one for one, zone in self.plan.zones.items() if _is_kind(plan, one, zone.kind)}
        dwell = {one: self.plan.dwell[one] for one in known}
        self.canaries.follow(plan.gateway_ids, now_s)
        self.plan = replace(plan, dwell={**plan.dwell, **dwell})
        try:
            self.state = presence_checkpoint.restore(plan.model, checkpoint, now_s)
        except MalformedCheckpoint as error:
            log.info("presence forms anew", extra={"store": self.store_id, "why": str(error)})
            self.state = PresenceState(plan.model)
            stays = {one: here.zone_id for one, here in said.items() if here.zone_id is not None}
            self._resumed.wait_for(self._visits.values(), stays, now_s)

    def is_surveyed_with(self, handset_ids: frozenset[str]) -> None:
        """Staff walk a survey with these handsets now: they are no shoppers."""
        self._intake.surveying = handset_ids

    def reread(self, open_visits: Sequence[Visit]) -> None:
        """Take SQL's word for which visits are open: a commit may have gone through although its
        answer was lost."""
        self._visits = {visit.handset_id: visit for visit in open_visits}

    def hear(self, entries: Sequence[StreamEntry], now: datetime) -> None:
        """Take in what the gateways sent and let presence go on to `now`."""
        now_s = now.timestamp()
        heard, used = self._intake.take(entries, now_s)
        self._used += used
        counted = self.state.counts
        if self._is_catching_up:
            self._is_catching_up = False
            events = step(self.plan.model, self.state, heard, now_s, listening=())
            self._unwritten += self._resumed.caught_up(events, now_s)
        else:
            listening = self.canaries.liveness.listening(now_s)
            events = step(self.plan.model, self.state, heard, now_s, listening)
            self._unwritten += self._resumed.settle(events)
        self.counts += self.state.counts - counted
        if self._resumed.is_open:
            said = estimates(self.plan.model, self.state)
            self._unwritten += self._resumed.over(said, now)

    def goes_on_in_s(self, now: datetime) -> float:
        """How long from now presence can work off its next half second."""
        lag_s = self.plan.model.lag_s
        return TICK_S - (now.timestamp() - lag_s) % TICK_S

    def is_due(self, now: datetime) -> bool:
        """Whether presence has a half second to work off already."""
        asked = self.state.asked_tick
        return asked is not None and tick_of(now.timestamp() - self.plan.model.lag_s) > asked

    async def write(
        self, tx: AsyncConnection, live: Live, now: datetime, *, decides: bool = True
    ) -> list[Taken]:
        """Put into SQL what has happened since the last `wrote`; the decisions taken.

        decides: whether any are, or what they would be taken on is passed over.
        Follow it with `wrote` when the transaction is through, with `undo` when it is not.
        """
        self._draft = dict(self._visits)
        self._gone.clear()
        # Another store's refresh may change it meanwhile; `undo` is to take back from the same.
        self._shelf = self.campaigns.shelf
        for used in self._used:
            await gateways.take_batch(
                tx, used.gateway_id, used.batch.boot, used.batch.seq,
                len(used.batch.sightings), now,
            )  # fmt: skip
        taken: list[Taken] = []
        for event in self._unwritten:
            if isinstance(event, Dwelling) and not decides:
                self.counts["dwells_undecided"] += 1
                continue
            decided = await self._write_event(tx, live, event, now, len(taken))
            if decided is not None:
                taken.append(decided)
        await self._note_heard(tx)
        await self.canaries.write(tx, self.store_id, now)
        return taken

    def wrote(self) -> None:
        """The transaction of `write` is through."""
        self._visits = self._draft
        # Only now: a transaction that failed is written again, and who is gone may be back.
        for handset_id in self._gone - self._visits.keys():
            self._intake.forget(handset_id)
        self.canaries.wrote()
        self._reserved.clear()
        self._used.clear()
        self._unwritten.clear()

    async def undo(self, live: Live) -> None:
        """The transaction of `write` failed: what it reserved counts no longer."""
        for reserved in self._reserved:
            self._shelf.catalogue.unsent(reserved.sent.campaign_id)
            await live.unreserve(reserved.shopper_id, reserved.sent)
        self._reserved.clear()

    def has_news(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._used or self._unwritten)

    def is_to_decide(self) -> bool:
        """Whether the news holds something that a decision is taken on."""
        return any(isinstance(event, Dwelling) for event in self._unwritten)

    def picture(self) -> dict[str, Here]:
        """Where everybody is, for the live view and the check before a push."""
        return {
            device: Here(one.zone_id, one.confidence, one.x_m, one.y_m, one.heard_s, one.floor_id)
            for device, one in estimates(self.plan.model, self.state).items()
        }

    async def _note_heard(self, tx: AsyncConnection) -> None:
        for device, one in estimates(self.plan.model, self.state).items():
            visit = self._draft.get(device)
            heard_at = datetime.fromtimestamp(one.heard_s, UTC)
            if visit is not None and heard_at - visit.last_heard_at >= HEARD_NOTED_EVERY:
                await visits.heard_until(tx, visit.visit_id, heard_at)
                self._draft[device] = replace(visit, last_heard_at=heard_at)

    async def _write_event(
        self, tx: AsyncConnection, live: Live, event: ZoneEvent, now: datetime, nth: int
    ) -> Taken | None:
        at = datetime.fromtimestamp(event.at_s, UTC)
        if isinstance(event, Left | Gone) and event.device not in self._draft:
            # Of a visit that was closed before, or never was one.
            if isinstance(event, Gone):
                self._gone.add(event.device)
            return None
        visit = await self._visit(tx, event.device, at, now)
        if visit is None or isinstance(event, Appeared):
            return None
        match event:
            case Entered():
                since = datetime.fromtimestamp(event.since_s, UTC)
                await visits.enter_zone(tx, visit.visit_id, event.zone_id, since, event.confidence)
                await visits.heard_until(tx, visit.visit_id, at)
            case Dwelling():
                if event.device in self._intake.surveying:
                    return None
                if now - at > DECIDE_WITHIN:
                    # It waited for a database that was away: who knows where they are now.
                    self.counts["dwells_too_old"] += 1
                    return None
                accepted_s = self._intake.accepted.last_s(event.device, event.at_s)
                return await decide_here(
                    tx, live, self.plan, visit, event, now, self._shelf,
                    self.campaigns.remembering, self._reserved,
                    None if accepted_s is None else datetime.fromtimestamp(accepted_s, UTC), nth,
                )  # fmt: skip
            case Left():
                await visits.leave_zones(tx, visit.visit_id, at)
                await visits.heard_until(tx, visit.visit_id, at)
            case Gone():
                last = datetime.fromtimestamp(event.last_heard_s, UTC)
                await visits.close_visit(tx, visit.visit_id, last)
                await keep_until(tx, [visit.shopper_id], last)
                del self._draft[event.device]
                self._gone.add(event.device)
            case _:
                assert_never(event)
        return None

    async def _visit(
        self, tx: AsyncConnection, handset_id: str, at: datetime, now: datetime
    ) -> Visit | None:
        """The handset's open visit, begun if there is none; None when it has been erased, or when a
        survey is walked with it."""
        owner = self._intake.owners.get(handset_id)
        if owner is None or not await visits.can_visit(tx, owner.shopper_id):
            self._draft.pop(handset_id, None)
            log.info("events of an erased handset dropped", extra={"handset": short(handset_id)})
            return None
        visit = self._draft.get(handset_id)
        if visit is None:
            # Asked again here: a survey may have been opened a moment ago.
            if await surveys.open_walk_of(tx, handset_id, now) is not None:
                return None
            visit = await visits.open_visit(tx, owner.shopper_id, self.store_id, handset_id, at)
            self._draft[handset_id] = visit
        return visit


def _is_kind(plan: EnginePlan, zone_id: str, kind: ZoneKind) -> bool:
    """Whether the plan has that zone, and it is of that kind."""
    return zone_id in plan.zones and plan.zones[zone_id].kind is kind

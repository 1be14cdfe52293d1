"""Stored decisions, taken again: by the campaigns that are live, and with others beside them.

Each stored decision is a moment at which a shopper stood at a shelf. What was known then is read
again as it was then, and the same `offers.decide` is asked. So a campaign shows what it would have
done before it goes live; and with the campaigns that truly were live every row comes out as it was
stored, unless something of then is gone: erased, withdrawn, or reported late by a handset.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import Zone
from beacons.store_plan import StorePlan
from db import campaigns, pressure, replay, salts, stores
from db.connect import Database
from db.decisions import StoredDecision
from db.pressure import SavedPolicy
from db.replay import StoredMoment
from engine.known import Remembering
from engine.plan import Local, local_time
from engine.situation import Person, Shelf, profiled, situation_of
from offers.audience_fields import Facts
from offers.audience_text import parse
from offers.campaign import Campaign, Status
from offers.catalogue import Catalogue, Live
from offers.decide import decide
from offers.filters import message_of
from offers.pressure import DEFAULT_POLICY, LOOKS_BACK, Cap, Policy, Pressure
from offers.preview import Stood, stood
from offers.replay import Fate, World
from offers.situation import Decision, Hold, Moment, Reason, Send, ShopperView, Situation
from offers.stops import Stops
from shoppers.consent import Purpose

# Read at a time: some megabytes.
PAGE: Final = 1_000
# What was looked up of a shopper serves their visit for so long, unless any of it has changed.
_SERVES: Final = timedelta(minutes=10)
# Why what was decided to be sent was not, after the decision.
_LAST_MOMENT: Final = frozenset(
    {Reason.CAP_RACE, Reason.STOPPED, Reason.CAMPAIGN_STOPPED, Reason.NOT_LIVE}
)


class Gone(StrEnum):
    """Why a moment cannot be decided again."""

    ZONE = "zone"  # the store, or that zone of it, is not in any plan now
    FORM = "form"  # it was stored by a Corsia that kept less


@dataclass(frozen=True, slots=True)
class Replayed:
    """One moment: as it was stored, and as it is decided now both ways.

    as_is: with the live campaigns alone; as_tried: with those that are tried beside them, of whom
    `there` tells those that stood there.
    """

    stored: StoredMoment
    as_is: Decision
    as_tried: Decision
    there: tuple[Stood, ...]


def is_as_stored(one: Replayed) -> bool:
    """Whether the live campaigns decide that moment as it was truly decided: the same campaign, or
    silence for the same reasons."""
    stored, taken = one.stored.decision, one.as_is
    if isinstance(taken, Send):
        return stored.outcome == "send" and stored.campaign_id == taken.campaign.campaign_id
    return stored.outcome == "hold" and stored.reasons == [why.value for why in taken.why]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A moment that is not decided again; what was sent then counts in both worlds."""

    stored: StoredMoment
    why: Gone


@dataclass(frozen=True, slots=True)
class _Place:
    tz: ZoneInfo
    country: str
    zones: dict[str, Zone]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a stored decision kept of what it saw."""

    view: ShopperView
    facts: Facts
    own: tuple[Cap, ...]
    moment: Moment
    stops: Stops


@dataclass(frozen=True, slots=True)
class _Was:
    """One moment as it was then, but for what had been sent."""

    stored: StoredMoment
    seen: _Seen
    who: Person
    tags: frozenset[str]
    policy: Policy
    local: Local


async def replayed(
    database: Database,
    tried: Collection[Campaign],
    since: datetime,
    until: datetime,
    *,
    by_newest_policy: bool = False,
) -> AsyncIterator[Replayed | SetAside]:
    """Every moment from `since` to before `until`, oldest first.

    tried: they count as live for the whole of that time, in place of live ones of the same id.
    by_newest_policy: decide each moment by the policy that is in force now, not by that of then.
    Raises DATABASE_ERRORS.
    """
    async with database.read() as tx:
        live = await campaigns.live_campaigns(tx)
        counted = await campaigns.sends_of_all(tx)
        policies = _Policies(await pressure.saved_policies(tx), always_newest=by_newest_policy)
        drawn = await salts.load(tx)
        places = {one.store_id: _place(one) for one in await stores.load_stores(tx)}
        sent = await replay.fates(tx, since - LOOKS_BACK)
    if drawn is None:
        return  # nothing was ever decided
    began = _sends_then(counted, sent, since)
    before = [one for one in sent if one[1].message.at < since]
    fates = {fate.message.message_id: fate for _, fate in sent if fate.message.at >= since}
    sets = [[replace(one, sends=began[one.campaign.campaign_id]) for one in live]]
    if tried:
        sets.append(_with(sets[0], tried, began, since, until))
    worlds = [World(Catalogue(each), before, fates, since) for each in sets]
    shelves = [Shelf(world.catalogue, Stops(), DEFAULT_POLICY, 0, drawn) for world in worlds]
    tried_ids = frozenset(one.campaign_id for one in tried)
    people = _People()
    last: StoredMoment | None = None
    while True:
        found: list[Replayed | SetAside] = []
        async with database.read() as tx:
            page = await replay.moments(tx, since, until, last, PAGE)
            await people.prepare(tx, page)
            for stored in page:
                was = await _was(tx, stored, places.get(stored.store_id), people, policies)
                if isinstance(was, Gone):
                    for world in worlds:
                        world.happened(stored.decision.shopper_id, stored.decision.decision_id)
                    found.append(SetAside(stored, was))
                    continue
                both = [
                    _decided(was, world, shelf)
                    for world, shelf in zip(worlds, shelves, strict=True)
                ]
                situation, as_tried = both[-1]
                there = stood(situation, as_tried, tried_ids) if tried_ids else ()
                found.append(Replayed(stored, both[0][1], as_tried, there))
        for one in found:
            yield one
        if len(page) < PAGE:
            return
        last = page[-1]


class _Policies:
    """The policy by which each moment is judged."""

    def __init__(self, saved: Iterable[SavedPolicy], *, always_newest: bool) -> None:
        self._saved = sorted(saved, key=lambda one: one.number)
        self._by_number = {one.number: one.policy for one in self._saved}
        self._by_number[pressure.UNWRITTEN] = DEFAULT_POLICY
        self._newest = self._saved[-1].policy if self._saved else DEFAULT_POLICY
        self._always_newest = always_newest

    def of(self, stored: StoredMoment) -> Policy:
        """That of then, by the number that the decision kept; or the newest that was saved then."""
        if self._always_newest:
            return self._newest
        number = stored.decision.seen.get("policy")
        if number is None:
            at = stored.decision.at
            number = max((one.number for one in self._saved if one.at <= at), default=0)
        return self._by_number.get(number, self._newest)


def _place(store: StorePlan) -> _Place:
    zones = {zone.zone_id: zone for floor in store.floors for zone in floor.zones}
    return _Place(ZoneInfo(store.tz), store.country, zones)


def _sends_then(
    now: Mapping[str, int], sent: Iterable[tuple[str, Fate]], since: datetime
) -> Mapping[str, int]:
    """What counted of each campaign when the replay begins. now: what counts today."""
    found = Counter(now)
    for _, fate in sent:
        if fate.message.at >= since:
            if fate.released_at is None:
                found[fate.message.campaign_id] -= 1
        elif fate.released_at is not None and fate.released_at >= since:
            found[fate.message.campaign_id] += 1
    return Counter({name: max(0, count) for name, count in found.items()})


def _with(
    live: Iterable[Live],
    tried: Collection[Campaign],
    began: Mapping[str, int],
    since: datetime,
    until: datetime,
) -> list[Live]:
    """The live campaigns and those that are tried, as if these ran in all that time."""
    replaced = {one.campaign_id for one in tried}
    kept = [one for one in live if one.campaign.campaign_id not in replaced]
    tried_live = [
        Live(
            replace(one, status=Status.LIVE, valid_from=since, valid_until=until),
            sends=began[one.campaign_id],
            audience=parse(one.audience) if one.audience else None,
        )
        for one in tried
    ]
    return sorted([*kept, *tried_live], key=lambda one: one.campaign.campaign_id)


class _People:
    """Shoppers as they were known then; what was sent to them is each world's own.

    Somebody who stands at a shelf is decided on every second: they are looked up again only when
    anything of them has changed.
    """

    def __init__(self) -> None:
        self._remembering = Remembering()
        self._changes: Mapping[str, list[datetime]] = {}
        # visit -> what was known of its shopper without looking up, when they were, what was found.
        self._kept: dict[str, tuple[ShopperView, Facts, datetime, Person]] = {}

    async def prepare(self, tx: AsyncConnection, page: Collection[StoredMoment]) -> None:
        """The next moments are these, in the order of time."""
        if not page:
            return
        instants = [one.decision.at for one in page]
        since = instants[0] - _SERVES
        self._kept = {visit: kept for visit, kept in self._kept.items() if kept[2] >= since}
        shopper_ids = {one.decision.shopper_id for one in page}
        self._changes = await replay.changes(tx, shopper_ids, since, instants[-1])

    async def find(self, tx: AsyncConnection, stored: StoredMoment, seen: _Seen) -> Person:
        """The shopper of that moment."""
        now = stored.decision.at
        kept = self._kept.get(stored.decision.visit_id)
        if kept is None or kept[:2] != (seen.view, seen.facts) or self._is_old(kept[2:], now):
            found = await profiled(
                tx, seen.view, seen.facts, Pressure(), stored.entered_at, now, self._remembering
            )
            kept = self._kept[stored.decision.visit_id] = (seen.view, seen.facts, now, found)
        return kept[3]

    def _is_old(self, kept: tuple[datetime, Person], now: datetime) -> bool:
        found_at, who = kept
        if now - found_at > _SERVES:
            return True
        changes = self._changes.get(who.view.shopper_id, ())
        return any(found_at < at <= now for at in changes)


async def _was(
    tx: AsyncConnection,
    stored: StoredMoment,
    place: _Place | None,
    people: _People,
    policies: _Policies,
) -> _Was | Gone:
    decision = stored.decision
    zone = None if place is None else place.zones.get(decision.zone_id)
    if place is None or zone is None:
        return Gone.ZONE
    seen = _seen(decision)
    if seen is None:
        return Gone.FORM
    who = await people.find(tx, stored, seen)
    local = local_time(decision.at, place.tz, place.country)
    return _Was(stored, seen, who, zone.tags, policies.of(stored), local)


def _seen(decision: StoredDecision) -> _Seen | None:
    """What the decision saw; None when it did not keep all that it takes to decide again."""
    kept = decision.seen
    told, stopped = kept.get("facts", {}), kept.get("stopped", {})
    try:
        facts = Facts(
            country=kept["country"],
            locale=told.get("locale"),
            platforms=frozenset(told.get("platforms", ())),
        )
        return _Seen(
            ShopperView(
                decision.shopper_id,
                kept["country"],
                frozenset(Purpose(one) for one in kept["consents"]),
                has_push_target=kept["has_push_target"],
            ),
            facts,
            tuple(cap for most in kept.get("own", ()) for cap in pressure.own_caps_of(most)),
            msgspec.convert({"visit_id": decision.visit_id, **kept["moment"]}, Moment),
            Stops(
                everything=stopped.get("here", False),
                campaign_ids=frozenset(stopped.get("campaigns", ())),
            ),
        )
    except (KeyError, ValueError):  # a purpose or a moment of another form, too
        return None


def _decided(was: _Was, world: World, shelf: Shelf) -> tuple[Situation, Decision]:
    """The decision of that moment in a world, which then has sent what it sends."""
    decision = was.stored.decision
    world.turn(decision.at)
    pushed = world.pressure(decision.shopper_id, decision.visit_id, was.seen.own, decision.at)
    situation = situation_of(
        replace(was.who, pressure=pushed),
        was.seen.moment,
        was.tags,
        replace(shelf, stops=was.seen.stops, policy=was.policy),
        decision.at,
        was.local,
    )
    taken = decide(situation)
    if not isinstance(taken, Send):
        return situation, taken
    if (lost := _lost_then(was.stored, taken)) is not None:
        return situation, lost
    message = message_of(situation, taken.campaign, decision.decision_id)
    world.sent(decision.shopper_id, message)
    return situation, taken


def _lost_then(stored: StoredMoment, send: Send) -> Hold | None:
    """What was decided to be sent then too, and at the last moment was not: it is not now."""
    decision = stored.decision
    if decision.outcome == "send" or decision.campaign_id != send.campaign.campaign_id:
        return None
    if len(decision.reasons) != 1 or Reason(decision.reasons[0]) not in _LAST_MOMENT:
        return None
    winner, *others = send.weighed
    lost = replace(winner, against=(Reason(decision.reasons[0]),))
    return Hold(lost.against, (lost, *others))

"""Stored decisions, taken again: by the campaigns that are live, and with others beside them.

Each stored decision is a moment at which a shopper stood at a shelf. What was known then is read
again as it was then, and the same `offers.decide` is asked. So a campaign shows what it would have
done before it goes live; and with the campaigns that truly were live every row comes out as it was
stored, unless something of then is gone: erased, withdrawn, or reported late by a handset.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import Zone
from beacons.store_plan import StorePlan
from db import campaigns, pressure, replay, salts, stores
from db.connect import Database
from db.replay import StoredMoment
from engine.known import Remembering
from engine.plan import local_time
from engine.situation import Person, Shelf, profiled, situation_of
from offers.audience_fields import Facts
from offers.audience_text import parse
from offers.campaign import Campaign, Status
from offers.catalogue import Catalogue, Live
from offers.decide import decide
from offers.filters import message_of
from offers.pressure import LOOKS_BACK, Pressure
from offers.replay import World
from offers.situation import Decision, Moment, Send, ShopperView
from offers.stops import Stops
from shoppers.consent import Purpose

# Read at a time: some hundred kilobytes.
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Replayed:
    """One moment: as it was stored, and as it is decided now both ways.

    as_is: with the live campaigns alone; as_tried: with those that are tried beside them.
    """

    stored: StoredMoment
    as_is: Decision
    as_tried: Decision


@dataclass(frozen=True, slots=True)
class _Place:
    tz: ZoneInfo
    country: str
    zones: dict[str, Zone]


async def replayed(
    database: Database, tried: Collection[Campaign], since: datetime, until: datetime
) -> AsyncIterator[Replayed]:
    """Every moment from `since` to before `until`, oldest first.

    tried: they count as live for the whole of that time, in place of live ones of the same id.
    Moments in zones that the store no longer has are left out. Raises DATABASE_ERRORS.
    """
    async with database.read() as tx:
        live = await campaigns.live_campaigns(tx)
        _, policy = await pressure.policy(tx)
        drawn = await salts.load(tx)
        places = {one.store_id: _place(one) for one in await stores.load_stores(tx)}
        sent = await replay.fates(tx, since - LOOKS_BACK)
    if drawn is None:
        return  # nothing was ever decided
    before = [one for one in sent if one[1].message.at < since]
    fates = {fate.message.message_id: fate for _, fate in sent if fate.message.at >= since}
    later = Counter(fate.message.campaign_id for fate in fates.values() if fate.released_at is None)
    began = [
        replace(one, sends=max(0, one.sends - later[one.campaign.campaign_id])) for one in live
    ]
    worlds = [
        World(Catalogue(began), before, fates),
        World(Catalogue(_with(began, tried, since, until)), before, fates),
    ]
    shelves = [Shelf(world.catalogue, Stops(), policy, 0, drawn) for world in worlds]
    remembering = Remembering()
    last: StoredMoment | None = None
    while True:
        decided: list[Replayed] = []
        async with database.read() as tx:
            page = await replay.moments(tx, since, until, last, PAGE)
            for stored in page:
                place = places.get(stored.store_id)
                zone = None if place is None else place.zones.get(stored.decision.zone_id)
                if place is None or zone is None:
                    continue
                who = await _person(tx, stored, remembering)
                as_is, as_tried = (
                    _decided(stored, who, zone, place, world, shelf)
                    for world, shelf in zip(worlds, shelves, strict=True)
                )
                decided.append(Replayed(stored, as_is, as_tried))
        for one in decided:
            yield one
        if len(page) < PAGE:
            return
        last = page[-1]


def _place(store: StorePlan) -> _Place:
    zones = {zone.zone_id: zone for floor in store.floors for zone in floor.zones}
    return _Place(ZoneInfo(store.tz), store.country, zones)


def _with(
    live: Iterable[Live], tried: Collection[Campaign], since: datetime, until: datetime
) -> list[Live]:
    """The live campaigns and those that are tried, as if these ran in all that time."""
    replaced = {one.campaign_id for one in tried}
    kept = [one for one in live if one.campaign.campaign_id not in replaced]
    tried_live = [
        Live(
            replace(one, status=Status.LIVE, valid_from=since, valid_until=until),
            sends=0,
            audience=parse(one.audience) if one.audience else None,
        )
        for one in tried
    ]
    return sorted([*kept, *tried_live], key=lambda one: one.campaign.campaign_id)


async def _person(tx: AsyncConnection, stored: StoredMoment, remembering: Remembering) -> Person:
    """The shopper as they were known then; what was sent to them is each world's own."""
    decision, seen = stored.decision, stored.decision.seen
    view = ShopperView(
        decision.shopper_id,
        seen["country"],
        frozenset(Purpose(one) for one in seen["consents"]),
        has_push_target=seen["has_push_target"],
    )
    told = seen.get("facts", {})
    facts = Facts(
        country=seen["country"],
        locale=told.get("locale"),
        platforms=frozenset(told.get("platforms", ())),
    )
    own = tuple(cap for most in seen.get("own", ()) for cap in pressure.own_caps_of(most))
    return await profiled(
        tx, view, facts, Pressure(own=own), stored.entered_at, decision.at, remembering
    )


def _decided(
    stored: StoredMoment, who: Person, zone: Zone, place: _Place, world: World, shelf: Shelf
) -> Decision:
    """The decision of that moment in a world, which then has sent what it sends."""
    decision = stored.decision
    pushed = world.pressure(decision.shopper_id, decision.visit_id, who.pressure.own, decision.at)
    moment = msgspec.convert({"visit_id": decision.visit_id, **decision.seen["moment"]}, Moment)
    situation = situation_of(
        replace(who, pressure=pushed),
        moment,
        zone.tags,
        replace(shelf, stops=_stops(decision.seen)),
        decision.at,
        local_time(decision.at, place.tz, place.country),
    )
    taken = decide(situation)
    if isinstance(taken, Send):
        message = message_of(situation, taken.campaign, decision.decision_id)
        world.sent(decision.shopper_id, message)
    return taken


def _stops(seen: dict[str, Any]) -> Stops:
    """What an operator had halted then, as far as it concerned that moment."""
    stopped = seen.get("stopped", {})
    return Stops(
        everything=stopped.get("here", False),
        campaign_ids=frozenset(stopped.get("campaigns", ())),
    )

"""Stored decisions, taken again: by the campaigns that are live, and with others beside them.

Each stored decision is a moment at which a shopper stood at a shelf. What was known then is read
again as it was then, and the same `offers.decide` is asked. So a campaign shows what it would have
done before it goes live; and with the campaigns that truly were live every row comes out as it was
stored, unless something of then is gone: erased, withdrawn, or reported late by a handset.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from db import campaigns, pressure, replay, salts, stores
from db.connect import Database
from db.replay import StoredMoment
from engine.past import Gone, People, Policies, Was, place_of, was_then
from engine.situation import Shelf, situation_of
from offers.audience_text import parse
from offers.campaign import Campaign, Status
from offers.catalogue import Catalogue, Live
from offers.decide import decide
from offers.filters import message_of
from offers.pressure import DEFAULT_POLICY, LOOKS_BACK
from offers.preview import Stood, stood
from offers.replay import Fate, World
from offers.situation import Decision, Hold, Reason, Send, Situation
from offers.stops import Stops

# Read at a time: some megabytes.
PAGE: Final = 1_000
# Why what was decided to be sent was not, after the decision.
_LAST_MOMENT: Final = frozenset(
    {Reason.CAP_RACE, Reason.STOPPED, Reason.CAMPAIGN_STOPPED, Reason.NOT_LIVE}
)


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
        policies = Policies(await pressure.saved_policies(tx), always_newest=by_newest_policy)
        drawn = await salts.load(tx)
        places = {one.store_id: place_of(one) for one in await stores.load_stores(tx)}
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
    people = People()
    last: StoredMoment | None = None
    while True:
        found: list[Replayed | SetAside] = []
        async with database.read() as tx:
            page = await replay.moments(tx, since, until, last, PAGE)
            await people.prepare(tx, page)
            for stored in page:
                was = await was_then(tx, stored, places.get(stored.store_id), people, policies)
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


def _decided(was: Was, world: World, shelf: Shelf) -> tuple[Situation, Decision]:
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

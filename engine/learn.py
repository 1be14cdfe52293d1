"""Learning at night: what all baskets teach, how campaigns are answered, each shopper's profile.

By `corsia jobs`, and on demand by `corsia learn now`. It reads for as long as it must and writes in
short transactions. What was learnt of all is kept last and marks the night as done: a run that died
begins again, and leaves out whose profile it finds made.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import ZoneKind
from config.clock import Clock
from db import learnt, profiles, remembered, stores
from db.connect import Database
from db.profiles import Made
from db.remembered import Facts, Place
from offers.baskets import Counting
from offers.known import Learnt, Profile
from offers.learning import Learning, Tried
from offers.profiling import Neighbourhood, Remembered, learnt_from

log = logging.getLogger(__name__)

# When shops are closed; by the clock of the first store, as one chain mostly sleeps at once.
NIGHT_HOUR: Final = 3
AT_MOST_EVERY: Final = timedelta(hours=20)
# A night was missed, or the store's time zone is unknown here: then at any hour.
AT_LEAST_EVERY: Final = timedelta(hours=36)
# What is learnt holds from a little later on: by then it is committed, and whoever asks what was
# known at a moment gets the same answer for ever. Longer than any transaction may take.
IN_FORCE_AFTER: Final = timedelta(minutes=1)
# Who gave no news is done again after this, so that what has been erased leaves the profile too.
ANEW_AFTER: Final = timedelta(days=7)
# Facts that are erased before the next time are left out at once. A day to spare.
SPARED: Final = ANEW_AFTER + timedelta(days=1)
# Shoppers of one transaction: some hundredths of a second for SQLite's one writer.
BATCH: Final = 100
# Shoppers whom others are compared with, the first by their ids, which are random: comparing takes
# time and memory by their number, and fifty of four thousand are as near as fifty of all.
POOL_MAX: Final = 4_000
# Baskets that shares and complements are counted from: a pair in one basket of a thousand is then
# right to a fourteenth. Counting them takes half a minute.
BASKETS_MAX: Final = 200_000
PRUNED_AT_ONCE: Final = 500
LOGGED_EVERY: Final = 5_000
_SELLING: Final = frozenset({ZoneKind.AISLE, ZoneKind.PROMO})

# The categories that lie in each zone.
Places = Mapping[Place, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a run learnt. since: when it holds; profiles: made, or made anew."""

    since: datetime
    baskets: int
    campaigns: int
    profiles: int


@dataclass(frozen=True, slots=True)
class _All:
    """What a run knows of all shoppers. pool: of some of them, by id."""

    learnt: Learnt
    baskets: int
    pool: Mapping[str, Profile]


async def learn_if_due(database: Database, clock: Clock) -> Lessons | None:
    """Learn when it is time; None when it is not."""
    now = clock.now()
    async with database.read() as tx:
        last = await learnt.newest(tx)
        if last is not None and last <= now + IN_FORCE_AFTER:
            age = now - last
            is_night = await _is_night(tx, now)
            if age < AT_MOST_EVERY or (age < AT_LEAST_EVERY and not is_night):
                return None
    return await learn(database, clock)


async def learn(database: Database, clock: Clock) -> Lessons:
    """Learn now. Raises DATABASE_ERRORS; what is done by then stays."""
    async with database.read() as tx:
        places = await _places(tx)
        names = await learnt.names(tx)
    of_all = await _of_all(database, clock)
    made = await _make_profiles(database, clock, of_all, places)
    learning = await _responses(database, clock)
    now = clock.now()
    since = now + IN_FORCE_AFTER
    taught = replace(of_all.learnt, names=names, since=since)
    async with database.begin() as tx:
        await learnt.keep(tx, taught, learning, since, now)
    is_pruned = False
    while not is_pruned:
        async with database.begin() as tx:
            is_pruned = await profiles.prune(tx, now, PRUNED_AT_ONCE)
    lessons = Lessons(since, of_all.baskets, len(learning), made)
    facts = {"baskets": of_all.baskets, "campaigns": len(learning), "profiles": made}
    log.info("learnt", extra=facts)
    return lessons


async def _of_all(database: Database, clock: Clock) -> _All:
    counting, pool, after = Counting(), dict[str, Profile](), ""
    baskets = 0
    while baskets < BASKETS_MAX:
        async with database.read() as tx:
            batch = await profiles.shoppers_after(tx, after, BATCH)
            allowed = await profiles.who_allow(tx, batch)
            facts = await remembered.facts_of(tx, allowed, clock.now() + SPARED)
        if not batch:
            break
        baskets += await asyncio.to_thread(_count, counting, pool, facts)
        after = batch[-1]
    of_all = await asyncio.to_thread(learnt_from, counting.counts, clock.now())
    return _All(of_all, baskets, pool)


def _count(counting: Counting, pool: dict[str, Profile], facts: Mapping[str, Facts]) -> int:
    """Add these shoppers' baskets, and them to the pool while there is room; how many baskets."""
    for shopper_id in sorted(facts):
        own = facts[shopper_id].baskets
        for basket in own:
            counting.add(basket.categories)
        if own and len(pool) < POOL_MAX:
            pool[shopper_id] = _remembered(facts[shopper_id], {})
    return sum(len(one.baskets) for one in facts.values())


async def _make_profiles(database: Database, clock: Clock, of_all: _All, places: Places) -> int:
    """Make the profiles that are due; how many."""
    near = await asyncio.to_thread(
        Neighbourhood, of_all.learnt.shares, list(of_all.pool.values()), clock.now()
    )
    in_pool = {shopper_id: place for place, shopper_id in enumerate(of_all.pool)}
    made, seen, after = 0, 0, ""
    while True:
        now = clock.now()
        async with database.read() as tx:
            batch = await profiles.shoppers_after(tx, after, BATCH)
            due = await _due(tx, batch, now)
            facts = await remembered.facts_of(tx, due, now + SPARED)
        if not batch:
            return made
        after, before = batch[-1], seen
        seen += len(batch)
        if due:
            found = await asyncio.to_thread(_made, due, facts, places, near, in_pool, now)
            async with database.begin() as tx:
                made += await profiles.keep(tx, found, now + IN_FORCE_AFTER, now)
        if seen // LOGGED_EVERY > before // LOGGED_EVERY:
            log.info("learning", extra={"shoppers": seen, "profiles": made})


async def _due(tx: AsyncConnection, batch: Sequence[str], now: datetime) -> list[str]:
    """Who allows a profile and has none, or news since, or an old one; in the order given."""
    allowed = await profiles.who_allow(tx, batch)
    made_at = await profiles.made_at(tx, allowed)
    news = await remembered.news_of(tx, allowed)

    def is_due(shopper_id: str) -> bool:
        since = made_at.get(shopper_id)
        if since is None:
            return shopper_id in news
        # What was written while the last one was being made may not have been seen.
        has_news = shopper_id in news and news[shopper_id] > since - 2 * IN_FORCE_AFTER
        return has_news or now - since >= ANEW_AFTER

    return [shopper_id for shopper_id in batch if shopper_id in allowed and is_due(shopper_id)]


def _made(
    due: Iterable[str],
    facts: Mapping[str, Facts],
    places: Places,
    near: Neighbourhood,
    in_pool: Mapping[str, int],
    now: datetime,
) -> dict[str, Made | None]:
    """The profiles of these shoppers; None of whom there are no facts any more."""
    made: dict[str, Made | None] = dict.fromkeys(due)
    known = [shopper_id for shopper_id in made if shopper_id in facts]
    own = [_remembered(facts[shopper_id], places) for shopper_id in known]
    alike = near.alike(own, [in_pool.get(shopper_id) for shopper_id in known])
    for shopper_id, profile, likeness in zip(known, own, alike, strict=True):
        erase_after = facts[shopper_id].erase_after
        if erase_after is not None and (profile.baskets or profile.dwelt):
            kept = replace(profile, alike=likeness, since=now + IN_FORCE_AFTER)
            made[shopper_id] = Made(kept, erase_after)
    return made


def _remembered(facts: Facts, places: Places) -> Profile:
    own = Remembered()
    for basket in facts.baskets:
        own.bought(basket.categories, basket.at)
    for stay in facts.stays:
        own.stood(places.get(stay.place, frozenset()), stay.seconds, stay.until)
    return own.profile


async def _responses(database: Database, clock: Clock) -> Learning:
    """How each campaign of late was answered: a short look into SQL for each."""
    async with database.read() as tx:
        campaign_ids = await learnt.sent_lately(tx, clock.now())
        tills_in = await learnt.with_tills(tx, clock.now())
    found: dict[str, Mapping[str, Tried]] = {}
    for campaign_id in campaign_ids:
        async with database.read() as tx:
            tried = await learnt.responses(tx, campaign_id, clock.now(), tills_in)
        if tried:
            found[campaign_id] = tried
    return found


async def _places(tx: AsyncConnection) -> Places:
    """What lies in each zone where things are sold: by the shelves that the retailer told us, or
    else by the zone's tags, as campaigns name them too."""
    on_shelves = await learnt.on_shelves(tx)
    places: dict[Place, frozenset[str]] = {}
    for store_id in await stores.store_ids(tx):
        try:
            plan = await stores.load_store(tx, store_id)
        except stores.StoredPlanError as error:
            log.warning("stays not learnt from", extra={"store": store_id, "why": str(error)})
            continue
        assert plan is not None
        for zone in (zone for floor in plan.floors for zone in floor.zones):
            place = store_id, zone.zone_id
            if zone.kind in _SELLING:
                places[place] = on_shelves.get(place, zone.tags)
    return places


async def _is_night(tx: AsyncConnection, now: datetime) -> bool:
    try:
        first = next(iter(await stores.store_ids(tx)), None)
        plan = None if first is None else await stores.load_store(tx, first)
        return plan is not None and now.astimezone(ZoneInfo(plan.tz)).hour == NIGHT_HOUR
    except (stores.StoredPlanError, ZoneInfoNotFoundError, ValueError):
        return False

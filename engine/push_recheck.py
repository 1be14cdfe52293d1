"""The last look before pushes go out: what has changed since the decision stops them.

Fails closed: no knowledge of where the shopper is, or of what they allow, is a no.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from redis.exceptions import RedisError

from config.clock import Clock
from db.connect import Database
from db.handsets import PushTarget
from db.live import Here, Live
from db.outbox import Again, Claimed, End
from db.push_standing import Standing, standing
from engine.fcm import ANSWER_TIMEOUT_S, SEND_WITHIN_S
from engine.fcm_credential import FETCH_TIMEOUT_S
from engine.store_time import local_time
from offers.campaign import Campaign, OnHolidays, Status
from offers.schedule import is_scheduled
from shoppers.consent import NEEDED_IN_AISLE

# Presence older than this is no evidence that the shopper is still there. The engine writes the
# picture at least four times a second; a handset is heard about once in two.
PRESENCE_FRESH_S: Final = 10.0
# Firebase calls a target stale after a month without contact and drops it after 270 days. In
# between a push to it counts against the caps of somebody whose app is most likely gone.
STALE_AFTER: Final = timedelta(days=60)
# The slowest answer must come, and be written, within the lease; a token that is refused takes
# another one's fetching before that is known.
LEASE_NEEDED: Final = timedelta(seconds=SEND_WITHIN_S + ANSWER_TIMEOUT_S + FETCH_TIMEOUT_S + 2)
ASK_AGAIN_AFTER: Final = timedelta(seconds=1)
NO_TARGET: Final = "the handset has no target"


async def hindrances(
    claimed: Sequence[Claimed], database: Database, live: Live, clock: Clock
) -> list[End | Again | None]:
    """For each push why it must not go out any more, or not yet; None when it may.

    Raises what the database raises.
    """
    async with database.read() as tx:
        stands = await standing(tx, claimed)
    by_store: defaultdict[str, list[str]] = defaultdict(list)
    for one in claimed:
        by_store[one.store_id].append(one.handset_id)
    places: dict[tuple[str, str], Here] = {}
    unasked = set(by_store)
    for store_id, handset_ids in by_store.items():
        try:
            here = await live.where_all(store_id, handset_ids)
        except RedisError:
            break  # each further question could wait as long for its answer
        unasked.remove(store_id)
        places |= {(store_id, handset_id): place for handset_id, place in here.items()}
    out_of_hours = await _out_of_hours(claimed, stands, clock.now())
    # Judged by the time when all is known: asking may have taken seconds.
    now = clock.now()
    # Nothing was sent; without this the lease would run out and cast doubt on that.
    later = Again(now + ASK_AGAIN_AFTER, "presence could not be asked", maybe_sent=False)
    found: list[End | Again | None] = []
    for one in claimed:
        why_not = _by_what_stands(one, stands, now)
        if why_not is None and _asked_of(one) in out_of_hours:
            why_not = End("expired", "the campaign's hours are over")
        if why_not is None and one.store_id in unasked:
            why_not = later
        elif why_not is None:
            why_not = _by_presence(one, places.get((one.store_id, one.handset_id)), now)
        found.append(why_not)
    return found


def _asked_of(claimed: Claimed) -> tuple[int, str]:
    """What the hours are asked of: the document, which the rows of a claim share, and the store."""
    return id(claimed.campaign), claimed.store_id


async def _out_of_hours(
    claimed: Sequence[Claimed], stands: Standing, now: datetime
) -> set[tuple[int, str]]:
    """Which campaigns, as they are by now, do not speak at this moment of their stores' day."""
    silent = set()
    for one in {_asked_of(one): one for one in claimed}.values():
        try:
            campaign = msgspec.convert(one.campaign, Campaign)
        except msgspec.ValidationError:
            continue  # told when its note is made
        clock = stands.clocks.get(one.store_id)
        if not await _speaks(campaign, clock, now):
            silent.add(_asked_of(one))
    return silent


async def _speaks(campaign: Campaign, clock: tuple[str, str] | None, now: datetime) -> bool:
    """Whether the campaign runs now. clock: the store's time zone and country."""
    if not campaign.valid_from <= now < campaign.valid_until:
        return False
    if not campaign.hours and campaign.on_holidays is OnHolidays.NORMAL:
        return True
    if clock is None:
        return False
    tz, country = clock
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    # A second's work, the first time in a country.
    local = await asyncio.to_thread(local_time, now, zone, country)
    return is_scheduled(campaign, local.at, holiday=local.is_holiday)


def _by_what_stands(claimed: Claimed, stands: Standing, now: datetime) -> End | Again | None:
    if now >= claimed.expires_at:
        return End("expired", "too late to be of use")
    if now + LEASE_NEEDED > claimed.leased_until:
        return Again(now, "it waited too long for its turn", maybe_sent=False)
    if stands.statuses.get(claimed.campaign_id) != Status.LIVE.value:
        return End("expired", "the campaign is no longer live")
    halted = stands.stops
    if halted.silences(claimed.store_id) or claimed.campaign_id in halted.campaign_ids:
        return End("expired", "an operator has halted it")
    if claimed.handset_id not in stands.targets:
        return End("target_gone", NO_TARGET)
    if not stands.allowed.get(claimed.shopper_id, frozenset()) >= NEEDED_IN_AISLE:
        return End("expired", "consent was withdrawn")
    target, refreshed_at = stands.targets[claimed.handset_id]
    if target != target_of(claimed):
        return Again(now, "the target has changed", maybe_sent=False)
    if now - refreshed_at > STALE_AFTER:
        return End("expired", "the target is stale")
    return None


def _by_presence(claimed: Claimed, here: Here | None, now: datetime) -> End | None:
    if here is None or now.timestamp() - here.heard_s > PRESENCE_FRESH_S:
        return End("expired", "nobody knows where the shopper is")
    if here.zone_id != claimed.zone_id:
        return End("expired", "the shopper has left the zone")
    return None


def target_of(claimed: Claimed) -> PushTarget:
    """Where a claimed push was to go; its target must not be None."""
    return PushTarget(
        claimed.handset_id,
        claimed.target_kind or "",
        claimed.target_value or "",
        claimed.platform or "",
    )

"""What a decision looks at, put together from SQL, the store's plan and what may be sent now.

Also for a moment of the past: everything is asked for as it was at `now`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import bought, browsing, consents, handsets, pressure, visits, ways
from db.handsets import PushTarget
from db.visits import Visit
from engine.known import Remembering
from engine.plan import EnginePlan
from engine.store_time import Local
from offers.assignment import Salts
from offers.audience_fields import BROWSING_BACK, Facts
from offers.audience_keys import keys_of
from offers.catalogue import Catalogue
from offers.goods import NO_GOODS, Chosen, Goods
from offers.interest_levels import interest_levels
from offers.known import Known
from offers.pressure import Policy, Pressure
from offers.situation import READ_IN_S, Browsed, Moment, ShopperView, Situation
from offers.stops import Stops
from shoppers.consent import Purpose

_CHANCE_OCTETS: Final = 8
# What is older has no part in what is being chosen now; as for the cart of a visit.
CHOSEN_BACK: Final = timedelta(days=1)
# A zone that was entered within this is not told as walked: presence may have told of it only after
# the decision (`engine.store.DECIDE_WITHIN` at most), and a replay is to see what that saw.
WALKED_AFTER: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What may be sent, and the rules for it. salts: None while none was ever drawn."""

    catalogue: Catalogue
    stops: Stops
    policy: Policy
    policy_id: int
    salts: Salts | None


@dataclass(frozen=True, slots=True)
class Person:
    """One shopper as a decision sees them, and what was sent to them.

    facts: without the interests, which fade from one moment to the next. goods: of the store that
    they are in. entered: into which zones, and when, of the whole visit as far as it is stored.
    """

    view: ShopperView
    facts: Facts
    browsed: tuple[Browsed, ...]
    known: Known
    pressure: Pressure
    goods: Goods = NO_GOODS
    paid_cents: Mapping[str, Sequence[int]] = field(default_factory=dict)
    entered: tuple[tuple[datetime, str], ...] = ()


async def person(
    tx: AsyncConnection, visit: Visit, now: datetime, remembering: Remembering
) -> tuple[Person, list[PushTarget]] | None:
    """The shopper of a visit, and where their handsets are reached; None when unknown by now."""
    handset = await handsets.load_handset(tx, visit.handset_id)
    if handset is None:
        return None
    targets = await handsets.push_targets_of(tx, visit.shopper_id)
    allowed = await consents.standing_consents(tx, visit.shopper_id)
    view = ShopperView(visit.shopper_id, handset.country, allowed, has_push_target=bool(targets))
    facts = Facts(
        country=handset.country, locale=handset.locale, platforms=frozenset({handset.platform})
    )
    pushed = await pressure.pressure_on(tx, visit.shopper_id, visit.visit_id, now)
    who = await profiled(tx, view, facts, pushed, visit.entered_at, now, remembering)
    return who, targets


async def profiled(
    tx: AsyncConnection,
    view: ShopperView,
    facts: Facts,
    pushed: Pressure,
    entered_at: datetime,
    now: datetime,
    remembering: Remembering,
) -> Person:
    """With what may be looked up of the shopper by their consent.

    facts: without it. entered_at: when the visit began.
    """
    may_profile = Purpose.PROFILING in view.consents
    known = await remembering.known_of(tx, view.shopper_id, now, may_profile=may_profile)
    way = None
    if await remembering.is_anything_sold(tx, now):
        way = await ways.way_of(tx, view.shopper_id, entered_at)
    goods = NO_GOODS if way is None else await remembering.goods_of(tx, way.store_id, now)
    if not may_profile:
        return Person(view, facts, (), known, pushed, goods)
    since = now - BROWSING_BACK
    before = await visits.visits_before(tx, view.shopper_id, entered_at)
    own = await bought.purchased(tx, view.shopper_id, now)
    facts = replace(
        facts,
        visits=before.days + 1,
        days_since_visit=None if before.last_at is None else (now - before.last_at).days,
        purchases=own.bought,
        browsing=await browsing.last_looks(tx, view.shopper_id, since, now),
    )
    looks = await browsing.recent(tx, view.shopper_id, since, now)
    entered = () if way is None else way.entered
    return Person(view, facts, looks, known, pushed, goods, own.paid_cents, entered)


def moment_of(plan: EnginePlan, visit: Visit, dwelling: Dwelling, now: datetime) -> Moment:
    """Where the shopper is and for how long, as presence tells it."""
    zone_id, here_s = dwelling.zone_id, dwelling.at_s - dwelling.since_s
    return Moment(
        store_id=plan.store.store_id,
        visit_id=visit.visit_id,
        zone_id=zone_id,
        role=plan.role(zone_id),
        confidence=dwelling.confidence,
        visit_age_s=(now - visit.entered_at).total_seconds(),
        zone_dwell_s=dwelling.dwell_s,
        residual_dwell_s=plan.residual_dwell_s(zone_id, here_s),
        still_here_p=plan.still_here_p(zone_id, here_s, READ_IN_S),
    )


def situation_of(
    who: Person,
    moment: Moment,
    tags: frozenset[str],
    shelf: Shelf,
    now: datetime,
    on_the_wall: Local,
) -> Situation:
    """All that the decision depends on.

    tags: those of the zone. Raises NoSaltYet when the salts begin later.
    """
    assert shelf.salts is not None, "drawn before the first decision"
    facts = who.facts
    if Purpose.PROFILING in who.view.consents:
        facts = replace(facts, interests=interest_levels(who.browsed, who.known, now))
    return Situation(
        shopper=who.view,
        facts=facts,
        moment=moment,
        browsed=who.browsed,
        pressure=who.pressure,
        candidates=shelf.catalogue.find(moment.store_id, moment.zone_id, tags, keys_of(facts)),
        stops=shelf.stops,
        policy=shelf.policy,
        now=now,
        local=on_the_wall.at,
        is_holiday=on_the_wall.is_holiday,
        control_salt=shelf.salts.at(now),
        known=who.known,
        chance=_chance(moment),
        goods=who.goods,
        chosen=_chosen(who, now),
        out_of_stock=who.goods.out_of_stock,
    )


def _chosen(who: Person, now: datetime) -> Chosen:
    """What the shopper is choosing among now, and where they were."""
    latest: dict[str, tuple[datetime, str]] = {}
    for name, kinds in (who.facts.browsing or {}).items():
        if name in who.goods.products:
            last = max((at, kind) for kind, at in kinds.items())
            if now - last[0] < CHOSEN_BACK:
                latest[name] = last
    walked = frozenset(zone_id for at, zone_id in who.entered if at <= now - WALKED_AFTER)
    return Chosen({name: kind for name, (_, kind) in latest.items()}, who.paid_cents, walked)


def _chance(moment: Moment) -> int:
    """The same for a whole visit to a zone. Were it drawn anew each second, whoever is in the
    control group of the campaign that won would get the runner-up a second later."""
    stay = f"{moment.visit_id}|{moment.zone_id}"
    digest = blake2b(stay.encode(), digest_size=_CHANCE_OCTETS).digest()
    return int.from_bytes(digest, "big")

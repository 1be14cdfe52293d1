"""What a decision looks at, put together from SQL, the store's plan and what may be sent now.

Also for a moment of the past: everything is asked for as it was at `now`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import browsing, consents, handsets, pressure, visits
from db.handsets import PushTarget
from db.visits import Visit
from engine.known import Remembering
from engine.plan import EnginePlan, Local
from offers.assignment import Salts
from offers.audience_fields import BROWSING_BACK, Facts
from offers.audience_keys import keys_of
from offers.catalogue import Catalogue
from offers.known import Known
from offers.pressure import Policy, Pressure
from offers.situation import READ_IN_S, Browsed, Moment, ShopperView, Situation
from offers.stops import Stops
from shoppers.consent import Purpose

_CHANCE_OCTETS: Final = 8


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
    """One shopper as a decision sees them, and what was sent to them."""

    view: ShopperView
    facts: Facts
    browsed: tuple[Browsed, ...]
    known: Known
    pressure: Pressure


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
    if not may_profile:
        return Person(view, facts, (), known, pushed)
    since = now - BROWSING_BACK
    before = await visits.visits_before(tx, view.shopper_id, entered_at)
    facts = replace(
        facts,
        visits=before.days + 1,
        days_since_visit=None if before.last_at is None else (now - before.last_at).days,
        browsing=await browsing.last_looks(tx, view.shopper_id, since, now),
    )
    looks = await browsing.recent(tx, view.shopper_id, since, now)
    return Person(view, facts, looks, known, pushed)


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
    return Situation(
        shopper=who.view,
        facts=who.facts,
        moment=moment,
        browsed=who.browsed,
        pressure=who.pressure,
        candidates=shelf.catalogue.find(moment.store_id, moment.zone_id, tags, keys_of(who.facts)),
        stops=shelf.stops,
        policy=shelf.policy,
        now=now,
        local=on_the_wall.at,
        is_holiday=on_the_wall.is_holiday,
        control_salt=shelf.salts.at(now),
        known=who.known,
        chance=_chance(moment),
    )


def _chance(moment: Moment) -> int:
    """The same for a whole visit to a zone. Were it drawn anew each second, whoever is in the
    control group of the campaign that won would get the runner-up a second later."""
    stay = f"{moment.visit_id}|{moment.zone_id}"
    digest = blake2b(stay.encode(), digest_size=_CHANCE_OCTETS).digest()
    return int.from_bytes(digest, "big")

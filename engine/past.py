"""Stored moments as they were then: what was known of the shopper, the policy, the wall clock.

What was sent to the shopper by then is left out: in a replay that is each world's own.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import Zone
from beacons.store_plan import StorePlan
from db import pressure, replay
from db.decisions import StoredDecision
from db.pressure import SavedPolicy
from db.replay import StoredMoment
from engine.known import Remembering
from engine.situation import Person, profiled
from engine.store_time import Local, local_time
from offers.audience_fields import Facts
from offers.pressure import DEFAULT_POLICY, Cap, Policy, Pressure
from offers.situation import Moment, ShopperView
from offers.stops import Stops
from shoppers.consent import Purpose

# What was looked up of a shopper serves their visit for so long, unless any of it has changed.
_SERVES: Final = timedelta(minutes=10)


class Gone(StrEnum):
    """Why a moment cannot be decided again."""

    ZONE = "zone"  # the store, or that zone of it, is not in any plan now
    FORM = "form"  # it was stored by a Corsia that kept less


@dataclass(frozen=True, slots=True)
class Place:
    """What of a store a replay needs."""

    tz: ZoneInfo
    country: str
    zones: dict[str, Zone]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stored decision kept of what it saw."""

    view: ShopperView
    facts: Facts
    own: tuple[Cap, ...]
    moment: Moment
    stops: Stops


@dataclass(frozen=True, slots=True)
class Was:
    """One moment as it was then, but for what had been sent."""

    stored: StoredMoment
    seen: Seen
    who: Person
    tags: frozenset[str]
    policy: Policy
    local: Local


class Policies:
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


def place_of(store: StorePlan) -> Place:
    """A store as it is now."""
    zones = {zone.zone_id: zone for floor in store.floors for zone in floor.zones}
    return Place(ZoneInfo(store.tz), store.country, zones)


class People:
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

    async def find(self, tx: AsyncConnection, stored: StoredMoment, seen: Seen) -> Person:
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


async def was_then(
    tx: AsyncConnection,
    stored: StoredMoment,
    place: Place | None,
    people: People,
    policies: Policies,
) -> Was | Gone:
    """The moment as it was. place: its store's, None when there is none now."""
    decision = stored.decision
    zone = None if place is None else place.zones.get(decision.zone_id)
    if place is None or zone is None:
        return Gone.ZONE
    seen = _seen(decision)
    if seen is None:
        return Gone.FORM
    who = await people.find(tx, stored, seen)
    local = local_time(decision.at, place.tz, place.country)
    return Was(stored, seen, who, zone.tags, policies.of(stored), local)


def _seen(decision: StoredDecision) -> Seen | None:
    """What the decision saw; None when it did not keep all that it takes to decide again."""
    kept = decision.seen
    told, stopped = kept.get("facts", {}), kept.get("stopped", {})
    try:
        facts = Facts(
            country=kept["country"],
            locale=told.get("locale"),
            platforms=frozenset(told.get("platforms", ())),
        )
        return Seen(
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

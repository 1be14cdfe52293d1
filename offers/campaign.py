"""Campaigns: what a store manager wrote, as frozen values."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import IntEnum, StrEnum


class Tier(IntEnum):
    """Which campaign goes first, whatever the scores: the lower number."""

    RECOVERY = 0
    SERVICE = 1
    PERSONAL = 2
    GENERIC = 3


class Status(StrEnum):
    """Only a live campaign is ever considered."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Hours:
    """A daily span in the store's own time, on some weekdays (0 is Monday)."""

    start: time
    end: time
    weekdays: frozenset[int] = frozenset(range(7))

    def covers(self, local: datetime) -> bool:
        """Whether a moment of the store's own time lies inside."""
        return local.weekday() in self.weekdays and self.start <= local.time() < self.end


@dataclass(frozen=True, slots=True)
class Offer:
    """What the shopper reads, and what it is worth to the store."""

    title: str
    body: str
    image_url: str | None = None
    margin_cents: int = 0  # what one response earns, before `cost_cents`
    cost_cents: int = 0  # what one response costs (the discount)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One offer with its places, times and limits.

    zone_ids, zone_tags: the zones, by their ids or by a tag they bear. store_ids: where it runs;
    empty means every store. audience: for whom, as `offers.audience_text` reads it; empty means
    everybody. categories: browsing categories that make it
    relevant. control_share: the share of shoppers who never get it, so that its worth can be told.
    """

    campaign_id: str
    name: str
    offer: Offer
    zone_ids: frozenset[str]
    valid_from: datetime
    valid_until: datetime
    zone_tags: frozenset[str] = frozenset()
    store_ids: frozenset[str] = frozenset()
    audience: str = ""
    categories: frozenset[str] = frozenset()
    tier: Tier = Tier.GENERIC
    status: Status = Status.DRAFT
    hours: tuple[Hours, ...] = field(default=())  # none: whenever the store is open
    budget_sends: int | None = None
    control_share: float = 0.1

    def is_for(self, store_id: str, zone_id: str, tags: AbstractSet[str]) -> bool:
        """Whether it runs in this zone of this store. tags: those that the zone bears."""
        here = not self.store_ids or store_id in self.store_ids
        return here and (zone_id in self.zone_ids or not self.zone_tags.isdisjoint(tags))

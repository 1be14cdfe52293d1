"""Campaigns: what a store manager wrote, as frozen values."""

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

    store_ids: where it runs; empty means every store. categories: browsing categories that make it
    relevant. control_share: the share of shoppers who never get it, so that its worth can be told.
    """

    campaign_id: str
    name: str
    offer: Offer
    zone_ids: frozenset[str]
    valid_from: datetime
    valid_until: datetime
    store_ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    tier: Tier = Tier.GENERIC
    status: Status = Status.DRAFT
    hours: tuple[Hours, ...] = field(default=())  # none: whenever the store is open
    budget_sends: int | None = None
    control_share: float = 0.1

"""Campaigns: what a store manager wrote, as frozen values."""

from calendar import monthrange
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from offers.attribution import Window

# Of `Hours.weeks`: the last one of the month, which may be the fourth or the fifth.
LAST_WEEK: Final = 0
DAY: Final = timedelta(days=1)


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


class OnHolidays(StrEnum):
    """What a public holiday of the store's country means for a campaign."""

    NORMAL = "normal"  # nothing: its weekday counts
    NEVER = "never"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Hours:
    """A daily span in the store's own time, on some weekdays (0 is Monday).

    One that ends before it starts goes over midnight, and belongs to the day on which it starts.
    weeks: 1 is the first such weekday of the month, LAST_WEEK the last; empty means every week.
    """

    start: time
    end: time
    weekdays: frozenset[int] = frozenset(range(7))
    weeks: frozenset[int] = frozenset()

    def covers(self, local: datetime) -> bool:
        """Whether a moment of the store's own time lies inside."""
        day, at = local.date(), local.time()
        if self.start < self.end:
            return self.start <= at < self.end and self._is_on(day)
        return (at >= self.start and self._is_on(day)) or (at < self.end and self._is_on(day - DAY))

    def _is_on(self, day: date) -> bool:
        if day.weekday() not in self.weekdays:
            return False
        if not self.weeks or (day.day - 1) // 7 + 1 in self.weeks:
            return True
        return LAST_WEEK in self.weeks and day.day + 7 > monthrange(day.year, day.month)[1]


class BenefitKind(StrEnum):
    """What the shopper gets. All but INFORMATION are redeemed with a coupon."""

    INFORMATION = "information"
    PERCENT = "percent"
    AMOUNT = "amount"
    MULTIBUY = "multibuy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Benefit:
    """What the shopper gets, for the till and the reports; the texts say it to the shopper.

    Only the fields of its kind are set: percent (1..100) off; amount_cents off; take so many and
    pay fewer; words.
    """

    kind: BenefitKind = BenefitKind.INFORMATION
    percent: int | None = None
    amount_cents: int | None = None
    take: int | None = None
    pay: int | None = None
    words: str | None = None

    def fault(self) -> str | None:
        """What is wrong with it, as the end of a sentence; None when it is sound."""
        wanted = _FIELDS[self.kind]
        said = {field.name for field in fields(self) if getattr(self, field.name) is not None}
        said.remove("kind")
        if said != wanted:
            return f"of kind {self.kind.value} has {', '.join(sorted(wanted)) or 'nothing else'}"
        if self.percent is not None and not 1 <= self.percent <= 100:
            return "takes from 1 to 100 percent off"
        if self.take is not None and self.pay is not None and not 0 < self.pay < self.take:
            return "of kind multibuy has pay less than take"
        return None


_FIELDS: Final[dict[BenefitKind, frozenset[str]]] = {
    BenefitKind.INFORMATION: frozenset(),
    BenefitKind.PERCENT: frozenset({"percent"}),
    BenefitKind.AMOUNT: frozenset({"amount_cents"}),
    BenefitKind.MULTIBUY: frozenset({"take", "pay"}),
    BenefitKind.OTHER: frozenset({"words"}),
}


@dataclass(frozen=True, slots=True)
class Creative:
    """The offer as shoppers of one language read it. locale: a BCP 47 tag, such as `it` or `de-CH`.

    image_url: None means the offer's own.
    """

    locale: str
    title: str
    body: str
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the shopper reads, and what it is worth to the store.

    title, body, image_url: for those whose language none of `creatives` speaks
    (`offers.creative.creative_for`). deep_link: where a tap leads, an https address or a path of
    the app that begins with a slash; None: the app's own page of offers.
    """

    title: str
    body: str
    image_url: str | None = None
    margin_cents: int = 0  # what one response earns, before `cost_cents`
    cost_cents: int = 0  # what one response costs (the discount)
    benefit: Benefit = Benefit()
    product_ids: frozenset[str] = frozenset()
    creatives: tuple[Creative, ...] = ()
    deep_link: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignLimits:
    """At most so many sends of this campaign to one shopper in any so many days; None: no limit of
    its own, those of all campaigns hold."""

    per_shopper: int | None = None
    per_days: int = 7


@dataclass(frozen=True, slots=True)
class Campaign:
    """One offer with its places, times and limits.

    zone_ids, zone_tags: the zones, by their ids or by a tag they bear. store_ids: where it runs;
    empty means every store. audience: for whom, as `offers.audience_text` reads it; empty means
    everybody. categories: browsing categories that make it relevant. budget_cents: what all sends
    may cost if each is responded to, at the `cost_cents` of the version that sent it. goal: what it
    is after, credited within `goal_within_min` minutes (None: as `offers.attribution` says).
    control_share: the share of shoppers who never get it, so that its worth can be told. version:
    which of its versions this is (`offers.versions`).
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
    on_holidays: OnHolidays = OnHolidays.NORMAL
    limits: CampaignLimits = CampaignLimits()
    budget_sends: int | None = None
    budget_cents: int | None = None
    goal: Window = Window.BASKET
    goal_within_min: int | None = None
    control_share: float = 0.1
    version: int = 1

    def is_for(self, store_id: str, zone_id: str, tags: AbstractSet[str]) -> bool:
        """Whether it runs in this zone of this store. tags: those that the zone bears."""
        here = not self.store_ids or store_id in self.store_ids
        return here and (zone_id in self.zone_ids or not self.zone_tags.isdisjoint(tags))

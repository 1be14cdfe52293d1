"""Campaigns in a plan file: what each key may hold, and both ways between it and a core value."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from corsia.plan_fields import (
    END_OF_DAY,
    MAX_DAYS,
    MAX_MINUTES,
    WEEKDAYS,
    WEEKS,
    Audience,
    Body,
    Cents,
    Count,
    DeepLink,
    HttpsUrl,
    Id,
    Ids,
    Instant,
    Line,
    Locale,
    Part,
    Tags,
    TimeOfDay,
    Weekdays,
    Weeks,
)
from offers.attribution import Window
from offers.campaign import (
    Benefit,
    BenefitKind,
    Campaign,
    CampaignLimits,
    Creative,
    Hours,
    Offer,
    OnHolidays,
    Status,
    Tier,
)


class Row(list[object]):
    """A list that is written on one line."""


class HoursPart(Part):
    start: TimeOfDay
    end: TimeOfDay
    weekdays: Weekdays = WEEKDAYS
    weeks: Weeks = ()

    def value(self) -> Hours:
        days = frozenset(WEEKDAYS.index(day) for day in self.weekdays)
        return Hours(self.start, self.end, days, frozenset(WEEKS[week] for week in self.weeks))


class BenefitPart(Part):
    kind: BenefitKind
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    amount_cents: Annotated[int, Field(ge=1)] | None = None
    take: Count | None = None
    pay: Count | None = None
    words: Line | None = None

    def value(self) -> Benefit:
        return Benefit(self.kind, self.percent, self.amount_cents, self.take, self.pay, self.words)


class CreativePart(Part):
    locale: Locale
    title: Line
    body: Body
    image_url: HttpsUrl | None = None

    def value(self) -> Creative:
        return Creative(self.locale, self.title, self.body, self.image_url)


class LimitsPart(Part):
    per_shopper: Count
    per_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 7

    def value(self) -> CampaignLimits:
        return CampaignLimits(self.per_shopper, self.per_days)


class CampaignPart(Part):
    campaign_id: Id
    name: Line
    status: Status = Status.DRAFT
    tier: Literal["recovery", "service", "personal", "generic"] = "generic"
    title: Line
    body: Body
    image_url: HttpsUrl | None = None
    margin_cents: Cents = 0
    cost_cents: Cents = 0
    benefit: BenefitPart | None = None
    product_ids: Tags = ()
    creatives: tuple[CreativePart, ...] = ()
    deep_link: DeepLink | None = None
    store_ids: Ids = ()
    zone_ids: Ids = ()
    zone_tags: Tags = ()
    audience: Audience = ""
    categories: Tags = ()
    valid_from: Instant
    valid_until: Instant
    hours: tuple[HoursPart, ...] = ()
    on_holidays: OnHolidays = OnHolidays.NORMAL
    limits: LimitsPart | None = None
    budget_sends: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    budget_cents: Annotated[int, Field(ge=0, le=2**53)] | None = None
    goal: Window = Window.BASKET
    goal_within_min: Annotated[int, Field(ge=1, le=MAX_MINUTES)] | None = None
    control_share: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.1

    def value(self) -> Campaign:
        return Campaign(
            campaign_id=self.campaign_id,
            name=self.name,
            offer=Offer(
                self.title,
                self.body,
                self.image_url,
                self.margin_cents,
                self.cost_cents,
                Benefit() if self.benefit is None else self.benefit.value(),
                frozenset(self.product_ids),
                tuple(creative.value() for creative in self.creatives),
                self.deep_link,
            ),
            zone_ids=frozenset(self.zone_ids),
            zone_tags=frozenset(self.zone_tags),
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            store_ids=frozenset(self.store_ids),
            audience=self.audience,
            categories=frozenset(self.categories),
            tier=Tier[self.tier.upper()],
            status=self.status,
            hours=tuple(hours.value() for hours in self.hours),
            on_holidays=self.on_holidays,
            limits=CampaignLimits() if self.limits is None else self.limits.value(),
            budget_sends=self.budget_sends,
            budget_cents=self.budget_cents,
            goal=self.goal,
            goal_within_min=self.goal_within_min,
            control_share=self.control_share,
        )


def campaign_document(campaign: Campaign) -> dict[str, object]:
    """The campaign as its mapping in a file. Its version is the database's affair."""
    offer = campaign.offer
    facts: dict[str, object] = {
        "campaign_id": campaign.campaign_id,
        "name": campaign.name,
        "status": campaign.status.value,
        "tier": campaign.tier.name.lower(),
        "title": offer.title,
        "body": offer.body,
        "image_url": offer.image_url,
        "margin_cents": offer.margin_cents,
        "cost_cents": offer.cost_cents,
        "benefit": None if offer.benefit == Benefit() else _stated(offer.benefit),
        "product_ids": Row(sorted(offer.product_ids)),
        "creatives": [_stated(creative) for creative in offer.creatives],
        "deep_link": offer.deep_link,
        "store_ids": Row(sorted(campaign.store_ids)),
        "zone_ids": Row(sorted(campaign.zone_ids)),
        "zone_tags": Row(sorted(campaign.zone_tags)),
        "audience": campaign.audience or None,
        "categories": Row(sorted(campaign.categories)),
        "valid_from": _instant(campaign.valid_from),
        "valid_until": _instant(campaign.valid_until),
        "hours": [_hours_document(span) for span in campaign.hours],
        "on_holidays": _unless(campaign.on_holidays, OnHolidays.NORMAL),
        "limits": None if campaign.limits.per_shopper is None else _stated(campaign.limits),
        "budget_sends": campaign.budget_sends,
        "budget_cents": campaign.budget_cents,
        "goal": _unless(campaign.goal, Window.BASKET),
        "goal_within_min": campaign.goal_within_min,
        "control_share": plain_number(campaign.control_share),
    }
    return {key: value for key, value in facts.items() if value is not None and value != []}


def _hours_document(span: Hours) -> dict[str, object]:
    return {
        "weekdays": Row(WEEKDAYS[day] for day in sorted(span.weekdays)),
        "start": _time_of_day(span.start),
        "end": _time_of_day(span.end),
        **({"weeks": Row(_weeks(span.weeks))} if span.weeks else {}),
    }


def _weeks(weeks: Iterable[int]) -> list[object]:
    """As they are read: numbers, and the last by its name."""
    names = {number: name for name, number in WEEKS.items()}
    said = sorted(names[week] for week in weeks)
    return [int(name) if name.isdecimal() else name for name in said]


def _stated(value: Benefit | Creative | CampaignLimits) -> dict[str, object]:
    """What is set of a value, by name; the keys of the file are those of the core."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: one.value if isinstance(one, StrEnum) else one
        for name, one in named.items()
        if one is not None
    }


def _unless(value: StrEnum, usual: StrEnum) -> str | None:
    return None if value is usual else value.value


def _time_of_day(moment: time) -> str:
    if moment == time.max:
        return END_OF_DAY
    return moment.isoformat("auto" if moment.second or moment.microsecond else "minutes")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain_number(value: float) -> float:
    """Without a point where none is needed."""
    return int(value) if value == int(value) else value

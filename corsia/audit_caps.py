"""Caps as an audit judges them: by counting what FCM took, apart from the code that keeps them.

`offers.pressure` decides before a send; nothing of its counting is used here. A run has one store
and one channel, so caps of these count what a shopper's do. Times are unix seconds.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from offers.campaign import Campaign, Tier
from offers.pressure import Cap, Scope

DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many messages to one shopper, of those that are alike in what is said.

    within_s: in a rolling time; days: on so many calendar days, today among them; neither: ever.
    """

    name: str
    most: int
    same_visit: bool = False
    same_zone: bool = False
    same_campaign: bool = False
    shared_category: bool = False
    within_s: float | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign was allowed, as its author wrote it. limit: its own for each shopper."""

    is_promotion: bool = True
    categories: frozenset[str] = frozenset()
    cost_cents: int = 0
    budget_sends: int | None = None
    budget_cents: int | None = None
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class OwnCap:
    """From then on a shopper allows so many messages in seven days; None: as many as come."""

    since_s: float
    most: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that FCM took. at_s: when it was decided. visits: which visit it was of, to SQL
    and in truth."""

    decision_id: str
    shopper_id: str
    campaign_id: str
    zone_id: str
    visits: tuple[Hashable, Hashable]
    at_s: float


@dataclass(frozen=True, slots=True)
class Law:
    """What a run was bound by. limits: of the retailer; own: of shoppers, each in order of time;
    tz: the store's, which calendar days are of."""

    limits: Sequence[Limit]
    terms: Mapping[str, Terms]
    own: Mapping[str, Sequence[OwnCap]]
    tz: tzinfo


# Whatever a policy says: the same thing is not said twice in a visit, by nobody.
ONCE_A_VISIT: Final = Limit("campaign in a visit", 1, same_visit=True, same_campaign=True)


def limit_of(cap: Cap) -> Limit:
    """A policy's cap, to be counted here."""
    same_visit = cap.scope in {Scope.VISIT, Scope.ZONE_VISIT}
    if cap.days is not None:
        span = f" in {cap.days} calendar days"
    elif cap.within is not None:
        span = f" in {cap.within}"
    else:
        span = ""
    return Limit(
        cap.scope.value.replace("_", " ") + span,
        cap.most,
        same_visit=same_visit,
        same_zone=cap.scope is Scope.ZONE_VISIT,
        same_campaign=cap.scope is Scope.CAMPAIGN,
        shared_category=cap.scope is Scope.CATEGORY,
        within_s=None if cap.within is None else cap.within.total_seconds(),
        days=cap.days,
    )


def terms_of(campaign: Campaign) -> Terms:
    """What a campaign may do."""
    limits = campaign.limits
    own = None
    if limits.per_shopper is not None:
        within_s = limits.per_days * DAY_S
        own = Limit("limit of the campaign", limits.per_shopper, same_campaign=True,
                    within_s=within_s)  # fmt: skip
    return Terms(
        is_promotion=campaign.tier in {Tier.PERSONAL, Tier.GENERIC},
        categories=campaign.categories,
        cost_cents=campaign.offer.cost_cents,
        budget_sends=campaign.budget_sends,
        budget_cents=campaign.budget_cents,
        limit=own,
    )


def over_limits(taken: Sequence[Taken], law: Law) -> Iterator[tuple[Taken, str]]:
    """The messages too many, each with what it was too many for. taken: in the order decided, of
    campaigns that have terms."""
    before: defaultdict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        earlier = before[one.shopper_id]
        for limit in _binding(one, law):
            count = 1 + max(_count(limit, one, earlier, law, side) for side in (0, 1))
            if count > limit.most:
                yield one, f"{limit.name}: {count} of {limit.most}"
        earlier.append(one)


def over_budgets(taken: Sequence[Taken], terms: Mapping[str, Terms]) -> Iterator[str]:
    """What was spent beyond a budget, a few words each. taken: of campaigns that have terms."""
    sends: defaultdict[str, int] = defaultdict(int)
    for one in taken:
        sends[one.campaign_id] += 1
    for campaign_id, count in sorted(sends.items()):
        own = terms[campaign_id]
        if own.budget_sends is not None and count > own.budget_sends:
            yield f"{campaign_id}: {count} of {own.budget_sends}"
        cents = count * own.cost_cents
        if own.budget_cents is not None and cents > own.budget_cents:
            yield f"{campaign_id}: {cents} of {own.budget_cents} cents"


def _binding(one: Taken, law: Law) -> Iterator[Limit]:
    """The limits that hold for a message."""
    yield ONCE_A_VISIT
    said = [cap for cap in law.own.get(one.shopper_id, ()) if cap.since_s <= one.at_s]
    if said and said[-1].most is not None:
        yield Limit("their own cap", said[-1].most, within_s=WEEK_S)
    terms = law.terms[one.campaign_id]
    if terms.is_promotion:
        yield from law.limits
        if terms.limit is not None:
            yield terms.limit


def _count(limit: Limit, one: Taken, earlier: Sequence[Taken], law: Law, side: int) -> int:
    """How many before it count. side: of `visits`."""
    mine = law.terms[one.campaign_id].categories
    return sum(
        _is_within(limit, other, one, law.tz)
        and (not limit.same_visit or other.visits[side] == one.visits[side])
        and (not limit.same_zone or other.zone_id == one.zone_id)
        and (not limit.same_campaign or other.campaign_id == one.campaign_id)
        and (not limit.shared_category or bool(mine & law.terms[other.campaign_id].categories))
        for other in earlier
    )


def _is_within(limit: Limit, other: Taken, one: Taken, tz: tzinfo) -> bool:
    if limit.days is not None:
        return (_day(one, tz) - _day(other, tz)).days < limit.days
    return limit.within_s is None or one.at_s - other.at_s < limit.within_s


def _day(one: Taken, tz: tzinfo) -> date:
    return datetime.fromtimestamp(one.at_s, tz).date()

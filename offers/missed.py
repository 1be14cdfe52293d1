"""Missed moments: a shopper at the shelf, an offer for them, and our own rules kept it back.

What the shopper, the law, the campaign's dates or the experiment forbade was never ours to have.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from offers.situation import Reason

# Reasons that a store may argue with: place another gateway, raise a cap or a budget.
OURS: Final = frozenset(
    {
        Reason.UNSURE_PLACE,
        Reason.VISIT_TOO_YOUNG,
        Reason.LEAVING_SOON,
        Reason.BUDGET_SPENT,
        Reason.VISIT_CAP,
        Reason.ZONE_VISIT_CAP,
        Reason.DAY_CAP,
        Reason.WEEK_CAP,
        Reason.CHANNEL_CAP,
        Reason.STORE_CAP,
        Reason.CAMPAIGN_CAP,
        Reason.CATEGORY_CAP,
        Reason.CAMPAIGN_SEEN,
        Reason.COOL_DOWN,
        Reason.FATIGUED,
        Reason.CAP_RACE,
    }
)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A campaign that was weighed for a shopper in a zone of its own and not sent.

    against: every reason. expected_cents: its score then, discounts off.
    """

    decision_id: str
    shopper_id: str
    visit_id: str
    campaign_id: str
    at: datetime
    against: frozenset[Reason]
    expected_cents: float


@dataclass(frozen=True, slots=True)
class Missed:
    """Moments missed for exactly these reasons, and what they would have earned.

    With one reason it is what lifting that rule alone would have brought.
    """

    reasons: tuple[Reason, ...]  # by name
    moments: int
    cents: int


def missed_moments(
    unsent: Iterable[Unsent],
    spoken_to: Iterable[tuple[str, str]],
    prices_cents: Mapping[str, float],
) -> tuple[Missed, ...]:
    """What was missed, the dearest first. A shopper counts once a visit, with the best they missed.

    spoken_to: shopper and visit of every send: the place was taken, nothing was missed.
    prices_cents: what a moment of a campaign is measured to earn, discounts off; the expected
    cents stand in for a campaign without. What would have earned nothing was not missed.
    """
    taken = set(spoken_to)
    best: dict[tuple[str, str], tuple[float, Unsent]] = {}
    for one in unsent:
        visit = (one.shopper_id, one.visit_id)
        price_cents = prices_cents.get(one.campaign_id, one.expected_cents)
        if visit in taken or price_cents <= 0 or not one.against or not one.against <= OURS:
            continue
        known = best.get(visit)
        if known is None or _better(price_cents, one) < _better(*known):
            best[visit] = (price_cents, one)
    prices: defaultdict[tuple[Reason, ...], list[float]] = defaultdict(list)
    for price_cents, one in best.values():
        prices[tuple(sorted(one.against))].append(price_cents)
    rows = [
        Missed(reasons, len(each), round(sum(sorted(each)))) for reasons, each in prices.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.cents, -row.moments, row.reasons)))


def merged(parts: Iterable[Missed]) -> tuple[Missed, ...]:
    """What was missed by several groups of shoppers together, the dearest first."""
    moments: Counter[tuple[Reason, ...]] = Counter()
    cents: Counter[tuple[Reason, ...]] = Counter()
    for part in parts:
        moments[part.reasons] += part.moments
        cents[part.reasons] += part.cents
    rows = [Missed(reasons, moments[reasons], cents[reasons]) for reasons in moments]
    return tuple(sorted(rows, key=lambda row: (-row.cents, -row.moments, row.reasons)))


def _better(price_cents: float, one: Unsent) -> tuple[float, int, tuple[str, ...], str, str]:
    """Dearer first, then kept back by less; ties fall the same way in any order of input."""
    return (
        -price_cents,
        len(one.against),
        tuple(sorted(one.against)),
        one.campaign_id,
        one.decision_id,
    )

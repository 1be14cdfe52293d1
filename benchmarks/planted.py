"""A known effect, planted in real redemptions: does the uplift estimator find it again?

Whom a campaign of the data was sent to is dealt by chance into two halves that were treated alike.
In one of them a share of those who redeemed nothing now does; the estimator sees moments and
outcomes only. It is `offers.worth`, as a store would run it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from benchmarks.groceries import CouponCampaign, midnight
from offers.assignment import Arm
from offers.attribution import Bought, Moment, Target, Window
from offers.intervals import Effect
from offers.trial import Trial
from offers.worth import worth

# Of those in the treated half who redeemed nothing, how many are made to redeem.
PLANTED_SHARE: Final = 0.1
# How often the halves are dealt anew: of so many 95 % intervals, 93.6 to 96.4 % hold the truth when
# all is well.
DEALS: Final = 1_000
_CATEGORY: Final = "anything"
_MARGIN_CENTS: Final = 100


class NoEffectError(Exception):
    """The estimator gave no figure where it should have."""

    def __init__(self, campaign_id: int, households: int) -> None:
        super().__init__(f"campaign {campaign_id} with {households} households gave no effect")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was planted, as a difference of rates, and what the estimator said."""

    truth: float
    found: Effect

    @property
    def holds(self) -> bool:
        """Whether the interval holds the truth."""
        return self.found.low <= self.truth <= self.found.high


def recovered(campaign: CouponCampaign, planted_share: float, seed: int) -> Recovered:
    """The effect that the estimator finds when `planted_share` of the others redeem.

    The truth is the difference to expect over all ways of dealing the halves. Raises NoEffectError.
    """
    households = sorted(campaign.households | campaign.redeemed.keys())
    chance = Random(seed)
    treated = frozenset(chance.sample(households, len(households) // 2))
    redeemed = set(campaign.redeemed)
    others = len(households) - len(redeemed)
    planted = {one for one in sorted(treated - redeemed) if chance.random() < planted_share}
    found = _estimated(campaign, households, treated, redeemed | planted)
    return Recovered(planted_share * others / len(households), found)


def planted_lines(campaign: CouponCampaign, seed: int) -> list[str]:
    """One deal in full, and how often the interval holds the truth over DEALS of them."""
    one = recovered(campaign, PLANTED_SHARE, seed)
    households = campaign.households | campaign.redeemed.keys()
    base = len(campaign.redeemed) / len(households)
    said = "the interval holds it" if one.holds else "the interval MISSES it"
    of, found = f"campaign {campaign.campaign_id}: {len(households):,} households", one.found
    lines = [
        f"uplift planted in {of} in two halves, {base:.1%} redeem anyway",
        f"one deal (seed {seed}): planted {one.truth:+.1%}, found {_said(found)}: {said}",
    ]
    for share in (PLANTED_SHARE, 0.0):
        deals = [recovered(campaign, share, seed + number) for number in range(DEALS)]
        held = sum(deal.holds for deal in deals)
        mean = sum(deal.found.difference for deal in deals) / DEALS
        lines.append(
            f"{DEALS:,} deals: planted {deals[0].truth:+.1%}, found {mean:+.1%} on average; the"
            f" 95 % interval holds the truth in {held / DEALS:.1%}"
        )
    return lines


def _said(effect: Effect) -> str:
    return f"{effect.difference:+.1%} ({effect.low:+.1%} to {effect.high:+.1%})"


def _estimated(
    campaign: CouponCampaign,
    households: Collection[int],
    treated: frozenset[int],
    redeemed: set[int],
) -> Effect:
    name = str(campaign.campaign_id)
    starts = midnight(campaign.starts)
    trial = Trial(name, Window.BASKET, starts, starts + timedelta(days=1), control_share=0.5)
    moments = [
        Moment(
            moment_id=f"moment-{one}",
            shopper_id=str(one),
            campaign_id=name,
            visit_id=f"visit-{one}",
            arm=Arm.TREATED if one in treated else Arm.CONTROL,
            at=starts,
        )
        for one in households
    ]
    outcomes = [
        Bought(
            outcome_id=f"line-{one}",
            shopper_id=str(one),
            visit_id=f"visit-{one}",
            at=starts,
            product_id="",
            category=_CATEGORY,
            margin_cents=_MARGIN_CENTS,
        )
        for one in redeemed
    ]
    target = Target(name, categories=frozenset({_CATEGORY}))
    now = trial.until + trial.settled_after
    found = worth(trial, moments, outcomes, {name: target}, now)
    if found.response is None:
        raise NoEffectError(campaign.campaign_id, len(households))
    return found.response

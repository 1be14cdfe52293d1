"""What campaigns would have done: their reach, what they win and lose, and what it would cost.

Counted over moments that were decided twice: with the campaigns that are live, and with these
beside them. A shopper who stands at a shelf is decided on every second, so that all but sends is
counted once a visit.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from offers.campaign import Campaign
from offers.filters import reasons_against, reasons_for_restraint, reasons_for_silence
from offers.learning import PRIOR_WEIGHT, Belief
from offers.pressure import is_promotion
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, Fitting
from offers.situation import Decision, Reason, Send, Situation

# Of what campaigns may earn, so much lies between the ends that are told.
LIKELY: Final = 0.8


@dataclass(frozen=True, slots=True)
class Stood:
    """A campaign that stood where a shopper was, and was for them.

    against: every reason; none where it was sent. score: in cents.
    """

    campaign_id: str
    score: float
    against: tuple[Reason, ...]


def stood(
    situation: Situation, taken: Decision, campaign_ids: AbstractSet[str]
) -> tuple[Stood, ...]:
    """Those of these campaigns that were for the shopper at that moment.

    A decision tells of its best-placed candidates only; of the others it is worked out here.
    """
    told = {one.campaign_id: one for one in taken.weighed if one.campaign_id in campaign_ids}
    found = [Stood(one.campaign_id, one.score, one.against) for one in told.values()]
    wins = isinstance(taken, Send) or taken.ghost is not None
    for candidate in situation.candidates:
        campaign = candidate.campaign
        if campaign.campaign_id not in campaign_ids or campaign.campaign_id in told:
            continue
        restraint = reasons_for_restraint(situation) if is_promotion(campaign.tier) else ()
        against = (
            *reasons_for_silence(situation), *restraint, *reasons_against(situation, candidate)
        )  # fmt: skip
        score = Fitting(situation, situation.known).expected_cents(campaign)
        if score < RELEVANCE_THRESHOLD_CENTS:
            against = (*against, Reason.BELOW_RELEVANCE)
        if wins and not against:
            against = (Reason.OUTRANKED,)
        found.append(Stood(campaign.campaign_id, score, against))
    return tuple(one for one in found if Reason.OUTSIDE_AUDIENCE not in one.against)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one campaign would have done.

    visits: in which it stood where a shopper was, and was for them. Each of these is one of: sends,
    as it goes out once a visit; ghosts, in which silence would have been kept to compare; lost, by
    the campaign that went first; and held, by the main reason of the moment that came nearest.
    reach: shoppers it went to. took: visits in which it went first where another would have been
    sent, by that other. cost_cents: if everybody responded. expected_cents: the sum of its scores
    when sent; likely_cents: between which it lies with LIKELY, as far as the score is right.
    """

    campaign_id: str
    visits: int
    reach: int
    sends: int
    ghosts: int
    took: Mapping[str, int]
    lost: Mapping[str, int]
    held: Mapping[Reason, int]
    cost_cents: int
    expected_cents: float
    likely_cents: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Preview:
    """All of it. sends: of every campaign, as it is and as it would be. shoppers_by_sends: how many
    shoppers get so many, both ways."""

    campaigns: tuple[Rehearsed, ...]
    moments: int
    visits: int
    shoppers: int
    sends: Mapping[str, tuple[int, int]]
    shoppers_by_sends: tuple[Mapping[int, int], Mapping[int, int]]


@dataclass(slots=True)
class _Counted:
    """Of one campaign so far: visits by what became of it in them."""

    met: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    expected_cents: float = 0.0
    sent_in: set[str] = field(default_factory=set)
    ghosts: set[str] = field(default_factory=set)
    took: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    held: dict[str, tuple[int, Reason]] = field(default_factory=dict)


class Tally:
    """Counts both decisions of each moment, in the order of time."""

    def __init__(self, tried: Collection[Campaign]) -> None:
        self._tried = {one.campaign_id: one for one in tried}
        self._counted: defaultdict[str, _Counted] = defaultdict(_Counted)
        self._moments = 0
        self._visits: set[str] = set()
        self._shoppers: set[str] = set()
        self._sends: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._to: tuple[Counter[str], Counter[str]] = (Counter(), Counter())

    def add(
        self,
        shopper_id: str,
        visit_id: str,
        as_is: Decision,
        as_tried: Decision,
        there: Collection[Stood],
    ) -> None:
        """One moment of a visit. there: those that are tried, as `stood` tells them."""
        self._moments += 1
        self._visits.add(visit_id)
        self._shoppers.add(shopper_id)
        for which, decision in enumerate((as_is, as_tried)):
            if isinstance(decision, Send):
                self._sends[which][decision.campaign.campaign_id] += 1
                self._to[which][shopper_id] += 1
        winner = as_tried.campaign if isinstance(as_tried, Send) else as_tried.ghost
        for one in there:
            counted = self._counted[one.campaign_id]
            counted.met.add(visit_id)
            if winner is not None and winner.campaign_id == one.campaign_id:
                if isinstance(as_tried, Send):
                    counted.reached.add(shopper_id)
                    counted.sent_in.add(visit_id)
                    counted.expected_cents += one.score
                    if isinstance(as_is, Send) and as_is.campaign.campaign_id != one.campaign_id:
                        counted.took.setdefault(visit_id, as_is.campaign.campaign_id)
                else:
                    counted.ghosts.add(visit_id)
            elif winner is not None and one.against == (Reason.OUTRANKED,):
                counted.lost.setdefault(visit_id, winner.campaign_id)
            else:
                known = counted.held.get(visit_id)
                if known is None or len(one.against) < known[0]:
                    counted.held[visit_id] = len(one.against), one.against[0]

    def preview(self) -> Preview:
        """What has been counted so far."""
        as_is, as_tried = self._sends
        return Preview(
            campaigns=tuple(self._rehearsed(campaign) for campaign in self._tried.values()),
            moments=self._moments,
            visits=len(self._visits),
            shoppers=len(self._shoppers),
            sends={
                campaign_id: (as_is[campaign_id], as_tried[campaign_id])
                for campaign_id in sorted(as_is.keys() | as_tried.keys())
            },
            shoppers_by_sends=(self._by_sends(0), self._by_sends(1)),
        )

    def _by_sends(self, which: int) -> Mapping[int, int]:
        """Those who get none are shoppers too."""
        return Counter(self._to[which][shopper_id] for shopper_id in self._shoppers)

    def _rehearsed(self, campaign: Campaign) -> Rehearsed:
        counted = self._counted[campaign.campaign_id]
        sends = len(counted.sent_in)
        ghosts = counted.ghosts - counted.sent_in
        won = counted.sent_in | ghosts
        lost = {visit: other for visit, other in counted.lost.items() if visit not in won}
        held = [
            reason
            for visit, (_, reason) in counted.held.items()
            if visit not in won and visit not in lost
        ]
        return Rehearsed(
            campaign_id=campaign.campaign_id,
            visits=len(counted.met),
            reach=len(counted.reached),
            sends=sends,
            ghosts=len(ghosts),
            took=Counter(counted.took.values()),
            lost=Counter(lost.values()),
            held=Counter(held),
            cost_cents=sends * campaign.offer.cost_cents,
            expected_cents=counted.expected_cents,
            likely_cents=_likely_cents(campaign, sends, counted.expected_cents),
        )


def _likely_cents(campaign: Campaign, sends: int, expected_cents: float) -> tuple[float, float]:
    """Between which the earnings lie with LIKELY, were the score as sure as `offers.learning` takes
    it to be: what its share of responses is worth as a guess, and then the luck of who responds."""
    margin_cents = campaign.offer.margin_cents - campaign.offer.cost_cents
    if sends == 0 or margin_cents <= 0 or not 0 < expected_cents < margin_cents * sends:
        return expected_cents, expected_cents
    share = expected_cents / margin_cents / sends
    belief = Belief(PRIOR_WEIGHT * share, PRIOR_WEIGHT * (1 - share))
    low, high = (_responses(sends, belief, at) for at in ((1 - LIKELY) / 2, (1 + LIKELY) / 2))
    return low * float(margin_cents), high * float(margin_cents)


def _responses(sends: int, belief: Belief, probability: float) -> int:
    """The least number of responses that is not exceeded with that probability: beta-binomial."""
    below = 0.0
    for responses in range(sends):
        below += math.exp(
            math.lgamma(sends + 1) - math.lgamma(responses + 1) - math.lgamma(sends - responses + 1)
            + _log_beta(belief.alpha + responses, belief.beta + sends - responses)
            - _log_beta(belief.alpha, belief.beta)
        )  # fmt: skip
        if below >= probability:
            return responses
    return sends


def _log_beta(alpha: float, beta: float) -> float:
    return math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)

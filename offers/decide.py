"""The decision: the one offer worth sending now, or every reason for silence."""

from offers.campaign import Campaign
from offers.filters import reasons_against
from offers.pressure import DEFAULT_LIMITS, Limits
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, fit
from offers.situation import Candidate, Decision, Hold, Reason, Send, Situation, Weighed

# Reasons that concern this campaign's experiment rather than the shopper: without them it would
# have been sent.
_EXPERIMENT = frozenset({Reason.CONTROL_GROUP})


def decide(situation: Situation, limits: Limits = DEFAULT_LIMITS) -> Decision:
    """Send the best candidate that nothing forbids, or hold with every reason.

    Candidates are ranked by tier, then score, then id: ties fall the same way everywhere.
    """
    if not situation.candidates:
        return Hold((Reason.NO_CAMPAIGN,), ())
    ranked = sorted(
        ((candidate, _weigh(situation, candidate, limits)) for candidate in situation.candidates),
        key=_rank,
    )
    # A ghost takes its place in the ranking as if it were sent: the control group of a campaign
    # that would have won here gets silence, not the runner-up.
    for place, (candidate, weighed) in enumerate(ranked):
        against = frozenset(weighed.against)
        if not against:
            return Send(
                candidate.campaign,
                _after_winner([w for _, w in ranked], place),
                situation.moment.residual_dwell_s,
            )
        if against <= _EXPERIMENT:
            return _held(ranked, place, candidate.campaign)
    return _held(ranked, 0, None)


def _weigh(situation: Situation, candidate: Candidate, limits: Limits) -> Weighed:
    fitting = fit(situation, candidate.campaign)
    against = reasons_against(situation, candidate, limits)
    if fitting.expected_cents < RELEVANCE_THRESHOLD_CENTS:
        against = (*against, Reason.BELOW_RELEVANCE)
    return Weighed(candidate.campaign.campaign_id, fitting.expected_cents, against, fitting.because)


def _rank(pair: tuple[Candidate, Weighed]) -> tuple[int, float, str]:
    candidate, weighed = pair
    return candidate.campaign.tier, -weighed.score, weighed.campaign_id


def _after_winner(ranked: list[Weighed], winner: int) -> tuple[Weighed, ...]:
    """The winner first; those that lost only to it say so."""
    losers = [
        w if w.against else Weighed(w.campaign_id, w.score, (Reason.OUTRANKED,), w.relevance)
        for place, w in enumerate(ranked)
        if place != winner
    ]
    return (ranked[winner], *losers)


def _held(ranked: list[tuple[Candidate, Weighed]], first: int, ghost: Campaign | None) -> Hold:
    weighed = _after_winner([w for _, w in ranked], first)
    return Hold(weighed[0].against, weighed, ghost)

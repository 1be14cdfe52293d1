"""The decision: the one offer worth sending now, or every reason for silence."""

from dataclasses import replace
from typing import Final

from offers.campaign import Campaign
from offers.filters import reasons_against, reasons_for_silence
from offers.pressure import DEFAULT_LIMITS, Limits
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, Fit, fit
from offers.situation import Candidate, Decision, Hold, Reason, Send, Situation, Weighed

# Reasons that concern this campaign's experiment rather than the shopper: without them it would
# have been sent.
_EXPERIMENT: Final = frozenset({Reason.CONTROL_GROUP})
# Of the candidates that did not win, so many are told of, the best-placed: more than any feed
# shows, and a decision stays a few kilobytes in a store with a thousand campaigns.
WEIGHED_MAX: Final = 20


def decide(situation: Situation, limits: Limits = DEFAULT_LIMITS) -> Decision:
    """Send the best candidate that nothing forbids, or hold with every reason.

    Candidates are ranked by tier, then score, then id: ties fall the same way everywhere. `weighed`
    holds the winner and the best-placed others, WEIGHED_MAX in all.
    """
    if not situation.candidates:
        return Hold((Reason.NO_CAMPAIGN,), ())
    silence = reasons_for_silence(situation, limits)
    weighed: list[Weighed] = []
    winner: tuple[int, Campaign] | None = None
    # A ghost takes its place in the ranking as if it were sent: the control group of a campaign
    # that would have won here gets silence, not the runner-up.
    for candidate, fitting in _ranked(situation):
        may_win = winner is None and not silence
        if not may_win and len(weighed) >= WEIGHED_MAX:
            break
        one = _weigh(situation, candidate, fitting, silence)
        if may_win and _EXPERIMENT.issuperset(one.against):
            winner = len(weighed), candidate.campaign
        weighed.append(one)
    if winner is None:
        return Hold(weighed[0].against, tuple(weighed[:WEIGHED_MAX]))
    place, campaign = winner
    told = _after_winner(weighed, place)[:WEIGHED_MAX]
    if told[0].against:
        return Hold(told[0].against, told, campaign)
    return Send(campaign, told, situation.moment.residual_dwell_s)


def _ranked(situation: Situation) -> list[tuple[Candidate, Fit]]:
    fitting = [
        (candidate, fit(situation, candidate.campaign)) for candidate in situation.candidates
    ]
    fitting.sort(
        key=lambda pair: (
            pair[0].campaign.tier,
            -pair[1].expected_cents,
            pair[0].campaign.campaign_id,
        )
    )
    return fitting


def _weigh(
    situation: Situation, candidate: Candidate, fitting: Fit, silence: tuple[Reason, ...]
) -> Weighed:
    against = silence + reasons_against(situation, candidate)
    if fitting.expected_cents < RELEVANCE_THRESHOLD_CENTS:
        against = (*against, Reason.BELOW_RELEVANCE)
    campaign = candidate.campaign
    return Weighed(
        campaign.campaign_id, fitting.expected_cents, against, fitting.because, campaign.tier
    )


def _after_winner(ranked: list[Weighed], winner: int) -> tuple[Weighed, ...]:
    """The winner first; those that lost only to it say so."""
    losers = [
        w if w.against else replace(w, against=(Reason.OUTRANKED,))
        for place, w in enumerate(ranked)
        if place != winner
    ]
    return (ranked[winner], *losers)

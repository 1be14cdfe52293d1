"""The decision: the one offer worth sending now, or every reason for silence."""

from collections.abc import Iterable
from typing import Final

from offers.campaign import Campaign, Tier
from offers.filters import reasons_against, reasons_for_restraint, reasons_for_silence
from offers.learning import drawn, rivals_max
from offers.pressure import is_promotion
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, Fitting
from offers.situation import Candidate, Decision, Hold, Reason, Send, Situation, Weighed

# Reasons that concern an experiment rather than the shopper: without them it would have been sent.
_EXPERIMENT: Final = frozenset({Reason.CONTROL_GROUP, Reason.HELD_OUT})
# Of the candidates that did not win, so many are told of, the best-placed: more than any feed
# shows, and a decision stays a few kilobytes in a store with a thousand campaigns.
WEIGHED_MAX: Final = 20

# A campaign, what it is expected to earn in cents, and every reason against it.
_Judged = tuple[Campaign, float, tuple[Reason, ...]]


def decide(situation: Situation) -> Decision:
    """Send the best candidate that nothing forbids, or hold with every reason.

    Candidates are ranked by tier, then score, then id: ties fall the same way everywhere. Between
    the best promotions of a tier that may be sent the draw decides (`offers.learning`). `weighed`
    holds the winner and the best-placed others, WEIGHED_MAX in all.
    """
    if not situation.candidates:
        return Hold((Reason.NO_CAMPAIGN,), ())
    silence = reasons_for_silence(situation)
    restraint = reasons_for_restraint(situation)
    # Promotions come last: from the first of them on nothing can win any more.
    is_restrained = not _EXPERIMENT.issuperset(restraint)
    fitting = Fitting(situation, situation.known)
    judged: list[_Judged] = []
    # Those that may be sent, of one tier; among promotions the draw decides.
    rivals: list[int] = []
    rivals_tier: Tier | None = None
    most = rivals_max(situation.chance)
    # A ghost takes its place in the ranking as if it were sent: the control group of a campaign
    # that would have won here gets silence, not the runner-up.
    for tier, cost, _campaign_id, candidate in _ranked(situation.candidates, fitting):
        is_promoting = is_promotion(tier)
        may_win = not silence and not (is_promoting and is_restrained)
        if rivals:
            may_win = is_promoting and tier is rivals_tier and (most is None or len(rivals) < most)
        if not may_win and len(judged) >= WEIGHED_MAX:
            break
        against = silence + (restraint if is_promoting else ())
        against += reasons_against(situation, candidate)
        if -cost < RELEVANCE_THRESHOLD_CENTS:
            against = (*against, Reason.BELOW_RELEVANCE)
        if may_win and _EXPERIMENT.issuperset(against):
            rivals.append(len(judged))
            rivals_tier = tier
        judged.append((candidate.campaign, -cost, against))
    # Whoever is in a control group is drawn for like anybody else.
    drawn_from = [fitting.rival(judged[place][0]) for place in rivals]
    winner = rivals[drawn(drawn_from, situation.chance)] if rivals else None
    told = _told(judged, winner, fitting)
    if winner is None:
        return Hold(told[0].against, told)
    campaign = judged[winner][0]
    if told[0].against:
        return Hold(told[0].against, told, campaign)
    return Send(campaign, told, situation.moment.residual_dwell_s)


def _ranked(
    candidates: Iterable[Candidate], fitting: Fitting
) -> list[tuple[Tier, float, str, Candidate]]:
    """Tier, expected loss in cents, id, candidate; the best first. Ids differ, so that no two
    candidates are ever compared."""
    given = list(candidates)
    cents = fitting.all_expected_cents([c.campaign for c in given])
    return sorted(
        [
            (c.campaign.tier, -worth, c.campaign.campaign_id, c)
            for c, worth in zip(given, cents, strict=True)
        ]
    )


def _told(judged: list[_Judged], winner: int | None, fitting: Fitting) -> tuple[Weighed, ...]:
    """The winner first; those that lost only to it say so."""
    order = list(range(len(judged)))
    if winner is not None:
        order.insert(0, order.pop(winner))
    told = []
    for place in order[:WEIGHED_MAX]:
        campaign, cents, against = judged[place]
        if winner is not None and place != winner and not against:
            against = (Reason.OUTRANKED,)
        told.append(
            Weighed(
                campaign.campaign_id,
                cents,
                against,
                fitting.because(campaign),
                campaign.tier,
                fitting.context(campaign),
            )
        )
    return tuple(told)

"""The decision: the one offer worth sending now, or every reason for silence."""

from collections.abc import Iterable, Sequence
from typing import Final

from offers.campaign import Campaign, Tier
from offers.filters import reasons_against, reasons_for_restraint, reasons_for_silence
from offers.learning import drawn, rivals_max
from offers.pressure import is_promotion
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, Fitting, Kept
from offers.situation import Candidate, Decision, Hold, Reason, Send, Situation, Weighed

# Reasons that concern an experiment rather than the shopper: without them it would have been sent.
_EXPERIMENT: Final = frozenset({Reason.CONTROL_GROUP, Reason.HELD_OUT})
# So many candidates are told of, the winner and the best-placed: more than anybody reads of one
# moment, and a decision stays a few kilobytes in a store with a thousand campaigns.
WEIGHED_MAX: Final = 12

# A campaign, what it is expected to earn in cents, and every reason against it.
_Judged = tuple[Campaign, float, tuple[Reason, ...]]


def decide(situation: Situation, kept: Kept | None = None) -> Decision:
    """Send the best candidate that nothing forbids, or hold with every reason.

    kept: what the shopper's decision before worked out, to be used and renewed; it changes nothing
    but the time that it takes.

    Candidates are ranked by tier, then score, then id: ties fall the same way everywhere. Between
    the best promotions of a tier that may be sent the draw decides (`offers.learning`). `weighed`
    holds the winner and the best-placed others, WEIGHED_MAX in all.
    """
    if not situation.candidates:
        return Hold((Reason.NO_CAMPAIGN,), ())
    silence = reasons_for_silence(situation)
    restraint = reasons_for_restraint(situation)
    fitting = Fitting(situation, situation.known, kept)
    judged: list[_Judged] = []
    # Those that may be sent, of one tier; among promotions the draw decides.
    rivals: list[int] = []
    most = rivals_max(situation.chance)
    # A ghost takes its place in the ranking as if it were sent: the control group of a campaign
    # that would have won here gets silence, not the runner-up.
    for tier, of_tier in _by_tier(situation.candidates):
        is_promoting = is_promotion(tier)
        against_all = silence + (restraint if is_promoting else ())
        is_open = not rivals and _EXPERIMENT.issuperset(against_all)
        # Most candidates stand in the last tier; often nobody needs to know what they are worth.
        if not is_open and len(judged) >= WEIGHED_MAX:
            break
        for cost, _campaign_id, candidate in _ranked(of_tier, fitting):
            may_win = is_open and (
                not rivals or (is_promoting and (most is None or len(rivals) < most))
            )
            if not may_win and len(judged) >= WEIGHED_MAX:
                break
            against = against_all + reasons_against(situation, candidate)
            # What is no promotion need not pay.
            if is_promoting and -cost < RELEVANCE_THRESHOLD_CENTS:
                against = (*against, Reason.BELOW_RELEVANCE)
            if may_win and _EXPERIMENT.issuperset(against):
                rivals.append(len(judged))
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


def _by_tier(candidates: Iterable[Candidate]) -> list[tuple[Tier, list[Candidate]]]:
    """The candidates of each tier that has any, the first tier first."""
    # A list by number: to look an enum up in a mapping takes a microsecond.
    tiers: list[list[Candidate]] = [[] for _ in Tier]
    for candidate in candidates:
        tiers[candidate.campaign.tier].append(candidate)
    return [(tier, tiers[tier]) for tier in Tier if tiers[tier]]


def _ranked(
    candidates: Sequence[Candidate], fitting: Fitting
) -> list[tuple[float, str, Candidate]]:
    """Expected loss in cents, id, candidate; the best first. Ids differ, so that no two candidates
    are ever compared."""
    cents = fitting.all_expected_cents([c.campaign for c in candidates])
    return sorted(
        [(-worth, c.campaign.campaign_id, c) for c, worth in zip(candidates, cents, strict=True)]
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

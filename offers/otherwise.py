"""What would have been sent without the reasons against a campaign, from what is stored alone."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Final

from offers.campaign import Tier
from offers.filters import CAP_REASONS, MOMENT_FILTERS, PROMOTION_FILTERS
from offers.pressure import is_promotion
from offers.situation import Reason

# Those that hold for every campaign: lifted for one, they are lifted for all.
_OF_THE_MOMENT: Final = frozenset(
    {reason for reason, _ in (*MOMENT_FILTERS, *PROMOTION_FILTERS)}
    | CAP_REASONS - {Reason.CAMPAIGN_CAP, Reason.CATEGORY_CAP}
)
_EXPERIMENT: Final = frozenset({Reason.CONTROL_GROUP, Reason.HELD_OUT})


@dataclass(frozen=True, slots=True)
class Stored:
    """One candidate as a decision stored it. tier: the lower goes first, whatever the scores."""

    campaign_id: str
    score: float
    against: tuple[Reason, ...]
    tier: int


@dataclass(frozen=True, slots=True)
class Winner:
    """A campaign that would have gone first. is_ghost: the shopper is in its control group, or held
    out, and would have got silence."""

    campaign_id: str
    is_ghost: bool = False


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What one would have had to change for a campaign.

    lifted: its reasons. wins: what would then have gone first, it or another; of several the draw
    would have chosen one (`offers.learning`), the first is the likeliest.
    """

    lifted: tuple[Reason, ...]
    wins: tuple[Winner, ...]


def stored(weighed: Iterable[Mapping[str, Any]]) -> list[Stored]:
    """The candidates of a stored decision. One of before tiers were stored has the last."""
    return [
        Stored(
            one["campaign_id"],
            one["score"],
            tuple(Reason(reason) for reason in one["against"]),
            one.get("tier", 99),
        )
        for one in weighed
    ]


def otherwise(candidates: Sequence[Stored], campaign_id: str) -> Otherwise | None:
    """What would have happened without the reasons against a campaign.

    candidates: in the order in which they are stored, the winner first. None when there were no
    reasons, when the campaign is not among them, or when it stood behind one that lost its place
    at the last moment. Who is outranked has no reason of its own to lift but the winner.

    Draws are not stored: where several could have been drawn, all that are told are named.
    """
    own = next((one for one in candidates if one.campaign_id == campaign_id), None)
    if own is None or not own.against:
        return None
    lifted = tuple(reason for reason in own.against if reason is not Reason.OUTRANKED)
    if own is candidates[0] and any(Reason.OUTRANKED in one.against for one in candidates):
        # Only a winner outranks: it had won, and lost its place at the last moment.
        return Otherwise(lifted, (_winner(replace(own, against=())),))
    for_all = _OF_THE_MOMENT.intersection(lifted)
    first = replace(candidates[0], against=_left(candidates[0], for_all))
    went_first = _EXPERIMENT.issuperset(candidates[0].against)
    if _EXPERIMENT.issuperset(lifted):
        # Whoever is in an experiment is drawn for like anybody else: the winner stays the winner.
        won = replace(own, against=()) if own.campaign_id == first.campaign_id else first
        return Otherwise(lifted, (_winner(won),)) if went_first else None
    others = (one for one in candidates if one is not own)
    may = [replace(one, against=_left(one, for_all)) for one in others]
    may = [one for one in may if _EXPERIMENT.issuperset(one.against)]
    may.append(replace(own, against=()))
    may.sort(key=lambda one: (one.tier, -one.score, one.campaign_id))
    tier = may[0].tier
    leading = [one for one in may if one.tier == tier] if _is_drawn(tier) else may[:1]
    if went_first and _EXPERIMENT.issuperset(for_all):
        # Against those who were drawn for, the winner has won already.
        if own.tier > tier:
            leading = [first]
        leading.sort(key=lambda one: one.campaign_id not in {first.campaign_id, campaign_id})
    return Otherwise(lifted, tuple(map(_winner, leading)))


def _left(one: Stored, lifted: AbstractSet[Reason]) -> tuple[Reason, ...]:
    gone = {*lifted, Reason.OUTRANKED}
    return tuple(reason for reason in one.against if reason not in gone)


def _winner(one: Stored) -> Winner:
    return Winner(one.campaign_id, is_ghost=bool(one.against))


def _is_drawn(tier: int) -> bool:
    """Whether the draw decides between campaigns of that tier; it did not before tiers were
    stored."""
    return tier in {member.value for member in Tier} and is_promotion(Tier(tier))

"""What a campaign is worth: what its trial says now, and what may be said of it aloud.

Looking is free. Before the end of a trial the verdict rests on an interval that is right at every
look at once (`ANY_LOOK_ALPHA`); at the end, fixed ahead, on the usual one of 95 %. "Better" is then
wrong at most 3.5 times in a hundred: 2.5 at the end and at most 1 before.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from offers.attribution import Moment, Outcome, Target, Window
from offers.intervals import (
    ONE_LOOK_Z,
    Effect,
    any_look_z,
    effective_size,
    mean_difference,
    rate_difference,
    relative_difference,
    split_p,
)
from offers.trial import Sample, Trial, sample, subjects

# Fewer on a side are an anecdote, and the formulas are for many.
LEAST_SHOPPERS: Final = 100
# No verdict until the interval of 95 % is expected to reach this part of the base rate to either
# side: a campaign that brings half as many again must be able to show it.
NARROW_ENOUGH: Final = 0.5
# A split this uneven by chance is a fault in the counting. Source: Fabijan et al. 2019, Diagnosing
# sample ratio mismatch in online controlled experiments, KDD.
BROKEN_BELOW_P: Final = 0.001
# A ratio needs responders on both sides, or its variance is guessed from nothing.
LEAST_RESPONDERS: Final = 5
# Margins are mostly nothing and sometimes much: with fewer who bought on a side, the interval of
# 95 % holds the truth in 92 of 100 campaigns, erring towards "earns"; from here on in 93 or more
# (tests/offers/test_worth_simulated.py).
LEAST_EARNING: Final = 20
_DID: Final = {
    Window.SHELF: "stayed at the shelf",
    Window.BASKET: "bought it",
    Window.RETURN: "came back within a week",
}


class Verdict(StrEnum):
    """What may be said of a campaign. The names are shown and stored: never renamed."""

    TOO_EARLY = "too_early"
    BROKEN_SPLIT = "broken_split"
    NO_DIFFERENCE_SEEN = "no_difference_seen"
    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trial says now.

    confidence: of every interval here, 0.95 at the end and 0.99 (at every look at once) before.
    response: of all who had a moment, as a difference of rates. relative: the same as a part of
    the control group's rate. on_those_who_saw: of those who were shown the push, if one that was
    not shown changes nothing (source: Bloom 1984, Evaluation Review 8, 225-246).
    margin_cents: per shopper, after discounts. split_p: see `intervals.split_p`.
    needed: shoppers on both sides together before there is a verdict; None when not known yet.
    What is not known is None.
    """

    trial: Trial
    control: Sample
    treated: Sample
    is_final: bool
    confidence: float
    response: Effect | None
    relative: Effect | None
    on_those_who_saw: Effect | None
    margin_cents: Effect | None
    split_p: float | None
    needed: int | None
    verdict: Verdict


def worth(
    trial: Trial,
    moments: Iterable[Moment],
    outcomes: Iterable[Outcome],
    targets: Mapping[str, Target],
    now: datetime,
) -> Finding:
    """What the trial says now, from all moments (other campaigns' are passed over) and outcomes.

    targets: by campaign, at least those of the trial. Raises KeyError for one that is not there.
    """
    known = subjects(trial, moments, outcomes, targets, now)
    return judge(
        trial,
        control=sample(one for one in known if one.is_control),
        treated=sample(one for one in known if not one.is_control),
        is_final=trial.is_over(now),
    )


def judge(trial: Trial, control: Sample, treated: Sample, *, is_final: bool) -> Finding:
    """What two samples say. is_final: at the end of the trial, with everything known."""
    both = control.shoppers + treated.shoppers
    response = relative = saw = margin = uneven = needed = None
    if 0 < trial.control_share < 1:
        uneven = split_p(control.shoppers, treated.shoppers, trial.control_share)
        needed = shoppers_needed(
            (control.responders + treated.responders) / both if both else 0.0, trial.control_share
        )
    if control.shoppers and treated.shoppers:
        effective = effective_size(control.shoppers, treated.shoppers)
        z = ONE_LOOK_Z if is_final else any_look_z(effective)
        response = rate_difference(
            treated.responders, treated.shoppers, control.responders, control.shoppers, z
        )
        if min(control.responders, treated.responders) >= LEAST_RESPONDERS:
            relative = relative_difference(treated.response, control.response, z)
        if treated.saw:
            saw = response.times(treated.shoppers / treated.saw)
        if min(control.earning, treated.earning) >= LEAST_EARNING:
            margin = mean_difference(treated.margin, control.margin, z)
    return Finding(
        trial=trial,
        control=control,
        treated=treated,
        is_final=is_final,
        confidence=0.95 if is_final else 0.99,
        response=response,
        relative=relative,
        on_those_who_saw=saw,
        margin_cents=margin,
        split_p=uneven,
        needed=needed,
        verdict=_verdict(control, treated, response, uneven),
    )


def shoppers_needed(base_rate: float, control_share: float) -> int | None:
    """How many shoppers, both sides together, a verdict takes; None when nobody ever responds.

    base_rate: 0..1, of shoppers who respond whatever is sent. control_share: within (0, 1).
    """
    if base_rate == 0:
        return None
    smaller = min(control_share, 1 - control_share)
    narrow = _effective_needed(base_rate) / (control_share * (1 - control_share))
    return math.ceil(max(narrow, LEAST_SHOPPERS / smaller))


def sentence(finding: Finding) -> str:
    """What a store manager should know of it, in one plain sentence."""
    trial, control, treated = finding.trial, finding.control, finding.treated
    so_far = "" if finding.is_final else " so far"
    match finding.verdict:
        case Verdict.TOO_EARLY:
            return _too_early(finding)
        case Verdict.BROKEN_SPLIT:
            share = control.shoppers / (control.shoppers + treated.shoppers)
            return (
                f"Do not use these figures: {share:.1%} of the shoppers are in the control group "
                f"where {trial.control_share:.1%} should be, too far off for chance."
            )
        case Verdict.NO_DIFFERENCE_SEEN:
            return f"No difference seen{so_far}: {_rates(finding)}."
        case Verdict.BETTER:
            return f"It works{so_far}: {_rates(finding)}."
        case Verdict.WORSE:
            return f"It does harm{so_far}: {_rates(finding)}."
        case _:
            assert_never(finding.verdict)


def _too_early(finding: Finding) -> str:
    trial, control, treated = finding.trial, finding.control, finding.treated
    if not 0 < trial.control_share < 1:
        return "Nobody can tell: a campaign shows its worth only against a control group."
    known = f"{treated.shoppers:,} shoppers with the offer and {control.shoppers:,} without"
    if finding.needed is None:
        wanted = f"and none of them {_DID[trial.goal]} yet"
    else:
        wanted = f"about {finding.needed:,} together are needed"
    if finding.is_final:
        return f"It ended too early to tell: {known}, {wanted}."
    return f"Too early to tell: {known} so far, {wanted}."


def _rates(finding: Finding) -> str:
    effect = finding.response
    assert effect is not None  # there is no such verdict without
    return (
        f"{finding.treated.response.mean:.1%} {_DID[finding.trial.goal]} with the offer "
        f"and {finding.control.response.mean:.1%} without, a difference of "
        f"{100 * effect.difference:+.1f} points (very likely between {100 * effect.low:+.1f} and "
        f"{100 * effect.high:+.1f})"
    )


def _effective_needed(base_rate: float) -> float:
    """Where ONE_LOOK_Z standard errors of a difference are NARROW_ENOUGH of the base rate."""
    return (ONE_LOOK_Z / NARROW_ENOUGH) ** 2 * (1 - base_rate) / base_rate


def _verdict(
    control: Sample, treated: Sample, response: Effect | None, uneven: float | None
) -> Verdict:
    if uneven is not None and uneven < BROKEN_BELOW_P:
        return Verdict.BROKEN_SPLIT
    if response is None or not _is_enough(control, treated):
        return Verdict.TOO_EARLY
    if response.low > 0:
        return Verdict.BETTER
    if response.high < 0:
        return Verdict.WORSE
    return Verdict.NO_DIFFERENCE_SEEN


def _is_enough(control: Sample, treated: Sample) -> bool:
    responders = control.responders + treated.responders
    if min(control.shoppers, treated.shoppers) < LEAST_SHOPPERS or responders == 0:
        return False
    # Both sides together: what it would be if the campaign made no difference.
    base_rate = responders / (control.shoppers + treated.shoppers)
    return effective_size(control.shoppers, treated.shoppers) >= _effective_needed(base_rate)

"""Trials: who counts, with what, and what may be said of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.assignment import Arm
from offers.attribution import Moment, Outcome, Window
from offers.intervals import ONE_LOOK_Z, rate_difference
from offers.trial import Sample, Subject, Trial, sample, subjects
from offers.worth import (
    LEAST_SHOPPERS,
    NARROW_ENOUGH,
    Verdict,
    judge,
    sentence,
    shoppers_needed,
    worth,
)
from tests.offers.trials import (
    AT,
    DAY,
    MINUTE,
    SECOND,
    TARGETS,
    TRIAL,
    a_ghost,
    a_moment,
    a_purchase,
    a_return,
    a_stay,
)

LATER = AT + 60 * DAY


def _only(
    trial: Trial, moments: list[Moment], outcomes: list[Outcome] | None = None
) -> Subject | None:
    known = subjects(trial, moments, outcomes or [], TARGETS, LATER)
    assert len(known) <= 1
    return known[0] if known else None


def a_sample(shoppers: int, responders: int, margin_cents: int = 300) -> Sample:
    """Everybody saw it; each responder brought the same margin."""
    return Sample(
        shoppers=shoppers,
        saw=shoppers,
        responders=responders,
        earning=responders,
        margin_cents=responders * margin_cents,
        squared_cents=responders * margin_cents**2,
    )


def test_a_shopper_counts_once_with_the_first_moment() -> None:
    moments = [
        a_moment("second", at=AT + DAY, visit_id="visit-2"),
        a_ghost("first"),
        a_moment("third", at=AT + 2 * DAY, visit_id="visit-3"),
    ]
    bought = a_purchase(visit_id="visit-2", at=AT + DAY + MINUTE)

    assert _only(TRIAL, moments, [bought]) == Subject(
        "ann", is_control=True, saw=False, responded=False, margin_cents=0
    )


@pytest.mark.parametrize(
    ("moment", "belongs"),
    [
        (a_moment(), True),
        (a_moment(shown_at=None), True),
        (a_ghost(), True),
        (a_moment(at=AT - SECOND), False),
        (a_moment(at=TRIAL.until), False),
        (a_moment(at=TRIAL.until - SECOND), True),
        (a_moment(campaign_id="rice"), False),
        (a_ghost(arm=Arm.HELD_OUT), False),
    ],
)
def test_moments_of_the_trial_count_and_no_others(moment: Moment, belongs: bool) -> None:
    assert (_only(TRIAL, [moment]) is not None) is belongs


@pytest.mark.parametrize(
    ("arm", "is_control"), [(Arm.TREATED, False), (Arm.CONTROL, False), (Arm.HELD_OUT, True)]
)
def test_all_campaigns_together_stand_against_the_hold_out(arm: Arm, is_control: bool) -> None:
    subject = _only(replace(TRIAL, campaign_id=None), [a_moment(campaign_id="rice", arm=arm)])

    assert subject is not None
    assert subject.is_control is is_control


@pytest.mark.parametrize(
    ("goal", "settled_after"),
    [
        (Window.SHELF, timedelta(days=1)),
        (Window.BASKET, timedelta(days=1)),
        (Window.RETURN, timedelta(days=8)),
    ],
)
def test_a_shopper_counts_when_all_that_followed_is_known(
    goal: Window, settled_after: timedelta
) -> None:
    trial = replace(TRIAL, goal=goal)
    settled = AT + settled_after

    assert subjects(trial, [a_moment()], [], TARGETS, settled - SECOND) == ()
    assert len(subjects(trial, [a_moment()], [], TARGETS, settled)) == 1
    assert not trial.is_over(trial.until + settled_after - SECOND)
    assert trial.is_over(trial.until + settled_after)


@pytest.mark.parametrize(
    ("goal", "outcome"),
    [(Window.SHELF, a_stay()), (Window.BASKET, a_purchase()), (Window.RETURN, a_return())],
)
def test_only_the_goal_is_a_response(goal: Window, outcome: Outcome) -> None:
    for asked in Window:
        subject = _only(replace(TRIAL, goal=asked), [a_moment()], [outcome])
        assert subject is not None
        assert subject.responded is (asked is goal)


def test_margin_is_of_the_visit_and_of_the_week_when_people_shall_return() -> None:
    lines: list[Outcome] = [
        a_purchase("here", margin_cents=300),
        a_purchase("here too", margin_cents=-20, redeems="m1"),
        a_purchase("next visit", visit_id="visit-2", at=AT + 2 * DAY, margin_cents=70),
        a_purchase("too late", visit_id="visit-3", at=AT + 8 * DAY, margin_cents=1_000),
        a_purchase("something else", product_id="soap", category="soap", margin_cents=9_000),
        a_purchase("before", at=AT - SECOND, margin_cents=90_000),
        a_purchase("another's", shopper_id="bob", margin_cents=90_000),
    ]
    here = _only(TRIAL, [a_moment()], lines)
    back = _only(replace(TRIAL, goal=Window.RETURN), [a_moment()], lines)

    everything = _only(replace(TRIAL, campaign_id=None), [a_moment()], lines)

    assert here is not None
    assert back is not None
    assert everything is not None
    assert (here.margin_cents, back.margin_cents, everything.margin_cents) == (280, 350, 9_280)


@given(st.lists(st.integers(-500, 5_000), min_size=2, max_size=50))
def test_a_sample_has_the_mean_and_variance_of_its_shoppers(margins: list[int]) -> None:
    side = sample(Subject(str(n), False, True, True, cents) for n, cents in enumerate(margins))
    mean = sum(margins) / len(margins)

    assert side.margin.mean == pytest.approx(mean)
    assert side.margin.variance == pytest.approx(
        sum((cents - mean) ** 2 for cents in margins) / (len(margins) - 1), abs=1e-6
    )


@pytest.mark.parametrize(
    ("treated", "control", "verdict"),
    [
        ((2_000, 300), (2_000, 200), Verdict.BETTER),
        ((2_000, 200), (2_000, 300), Verdict.WORSE),
        ((2_000, 205), (2_000, 200), Verdict.NO_DIFFERENCE_SEEN),
        # 57 more in 2,000 is 95 % sure at the end, and not at any look before it.
        ((2_000, 257), (2_000, 200), Verdict.NO_DIFFERENCE_SEEN),
        ((2_200, 300), (1_800, 200), Verdict.BROKEN_SPLIT),
        ((99, 90), (100, 10), Verdict.TOO_EARLY),
        ((100, 90), (100, 10), Verdict.BETTER),
        ((0, 0), (0, 0), Verdict.TOO_EARLY),
        ((2_000, 0), (2_000, 0), Verdict.TOO_EARLY),
        # One in a hundred responds: 1,000 on each side are too few to see half as many more.
        ((1_000, 12), (1_000, 8), Verdict.TOO_EARLY),
    ],
)
def test_the_verdict_before_the_end(
    treated: tuple[int, int], control: tuple[int, int], verdict: Verdict
) -> None:
    finding = judge(TRIAL, a_sample(*control), a_sample(*treated), is_final=False)

    assert finding.verdict is verdict
    assert finding.confidence == 0.99


def test_at_the_end_the_usual_interval_decides() -> None:
    control, treated = a_sample(2_000, 200), a_sample(2_000, 257)

    before = judge(TRIAL, control, treated, is_final=False)
    end = judge(TRIAL, control, treated, is_final=True)

    assert before.verdict is Verdict.NO_DIFFERENCE_SEEN
    assert end.verdict is Verdict.BETTER
    assert end.confidence == 0.95
    assert end.response == rate_difference(257, 2_000, 200, 2_000, ONE_LOOK_Z)
    assert before.response is not None
    assert before.response.low < end.response.low


def test_the_effect_on_those_who_saw_is_scaled_by_how_many_did() -> None:
    treated = replace(a_sample(2_000, 300), saw=500)

    finding = judge(TRIAL, a_sample(2_000, 200), treated, is_final=True)

    assert finding.response is not None
    assert finding.on_those_who_saw == finding.response.times(4)


def test_what_is_not_known_is_not_told() -> None:
    nobody = judge(TRIAL, a_sample(0, 0), a_sample(10, 1), is_final=True)
    few = judge(TRIAL, a_sample(2_000, 4), a_sample(2_000, 90), is_final=True)
    fair = judge(TRIAL, a_sample(2_000, 19), a_sample(2_000, 90), is_final=True)
    enough = judge(TRIAL, a_sample(2_000, 20), a_sample(2_000, 90), is_final=True)
    unseen = judge(TRIAL, a_sample(2_000, 200), replace(a_sample(2_000, 200), saw=0), is_final=True)

    assert (nobody.response, nobody.relative, nobody.margin_cents) == (None, None, None)
    assert few.relative is None
    assert fair.relative is not None
    assert fair.margin_cents is None
    assert enough.margin_cents is not None
    assert few.verdict is Verdict.BETTER
    assert unseen.on_those_who_saw is None


@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.1), (0.01, 0.5), (0.3, 0.2)])
def test_a_verdict_comes_with_the_number_of_shoppers_that_was_said(
    rate: float, share: float
) -> None:
    needed = shoppers_needed(rate, share)
    assert needed is not None
    trial = replace(TRIAL, control_share=share)

    def at(shoppers: int) -> Verdict:
        control = round(shoppers * share)
        sides = (a_sample(n, round(n * rate)) for n in (control, shoppers - control))
        return judge(trial, *sides, is_final=True).verdict

    assert at(round(needed * 0.95)) is Verdict.TOO_EARLY
    assert at(round(needed * 1.05)) is Verdict.NO_DIFFERENCE_SEEN


def test_as_many_as_needed_make_the_interval_as_narrow_as_promised() -> None:
    needed = shoppers_needed(0.05, 0.5)
    assert needed is not None
    half = needed // 2

    effect = rate_difference(round(half * 0.05), half, round(half * 0.05), half, ONE_LOOK_Z)

    # The score interval is a little wider than the standard error it was planned with.
    assert effect.high == pytest.approx(NARROW_ENOUGH * 0.05, rel=0.03)
    assert shoppers_needed(0.9, 0.1) == LEAST_SHOPPERS * 10
    assert shoppers_needed(0.0, 0.1) is None


@pytest.mark.parametrize(
    ("rate", "needed"), [(0.01, 16_903), (0.05, 3_244), (0.1, 1_537), (0.2, 1_000)]
)
def test_docs_worth_md_says_how_many_are_needed(rate: float, needed: int) -> None:
    assert shoppers_needed(rate, 0.1) == needed


@pytest.mark.parametrize(
    ("treated", "control", "is_final", "told"),
    [
        (
            (2_000, 300),
            (2_000, 200),
            True,
            (
                "It works: 15.0% bought it with the offer and 10.0% without, a difference of "
                "+5.0 points (very likely between +3.0 and +7.0)."
            ),
        ),
        (
            (2_000, 200),
            (2_000, 210),
            False,
            (
                "No difference seen so far: 10.0% bought it with the offer and 10.5% without, a "
                "difference of -0.5 points (very likely between -4.0 and +3.0)."
            ),
        ),
        (
            (2_200, 300),
            (1_800, 200),
            True,
            (
                "Do not use these figures: 45.0% of the shoppers are in the control group where "
                "50.0% should be, too far off for chance."
            ),
        ),
        (
            (50, 5),
            (50, 5),
            False,
            (
                "Too early to tell: 50 shoppers with the offer and 50 without so far, about 554 "
                "together are needed."
            ),
        ),
        (
            (50, 0),
            (50, 0),
            True,
            (
                "It ended too early to tell: 50 shoppers with the offer and 50 without, and none "
                "of them bought it yet."
            ),
        ),
    ],
)
def test_each_verdict_has_a_sentence(
    treated: tuple[int, int], control: tuple[int, int], is_final: bool, told: str
) -> None:
    assert sentence(judge(TRIAL, a_sample(*control), a_sample(*treated), is_final=is_final)) == told


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_control_group_nobody_can_tell(share: float) -> None:
    finding = judge(
        replace(TRIAL, control_share=share), a_sample(0, 0), a_sample(900, 90), is_final=True
    )

    assert finding.verdict is Verdict.TOO_EARLY
    assert "only against a control group" in sentence(finding)


def test_a_whole_trial_from_moments_to_the_verdict() -> None:
    moments: list[Moment] = []
    bought: list[Outcome] = []
    for n in range(400):
        who = {"shopper_id": f"s{n}", "visit_id": f"v{n}"}
        moments.append(a_moment(f"m{n}", **who) if n % 2 else a_ghost(f"m{n}", **who))
        # Of the odd ones every second buys, of the even ones every tenth.
        if (n % 4 == 1) if n % 2 else (n % 20 == 0):
            bought.append(a_purchase(f"b{n}", **who))

    finding = worth(TRIAL, moments, bought, TARGETS, AT + 2 * DAY)

    assert (finding.treated.shoppers, finding.treated.responders) == (200, 100)
    assert (finding.control.shoppers, finding.control.responders) == (200, 20)
    assert finding.margin_cents is not None
    assert finding.margin_cents.difference == pytest.approx(0.4 * 300)
    assert finding.relative is not None
    assert finding.relative.difference == pytest.approx(4.0)
    assert finding.verdict is Verdict.BETTER
    assert not finding.is_final


def test_a_discount_is_taken_off_where_its_margin_counts_and_nowhere_else() -> None:
    outcomes = [
        a_purchase("coupon", margin_cents=300, discount_cents=120, redeems="m1"),
        a_purchase("no margin known", margin_cents=0, discount_cents=50, is_priced=False),
        a_purchase("by a coupon alone", discount_cents=70, is_compared=False),
    ]
    (one,) = subjects(TRIAL, [a_moment()], outcomes, TARGETS, AT + 30 * DAY)
    assert one.margin_cents == 180

"""The ledger: every redeemed cent once, and what would not have come without."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.assignment import Arm
from offers.attribution import Bought, Moment, Outcome, Target
from offers.intervals import Effect
from offers.ledger import Cents, ledger, moment_price_cents
from offers.trial import Sample
from offers.worth import Finding, Verdict, judge
from tests.offers.trials import (
    AT,
    DAY,
    MINUTE,
    TARGET,
    TARGETS,
    TRIAL,
    a_ghost,
    a_moment,
    a_purchase,
    a_stay,
)


def a_finding(verdict: Verdict = Verdict.BETTER, margin: Effect | None = None) -> Finding:
    """A trial that says so, with so much margin per shopper."""
    side = Sample(2_000, 2_000, 200, 200, 60_000, 18_000_000)
    return replace(judge(TRIAL, side, side, is_final=True), verdict=verdict, margin_cents=margin)


def test_a_line_tells_what_was_sent_redeemed_and_credited() -> None:
    moments = [
        a_moment("m1"),
        a_moment("m2", shopper_id="bob", visit_id="visit-2", shown_at=None),
        a_ghost("m3", shopper_id="eve", visit_id="visit-3"),
    ]
    outcomes: list[Outcome] = [
        a_purchase("coupon", redeems="m1", margin_cents=500, discount_cents=120),
        a_purchase("coupon too", redeems="m2", margin_cents=400, discount_cents=100),
        a_purchase("without", margin_cents=80),
        a_purchase("not shown", shopper_id="bob", visit_id="visit-2"),
        a_purchase("ghost's", shopper_id="eve", visit_id="visit-3"),
        a_stay(),
    ]

    told = ledger(moments, outcomes, TARGETS, {})

    assert len(told.lines) == 1
    line = told.lines[0]
    assert (line.campaign_id, line.sends, line.shown) == ("pasta", 2, 1)
    assert (line.redeemed_lines, line.redeemed_cents, line.discount_cents) == (2, 900, 220)
    assert line.credited_cents == 80
    assert line.incremental is None
    assert moment_price_cents(line) is None
    assert told.unmatched_lines == 0


def test_what_would_not_have_come_is_margin_per_shopper_times_sends() -> None:
    """Discounts are in the margin of the shopper who got them, and are not taken off twice."""
    moments = [a_moment(f"m{n}", shopper_id=f"s{n}", visit_id=f"v{n}") for n in range(100)]
    coupon = a_purchase(redeems="m0", discount_cents=150)

    told = ledger(moments, [coupon], TARGETS, {"pasta": a_finding(margin=Effect(12, 2.004, 22))})

    assert told.lines[0].incremental == Cents(1_200, 200, 2_200)
    assert moment_price_cents(told.lines[0]) == pytest.approx(12.0)


def test_two_sends_of_one_visit_earn_once() -> None:
    moments = [a_moment("m1"), a_moment("m2", at=AT + MINUTE), a_moment("m3", visit_id="visit-2")]

    told = ledger(moments, [], TARGETS, {"pasta": a_finding(margin=Effect(10, 5, 15))})

    assert told.lines[0].sends == 3
    assert told.lines[0].incremental == Cents(20, 10, 30)


@pytest.mark.parametrize("verdict", [Verdict.TOO_EARLY, Verdict.BROKEN_SPLIT])
def test_a_trial_with_nothing_to_say_gives_no_amount(verdict: Verdict) -> None:
    finding = a_finding(verdict, Effect(10, 5, 15))

    assert ledger([a_moment()], [], TARGETS, {"pasta": finding}).lines[0].incremental is None


_moments = st.lists(
    st.builds(
        Moment,
        moment_id=st.integers(0, 20).map(lambda n: f"m{n}"),
        shopper_id=st.sampled_from(["ann", "bob"]),
        campaign_id=st.sampled_from(["pasta", "rice", "no target"]),
        visit_id=st.sampled_from(["visit-1", "visit-2"]),
        arm=st.sampled_from(Arm),
        at=st.integers(0, 20).map(lambda n: AT + n * MINUTE),
        shown_at=st.none() | st.just(AT + DAY),
    ),
    max_size=12,
    unique_by=lambda moment: moment.moment_id,
)
_lines = st.lists(
    st.builds(
        Bought,
        outcome_id=st.integers(0, 10**9).map(str),
        shopper_id=st.sampled_from(["ann", "bob"]),
        visit_id=st.sampled_from([None, "visit-1", "visit-2"]),
        at=st.integers(0, 20).map(lambda n: AT + n * MINUTE),
        product_id=st.sampled_from(["penne", "soap"]),
        category=st.just("other"),
        margin_cents=st.integers(-10_000, 10_000),
        discount_cents=st.integers(0, 10_000),
        redeems=st.none() | st.integers(0, 25).map(lambda n: f"m{n}"),
    ),
    max_size=20,
    unique_by=lambda line: line.outcome_id,
)


@given(_moments, _lines)
def test_the_ledger_reconciles_with_the_tills_to_the_cent(
    moments: Sequence[Moment], outcomes: Sequence[Bought]
) -> None:
    targets = {"pasta": TARGET, "rice": Target("rice", product_ids=frozenset({"soap"}))}

    told = ledger([*moments, *moments], [*outcomes, *outcomes], targets, {})

    coupons = [one for one in outcomes if one.redeems is not None]
    sends = {one.moment_id for one in moments if one.arm is Arm.TREATED}
    assert sum(line.redeemed_lines for line in told.lines) + told.unmatched_lines == len(coupons)
    assert sum(line.redeemed_cents for line in told.lines) + told.unmatched_cents == sum(
        one.margin_cents for one in coupons
    )
    assert sum(line.discount_cents for line in told.lines) + told.unmatched_discount_cents == sum(
        one.discount_cents for one in coupons
    )
    assert told.unmatched_lines == sum(one.redeems not in sends for one in coupons)
    assert sum(line.sends for line in told.lines) == len(sends)


@given(_moments, _lines)
def test_nothing_is_credited_to_two_campaigns(
    moments: Sequence[Moment], outcomes: Sequence[Bought]
) -> None:
    positive = [replace(one, margin_cents=abs(one.margin_cents)) for one in outcomes]
    everything = {"pasta": TARGET, "rice": replace(TARGET, campaign_id="rice")}

    told = ledger(moments, positive, everything, {})

    assert sum(line.credited_cents for line in told.lines) <= sum(
        one.margin_cents for one in positive if one.redeems is None
    )

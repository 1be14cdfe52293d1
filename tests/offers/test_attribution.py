"""What follows a moment, and which push is credited with it."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.assignment import Arm
from offers.attribution import (
    RETURN_WITHIN,
    SHELF_DWELL,
    SHELF_WITHIN,
    Bought,
    Credit,
    Dwelt,
    Moment,
    Outcome,
    Returned,
    Window,
    followed,
    full_credit,
    one_per_window,
    single_credit,
)
from tests.offers.trials import (
    AT,
    DAY,
    MINUTE,
    SECOND,
    TARGET,
    TARGETS,
    a_ghost,
    a_moment,
    a_purchase,
    a_return,
    a_stay,
)

INSIDE: list[tuple[Outcome, Window]] = [
    (a_stay(), Window.SHELF),
    (a_stay(since=AT, until=AT + SHELF_DWELL), Window.SHELF),
    (a_stay(since=AT + SHELF_WITHIN - SHELF_DWELL, until=AT + DAY), Window.SHELF),
    (a_purchase(), Window.BASKET),
    (a_purchase(at=AT), Window.BASKET),
    (a_purchase(product_id="fusilli"), Window.BASKET),
    (a_purchase(category="gifts"), Window.BASKET),
    (a_purchase(redeems="m1"), Window.BASKET),
    (a_return(), Window.RETURN),
    (a_return(at=AT + RETURN_WITHIN), Window.RETURN),
]
OUTSIDE: list[Outcome] = [
    a_stay(zone_id="aisle-8"),
    a_stay(shopper_id="bob"),
    a_stay(since=AT, until=AT + SHELF_DWELL - SECOND),
    a_stay(since=AT - DAY, until=AT),
    a_stay(since=AT + SHELF_WITHIN - SHELF_DWELL + SECOND, until=AT + DAY),
    a_purchase(visit_id="visit-2"),
    a_purchase(visit_id=None),
    a_purchase(shopper_id="bob"),
    a_purchase(at=AT - SECOND),
    a_purchase(product_id="fusilli", category="gifts"),
    a_return(visit_id="visit-1"),
    a_return(at=AT),
    a_return(at=AT - DAY),
    a_return(shopper_id="bob"),
    a_return(at=AT + RETURN_WITHIN + SECOND),
]


@pytest.mark.parametrize("moment", [a_moment(), a_ghost(), a_moment(shown_at=None)])
@pytest.mark.parametrize(("outcome", "window"), INSIDE)
def test_what_lies_in_a_window_follows_whatever_the_arm(
    moment: Moment, outcome: Outcome, window: Window
) -> None:
    assert followed(moment, [outcome], TARGET) == {outcome.outcome_id: window}


@pytest.mark.parametrize("outcome", OUTSIDE)
def test_what_lies_outside_does_not(outcome: Outcome) -> None:
    assert followed(a_moment(), [outcome], TARGET) == {}
    assert full_credit([a_moment()], [outcome], TARGETS) == ()


def test_only_the_next_visit_is_a_return() -> None:
    visits = [a_return("later", visit_id="visit-3", at=AT + 4 * DAY), a_return("next")]

    assert followed(a_moment(), visits, TARGET) == {"next": Window.RETURN}


def test_single_credit_goes_to_the_last_push_before_it() -> None:
    pushes = [
        a_moment("first"),
        a_moment("last", campaign_id="rice", at=AT + MINUTE),
        a_moment("after", campaign_id="rice", at=AT + 30 * MINUTE),
    ]

    assert single_credit(pushes, [a_purchase()], TARGETS) == (
        Credit("b1", "last", "rice", Window.BASKET),
    )
    assert [credit.moment_id for credit in full_credit(pushes, [a_purchase()], TARGETS)] == [
        "first",
        "last",
    ]


@pytest.mark.parametrize(
    "silent", [a_ghost("silent", at=AT + MINUTE), a_moment("silent", at=AT + MINUTE, shown_at=None)]
)
def test_silence_earns_no_credit(silent: Moment) -> None:
    credits_ = single_credit([a_moment("shown"), silent], [a_purchase()], TARGETS)

    assert [credit.moment_id for credit in credits_] == ["shown"]


def test_a_coupon_is_its_own_proof() -> None:
    """In a later visit, by another shopper, not known to be shown, after another push."""
    pushes = [a_moment("m1", shown_at=None), a_moment("later", at=AT + MINUTE)]
    line = a_purchase(visit_id=None, shopper_id="bob", at=AT + 9 * DAY, redeems="m1")

    assert full_credit(pushes, [line], TARGETS) == (Credit("b1", "m1", "pasta", None),)
    assert single_credit(pushes, [line], TARGETS) == (Credit("b1", "m1", "pasta", None),)


def test_a_coupon_of_an_unknown_push_is_credited_to_no_other() -> None:
    assert full_credit([a_moment()], [a_purchase(redeems="long ago")], TARGETS) == ()


@pytest.mark.parametrize(
    ("window", "counted"),
    [
        (Window.SHELF, ["a", "c", "d", "other shopper", "other campaign"]),
        (Window.BASKET, ["a", "c", "other shopper", "other campaign"]),
        (Window.RETURN, ["a", "other shopper", "other campaign"]),
    ],
)
def test_a_shopper_counts_once_a_window(window: Window, counted: list[str]) -> None:
    moments = [
        a_moment("a"),
        a_moment("b", at=AT + SHELF_WITHIN),
        a_moment("c", at=AT + DAY, visit_id="visit-2"),
        a_moment("d", at=AT + DAY + SHELF_WITHIN + SECOND, visit_id="visit-2"),
        a_moment("other shopper", shopper_id="bob", at=AT + 2 * DAY),
        a_moment("other campaign", campaign_id="rice", at=AT + 2 * DAY + SECOND),
    ]

    assert [one.moment_id for one in one_per_window(reversed(moments), window)] == counted


_people = st.sampled_from(["ann", "bob"])
_visits = st.sampled_from(["visit-1", "visit-2", "visit-3"])
_instants = st.integers(0, 12 * 24 * 60).map(lambda minutes: AT + timedelta(minutes=minutes))
_ids = st.integers(0, 10**9).map(str)
_moments = st.lists(
    st.builds(
        Moment,
        moment_id=_ids,
        shopper_id=_people,
        campaign_id=st.sampled_from(["pasta", "rice", "no target"]),
        visit_id=_visits,
        arm=st.sampled_from(Arm),
        at=_instants,
        shown_at=st.none() | _instants,
    ),
    max_size=8,
    unique_by=lambda moment: moment.moment_id,
)
_outcomes = st.lists(
    st.one_of(
        st.builds(
            lambda outcome_id, who, zone, since, stay: Dwelt(
                outcome_id, who, "store-1", zone, since, since + timedelta(seconds=stay)
            ),
            _ids,
            _people,
            st.sampled_from(["aisle-7", "aisle-8"]),
            _instants,
            st.integers(0, 1_200),
        ),
        st.builds(
            Bought,
            outcome_id=_ids,
            shopper_id=_people,
            visit_id=st.none() | _visits,
            at=_instants,
            product_id=st.sampled_from(["penne", "soap"]),
            category=st.just("other"),
            margin_cents=st.integers(-500, 500),
        ),
        st.builds(Returned, _ids, _people, _visits, _instants),
    ),
    max_size=8,
    unique_by=lambda outcome: outcome.outcome_id,
)


@given(_moments, _outcomes, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_the_input_matters(
    moments: list[Moment], outcomes: list[Outcome], chance: random.Random
) -> None:
    before = full_credit(moments, outcomes, TARGETS), single_credit(moments, outcomes, TARGETS)

    chance.shuffle(moments)
    chance.shuffle(outcomes)
    moments, outcomes = [*moments, *moments[:2]], [*outcomes, *outcomes[:2]]

    assert full_credit(moments, outcomes, TARGETS) == before[0]
    assert single_credit(moments, outcomes, TARGETS) == before[1]


@given(_moments, _outcomes)
def test_single_credit_is_one_of_the_full_credits_and_one_an_outcome(
    moments: list[Moment], outcomes: list[Outcome]
) -> None:
    every = full_credit(moments, outcomes, TARGETS)
    single = single_credit(moments, outcomes, TARGETS)

    assert set(single) <= set(every)
    assert {credit.outcome_id for credit in single} == {credit.outcome_id for credit in every}
    assert all(times == 1 for times in Counter(one.outcome_id for one in single).values())
    assert len(single) <= len(outcomes)


@given(_moments, _outcomes)
def test_no_credit_lies_outside_its_window(moments: list[Moment], outcomes: list[Outcome]) -> None:
    by_id = {one.moment_id: one for one in moments}
    what = {one.outcome_id: one for one in outcomes}

    for credit in full_credit(moments, outcomes, TARGETS):
        moment, outcome = by_id[credit.moment_id], what[credit.outcome_id]
        assert moment.arm is Arm.TREATED
        assert moment.shown_at is not None
        assert moment.shopper_id == outcome.shopper_id
        match outcome:
            case Dwelt():
                assert credit.window is Window.SHELF
                assert outcome.since <= moment.at + timedelta(minutes=10)
                assert outcome.until >= moment.at + timedelta(seconds=20)
            case Bought():
                assert credit.window is Window.BASKET
                assert outcome.visit_id == moment.visit_id
                assert outcome.at >= moment.at
            case Returned():
                assert credit.window is Window.RETURN
                assert outcome.visit_id != moment.visit_id
                assert timedelta() < outcome.at - moment.at <= timedelta(days=7)

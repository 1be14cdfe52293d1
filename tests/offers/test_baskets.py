"""What goes with what, against counts made by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.baskets import (
    MAX_COMPLEMENT,
    MIN_BOTH,
    PRIOR_BOTH,
    Association,
    association,
    best_complement,
    complement_log_odds,
    complements,
    counted,
    shares,
)

# 100 baskets: pasta in 40, sauce in 40, both in 30; milk in 50 by chance, half of each.
BASKETS = [
    *[("pasta", "sauce", "milk")] * 15,
    *[("pasta", "sauce")] * 15,
    *[("pasta", "milk")] * 5,
    *[("pasta",)] * 5,
    *[("sauce", "milk")] * 5,
    *[("sauce",)] * 5,
    *[("milk",)] * 25,
    *[("gum",)] * 25,
]


def test_support_confidence_and_lift_by_hand() -> None:
    found = association(counted(BASKETS), "pasta", "sauce")

    assert found is not None
    assert (found.both, found.support, found.confidence) == (30, 0.3, 0.75)
    # By chance 40 x 40 / 100 = 16 baskets hold both; the raw lift is 30 / 16.
    assert found.lift == pytest.approx((30 + PRIOR_BOTH) / (16 + PRIOR_BOTH))


def test_what_meets_by_chance_is_no_complement() -> None:
    found = complements(counted(BASKETS))

    assert {given: list(those) for given, those in found.items()} == {
        "pasta": ["sauce"],
        "sauce": ["pasta"],
    }


def test_a_pair_under_the_minimum_is_an_anecdote() -> None:
    always = [("a", "b")] * (MIN_BOTH - 1) + [("c",)] * 1_000

    assert association(counted(always), "a", "b") is None
    assert association(counted([*always, ("a", "b")]), "a", "b") is not None


def test_a_rare_pair_is_believed_less_than_a_frequent_one() -> None:
    rare = counted([("a", "b")] * 20 + [("c",)] * 980)
    frequent = counted([("a", "b")] * 200 + [("c",)] * 9_800)

    few, many = association(rare, "a", "b"), association(frequent, "a", "b")

    assert few is not None
    assert many is not None
    assert few.lift < many.lift < 50  # the raw lift of both


def test_twice_in_one_basket_is_once() -> None:
    counts = counted([["a", "a", "b"]])

    assert counts.single == {"a": 1, "b": 1}
    assert counts.pairs == {("a", "b"): 1}


def test_nothing_goes_with_itself_and_no_basket_is_no_pair() -> None:
    assert association(counted([("a",)] * 100), "a", "a") is None
    assert complements(counted([])) == {}


@given(st.lists(st.sets(st.sampled_from("abcdef")), max_size=60))
def test_shares_are_probabilities_and_lift_looks_the_same_from_both_sides(
    baskets: list[set[str]],
) -> None:
    counts = counted(baskets)

    assert all(0 < share < 1 for share in shares(counts).values())
    for one, other in counts.pairs:
        there, back = association(counts, one, other), association(counts, other, one)
        assert (there is None) == (back is None)
        if there and back:
            assert there.lift == pytest.approx(back.lift)


def test_the_strongest_call_counts_and_what_is_in_the_cart_is_not_called_for() -> None:
    weak = Association("pasta", "cheese", 50, 0.1, 0.2, 1.5)
    strong = Association("wine", "cheese", 50, 0.1, 0.2, 2.5)
    calls = {"pasta": {"cheese": weak}, "wine": {"cheese": strong}}

    assert best_complement(("pasta", "wine"), "cheese", calls) == strong
    assert best_complement(("pasta",), "cheese", calls) == weak
    assert best_complement(("pasta", "cheese"), "cheese", calls) is None
    assert best_complement(("gum",), "cheese", calls) is None


def test_what_a_complement_adds_has_a_ceiling() -> None:
    assert complement_log_odds(Association("a", "b", 50, 0.1, 0.2, 2.0)) == math.log(2)
    assert complement_log_odds(Association("a", "b", 50, 0.1, 0.2, 99.0)) == MAX_COMPLEMENT

"""Missed moments: whose they were, once each, and what they would have earned."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.missed import OURS, Missed, Unsent, missed_moments
from offers.situation import Reason
from tests.offers.trials import AT


def an_unsent(decision_id: str = "d1", **changes: Any) -> Unsent:
    """Kept back by the cap of the week alone."""
    unsent = Unsent(
        decision_id, "ann", "visit-1", "pasta", AT, frozenset({Reason.WEEK_CAP}), expected_cents=7.6
    )
    return replace(unsent, **changes)


def test_a_missed_moment_costs_what_the_campaign_is_measured_to_earn() -> None:
    assert missed_moments([an_unsent()], [], {}) == (Missed((Reason.WEEK_CAP,), 1, 8),)
    assert missed_moments([an_unsent()], [], {"pasta": 31.2}) == (
        Missed((Reason.WEEK_CAP,), 1, 31),
    )


@pytest.mark.parametrize("reason", sorted(set(Reason) - OURS))
def test_what_was_never_ours_was_not_missed(reason: Reason) -> None:
    both = frozenset({Reason.WEEK_CAP, reason})

    assert missed_moments([an_unsent(against=frozenset({reason}))], [], {}) == ()
    assert missed_moments([an_unsent(against=both)], [], {}) == ()


def test_a_shopper_who_was_sent_another_missed_nothing_in_that_visit() -> None:
    later = an_unsent("d2", visit_id="visit-2")

    assert missed_moments([an_unsent(), later], [("ann", "visit-1")], {}) == (
        Missed((Reason.WEEK_CAP,), 1, 8),
    )
    assert missed_moments([an_unsent()], [("bob", "visit-1")], {})[0].moments == 1


def test_a_shopper_misses_one_moment_a_visit_the_best() -> None:
    several = [
        an_unsent("d1", expected_cents=3.0),
        an_unsent("d2", expected_cents=5.0, against=frozenset({Reason.LEAVING_SOON})),
        an_unsent("d3", expected_cents=4.0, campaign_id="rice"),
    ]

    assert missed_moments(several, [], {}) == (Missed((Reason.LEAVING_SOON,), 1, 5),)


@pytest.mark.parametrize("cents", [0.0, -4.0])
def test_what_would_have_earned_nothing_was_not_missed(cents: float) -> None:
    assert missed_moments([an_unsent()], [], {"pasta": cents}) == ()


def test_moments_with_one_reason_stand_apart_from_those_with_several() -> None:
    both = frozenset({Reason.WEEK_CAP, Reason.COOL_DOWN})
    unsent = [
        an_unsent("d1"),
        an_unsent("d2", shopper_id="bob"),
        an_unsent("d3", shopper_id="eve", against=both),
    ]

    assert missed_moments(unsent, [], {}) == (
        Missed((Reason.WEEK_CAP,), 2, 15),
        Missed((Reason.COOL_DOWN, Reason.WEEK_CAP), 1, 8),
    )


_unsent = st.lists(
    st.builds(
        Unsent,
        decision_id=st.integers(0, 10**9).map(str),
        shopper_id=st.sampled_from(["ann", "bob"]),
        visit_id=st.sampled_from(["visit-1", "visit-2"]),
        campaign_id=st.sampled_from(["pasta", "rice"]),
        at=st.just(AT),
        against=st.frozensets(st.sampled_from(Reason), max_size=3),
        expected_cents=st.floats(-10, 100),
    ),
    max_size=12,
    unique_by=lambda one: one.decision_id,
)
_sent = st.sets(
    st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(["visit-1", "visit-2"])), max_size=2
)


@given(_unsent, _sent, st.randoms(use_true_random=False))
def test_nobody_is_counted_twice_and_order_does_not_matter(
    unsent: Sequence[Unsent], sent: set[tuple[str, str]], chance: random.Random
) -> None:
    told = missed_moments(unsent, sent, {})

    visits = {(one.shopper_id, one.visit_id) for one in unsent}
    assert sum(row.moments for row in told) <= len(visits - sent)
    assert all(row.cents >= 0 for row in told)
    shuffled = list(unsent)
    chance.shuffle(shuffled)
    assert missed_moments([*shuffled, *shuffled], sent, {}) == told

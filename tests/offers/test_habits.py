"""Habits: fading counts, shares that start from a prior, intervals, and need."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.fading import Tally, added, worth
from offers.habits import (
    HALF_LIFE_S,
    JUST_BOUGHT_NEED,
    PRIOR_BASKETS,
    Habit,
    after_basket,
    after_purchase,
    basket_share,
    interval_s,
    need,
    words,
)

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
DAY_S = 86_400.0


def _bought(*days_ago: float) -> Habit:
    habit: Habit | None = None
    for days in days_ago:
        habit = after_purchase(habit, NOW - timedelta(days=days))
    assert habit is not None
    return habit


def test_a_sum_halves_with_each_half_life() -> None:
    tally = Tally(8.0, NOW - timedelta(seconds=300))

    assert worth(tally, NOW, 100.0) == pytest.approx(1.0)
    assert worth(Tally(8.0, NOW + timedelta(hours=1)), NOW, 100.0) == 8.0


@given(st.permutations([0.0, 3.0, 3.0, 40.0, 200.0]))
def test_facts_may_come_in_any_order(days: Sequence[float]) -> None:
    tally: Tally | None = None
    for one in days:
        tally = added(tally, 2.0, NOW - timedelta(days=one), HALF_LIFE_S)

    assert tally is not None
    assert tally.at == NOW
    expected = sum(2.0 * 0.5 ** (one * DAY_S / HALF_LIFE_S) for one in days)
    assert tally.amount == pytest.approx(expected)
    assert _bought(*days).first_at == NOW - timedelta(days=200)


def test_without_a_basket_the_share_is_the_prior() -> None:
    assert basket_share(None, None, 0.2, NOW) == pytest.approx(0.2)


def test_the_share_moves_from_the_prior_to_the_households_own() -> None:
    habit, baskets = Habit(NOW, 5, Tally(5.0, NOW)), Tally(10.0, NOW)

    found = basket_share(habit, baskets, 0.2, NOW)

    assert found == pytest.approx((5 + PRIOR_BASKETS * 0.2) / (10 + PRIOR_BASKETS))


def test_a_habit_given_up_sinks_as_the_other_baskets_go_on() -> None:
    baskets: Tally | None = None
    for days in range(200, 0, -4):
        baskets = after_basket(baskets, NOW - timedelta(days=days))
    given_up = basket_share(_bought(200, 196, 192, 188), baskets, 0.1, NOW)
    kept_up = basket_share(_bought(16, 12, 8, 4), baskets, 0.1, NOW)

    assert given_up < 0.1 < kept_up


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.floats(1e-6, 1 - 1e-6),
    st.floats(0, 2_000),
)
def test_the_share_is_always_a_probability(
    own: float, of: float, prior: float, days: float
) -> None:
    habit = Habit(NOW, 1, Tally(own, NOW))

    share = basket_share(habit, Tally(of, NOW), prior, NOW + timedelta(days=days))

    assert 0.0 < share < 1.0


@pytest.mark.parametrize("every_days", [1, 7, 14, 30])
def test_a_known_interval_is_found_to_the_day(every_days: int) -> None:
    habit = _bought(*(every_days * step for step in range(6)))

    assert interval_s(habit) == pytest.approx(every_days * DAY_S)


def test_three_purchases_or_all_at_once_make_no_interval() -> None:
    assert interval_s(_bought(14, 7, 0)) is None
    assert interval_s(_bought(0, 0, 0, 0)) is None
    assert need(_bought(14, 7, 0), NOW) == 1.0
    assert need(None, NOW) == 1.0


@pytest.mark.parametrize(
    ("days_since", "expected"),
    [(0, 0.8), (2.5, 0.9), (5, 1.0), (10, 1.0), (30, 1.0), (50, 0.815), (90, 0.644)],
)
def test_need_comes_back_over_half_the_interval_and_sinks_after_three(
    days_since: float, expected: float
) -> None:
    habit = _bought(*(days_since + 10 * step for step in range(5)))

    assert need(habit, NOW) == pytest.approx(expected, abs=0.001)


def test_a_purchase_from_a_clock_ahead_counts_as_just_bought() -> None:
    habit = _bought(*(10 * step for step in range(5)))

    assert need(habit, NOW - timedelta(days=365)) == JUST_BOUGHT_NEED


@pytest.mark.parametrize(
    ("every_days", "said"),
    [
        (2, "you buy it several times a week"),
        (7, "you buy it about every week"),
        (10.5, "you buy it about every two weeks"),
        (15, "you buy it about every two weeks"),
        (21, "you buy it about every three weeks"),
        (30, "you buy it about once a month"),
        (60, "you buy it now and then"),
    ],
)
def test_the_interval_is_said_in_words(every_days: float, said: str) -> None:
    assert words(_bought(*(every_days * step for step in range(5)))) == said


def test_a_single_purchase_is_no_rhythm() -> None:
    assert words(_bought(3)) == "you have bought it before"

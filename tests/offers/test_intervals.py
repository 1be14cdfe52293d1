"""Intervals against published examples, and at their edges."""

import math
from statistics import mean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.intervals import (
    ANY_LOOK_ALPHA,
    ONE_LOOK_Z,
    TIGHTEST_AT,
    Effect,
    Mean,
    any_look_z,
    effective_size,
    mean_difference,
    rate_difference,
    relative_difference,
    split_p,
    wilson,
)


# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("hits", "size", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    hits: int, size: int, low: float, high: float
) -> None:
    assert wilson(hits, size, ONE_LOOK_Z) == pytest.approx((low, high), abs=5e-5)


# Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10, examples (a) to (h).
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_gives_the_published_intervals(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    effect = rate_difference(*counts, ONE_LOOK_Z)

    assert (effect.low, effect.high) == pytest.approx((low, high), abs=5e-5)


def _mean(values: list[float]) -> Mean:
    return Mean(mean(values), variance(values), len(values))


def test_welch_gives_the_published_interval() -> None:
    # Student 1908, hours of sleep gained; the interval is printed by `t.test(extra ~ group,
    # data = sleep)` in R: df 17.776, -3.3654832 to 0.2054832.
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

    effect = mean_difference(_mean(one), _mean(other), ONE_LOOK_Z)

    assert effect is not None
    assert effect.difference == pytest.approx(-1.58)
    assert (effect.low, effect.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-6)


def test_welch_says_nothing_of_a_handful_and_is_exact_of_constants() -> None:
    assert mean_difference(Mean(1, 2, 1), Mean(1, 2, 90), ONE_LOOK_Z) is None
    assert mean_difference(Mean(1, 2, 4), Mean(1, 2, 4), ONE_LOOK_Z) is None
    assert mean_difference(Mean(3, 0, 40), Mean(1, 0, 40), ONE_LOOK_Z) == Effect(2, 2, 2)


def test_fieller_solves_its_equation() -> None:
    # By its definition a bound r of the ratio has (m1 - r m0)^2 = z^2 (v1 + r^2 v0).
    one, other = Mean(0.3, 0.21, 400), Mean(0.2, 0.16, 300)

    effect = relative_difference(one, other, ONE_LOOK_Z)

    assert effect is not None
    assert effect.difference == pytest.approx(0.5)
    assert effect.low < 0.5 < effect.high
    for bound in (effect.low + 1, effect.high + 1):
        error2 = one.variance / one.size + bound**2 * other.variance / other.size
        assert (one.mean - bound * other.mean) ** 2 == pytest.approx(ONE_LOOK_Z**2 * error2)


def test_a_percentage_of_nearly_nothing_is_not_told() -> None:
    assert relative_difference(Mean(0.3, 0.21, 400), Mean(0.002, 0.002, 300), ONE_LOOK_Z) is None
    assert relative_difference(Mean(0.3, 0.21, 400), Mean(-2.0, 0.1, 300), ONE_LOOK_Z) is None


def test_the_width_for_any_look_follows_its_formula_and_its_source() -> None:
    # At the size where it is tightest: rho^2 t = -2 ln a + ln(-2 ln a + 1) = 11.534 for a = 0.01.
    assert any_look_z(TIGHTEST_AT) == pytest.approx(
        math.sqrt((11.534 + 1) / 11.534 * (math.log(12.534) + 9.2103)), abs=1e-3
    )
    widths = {size: any_look_z(size) / math.sqrt(size) for size in (100, 300, 3_000, 30_000)}
    assert sorted(widths.values(), reverse=True) == list(widths.values())
    # Tightest where it says: no other tuning gives less there, to the accuracy of that tuning.
    tuned = [
        math.sqrt((1 + 1 / r) * (math.log1p(r) - 2 * math.log(ANY_LOOK_ALPHA)))
        for r in (2.0, 5.0, 25.0, 60.0)
    ]
    assert all(any_look_z(TIGHTEST_AT) < other for other in tuned)


def test_chance_explains_a_split_as_the_chi_square_table_has_it() -> None:
    # The 0.001 point of chi-square with one degree of freedom is 10.828 (any table).
    size, share = 10**8, 0.5
    off = math.sqrt(10.828 * size * share * (1 - share))
    p = split_p(round(size * share + off), round(size * share - off), share)

    assert p == pytest.approx(0.001, rel=1e-3)
    assert split_p(5_000, 5_000, share) == 1.0
    assert split_p(4, 36, 0.1) is None


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_an_interval_of_rates_holds_the_difference_and_mirrors(
    size: int, other_size: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, size))
    other_hits = data.draw(st.integers(0, other_size))

    effect = rate_difference(hits, size, other_hits, other_size, ONE_LOOK_Z)
    mirrored = rate_difference(other_hits, other_size, hits, size, ONE_LOOK_Z)

    assert -1 - 1e-9 <= effect.low <= effect.difference <= effect.high <= 1 + 1e-9
    assert (mirrored.low, mirrored.high) == pytest.approx((-effect.high, -effect.low))


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_the_effective_size_is_below_either(size: int, other: int) -> None:
    effective = effective_size(size, other)

    assert effective < min(size, other)
    assert 1 / effective == pytest.approx(1 / size + 1 / other)

"""Expected dwell: planted hazards are found again, and nothing that is asked gives a nan."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.dwell import (
    EDGES_S,
    HORIZON_S,
    LONGEST_STAY_S,
    SHORTEST_STAY_S,
    DwellCurve,
    Floats,
    StayCount,
    assumed_curve,
    dwell_curves,
)
from beacons.floor import Zone, ZoneKind
from beacons.zone_judge import DWELL_MARKS_S

Draw = Callable[[np.random.Generator, int], Floats]


def _zone(zone_id: str, kind: ZoneKind = ZoneKind.AISLE) -> Zone:
    return Zone(zone_id, zone_id, kind, ((0, 0), (1, 0), (1, 1)))


def _over(zone_id: str, durations_s: Floats) -> list[StayCount]:
    return [StayCount(zone_id, float(lasts_s), is_over=True) for lasts_s in durations_s]


def _exponential(chance: np.random.Generator, n: int) -> Floats:
    return chance.exponential(9.0, n)


def _lognormal(chance: np.random.Generator, n: int) -> Floats:
    return chance.lognormal(np.log(12.0), 0.8, n)


ZONE = _zone("pasta")
MARKS_S = np.array([3.0, 5.0, 10.0, 20.0, 40.0])

zone_ids = st.sampled_from(["a", "b", "c", "elsewhere"])
stay_counts = st.lists(
    st.builds(
        StayCount,
        zone_id=zone_ids,
        duration_s=st.floats(0, 1e9),
        is_over=st.booleans(),
        count=st.integers(0, 1_000_000),
    ),
    max_size=30,
)
times_s = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20).map(np.array)


def _curve(stays: list[StayCount]) -> DwellCurve:
    zones = [_zone("a"), _zone("b"), _zone("c", ZoneKind.PROMO)]
    return dwell_curves(zones, stays)["a"]


@settings(deadline=None)
@given(stay_counts, times_s, times_s)
def test_survival_is_a_probability_that_never_rises(
    stays: list[StayCount], in_s: Floats, elapsed_s: Floats
) -> None:
    still = _curve(stays).survival(np.sort(in_s), elapsed_s[:, np.newaxis])

    assert still.shape == (len(elapsed_s), len(in_s))
    assert (still >= 0.0).all()
    assert (still <= 1.0).all()
    assert (np.diff(still, axis=1) <= 0.0).all()
    assert (_curve(stays).survival(0.0, elapsed_s) == 1.0).all()


@settings(deadline=None)
@given(stay_counts, times_s)
def test_a_residual_is_a_time_within_the_horizon(stays: list[StayCount], elapsed_s: Floats) -> None:
    residual_s = _curve(stays).residual_s(elapsed_s)

    assert residual_s.shape == elapsed_s.shape
    assert (residual_s > 0.0).all()
    assert (residual_s <= HORIZON_S + 1e-9).all()


@settings(deadline=None)
@given(stay_counts, st.floats(0, 400))
def test_a_residual_is_the_area_under_survival(stays: list[StayCount], elapsed_s: float) -> None:
    curve = _curve(stays)
    at_s = (np.arange(60_000) + 0.5) * (HORIZON_S / 60_000)

    area_s = curve.survival(at_s, elapsed_s).mean() * HORIZON_S

    assert curve.residual_s(elapsed_s) == pytest.approx(area_s, rel=1e-3)


@settings(deadline=None)
@given(stay_counts)
def test_half_of_the_stays_outlast_the_median(stays: list[StayCount]) -> None:
    curve = _curve(stays)
    median_s = curve.median_s()

    assert SHORTEST_STAY_S < median_s <= LONGEST_STAY_S
    if median_s < LONGEST_STAY_S:
        assert curve.survival(median_s) == pytest.approx(0.5)


@settings(deadline=None)
@given(stay_counts, st.randoms(use_true_random=False))
def test_stays_counted_together_or_in_another_order_teach_the_same(
    stays: list[StayCount], chance: random.Random
) -> None:
    small = [replace(stay, count=stay.count % 4) for stay in stays]
    apart = [replace(stay, count=1) for stay in small for _ in range(stay.count)]
    chance.shuffle(apart)

    assert _curve(apart).rate_per_s == pytest.approx(_curve(small).rate_per_s)
    assert _curve(apart).stays == _curve(small).stays


@pytest.mark.parametrize("draw", [_exponential, _lognormal])
@pytest.mark.parametrize(("stays", "off"), [(200, 0.25), (5_000, 0.05)])
def test_a_planted_hazard_is_found_again(draw: Draw, stays: int, off: float) -> None:
    true_s = draw(np.random.default_rng(1), 400_000)

    curve = dwell_curves([ZONE], _over("pasta", draw(np.random.default_rng(2), stays)))["pasta"]

    for elapsed_s in (3.0, 10.0, 20.0):
        left_s = true_s[true_s > elapsed_s] - elapsed_s
        assert curve.residual_s(elapsed_s) == pytest.approx(left_s.mean(), rel=off)
        still = [(left_s > in_s).mean() for in_s in MARKS_S]
        assert curve.survival(MARKS_S, elapsed_s) == pytest.approx(still, abs=off)


def test_an_end_that_was_not_seen_is_not_taken_for_one() -> None:
    chance = np.random.default_rng(3)
    lasts_s, seen_s = chance.exponential(20.0, 3_000), chance.uniform(0.0, 30.0, 3_000)
    marked = [
        StayCount("pasta", float(min(lasts, seen)), is_over=bool(lasts <= seen))
        for lasts, seen in zip(lasts_s, seen_s, strict=True)
    ]

    told = dwell_curves([ZONE], marked)["pasta"]
    mistaken = dwell_curves([ZONE], [replace(stay, is_over=True) for stay in marked])["pasta"]

    # Nobody was watched for longer than 30 s: of what comes then nothing is known.
    true = np.exp(-MARKS_S[:4] / 20.0)
    assert told.survival(MARKS_S[:4], 3.0) == pytest.approx(true, abs=0.03)
    assert (mistaken.survival(MARKS_S[2:4], 3.0) < true[2:] - 0.15).all()


def test_stays_too_short_for_any_decision_change_nothing() -> None:
    lasts_s = _lognormal(np.random.default_rng(4), 300)
    stays = _over("pasta", lasts_s[lasts_s > SHORTEST_STAY_S])
    flaps = [StayCount("pasta", SHORTEST_STAY_S, is_over=True, count=10_000)]

    assert DWELL_MARKS_S[0] >= SHORTEST_STAY_S
    calm = dwell_curves([ZONE], stays)["pasta"]
    flapping = dwell_curves([ZONE], [*stays, *flaps])["pasta"]
    assert (flapping.rate_per_s == calm.rate_per_s).all()
    assert flapping.stays == calm.stays


@pytest.mark.parametrize("kind", ZoneKind)
def test_without_stays_the_assumption_holds(kind: ZoneKind) -> None:
    curve = dwell_curves([_zone("new", kind)], [])["new"]

    assert curve.stays == 0
    assert curve.rate_per_s == pytest.approx(assumed_curve(kind).rate_per_s)


@pytest.mark.parametrize(
    ("kind", "residual_s"),
    [(ZoneKind.AISLE, 25.0), (ZoneKind.PROMO, 15.0), (ZoneKind.CHECKOUT, 10.0)],
)
def test_what_is_assumed_is_as_stated_and_heavy_tailed(kind: ZoneKind, residual_s: float) -> None:
    curve = assumed_curve(kind)

    assert curve.residual_s(3.0) == pytest.approx(residual_s, rel=0.05)
    assert (np.diff(curve.residual_s(MARKS_S)) > 0.0).all()


@pytest.mark.parametrize(("stays", "least", "most"), [(0, 0.0, 0.0), (10, 0.2, 0.9), (200, 0.9, 1)])
def test_the_more_stays_the_more_they_say(stays: int, least: float, most: float) -> None:
    """How far the residual has gone from what is assumed, 24.6 s, to what the stays say, 8 s."""
    lasts_s = 2.0 - 8.0 * np.log((np.arange(stays) + 0.5) / max(stays, 1))

    residual_s = float(dwell_curves([ZONE], _over("pasta", lasts_s))["pasta"].residual_s(3.0))

    assumed_s = float(assumed_curve(ZoneKind.AISLE).residual_s(3.0))
    assert least <= (assumed_s - residual_s) / (assumed_s - 8.0) <= most + 1e-9


def test_a_new_zone_is_taken_for_one_of_its_kind() -> None:
    chance = np.random.default_rng(5)
    zones = [_zone("a"), _zone("b"), _zone("new"), _zone("promo", ZoneKind.PROMO)]
    stays = [*_over("a", chance.exponential(8.0, 400)), *_over("b", chance.exponential(9.0, 400))]

    curves = dwell_curves(zones, stays)

    assert curves["new"].residual_s(5.0) == pytest.approx(8.5, rel=0.25)
    assumed = assumed_curve(ZoneKind.PROMO)
    assert curves["promo"].rate_per_s == pytest.approx(assumed.rate_per_s)


def test_zones_that_are_alike_are_pooled_further_than_zones_that_differ() -> None:
    few = _over("new", np.full(8, 30.0))
    zones = [_zone("new"), *(_zone(str(number)) for number in range(6))]

    def of_new(means_s: list[float]) -> float:
        chance = np.random.default_rng(6)
        others = [
            stay
            for number, mean_s in enumerate(means_s)
            for stay in _over(str(number), chance.exponential(mean_s, 200))
        ]
        return float(dwell_curves(zones, [*few, *others])["new"].residual_s(5.0))

    assert of_new([10.0] * 6) < 0.8 * of_new([3.0, 5.0, 8.0, 12.0, 19.0, 30.0])


def test_a_busy_zone_is_not_bent_to_its_kind() -> None:
    chance = np.random.default_rng(7)
    zones = [_zone("slow"), *(_zone(str(number)) for number in range(5))]
    stays = _over("slow", chance.exponential(30.0, 200))
    for number in range(5):
        stays += _over(str(number), chance.exponential(8.0, 200))

    curves = dwell_curves(zones, stays)

    assert curves["slow"].survival(20.0, 5.0) == pytest.approx(np.exp(-20.0 / 30.0), abs=0.1)
    assert curves["0"].survival(20.0, 5.0) == pytest.approx(np.exp(-20.0 / 8.0), abs=0.05)


@pytest.mark.parametrize("lasts_s", [-1.0, float("nan")])
def test_a_stay_of_no_length_is_refused(lasts_s: float) -> None:
    with pytest.raises(ValueError, match="lasts"):
        dwell_curves([ZONE], [StayCount("pasta", lasts_s, is_over=True)])


@pytest.mark.parametrize("no_time", [float("nan"), float("inf")])
def test_only_times_can_be_asked_about(no_time: float) -> None:
    curve = assumed_curve(ZoneKind.AISLE)

    with pytest.raises(ValueError, match="no time"):
        curve.residual_s([1.0, no_time])
    with pytest.raises(ValueError, match="no time"):
        curve.survival(no_time)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_curve_has_a_hazard_in_every_span(rate: float) -> None:
    rates = np.full(len(EDGES_S), 0.1)
    rates[3] = rate

    with pytest.raises(ValueError, match="no hazards"):
        DwellCurve(rates)

"""How well an offer fits: what was browsed, how long ago, and with which consent."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from offers.campaign import Offer
from offers.relevance import (
    BASE_ODDS,
    HALF_LIFE_S,
    LOOK_WEIGHTS,
    MAX_LOG_ODDS_GAIN,
    fit,
)
from offers.situation import Browsed
from shoppers.consent import NEEDED_IN_AISLE, Purpose
from tests.offers.situations import NOW, a_campaign, a_situation

CAMPAIGN = a_campaign()  # 400 cents in it
CENTS = 400


def _expected(log_odds_gain: float) -> float:
    odds = BASE_ODDS * math.exp(log_odds_gain)
    return odds / (1 + odds) * CENTS


def _cents(*looks: Browsed) -> float:
    return fit(a_situation(browsed=looks), CAMPAIGN).expected_cents


def _look(kind: str = "viewed", category: str = "pasta", age_s: float = 0.0) -> Browsed:
    return Browsed(kind, category, NOW - timedelta(seconds=age_s))


def test_out_of_the_blue_one_in_a_hundred_responds() -> None:
    found = fit(a_situation(), CAMPAIGN)

    assert found.expected_cents == pytest.approx(CENTS / 101)
    assert found.because == ("you are near it",)


@pytest.mark.parametrize("kind", sorted(LOOK_WEIGHTS))
def test_a_look_at_the_category_multiplies_the_odds_and_is_told(kind: str) -> None:
    found = fit(a_situation(browsed=(_look(kind),)), CAMPAIGN)

    assert found.expected_cents == pytest.approx(_expected(LOOK_WEIGHTS[kind]))
    assert found.because == ("you are near it", f"you {kind} it in the app")


def test_carted_beats_listed_beats_searched_beats_viewed() -> None:
    cents = [_cents(_look(kind)) for kind in ("viewed", "searched", "listed", "carted")]

    assert cents == sorted(cents)
    assert len(set(cents)) == 4


def test_looks_at_other_things_change_nothing() -> None:
    found = fit(a_situation(browsed=(_look(category="rice"),)), CAMPAIGN)

    assert found.expected_cents == pytest.approx(_expected(0))
    assert found.because == ("you are near it",)


@pytest.mark.parametrize("days", [1, 2, 7])
def test_interest_halves_each_day(days: int) -> None:
    gain = LOOK_WEIGHTS["carted"] / 2**days

    assert _cents(_look("carted", age_s=days * HALF_LIFE_S)) == pytest.approx(_expected(gain))


def test_a_look_from_a_clock_ahead_counts_as_one_now() -> None:
    assert _cents(_look(age_s=-3_600)) == pytest.approx(_cents(_look()))


def test_ten_looks_are_not_ten_times_as_keen() -> None:
    assert _cents(*[_look("carted")] * 10) == pytest.approx(_expected(MAX_LOG_ODDS_GAIN))


def test_the_strongest_reason_is_told() -> None:
    looks = (_look("viewed"), _look("viewed"), _look("viewed"), _look("searched"))

    assert fit(a_situation(browsed=looks), CAMPAIGN).because[1] == "you viewed it in the app"


def test_browsing_counts_for_nothing_without_profiling_consent() -> None:
    situation = a_situation(browsed=(_look("carted"),))
    unprofiled = replace(situation.shopper, consents=NEEDED_IN_AISLE)
    assert Purpose.PROFILING not in unprofiled.consents

    found = fit(replace(situation, shopper=unprofiled), CAMPAIGN)

    assert found == fit(a_situation(), CAMPAIGN)


def test_the_discount_is_taken_off_what_it_earns() -> None:
    dear = a_campaign(offer=Offer("t", "b", margin_cents=500, cost_cents=600))

    assert fit(a_situation(), dear).expected_cents == pytest.approx(-100 / 101)

"""How well an offer fits: the signs, the consent they need, and what is said about it."""

import math
import random
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.baskets import Association
from offers.campaign import Campaign, Offer
from offers.fading import Tally
from offers.habits import JUST_BOUGHT_NEED, Habit
from offers.interest_levels import interest_level, interest_levels
from offers.interests import LOOK_HALF_LIVES_S, LOOK_WEIGHTS, WANTED_LOG_ODDS
from offers.known import NOTHING_KNOWN, Known, Learnt, Opinion, Profile
from offers.pressure import Pressure
from offers.relevance import (
    BASE_ODDS,
    FATIGUE_CENTS,
    MAX_LOG_ODDS_GAIN,
    Fitting,
    Leanings,
)
from offers.situation import Browsed, Situation
from shoppers.consent import NEEDED_IN_AISLE, Purpose
from tests.offers.situations import NOW, a_campaign, a_message, a_situation

CAMPAIGN = a_campaign()  # 400 cents in it
CENTS = 400
DAY = timedelta(days=1)
# Pasta in every second of 40 baskets, for half a year until a week ago.
WEEKLY = Habit(NOW - timedelta(days=140), 20, Tally(20.0, NOW - timedelta(days=7)))
PASTA_EATER = Known(
    Profile(baskets=Tally(40.0, NOW - timedelta(days=7)), habits={"pasta": WEEKLY}),
    Learnt(shares={"pasta": 0.1}),
)


@dataclass(frozen=True)
class Fit:
    expected_cents: float
    because: tuple[str, ...]


def fit(situation: Situation, campaign: Campaign, known: Known = NOTHING_KNOWN) -> Fit:
    fitting = Fitting(situation, known)
    return Fit(fitting.expected_cents(campaign), fitting.because(campaign))


def _expected(log_odds_gain: float) -> float:
    odds = BASE_ODDS * math.exp(log_odds_gain)
    return odds / (1 + odds) * CENTS


def _cents(*looks: Browsed) -> float:
    return fit(a_situation(browsed=looks), CAMPAIGN).expected_cents


def _look(kind: str = "viewed", category: str = "pasta", age_s: float = 0.0) -> Browsed:
    return Browsed(kind, category, NOW - timedelta(seconds=age_s))


def _stating(opinion: Opinion, known: Known = NOTHING_KNOWN) -> Known:
    return replace(known, profile=replace(known.profile, stated={"pasta": opinion}))


LOOKS = st.lists(
    st.builds(
        _look,
        kind=st.sampled_from([*sorted(LOOK_WEIGHTS), "unheard of"]),
        category=st.sampled_from(["pasta", "rice"]),
        age_s=st.floats(-3_600, 365 * 86_400),
    ),
    max_size=12,
)


@given(LOOKS, st.randoms(use_true_random=False))
def test_the_order_of_looks_does_not_matter(looks: list[Browsed], chance: random.Random) -> None:
    shuffled = chance.sample(looks, len(looks))

    one, other = (fit(a_situation(browsed=tuple(x)), CAMPAIGN) for x in (looks, shuffled))

    assert one.expected_cents == pytest.approx(other.expected_cents)


@given(LOOKS, st.sampled_from(sorted(LOOK_WEIGHTS)))
def test_one_more_look_never_makes_an_offer_fit_less(looks: list[Browsed], kind: str) -> None:
    assert _cents(*looks, _look(kind)) >= _cents(*looks) - 1e-9


def test_out_of_the_blue_one_in_a_hundred_responds() -> None:
    found = fit(a_situation(), CAMPAIGN)

    assert found.expected_cents == pytest.approx(CENTS / 101)
    assert found.because == ("you are near it",)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("viewed", "you viewed it in the app"),
        ("searched", "you searched for it in the app"),
        ("listed", "it is on your list"),
        ("carted", "it is in your cart"),
    ],
)
def test_a_look_at_the_category_multiplies_the_odds_and_is_told(kind: str, words: str) -> None:
    found = fit(a_situation(browsed=(_look(kind),)), CAMPAIGN)

    assert found.expected_cents == pytest.approx(_expected(LOOK_WEIGHTS[kind]))
    assert found.because == ("you are near it", words)


def test_fresh_browsing_beats_list_and_cart() -> None:
    assert min(_cents(_look("viewed")), _cents(_look("searched"))) > max(
        _cents(_look("listed")), _cents(_look("carted"))
    )


def test_what_was_viewed_last_week_no_longer_beats_the_list_of_last_week() -> None:
    week_s = 7 * 86_400.0

    assert _cents(_look("viewed", age_s=week_s)) < _cents(_look("listed", age_s=week_s))


def test_looks_at_other_things_change_nothing() -> None:
    found = fit(a_situation(browsed=(_look(category="rice"),)), CAMPAIGN)

    assert found.expected_cents == pytest.approx(_expected(0))
    assert found.because == ("you are near it",)


@pytest.mark.parametrize("kind", sorted(LOOK_WEIGHTS))
@pytest.mark.parametrize("half_lives", [1, 2, 7])
def test_interest_halves_with_each_half_life(kind: str, half_lives: int) -> None:
    gain = LOOK_WEIGHTS[kind] / 2**half_lives

    assert _cents(_look(kind, age_s=half_lives * LOOK_HALF_LIVES_S[kind])) == pytest.approx(
        _expected(gain)
    )


def test_a_look_from_a_clock_ahead_counts_as_one_now() -> None:
    assert _cents(_look(age_s=-3_600)) == pytest.approx(_cents(_look()))


def test_ten_looks_are_not_ten_times_as_keen() -> None:
    assert _cents(*[_look("searched")] * 10) == pytest.approx(_expected(MAX_LOG_ODDS_GAIN))


def test_however_many_signs_agree_the_gain_has_a_ceiling() -> None:
    looks = (*[_look("searched")] * 10, *[_look("listed")] * 10)

    found = fit(a_situation(browsed=looks), CAMPAIGN, PASTA_EATER)

    assert found.expected_cents == pytest.approx(_expected(MAX_LOG_ODDS_GAIN))


def test_the_strongest_reason_is_told_first() -> None:
    looks = (_look("viewed"), _look("viewed"), _look("searched"), _look("listed"))

    found = fit(a_situation(browsed=looks), CAMPAIGN, PASTA_EATER)

    assert found.because == (
        "you are near it",
        "you viewed it in the app",
        "it is on your list",
        "you buy it about every week",
    )


def test_browsing_and_habits_count_for_nothing_without_profiling_consent() -> None:
    situation = a_situation(browsed=(_look("carted"),))
    unprofiled = replace(situation.shopper, consents=NEEDED_IN_AISLE)
    assert Purpose.PROFILING not in unprofiled.consents

    found = fit(replace(situation, shopper=unprofiled), CAMPAIGN, PASTA_EATER)

    assert found == fit(a_situation(), CAMPAIGN)


def test_the_discount_is_taken_off_what_it_earns() -> None:
    dear = a_campaign(offer=Offer("t", "b", margin_cents=500, cost_cents=600))

    assert fit(a_situation(), dear).expected_cents == pytest.approx(-100 / 101)


def test_each_message_of_the_week_costs_goodwill() -> None:
    tired = a_situation(
        pressure=Pressure((a_message(1), a_message(2), a_message(3, ago=timedelta(days=7))))
    )

    assert fit(tired, CAMPAIGN).expected_cents == pytest.approx(_expected(0) - 2 * FATIGUE_CENTS)


def test_a_habit_raises_the_odds_and_is_told() -> None:
    found = fit(a_situation(), CAMPAIGN, PASTA_EATER)

    assert found.expected_cents > 5 * _expected(0)
    assert found.because == ("you are near it", "you buy it about every week")


def test_who_never_buys_it_in_forty_baskets_is_left_in_peace() -> None:
    never = Known(Profile(baskets=Tally(40.0, NOW)), Learnt(shares={"pasta": 0.1}))

    assert fit(a_situation(), CAMPAIGN, never).expected_cents < _expected(-1.5)


def test_bought_a_moment_ago_is_less_needed() -> None:
    again = replace(WEEKLY, bought=Tally(20.0, NOW))
    just = replace(PASTA_EATER, profile=replace(PASTA_EATER.profile, habits={"pasta": again}))

    found = Leanings((), just, NOW).of(frozenset({"pasta"}))

    assert found.need == JUST_BOUGHT_NEED
    assert fit(a_situation(), CAMPAIGN, just).expected_cents == pytest.approx(
        _expected(found.log_odds_gain) * JUST_BOUGHT_NEED
    )


def test_the_unwanted_is_worth_nothing_whatever_the_rest_says() -> None:
    keen = a_situation(browsed=(_look("searched"),))

    found = fit(keen, CAMPAIGN, _stating(Opinion.UNWANTED, PASTA_EATER))

    assert found == Fit(0.0, ("you asked for no offers of this kind",))


def test_one_unwanted_category_spoils_an_offer_for_several() -> None:
    both = a_campaign(categories=frozenset({"pasta", "rice"}))

    assert fit(a_situation(), both, _stating(Opinion.UNWANTED)).expected_cents == 0.0


def test_the_wanted_beats_weak_inferences_and_not_strong_ones() -> None:
    weak = fit(a_situation(), CAMPAIGN, _stating(Opinion.WANTED))
    strong = fit(
        a_situation(browsed=(_look("searched"), _look("viewed"))),
        CAMPAIGN,
        _stating(Opinion.WANTED),
    )

    assert weak.expected_cents == pytest.approx(_expected(WANTED_LOG_ODDS))
    assert weak.because == ("you are near it", "you said that you like it")
    assert strong.expected_cents == pytest.approx(_expected(MAX_LOG_ODDS_GAIN))


def test_what_was_said_counts_without_profiling_consent() -> None:
    situation = a_situation()
    unprofiled = replace(situation.shopper, consents=NEEDED_IN_AISLE)
    situation = replace(situation, shopper=unprofiled)

    assert fit(situation, CAMPAIGN, _stating(Opinion.UNWANTED)).expected_cents == 0.0
    assert fit(situation, CAMPAIGN, _stating(Opinion.WANTED)).because[1:] == (
        "you said that you like it",
    )


def test_an_offer_for_several_categories_is_judged_by_the_best() -> None:
    both = a_campaign(categories=frozenset({"pasta", "caviar"}))
    known = replace(PASTA_EATER, learnt=Learnt(shares={"pasta": 0.1, "caviar": 0.1}))

    assert fit(a_situation(), both, known) == fit(a_situation(), CAMPAIGN, known)


def test_what_goes_with_the_cart_is_offered_with_that_reason() -> None:
    pair = Association("tomatoes", "pasta", both=100, support=0.1, confidence=0.5, lift=3.0)
    known = Known(learnt=Learnt(complements={"tomatoes": {"pasta": pair}}))
    situation = a_situation(browsed=(_look("carted", "tomatoes"),))

    found = fit(situation, CAMPAIGN, known)

    assert found.expected_cents == pytest.approx(_expected(math.log(3)))
    assert found.because == ("you are near it", "it goes with tomatoes in your cart")


def test_the_cart_of_the_day_before_yesterday_calls_for_nothing() -> None:
    pair = Association("tomatoes", "pasta", both=100, support=0.1, confidence=0.5, lift=3.0)
    known = Known(learnt=Learnt(complements={"tomatoes": {"pasta": pair}}))
    situation = a_situation(browsed=(_look("carted", "tomatoes", age_s=2 * 86_400),))

    assert fit(situation, CAMPAIGN, known).because == ("you are near it",)


def test_interest_runs_from_nothing_to_one() -> None:
    looks = [_look("searched")] * 10

    assert interest_level((), NOTHING_KNOWN, "pasta", NOW) == 0.0
    assert 0.2 < interest_level((), PASTA_EATER, "pasta", NOW) < 1.0
    assert interest_level(looks, PASTA_EATER, "pasta", NOW) == 1.0
    assert interest_level(looks, _stating(Opinion.UNWANTED), "pasta", NOW) == 0.0
    assert interest_level((), _stating(Opinion.WANTED), "pasta", NOW) == 1.0


def test_all_interests_are_those_of_each_category() -> None:
    pair = Association("tomatoes", "basil", both=100, support=0.1, confidence=0.5, lift=3.0)
    stated = {"alcohol": Opinion.UNWANTED, "bread": Opinion.WANTED}
    profile = replace(PASTA_EATER.profile, stated=stated, dwelt={"tea": Tally(60.0, NOW)})
    known = Known(
        replace(profile, alike={"rice": -0.5, "milk": 0.5}),
        Learnt(
            shares={"pasta": 0.1, "rice": 0.1, "milk": 0.1},
            complements={"tomatoes": {"basil": pair}},
        ),
    )
    looks = [_look("viewed", "coffee"), _look("carted", "tomatoes"), _look("viewed", "alcohol")]

    found = interest_levels(looks, known, NOW)

    assert found.keys() == {"pasta", "bread", "tea", "basil", "coffee", "tomatoes"}
    assert found == {name: interest_level(looks, known, name, NOW) for name in found}
    assert interest_level(looks, known, "rice", NOW) == 0.0

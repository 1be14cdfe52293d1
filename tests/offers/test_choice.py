"""Cross-sell and up-sell: what may be suggested, in which order, and why."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from offers.baskets import Association
from offers.choice import (
    MAX_STEP,
    UNKNOWN_STEP,
    Kind,
    Product,
    cross_sells,
    headroom,
    up_sells,
)
from offers.known import NOTHING_KNOWN, Known, Learnt, Opinion, Profile

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SAUCE = Product("sauce-1", "sauce", "aisle-9", price_cents=200, margin_cents=60)
WINE = Product("wine-1", "wine", "aisle-12", price_cents=900, margin_cents=250)
KNOWN = Known(
    learnt=Learnt(
        complements={
            "pasta": {
                "sauce": Association("pasta", "sauce", 100, 0.1, 0.5, 3.0),
                "wine": Association("pasta", "wine", 100, 0.1, 0.2, 1.5),
            }
        }
    )
)
AHEAD_S = {"aisle-9": 60.0, "aisle-12": 120.0}
CHOSEN = Product("plain", "coffee", "aisle-3", price_cents=400, margin_cents=80)
FINER = Product("finer", "coffee", "aisle-3", price_cents=430, margin_cents=110)


def test_a_complement_ahead_is_suggested_with_its_reason() -> None:
    (found,) = cross_sells(("pasta",), (SAUCE,), AHEAD_S, 600.0, KNOWN, NOW)

    odds = 0.01 * 3.0
    assert found.kind is Kind.CROSS_SELL
    assert found.product == SAUCE
    assert found.expected_cents == pytest.approx(odds / (1 + odds) * math.exp(-0.1) * 60)
    assert found.because == "it goes with pasta in your cart"


def test_the_best_comes_first() -> None:
    found = cross_sells(("pasta",), (SAUCE, WINE), AHEAD_S, 600.0, KNOWN, NOW)

    assert [one.product for one in found] == [WINE, SAUCE]  # the margin outweighs the lift


def test_little_time_left_favours_what_is_near() -> None:
    found = cross_sells(("pasta",), (SAUCE, WINE), AHEAD_S, 40.0, KNOWN, NOW)

    assert [one.product for one in found] == [SAUCE, WINE]


def test_nobody_is_sent_back() -> None:
    assert cross_sells(("pasta",), (SAUCE,), {"aisle-12": 5.0}, 600.0, KNOWN, NOW) == ()


@pytest.mark.parametrize("cart", [(), ("gum",), ("pasta", "sauce")])
def test_what_nothing_calls_for_is_not_suggested(cart: tuple[str, ...]) -> None:
    assert cross_sells(cart, (SAUCE,), AHEAD_S, 600.0, KNOWN, NOW) == ()


def test_the_unwanted_is_never_suggested() -> None:
    stated = {"wine": Opinion.UNWANTED, "coffee": Opinion.UNWANTED}
    known = replace(KNOWN, profile=Profile(stated=stated))

    assert cross_sells(("pasta",), (WINE,), AHEAD_S, 600.0, known, NOW) == ()
    assert up_sells(CHOSEN, (FINER,), (), known) == ()


def test_one_step_up_with_more_margin_is_suggested() -> None:
    (found,) = up_sells(CHOSEN, (CHOSEN, FINER), (), NOTHING_KNOWN)

    assert (found.kind, found.product) == (Kind.UP_SELL, FINER)
    odds = 0.01 * math.exp(-0.75)  # three quarters of the 10 % that a stranger is given
    assert found.expected_cents == pytest.approx(odds / (1 + odds) * 30)
    assert found.because == "one step up from your choice"


@pytest.mark.parametrize(
    "other",
    [
        replace(FINER, margin_cents=80),  # no more margin
        replace(FINER, margin_cents=79),
        replace(FINER, category="tea"),
        replace(FINER, price_cents=400),  # no step
        replace(FINER, price_cents=390),
        replace(FINER, price_cents=441),  # over the headroom of a stranger
    ],
)
def test_what_is_no_step_up_is_not_suggested(other: Product) -> None:
    assert up_sells(CHOSEN, (other,), (), NOTHING_KNOWN) == ()


def test_who_pays_more_as_a_rule_is_shown_a_larger_step() -> None:
    dear = replace(FINER, price_cents=480)

    assert up_sells(CHOSEN, (dear,), (), NOTHING_KNOWN) == ()
    assert up_sells(CHOSEN, (dear,), (480, 500, 500, 400), NOTHING_KNOWN) != ()


def test_headroom_runs_from_the_strangers_step_to_the_greatest() -> None:
    assert headroom(400, (900, 900, 900)) == UNKNOWN_STEP  # three purchases are no habit
    assert headroom(400, (100, 100, 100, 100)) == UNKNOWN_STEP
    assert headroom(400, (480, 480, 480, 480)) == pytest.approx(1.2)
    assert headroom(400, (900, 900, 900, 900)) == MAX_STEP


def test_a_price_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="over 0 cents"):
        headroom(0, ())

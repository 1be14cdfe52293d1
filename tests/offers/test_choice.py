"""Cross-sell and up-sell: when a named product fits better for it, by how much, and its words."""

import math
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.baskets import Association
from offers.choice import (
    MAX_STEP,
    STEP_LOG_ODDS,
    UNKNOWN_STEP,
    VISIT_LEFT_S,
    cross_sell,
    headroom,
    product_parts,
    up_sell,
)
from offers.decide import decide
from offers.goods import WALK_M_S, Chosen, Goods, Product, Spot
from offers.interests import Part
from offers.known import NOTHING_KNOWN, Known, Learnt, Opinion, Profile
from offers.odds import share_of
from offers.relevance import BASE_ODDS, Fitting
from offers.situation import Browsed, Hold, Reason, Send, Situation
from shoppers.consent import NEEDED_IN_AISLE
from tests.offers.situations import NOW, a_campaign, a_situation

HERE = "aisle-7"
SAUCE = Product("sauce-1", "Tomato sauce", "sauce", price_cents=200, margin_cents=60)
PLAIN = Product("plain", "Plain coffee", "coffee", price_cents=400, margin_cents=80)
FINER = Product("finer", "Finer coffee", "coffee", price_cents=430, margin_cents=110)
SPOTS = {
    HERE: Spot("Pasta", "ground", 0.0, 0.0),
    "aisle-9": Spot("Aisle 9", "ground", 30.0, 40.0),
    "aisle-12": Spot("Aisle 12", "ground", 60.0, 80.0),
    "cellar": Spot("Cellar", "below", 0.0, 5.0),
}
AHEAD_S = 50.0 / WALK_M_S
LEARNT = Learnt(
    complements={"pasta": {"sauce": Association("pasta", "sauce", 100, 0.1, 0.5, 3.0)}},
    names={"pasta": "the pasta"},
)


def some_goods(*zone_ids: str, out_of_stock: Collection[str] = ()) -> Goods:
    """zone_ids: where the sauce lies."""
    return Goods(
        products={one.product_id: one for one in (SAUCE, PLAIN, FINER)},
        places={SAUCE.product_id: frozenset(zone_ids)} if zone_ids else {},
        out_of_stock=frozenset(out_of_stock),
        spots=SPOTS,
    )


def sauce_in(
    *zone_ids: str, walked: Collection[str] = (), cart: Collection[str] = ("pasta",)
) -> Part | None:
    return cross_sell(SAUCE, cart, some_goods(*zone_ids), HERE, walked, LEARNT)


def adds(part: Part | None, log_odds: float, because: str) -> bool:
    assert part is not None
    return part.because == because and math.isclose(part.log_odds, log_odds)


def test_what_goes_with_the_cart_and_lies_here_counts_in_full() -> None:
    wanted = math.log(3.0), "it goes with the pasta in your cart"

    assert adds(sauce_in(HERE), *wanted)
    assert adds(sauce_in(HERE, "aisle-9", walked=[HERE, "aisle-9"]), *wanted)
    assert adds(sauce_in(), *wanted)  # nobody said where it lies


def test_what_lies_ahead_counts_less_by_the_way_and_says_where() -> None:
    said = "it goes with the pasta in your cart; Aisle 9 is ahead"
    wanted = math.log(3.0) - AHEAD_S / VISIT_LEFT_S, said

    assert adds(sauce_in("aisle-9"), *wanted)
    assert adds(sauce_in("aisle-9", "aisle-12"), *wanted)  # the nearest
    assert adds(sauce_in("aisle-9", "cellar"), *wanted)


@pytest.mark.parametrize("zones", [("aisle-9",), ("cellar",), ("not-on-the-plan",)])
def test_nobody_is_sent_back_nor_where_no_way_is_known(zones: tuple[str, ...]) -> None:
    assert sauce_in(*zones, walked=["aisle-9"]) is None


def test_the_next_zone_that_has_it_counts_when_the_nearest_is_behind() -> None:
    found = sauce_in("aisle-9", "aisle-12", walked=["aisle-9"])

    assert found is not None
    assert found.because == "it goes with the pasta in your cart; Aisle 12 is ahead"


@pytest.mark.parametrize("cart", [(), ("gum",), ("pasta", "sauce")])
def test_what_nothing_calls_for_is_no_cross_sell(cart: tuple[str, ...]) -> None:
    assert sauce_in(HERE, cart=cart) is None


def test_what_is_too_far_for_the_rest_of_the_visit_is_no_cross_sell() -> None:
    far = replace(some_goods("far"), spots={**SPOTS, "far": Spot("Far", "ground", 500.0, 0.0)})

    assert cross_sell(SAUCE, ("pasta",), far, HERE, (), LEARNT) is None


PRODUCTS = {one.product_id: one for one in (PLAIN, FINER)}


def step(other: Product, *paid_cents: int, kind: str = "viewed") -> Part | None:
    chosen = Chosen({"plain": kind}, {"coffee": paid_cents})
    return up_sell(other, chosen, {**PRODUCTS, other.product_id: other})


def test_one_step_up_counts_by_the_headroom_that_it_leaves() -> None:
    # 7.5 of the 10 % that a stranger is given are used up.
    gain, said = STEP_LOG_ODDS * 0.25, "it is one step up from Plain coffee"

    assert adds(step(FINER), gain, f"{said} that you viewed in the app")
    assert adds(step(FINER, kind="carted"), gain, f"{said} in your cart")


@pytest.mark.parametrize(
    "other",
    [
        replace(FINER, margin_cents=79),  # a lower margin
        replace(FINER, category="tea"),
        replace(FINER, price_cents=400),  # no step
        replace(FINER, price_cents=390),
        replace(FINER, price_cents=441),  # over the headroom of a stranger
    ],
)
def test_what_is_no_step_up_adds_nothing(other: Product) -> None:
    assert step(other) is None


def test_the_same_margin_is_no_lower_one() -> None:
    assert step(replace(FINER, margin_cents=80)) is not None


def test_what_they_looked_at_themselves_is_no_step_up() -> None:
    chosen = Chosen({"plain": "viewed", "finer": "viewed"})

    assert up_sell(FINER, chosen, PRODUCTS) is None


def test_who_pays_more_as_a_rule_is_shown_a_larger_step() -> None:
    dear = replace(FINER, price_cents=480)

    assert step(dear) is None
    assert step(dear, 480, 500, 500, 400) is not None


def test_headroom_runs_from_the_strangers_step_to_the_greatest() -> None:
    assert headroom(400, (900, 900, 900)) == UNKNOWN_STEP  # three purchases are no habit
    assert headroom(400, (100, 100, 100, 100)) == UNKNOWN_STEP
    assert headroom(400, (480, 480, 480, 480)) == pytest.approx(1.2)
    assert headroom(400, (900, 900, 900, 900)) == MAX_STEP


def test_a_price_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="over 0 cents"):
        headroom(0, ())


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.lists(st.integers(0, 10_000)))
def test_a_step_up_adds_at_most_what_is_stated(
    price_cents: int, other_cents: int, paid: list[int]
) -> None:
    plain = replace(PLAIN, price_cents=price_cents)
    other = replace(FINER, price_cents=other_cents)
    found = up_sell(other, Chosen({"plain": "viewed"}, {"coffee": paid}), {"plain": plain})

    if found is not None:
        assert price_cents < other_cents <= price_cents * MAX_STEP * (1 + 1e-9)
        assert 0.0 <= found.log_odds <= STEP_LOG_ODDS


def test_of_several_products_the_best_counts_and_the_sold_out_do_not() -> None:
    near = replace(SAUCE, product_id="sauce-2")
    goods = replace(
        some_goods("aisle-9"),
        places={"sauce-1": frozenset({"aisle-9"}), "sauce-2": frozenset({HERE})},
    )
    sold_out = replace(goods, out_of_stock=frozenset({"sauce-2"}))

    (best,) = product_parts([SAUCE, near], ("pasta",), Chosen(), goods, HERE, LEARNT)
    (left,) = product_parts([SAUCE, near], ("pasta",), Chosen(), sold_out, HERE, LEARNT)

    assert best.log_odds == pytest.approx(math.log(3.0))
    assert left.because is not None
    assert left.because.endswith("Aisle 9 is ahead")


def test_what_is_too_weak_is_not_given_as_a_reason() -> None:
    nearly = replace(FINER, price_cents=439)
    goods = Goods(products={**PRODUCTS, "finer": nearly})

    (found,) = product_parts([nearly], (), Chosen({"plain": "viewed"}), goods, HERE, LEARNT)

    assert 0.0 < found.log_odds < 0.2
    assert found.because is None


# In a decision.
OFFER = replace(a_campaign().offer, product_ids=frozenset({"sauce-1"}))
CARTED = Browsed("carted", "pasta", NOW - timedelta(hours=1))
KNOWN = Known(learnt=LEARNT)


def in_the_shop(*zone_ids: str, **changes: object) -> Situation:
    """The sauce is offered, pasta is in the cart."""
    campaign = a_campaign("sauce", offer=OFFER, categories=frozenset())
    given = {"browsed": (CARTED,), "goods": some_goods(*zone_ids), "known": KNOWN, **changes}
    return a_situation(campaign, **given)


def judged(situation: Situation) -> tuple[float, tuple[str, ...]]:
    campaign = situation.candidates[0].campaign
    fitting = Fitting(situation, situation.known)
    return fitting.expected_cents(campaign), fitting.because(campaign)


def cents(gain: float) -> float:
    return 400 * share_of(math.log(BASE_ODDS) + gain)


def test_a_cross_sell_is_scored_and_told_like_any_other_sign() -> None:
    situation = in_the_shop("aisle-9")

    decision = decide(situation)

    assert isinstance(decision, Send)
    (told,) = decision.weighed
    assert told.score == pytest.approx(cents(math.log(3.0) - AHEAD_S / VISIT_LEFT_S))
    assert told.relevance == (
        "you are near it",
        "it goes with the pasta in your cart; Aisle 9 is ahead",
    )


def test_what_goes_with_the_cart_counts_once() -> None:
    situation = in_the_shop("aisle-9")
    campaign = replace(situation.candidates[0].campaign, categories=frozenset({"sauce"}))

    assert Fitting(situation, KNOWN).expected_cents(campaign) == pytest.approx(judged(situation)[0])


def test_an_up_sell_is_scored_and_told_like_any_other_sign() -> None:
    offer = replace(OFFER, product_ids=frozenset({"finer"}))
    dear = replace(FINER, price_cents=404)
    goods = Goods(products={"plain": PLAIN, "finer": dear})
    situation = a_situation(
        a_campaign("coffee", offer=offer, categories=frozenset({"coffee"})),
        goods=goods,
        chosen=Chosen({"plain": "listed"}),
    )

    score, said = judged(situation)
    assert score == pytest.approx(cents(0.9))
    assert said == ("you are near it", "it is one step up from Plain coffee on your list")


def test_products_that_nobody_told_of_leave_an_offer_as_it_was() -> None:
    offer = replace(OFFER, product_ids=frozenset({"unheard-of"}))
    situation = in_the_shop("aisle-9")
    plain = a_campaign("sauce", categories=frozenset({"sauce"}))
    named = replace(plain, offer=offer)
    fitting = Fitting(situation, KNOWN)

    assert fitting.expected_cents(named) == fitting.expected_cents(plain)
    assert fitting.because(named) == fitting.because(plain)


def test_without_consent_to_profiling_neither_cart_nor_choice_counts() -> None:
    situation = in_the_shop("aisle-9", chosen=Chosen({"plain": "viewed"}))
    shopper = replace(situation.shopper, consents=NEEDED_IN_AISLE)

    score, said = judged(replace(situation, shopper=shopper))
    assert score == pytest.approx(cents(0.0))
    assert said == ("you are near it",)


def test_a_product_of_an_unwanted_category_is_not_offered() -> None:
    unwanted = Known(Profile(stated={"sauce": Opinion.UNWANTED}), LEARNT)

    decision = decide(in_the_shop("aisle-9", known=unwanted))

    assert isinstance(decision, Hold)
    assert decision.why == (Reason.BELOW_RELEVANCE,)


def test_a_wanted_category_counts_for_its_products() -> None:
    wanted = Known(Profile(stated={"sauce": Opinion.WANTED}))

    assert judged(in_the_shop(known=wanted))[1][:2] == (
        "you are near it",
        "you said that you like it",
    )


def test_the_way_is_walked_on_one_floor() -> None:
    goods = some_goods()

    assert goods.walk_s(HERE, HERE) == 0.0
    assert goods.walk_s("aisle-9", HERE) == pytest.approx(AHEAD_S)
    assert goods.walk_s(HERE, "cellar") is None
    assert goods.walk_s("nowhere", HERE) is None


def test_nothing_known_is_no_fault() -> None:
    assert judged(in_the_shop(known=NOTHING_KNOWN))[0] == pytest.approx(cents(0.0))

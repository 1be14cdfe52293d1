"""Two ways to say more than "buy this": what goes with it further on, or one step up on its shelf.

Both give scored suggestions with their own reason; whether one is sent is for the decision, with
all its filters.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import quantiles
from typing import Final

from offers.baskets import best_complement
from offers.interests import stated_on
from offers.known import Known, Opinion
from offers.odds import share_of
from offers.relevance import BASE_ODDS, Leanings
from offers.situation import Browsed

# A step up costs at most this much more, whoever asks: beyond it is another product, not a better
# one. Somebody whose usual prices are unknown is shown a small step only.
MAX_STEP: Final = 1.3
UNKNOWN_STEP: Final = 1.1
# From how many purchases on prices paid are called usual.
MIN_PAID: Final = 4
# Assumed: using up the whole headroom makes the odds e times as low.
STEP_LOG_ODDS: Final = 1.0


class Kind(StrEnum):
    """Why it is suggested. The names are stored and shown: never renamed."""

    CROSS_SELL = "cross_sell"
    UP_SELL = "up_sell"


@dataclass(frozen=True, slots=True)
class Product:
    """Something on a shelf. margin_cents: what one sold piece earns."""

    product_id: str
    category: str
    zone_id: str
    price_cents: int
    margin_cents: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product worth naming, the margin to expect of naming it, and why in words."""

    kind: Kind
    product: Product
    expected_cents: float
    because: str


def cross_sells(
    cart: Collection[str],
    products: Sequence[Product],
    ahead_s: Mapping[str, float],
    left_s: float,
    known: Known,
    now: datetime,
) -> tuple[Suggestion, ...]:
    """What goes with the cart and lies ahead, the best first.

    cart: the categories in it. ahead_s: seconds of walking to each zone still to come; a product in
    any other zone is not suggested, as nobody is sent back. left_s: how much longer the visit is
    expected to last, over 0; it is taken to end at any moment alike, so that a zone is reached with
    probability exp(-ahead / left).
    """
    found: list[Suggestion] = []
    looks = [Browsed("carted", category, now) for category in sorted(cart)]
    signs = Leanings(looks, known, now)
    for product in products:
        called = best_complement(cart, product.category, known.learnt.complements)
        if called is None or product.zone_id not in ahead_s:
            continue
        if stated_on(known.profile, (product.category,)) is Opinion.UNWANTED:
            continue
        gain, needed = signs.strength(frozenset({product.category}))
        response = share_of(math.log(BASE_ODDS) + gain)
        reached = math.exp(-max(0.0, ahead_s[product.zone_id]) / left_s)
        cents = response * reached * product.margin_cents * needed
        found.append(
            Suggestion(Kind.CROSS_SELL, product, cents, f"it goes with {called.given} in your cart")
        )
    return _best_first(found)


def up_sells(
    chosen: Product, shelf: Sequence[Product], paid_cents: Sequence[int], known: Known
) -> tuple[Suggestion, ...]:
    """One step up from what was chosen, the best first; never a lower margin.

    paid_cents: what this shopper paid for pieces of the category before.
    What counts is the margin gained over the chosen piece, which they would have bought anyway.
    """
    if stated_on(known.profile, (chosen.category,)) is Opinion.UNWANTED:
        return ()
    room = headroom(chosen.price_cents, paid_cents)
    found: list[Suggestion] = []
    for product in shelf:
        gained_cents = product.margin_cents - chosen.margin_cents
        step = product.price_cents / chosen.price_cents
        if product.category == chosen.category and gained_cents > 0 and 1.0 < step <= room:
            used = (step - 1.0) / (room - 1.0)
            response = share_of(math.log(BASE_ODDS) - STEP_LOG_ODDS * used)
            found.append(
                Suggestion(
                    Kind.UP_SELL, product, response * gained_cents, "one step up from your choice"
                )
            )
    return _best_first(found)


def headroom(price_cents: int, paid_cents: Sequence[int]) -> float:
    """How many times the price may be, UNKNOWN_STEP to MAX_STEP.

    The upper quartile of what this shopper pays is the tier they are at home in: a price up to
    there is no jump for them. Raises ValueError for a price that is not over 0.
    """
    if price_cents <= 0:
        raise ValueError(f"a price is over 0 cents, not {price_cents}")
    if len(paid_cents) < MIN_PAID:
        return UNKNOWN_STEP
    usual_cents = quantiles(paid_cents, n=4, method="inclusive")[2]
    return min(MAX_STEP, max(UNKNOWN_STEP, usual_cents / price_cents))


def _best_first(found: Sequence[Suggestion]) -> tuple[Suggestion, ...]:
    return tuple(sorted(found, key=lambda one: (-one.expected_cents, one.product.product_id)))

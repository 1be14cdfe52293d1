"""Two ways in which a named product fits: it goes with the cart, or it is one step up.

Each is one more sign, in log-odds and with its words, beside those of `offers.interests`; whether
an offer is sent is for the decision, with all its filters.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import quantiles
from typing import Final

from offers.baskets import Association, best_complement, complement_log_odds
from offers.goods import Chosen, Goods, Product
from offers.interests import WORTH_SAYING, Part, goes_with
from offers.known import Learnt

# A step up costs at most this much more, whoever asks: beyond it is another product, not a better
# one. Somebody whose usual prices are unknown is shown a small step only.
MAX_STEP: Final = 1.3
UNKNOWN_STEP: Final = 1.1
# From how many purchases on prices paid are called usual.
MIN_PAID: Final = 4
# Assumed: whoever is choosing takes what costs hardly more e times as often as out of the blue, and
# what uses up the whole headroom no more often.
STEP_LOG_ODDS: Final = 1.0
# Assumed: a visit lasts twenty minutes, and a shopper is met in the middle of it. It is taken to
# end at any moment alike, so that what is so many seconds ahead is reached with probability
# exp(-ahead / left).
VISIT_LEFT_S: Final = 600.0
_CHOSEN: Final = {
    "viewed": "that you viewed in the app",
    "searched": "that you searched for in the app",
    "listed": "on your list",
    "carted": "in your cart",
}


def named_products(goods: Goods, product_ids: Collection[str]) -> list[Product]:
    """Those of these products that are known, in the order of their ids."""
    products = goods.products
    return [products[name] for name in sorted(product_ids) if name in products]


def categories_with(
    categories: AbstractSet[str], products: Collection[Product]
) -> AbstractSet[str]:
    """The categories, and those of the products."""
    return categories | {one.category for one in products} if products else categories


def cross_sell(
    product: Product,
    cart: Collection[str],
    goods: Goods,
    here: str,
    walked: Collection[str],
    learnt: Learnt,
) -> Part | None:
    """What it adds that the product goes with the cart; None when it does not.

    cart: the categories in it. here: the zone in which the shopper stands. walked: those of the
    visit so far: nobody is sent back, so a product that lies only there goes with nothing. One of
    which no zone is known is taken to lie here.
    """
    called = best_complement(cart, product.category, learnt.complements)
    if called is None:
        return None
    there, ahead_s = _ahead(goods, product.product_id, here, walked)
    if ahead_s is None:
        return None
    gain = complement_log_odds(called) - ahead_s / VISIT_LEFT_S
    return Part(gain, _goes_with(called, learnt, goods, there)) if gain > 0 else None


def up_sell(product: Product, chosen: Chosen, products: Mapping[str, Product]) -> Part | None:
    """What it adds that the product is one step up from what the shopper has chosen, and earns no
    less; None when it is not, or when they have looked at it already.

    products: by id, as far as they are known.
    """
    if product.product_id in chosen.products:
        return None
    best: Part | None = None
    for product_id, kind in chosen.products.items():
        one = products.get(product_id)
        if one is None or one.category != product.category:
            continue
        room = headroom(one.price_cents, chosen.paid_cents.get(one.category, ()))
        step = product.price_cents / one.price_cents
        if product.margin_cents < one.margin_cents or not 1.0 < step <= room:
            continue
        gain = STEP_LOG_ODDS * (room - step) / (room - 1.0)
        if best is None or gain > best.log_odds:
            best = Part(gain, f"it is one step up from {one.name} {_CHOSEN.get(kind, '')}".rstrip())
    return best


def product_parts(
    products: Iterable[Product],
    cart: Collection[str],
    chosen: Chosen,
    goods: Goods,
    here: str,
    learnt: Learnt,
) -> tuple[Part, ...]:
    """The best of each kind among the products of an offer that are not out of stock; the strongest
    first, and without words where it is too weak to be given as a reason."""
    crossing: list[Part] = []
    up: list[Part] = []
    for product in products:
        if product.product_id in goods.out_of_stock:
            continue
        one = cross_sell(product, cart, goods, here, chosen.walked, learnt) if cart else None
        crossing += [] if one is None else [one]
        another = up_sell(product, chosen, goods.products) if chosen.products else None
        up += [] if another is None else [another]
    # Of equals the first, by the order of the products.
    best = [max(kind, key=lambda part: part.log_odds) for kind in (crossing, up) if kind]
    said = [one if one.log_odds >= WORTH_SAYING else Part(one.log_odds, None) for one in best]
    return tuple(sorted(said, key=lambda part: -part.log_odds))


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


def _ahead(
    goods: Goods, product_id: str, here: str, walked: Collection[str]
) -> tuple[str | None, float | None]:
    """The nearest zone still to come in which the product lies, None for here; and how far it is,
    None when there is no such zone."""
    zones = goods.places.get(product_id)
    if not zones or here in zones:
        return None, 0.0
    ways = [
        (way_s, zone_id)
        for zone_id in zones
        if zone_id not in walked and (way_s := goods.walk_s(here, zone_id)) is not None
    ]
    if not ways:
        return None, None
    way_s, zone_id = min(ways)
    return zone_id, way_s


def _goes_with(called: Association, learnt: Learnt, goods: Goods, there: str | None) -> str:
    said = goes_with(called, learnt)
    return said if there is None else f"{said}; {goods.spots[there].name} is ahead"

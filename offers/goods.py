"""What a store sells and where it lies, and what of it one shopper has chosen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

# A shopper with a cart walks a metre a second, and round shelves the way is about 1.4 times the
# straight line.
WALK_M_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class Product:
    """Something that is sold. price_cents: over 0; margin_cents: what one sold piece earns."""

    product_id: str
    name: str
    category: str
    price_cents: int
    margin_cents: int


@dataclass(frozen=True, slots=True)
class Spot:
    """The middle of a zone, in metres in the plan of its floor."""

    name: str
    floor_id: str
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Goods:
    """What one store sells.

    products: by id, those of all stores. places: the zones in which a product is in stock here; of
    a product that is not in it no zone is known. out_of_stock: on the store's shelves, and in stock
    on none of them. spots: by zone.
    """

    products: Mapping[str, Product] = field(default_factory=dict)
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    out_of_stock: frozenset[str] = frozenset()
    spots: Mapping[str, Spot] = field(default_factory=dict)

    def walk_s(self, here: str, there: str) -> float | None:
        """Seconds of walking from zone to zone; None when that cannot be said: another floor, or a
        zone that is not on the plan."""
        if here == there:
            return 0.0
        begin, end = self.spots.get(here), self.spots.get(there)
        if begin is None or end is None or begin.floor_id != end.floor_id:
            return None
        return math.hypot(end.x_m - begin.x_m, end.y_m - begin.y_m) / WALK_M_S


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one shopper has chosen from, and where they were in this visit.

    products: looked at in the app of late, with the kind of the last look. paid_cents: by category,
    what one piece cost at each purchase. walked: zones that they were in.
    """

    products: Mapping[str, str] = field(default_factory=dict)
    paid_cents: Mapping[str, Sequence[int]] = field(default_factory=dict)
    walked: frozenset[str] = frozenset()


NO_GOODS: Final = Goods()
NOTHING_CHOSEN: Final = Chosen()

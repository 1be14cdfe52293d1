"""What an audience may ask about a shopper: the facts, and the fields that name them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Final

from shoppers.countries import COUNTRIES


class Lifecycle(StrEnum):
    """Where a shopper stands with the retailer (DESIGN 6)."""

    VISITOR = "visitor"
    PROSPECT = "prospect"
    CUSTOMER = "customer"
    LAPSING = "lapsing"
    INACTIVE = "inactive"
    WON_BACK = "won_back"


# How far back the facts go, and so how far back an audience may ask: of what is older they would
# say that it never was. Purchases are kept for a year by the strictest law that we know; after a
# week a look says little that `interests` does not.
PURCHASES_BACK: Final = timedelta(days=365)
BROWSING_BACK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Bought:
    """What is kept of the purchases of one category or product."""

    last_at: datetime
    count: int
    cents: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that an audience may ask of a shopper. None is *unknown*, and who is unknown is not in.

    An empty set or mapping is known: in no segment, bought nothing. What may only be told with the
    shopper's consent to profiling is None without it.

    locale: as the handset reports it, it or it-IT. platforms: of the shopper's handsets. visits:
    how many, the present one included. days_since_visit: since the visit before the present one.
    interests: category to 0..1; a category that is not in it is 0. purchases, browsing: by category
    and by product, as far back as PURCHASES_BACK and BROWSING_BACK, aware instants. browsing: the
    last look of each kind (viewed, searched, listed, carted).
    """

    country: str | None = None
    locale: str | None = None
    platforms: frozenset[str] | None = None
    lifecycle: Lifecycle | None = None
    segments: frozenset[str] | None = None
    value_class: str | None = None
    loyalty_tier: str | None = None
    visits: int | None = None
    days_since_visit: int | None = None
    age: int | None = None
    interests: Mapping[str, float] | None = None
    purchases: Mapping[str, Bought] | None = None
    browsing: Mapping[str, Mapping[str, datetime]] | None = None


class WordField(StrEnum):
    """A fact that is a word, or some words."""

    COUNTRY = "country"
    LOCALE = "locale"
    PLATFORM = "platform"
    LIFECYCLE = "lifecycle"
    SEGMENT = "segment"
    VALUE_CLASS = "value_class"
    LOYALTY_TIER = "loyalty_tier"


class NumberField(StrEnum):
    """A fact that is a whole number; `age` is in years."""

    VISITS = "visits"
    DAYS_SINCE_VISIT = "days_since_visit"
    AGE = "age"


class MeasureField(StrEnum):
    """A number for each category or product; 0 for one that is not among the facts."""

    INTEREST = "interest"  # 0..1
    TIMES_BOUGHT = "times_bought"
    SPENT_CENTS = "spent_cents"


class DeedField(StrEnum):
    """Something a shopper did with a category or a product. `browsed` is any kind of look."""

    BOUGHT = "bought"
    BROWSED = "browsed"
    VIEWED = "viewed"
    SEARCHED = "searched"
    LISTED = "listed"
    CARTED = "carted"


Field = WordField | NumberField | MeasureField | DeedField

FIELDS: Final[Mapping[str, Field]] = {
    field.value: field
    for kind in (WordField, NumberField, MeasureField, DeedField)
    for field in kind
}

# The fields whose words are known. A country is one of those whose law we know: elsewhere nobody
# is messaged, so that an audience there would be an empty one.
CLOSED: Final[Mapping[WordField, frozenset[str]]] = {
    WordField.COUNTRY: frozenset(COUNTRIES),
    WordField.PLATFORM: frozenset({"android", "ios", "web"}),
    WordField.LIFECYCLE: frozenset(Lifecycle),
}


@lru_cache(maxsize=1_024)  # the world has fewer
def _with_shorter(locale: str) -> frozenset[str]:
    """zh-Hant-TW is also zh-Hant and zh."""
    parts = locale.split("-")
    return frozenset("-".join(parts[:count]) for count in range(1, len(parts) + 1))


def _locales(facts: Facts) -> frozenset[str] | None:
    return None if facts.locale is None else _with_shorter(facts.locale)


# How to read the fields of which a shopper has several words; of the others there is one word,
# under the field's own name.
SEVERAL: Final[Mapping[WordField, Callable[[Facts], frozenset[str] | None]]] = {
    WordField.LOCALE: _locales,
    WordField.PLATFORM: attrgetter("platforms"),
    WordField.SEGMENT: attrgetter("segments"),
}

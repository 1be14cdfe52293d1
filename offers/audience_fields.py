"""What an audience may ask about a shopper: the facts, and the fields that name them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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
    and by product, aware instants. browsing: the last look of each kind (viewed, searched ...).
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


def _with_shorter(facts: Facts) -> Collection[str] | None:
    """zh-Hant-TW is also zh-Hant and zh."""
    if facts.locale is None:
        return None
    parts = facts.locale.split("-")
    return ["-".join(parts[:count]) for count in range(1, len(parts) + 1)]


# How to read the fields of which a shopper has several words; of the others there is one word,
# under the field's own name.
SEVERAL: Final[Mapping[WordField, Callable[[Facts], Collection[str] | None]]] = {
    WordField.LOCALE: _with_shorter,
    WordField.PLATFORM: attrgetter("platforms"),
    WordField.SEGMENT: attrgetter("segments"),
}


def words_of(facts: Facts, field: WordField) -> Collection[str]:
    """The words of the shopper in this field; none when they are unknown."""
    if (several := SEVERAL.get(field)) is not None:
        return several(facts) or ()
    word = getattr(facts, field.value)
    return () if word is None else (word,)

"""Keys by which an index finds the audiences that may hold for a shopper."""

from collections.abc import Mapping
from typing import Final, assert_never

from offers.audience import COMPARE, And, Audience, Compared, Did, IsOneOf, Measured, Not, Or, plain
from offers.audience_fields import SEVERAL, DeedField, Facts, MeasureField, WordField

Key = tuple[str, str]

_SINGLE: Final = tuple(str(field) for field in WordField if field not in SEVERAL)
_SEVERAL: Final = tuple((str(field), read) for field, read in SEVERAL.items())
# Assumed: the share of shoppers who have one given key of a kind. It only chooses by which keys an
# audience is found, so a wrong one costs time and changes no answer.
_SHARE_WITH_KEY: Final[Mapping[str, float]] = {
    "country": 0.8,
    "locale": 0.5,
    "platform": 0.5,
    "lifecycle": 0.25,
    "value_class": 0.2,
    "loyalty_tier": 0.2,
    "segment": 0.1,
    "interest": 0.1,
    "bought": 0.1,
    "browsed": 0.02,
}


def required(audience: Audience) -> frozenset[Key] | None:
    """Keys of which everybody in the audience has at least one; None when there are no such.

    Of several such sets it is the one that the fewest shoppers are assumed to meet.
    """
    return _required(plain(audience))


def keys_of(facts: Facts) -> frozenset[Key]:
    """A shopper's own keys: a field with a word, or a deed with a category or a product."""
    keys = [(name, word) for name in _SINGLE if (word := getattr(facts, name)) is not None]
    keys += [(name, word) for name, read in _SEVERAL for word in read(facts) or ()]
    keys += [("interest", name) for name, interest in (facts.interests or {}).items() if interest]
    keys += [("bought", name) for name in facts.purchases or ()]
    keys += [("browsed", name) for name in facts.browsing or ()]
    return frozenset(keys)


def _required(audience: Audience) -> frozenset[Key] | None:
    """Of a plain audience."""
    match audience:
        case And(of):
            known = [keys for part in of if (keys := _required(part)) is not None]
            return min(known, key=_share_with, default=None)
        case Or(of):
            sets = [_required(part) for part in of]
            known = [keys for keys in sets if keys is not None]
            return frozenset().union(*known) if len(known) == len(sets) else None
        case IsOneOf(field, words):
            return frozenset((str(field), word) for word in words)
        case Measured(field, subject, sign, number):
            if COMPARE[sign](0, number):  # it holds for whoever never met the subject
                return None
            kind = "interest" if field is MeasureField.INTEREST else "bought"
            return frozenset({(kind, subject)})
        case Did(field, subject):
            kind = "bought" if field is DeedField.BOUGHT else "browsed"
            return frozenset({(kind, subject)})
        case Compared() | Not():
            return None
        case _:
            assert_never(audience)


def _share_with(keys: frozenset[Key]) -> float:
    return sum(_SHARE_WITH_KEY[kind] for kind, _ in keys)

"""Who a campaign is for: an expression over a shopper's facts, as values.

An unknown fact makes its term neither true nor false, and so does `not` of such a term (Kleene's
logic); an audience holds only when it is true. So it fails closed: if it holds, it holds whatever
the unknown facts turn out to be. Its text form is in `offers.audience_text`, whether it holds in
`offers.audience_checks`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from typing import Final

from offers.audience_fields import DeedField, MeasureField, NumberField, WordField


class Sign(StrEnum):
    """How a number is compared."""

    LESS = "<"
    AT_MOST = "<="
    EQUAL = "="
    OTHER = "!="
    AT_LEAST = ">="
    MORE = ">"


@dataclass(frozen=True, slots=True)
class IsOneOf:
    """`lifecycle in (customer, lapsing)`: the fact is one of the words, or one of several is.

    A locale is also its language: it-IT is `it`.
    """

    field: WordField
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """`visits >= 3`."""

    field: NumberField
    sign: Sign
    number: int


@dataclass(frozen=True, slots=True)
class Measured:
    """`interest "coffee" >= 0.3`. subject: a category or a product.

    number: 0..1 for an interest, whole for the others.
    """

    field: MeasureField
    subject: str
    sign: Sign
    number: float


@dataclass(frozen=True, slots=True)
class Did:
    """`bought "coffee" within 30d`. within: whole minutes; None: as far back as is known.

    A deed yet to come, by a handset's clock that runs ahead, is one of now.
    """

    field: DeedField
    subject: str
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """`not segment "staff"`."""

    of: "Audience"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    of: tuple["Audience", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of two or more."""

    of: tuple["Audience", ...]


Term = IsOneOf | Compared | Measured | Did
Audience = Term | Not | And | Or

COMPARE: Final[Mapping[Sign, Callable[[float, float], bool]]] = {
    Sign.LESS: lt,
    Sign.AT_MOST: le,
    Sign.EQUAL: eq,
    Sign.OTHER: ne,
    Sign.AT_LEAST: ge,
    Sign.MORE: gt,
}
_OPPOSITE: Final[Mapping[Sign, Sign]] = {
    Sign.LESS: Sign.AT_LEAST,
    Sign.AT_MOST: Sign.MORE,
    Sign.EQUAL: Sign.OTHER,
    Sign.OTHER: Sign.EQUAL,
    Sign.AT_LEAST: Sign.LESS,
    Sign.MORE: Sign.AT_MOST,
}


def plain(audience: Audience, wanted: bool = True) -> Audience:
    """What holds for exactly the same facts, with `not` only before `IsOneOf` and `Did`.

    wanted: False gives the same for `not audience`. `and` in `and`, `or` in `or` become one.
    """
    match audience:
        case Not(of):
            return plain(of, not wanted)
        case And(of):
            return _joined(And if wanted else Or, [plain(part, wanted) for part in of])
        case Or(of):
            return _joined(Or if wanted else And, [plain(part, wanted) for part in of])
        case Compared(field, sign, number) if not wanted:
            return Compared(field, _OPPOSITE[sign], number)
        case Measured(field, subject, sign, number) if not wanted:
            return Measured(field, subject, _OPPOSITE[sign], number)
        case _:
            return audience if wanted else Not(audience)


def _joined(kind: type[And] | type[Or], parts: list[Audience]) -> Audience:
    flat: list[Audience] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.of)
        else:
            flat.append(part)
    return kind(tuple(flat))

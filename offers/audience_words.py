"""An audience in words: its canonical text, and the terms of it that keep a shopper out."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, assert_never

from offers.audience import (
    And,
    Audience,
    Compared,
    Did,
    IsOneOf,
    Measured,
    Not,
    Or,
    Term,
    plain,
)
from offers.audience_checks import holds
from offers.audience_fields import CLOSED, Facts, WordField
from offers.audience_tokens import quoted

MINUTES_OF: Final[Mapping[str, int]] = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}


def text_of(audience: Audience) -> str:
    """The canonical text; `offers.audience_text.parse` gives the same audience again."""
    return _written(audience, _term)


def explain(audience: Audience, facts: Facts, now: datetime) -> tuple[str, ...]:
    """The smallest parts that keep the shopper out, as text; none when the audience holds.

    Each of them alone would. Terms that hold are left out, and one whose fact is unknown says so.
    """

    def say(term: Term) -> str:
        known = holds(term, facts, now) or holds(Not(term), facts, now)
        return _term(term) if known else f"{_term(term)} (not known)"

    against = _against(plain(audience), facts, now)
    if against is None:
        return ()
    against = plain(against)
    parts = against.of if isinstance(against, And) else (against,)
    return tuple(_written(part, say) for part in parts)


def _against(audience: Audience, facts: Facts, now: datetime) -> Audience | None:
    """A plain audience without the terms that hold; None when it holds itself."""
    match audience:
        case And(of):
            failing = [part for one in of if (part := _against(one, facts, now)) is not None]
            if not failing:
                return None
            return failing[0] if len(failing) == 1 else And(tuple(failing))
        case Or(of):
            parts = [_against(one, facts, now) for one in of]
            failing = [part for part in parts if part is not None]
            return Or(tuple(failing)) if len(failing) == len(parts) else None
        case _:
            return None if holds(audience, facts, now) else audience


def _written(audience: Audience, say: Callable[[Term], str]) -> str:
    match audience:
        case And(of):
            return " and ".join(_enclosed(part, say) for part in of)
        case Or(of):
            return " or ".join(_enclosed(part, say) for part in of)
        case Not(of):
            return f"not {_enclosed(of, say)}"
        case _:
            return say(audience)


def _enclosed(part: Audience, say: Callable[[Term], str]) -> str:
    text = _written(part, say)
    return f"({text})" if isinstance(part, And | Or) else text


def _term(term: Term) -> str:
    match term:
        case IsOneOf(field, words):
            # Words of a known form stand bare.
            bare = field in CLOSED or field is WordField.LOCALE
            shown = [word if bare else quoted(word) for word in sorted(words)]
            said = shown[0] if len(shown) == 1 else f"in ({', '.join(shown)})"
            return f"{field} {said}"
        case Compared(field, sign, number):
            return f"{field} {sign} {number}"
        case Measured(field, subject, sign, number):
            return f"{field} {quoted(subject)} {sign} {_number(number)}"
        case Did(field, subject, within):
            span = "" if within is None else f" within {_duration(within)}"
            return f"{field} {quoted(subject)}{span}"
        case _:
            assert_never(term)


def _number(number: float) -> str:
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _duration(within: timedelta) -> str:
    """In the largest unit that gives a whole number; in days rather than weeks."""
    minutes = within // timedelta(minutes=1)
    unit = next(unit for unit in "dhm" if minutes % MINUTES_OF[unit] == 0)
    return f"{minutes // MINUTES_OF[unit]}{unit}"

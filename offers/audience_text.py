"""An audience as a store manager writes it.

    lifecycle in (customer, lapsing) and not segment "staff" and interest "coffee" >= 0.3
    and bought "coffee" within 30d and not browsed "tea" within 2h and visits >= 3

`and`, `or`, `not` and parentheses join terms; `and` beside `or` asks for parentheses. The fields
are those of `offers.audience_fields`. Words without blanks need no quotes, unless they are one of
these: and, or, not, in, within. Durations are in minutes, hours, days or weeks: 30m 2h 7d 4w.
"""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Final, assert_never

from offers.audience import And, Audience, Compared, Did, IsOneOf, Measured, Not, Or, Sign, Term
from offers.audience_fields import (
    BROWSING_BACK,
    CLOSED,
    FIELDS,
    PURCHASES_BACK,
    DeedField,
    Field,
    MeasureField,
    NumberField,
    WordField,
)
from offers.audience_tokens import (
    AudienceError,
    Kind,
    Token,
    nearest,
    quoted,
    tokens,
    unquoted,
)
from offers.audience_words import MINUTES_OF, text_of

# Bounds on what one campaign may cost a decision, and on what a person can still read.
MAX_CHARS: Final = 2_000
MAX_TERMS: Final = 50
MAX_DEPTH: Final = 8
# As long as the names of categories and products in a browsing event.
MAX_WORD_CHARS: Final = 64

_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "within"})
_SIGNS: Final = {sign.value: sign for sign in Sign}
# BCP 47, as far as handsets report it: `it`, `it-IT`, `zh-Hant-TW`.
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


def parse(text: str) -> Audience:
    """The audience that the text describes. Raises AudienceError, which points at the fault."""
    if not text.strip():
        raise AudienceError(text, 0, 0, "empty: for everyone, leave the audience out")
    if len(text) > MAX_CHARS:
        raise AudienceError(text, MAX_CHARS, len(text), f"longer than {MAX_CHARS} characters")
    reader = _Reader(text)
    audience = reader.whole()
    # A stored audience is in canonical text, which must be readable again.
    if len(text_of(audience)) > MAX_CHARS:
        message = f"with its quotes and blanks it is longer than {MAX_CHARS} characters"
        raise AudienceError(text, 0, 0, message)
    return audience


class _Reader:
    """Reads one text from left to right. Every method raises AudienceError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._terms = 0

    def whole(self) -> Audience:
        audience = self._joined(0)
        if self._next.kind is not Kind.END:
            raise self._no_end("the end")
        return audience

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind is not Kind.END
        return token

    def _took(self, written: str) -> bool:
        """Whether this was next; then it is taken."""
        return self._next.written == written and bool(self._take())

    def _fault(self, token: Token, message: str) -> AudienceError:
        return AudienceError(self._text, token.start, token.end, message)

    def _joined(self, depth: int) -> Audience:
        parts = [self._part(depth)]
        first = self._next.written
        while self._next.written in ("and", "or"):
            joint = self._take()
            if joint.written != first:
                message = "`and` beside `or`: put parentheses around what belongs together"
                raise self._fault(joint, message)
            parts.append(self._part(depth))
        if len(parts) == 1:
            return parts[0]
        return And(tuple(parts)) if first == "and" else Or(tuple(parts))

    def _part(self, depth: int) -> Audience:
        if depth > MAX_DEPTH:
            message = f"`not` and parentheses are nested more than {MAX_DEPTH} deep"
            raise self._fault(self._next, message)
        if self._took("not"):
            return Not(self._part(depth + 1))
        if self._took("("):
            audience = self._joined(depth + 1)
            if not self._took(")"):
                raise self._no_end("`)`")
            return audience
        return self._term()

    def _no_end(self, end: str) -> AudienceError:
        token = self._next
        message = f"expected `and`, `or` or {end}, not {token}"
        if token.kind is Kind.WORD and (near := nearest(token.written, _KEYWORDS)):
            message += f"; did you mean `{near}`?"
        return self._fault(token, message)

    def _term(self) -> Term:
        token = self._take()
        field = FIELDS.get(token.written)
        if field is None:
            raise self._fault(token, _no_field(token))
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._fault(token, f"more than {MAX_TERMS} terms")
        match field:
            case WordField():
                return self._is_one_of(field)
            case NumberField():
                return Compared(field, self._sign(field), self._whole(field))
            case MeasureField():
                subject, sign = self._open_word(field), self._sign(field)
                is_share = field is MeasureField.INTEREST
                return Measured(
                    field, subject, sign, self._share() if is_share else self._whole(field)
                )
            case DeedField():
                return Did(field, self._open_word(field), self._within(field))
            case _:
                assert_never(field)

    def _is_one_of(self, field: WordField) -> IsOneOf:
        if self._next.kind is Kind.SIGN or self._next.written == "not":
            message = f"write `{field} x`, `{field} in (x, y)` or `not {field} x`"
            raise self._fault(self._next, message)
        if not self._took("in"):
            return IsOneOf(field, frozenset({self._word(field)}))
        if not self._took("("):
            raise self._fault(self._next, f"expected `(` after `in`, not {self._next}")
        words = {self._word(field)}
        while self._took(","):
            words.add(self._word(field))
        if not self._took(")"):
            raise self._fault(self._next, f"expected `,` or `)`, not {self._next}")
        return IsOneOf(field, frozenset(words))

    def _word(self, field: WordField) -> str:
        token = self._next
        word = self._open_word(field)
        if field in CLOSED and word not in CLOSED[field]:
            near = nearest(word, CLOSED[field])
            hint = f"did you mean {near}?" if near else f"it is {_either(sorted(CLOSED[field]))}"
            raise self._fault(token, f"no {field} is called {word}: {hint}")
        if field is WordField.LOCALE and not _LOCALE.fullmatch(word):
            raise self._fault(token, "a locale is written as a handset tells it: it or it-IT")
        return word

    def _open_word(self, field: Field) -> str:
        token = self._take()
        if token.kind is Kind.QUOTED:
            word = unquoted(token.written)
        elif token.kind is Kind.WORD and token.written not in _KEYWORDS:
            word = token.written
        elif token.kind in (Kind.WORD, Kind.NUMBER, Kind.DURATION):
            message = f"expected a word after `{field}`; put it in quotes: "
            raise self._fault(token, message + quoted(token.written))
        else:
            raise self._fault(token, f"expected a word after `{field}`, not {token}")
        if not 0 < len(word) <= MAX_WORD_CHARS:
            raise self._fault(token, f"a word has 1 to {MAX_WORD_CHARS} characters")
        if not word.isprintable() or word != word.strip():
            raise self._fault(token, "a blank at an end, or a character that cannot be seen")
        return word

    def _sign(self, field: Field) -> Sign:
        token = self._take()
        if token.written not in _SIGNS:
            raise self._fault(token, f"expected {_either(_SIGNS)} after `{field}`, not {token}")
        return _SIGNS[token.written]

    def _whole(self, field: Field) -> int:
        token = self._take()
        if token.kind is not Kind.NUMBER or "." in token.written:
            message = f"`{field}` is compared with a whole number such as 3, not with {token}"
            raise self._fault(token, message)
        return int(token.written)

    def _share(self) -> float:
        token = self._take()
        if token.kind is not Kind.NUMBER or float(token.written) > 1:
            message = f"`interest` is compared with a number from 0 to 1, not with {token}"
            raise self._fault(token, message)
        return float(token.written)

    def _within(self, field: DeedField) -> timedelta | None:
        if self._next.kind in (Kind.NUMBER, Kind.DURATION):
            raise self._fault(self._next, "write `within` before a duration")
        if not self._took("within"):
            return None
        token = self._take()
        if token.kind is not Kind.DURATION:
            message = f"expected a duration such as 30m, 2h, 7d or 4w after `within`, not {token}"
            raise self._fault(token, message)
        minutes = int(token.written[:-1]) * MINUTES_OF[token.written[-1]]
        back = PURCHASES_BACK if field is DeedField.BOUGHT else BROWSING_BACK
        if not 0 < minutes <= back // timedelta(minutes=1):
            raise self._fault(token, f"`{field}` looks back from 1m to {back.days}d")
        return timedelta(minutes=minutes)


def _no_field(token: Token) -> str:
    if token.kind is not Kind.WORD:
        return f"expected a field, `not` or `(`, not {token}"
    if near := nearest(token.written, (*FIELDS, "not")):
        return f"no field is called {token.written}: did you mean {near}?"
    return f"no field is called {token.written}: there are {', '.join(FIELDS)}"


def _either(options: Collection[str]) -> str:
    *rest, last = options
    return f"{', '.join(rest)} or {last}"

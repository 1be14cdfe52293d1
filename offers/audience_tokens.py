"""The words, numbers and marks of an audience's text, and the error that points at one of them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Final

# Longer than any word with its quotes and backslashes, and any number of use.
_MAX_TOKEN_CHARS: Final = 130
# More of a line than this wraps in a terminal, and the caret would point at nothing.
_SHOWN_EACH_SIDE: Final = 36
_NOT_A_TOKEN: Final = {
    "'": "these quotes are not closed: write a second ' on the same line",
    '"': 'these quotes are not closed: write a second " on the same line',
    "-": "a number has no sign; a word that begins with - is put in quotes",
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb", 'write straight quotes: "'),
    **dict.fromkeys("&|", "write `and` or `or`"),
    **dict.fromkeys("≤≥≠", "write <=, >= or !="),
}


class AudienceError(Exception):
    """An audience that cannot be read; its text shows where.

    line, column: from 1. token: what stands there, empty at the end of the text.
    """

    def __init__(self, text: str, start: int, end: int, message: str) -> None:
        self.message = message
        self.line = text.count("\n", 0, start) + 1
        line_start = text.rfind("\n", 0, start) + 1
        self.column = start - line_start + 1
        self.token = text[start:end]
        whole_line = text[line_start:].split("\n", 1)[0]
        picture = _picture(whole_line, start - line_start, end - line_start)
        super().__init__(f"line {self.line}, column {self.column}: {message}\n{picture}")


class Kind(Enum):
    """What a token is, in words for an error."""

    WORD = "the word"
    QUOTED = "the text"
    NUMBER = "the number"
    DURATION = "the duration"
    SIGN = "the sign"
    MARK = "the mark"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text from `start` to before `end`. written: as it stands there."""

    kind: Kind
    written: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.kind.value} {_visible(self.written)}".rstrip()


_TOKENS: Final = re.compile(
    r"""
      \s+
    | (?P<QUOTED>   "(?:[^"\\\n]|\\["'\\])*" | '(?:[^'\\\n]|\\["'\\])*' )
    | (?P<NUMBER>   [0-9]+(?:\.[0-9]+)? (?![\w.-]) )
    | (?P<DURATION> [0-9]+[mhdw] (?![\w-]) )
    | (?P<WORD>     \w[\w-]* )
    | (?P<SIGN>     [<>=!]+ )
    | (?P<MARK>     [(),] )
    """,
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    """All tokens of the text, the last of them its end. Raises AudienceError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        piece = _TOKENS.match(text, at)
        if piece is None:
            reason = _NOT_A_TOKEN.get(text[at], f"{text[at]!r} has no meaning here")
            raise AudienceError(text, at, at + 1, reason)
        if piece.lastgroup is not None:
            if piece.end() - at > _MAX_TOKEN_CHARS:
                raise AudienceError(text, at, piece.end(), "too long for a word or a number")
            found.append(Token(Kind[piece.lastgroup], piece.group(), at, piece.end()))
        at = piece.end()
    end = len(text.rstrip())
    return [*found, Token(Kind.END, "", end, end)]


def quoted(word: str) -> str:
    """The word in quotes, as `unquoted` reads it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(written: str) -> str:
    """What a quoted token says."""
    return re.sub(r"\\(.)", r"\1", written[1:-1])


def nearest(word: str, options: Collection[str]) -> str | None:
    """The option that the word is a slip of the pen for."""
    by_lower = {option.lower(): option for option in options}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def _picture(line: str, start: int, end: int) -> str:
    """The line, or what is near the token, and carets under the token."""
    first = max(0, start - _SHOWN_EACH_SIDE)
    last = start + _SHOWN_EACH_SIDE
    before, after = ("…" if first > 0 else ""), ("…" if last < len(line) else "")
    shown = before + _visible(line[first:last]) + after
    width = max(1, min(end, last, len(line)) - start)
    return f"  {shown}\n  {' ' * (len(before) + start - first)}{'^' * width}"


def _visible(text: str) -> str:
    """As many characters, none of which moves a terminal's cursor."""
    return "".join(char if char.isprintable() else " " for char in text)

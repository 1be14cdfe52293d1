"""What is wrong or weak in the texts of an offer, before anybody reads them on a handset.

A fault is refused; a warning is for its author to judge.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from offers.campaign import Creative, Offer
from offers.creative import MAX_BODY, MAX_TITLE, ROOM, visible_length
from offers.creative_words import CLAIM, CONDITION, EMPTY, VARIABLE_WORDS, WATCHING

# A longer body is cut on every lock screen, a longer title on most.
SEEN_TITLE: Final = max(room.title for room in ROOM.values())
SEEN_BODY: Final = max(room.body for room in ROOM.values())
# Beside the longest texts, a longer address of the picture may not fit FCM's 4,096 octets; the
# picture is then left out (engine.fcm_message).
MAX_IMAGE_URL_BYTES: Final = 700

Field = Literal["title", "body", "image_url"]

_BRACES: Final = re.compile(r"\{\{?[^{}]*\}?\}|[{}]")
# `%s`, `%(name)s`, `%1$s`, `%%NAME%%`; not `20 % sconto`, nor `20%`.
_PERCENT: Final = re.compile(r"(?<![\d%])%(?:\(\w+\)|\d\$)?[sd](?![^\W\d_])|%%\w+%%")
_MERGE: Final = re.compile(r"\*\|[^|]*\|\*|\$\{?[A-Za-z_]\w*\}?|<[A-Za-z_]\w*>")
_BRACKETS: Final = re.compile(r"\[([^\[\]]+)\]")
_APOSTROPHES: Final = {0x2018: "'", 0x2019: "'"}
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


class Severity(StrEnum):
    FAULT = "fault"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one text. locale: of its creative; empty for the offer's own texts."""

    severity: Severity
    locale: str
    field: Field
    sentence: str


def lint(offer: Offer) -> tuple[Finding, ...]:
    """Everything that is wrong or weak: the offer's own texts first, then each creative's."""
    own = Creative("", offer.title, offer.body, offer.image_url)
    return tuple(
        finding for creative in (own, *offer.creatives) for finding in lint_creative(creative)
    )


def lint_creative(creative: Creative) -> Iterable[Finding]:
    """What is wrong or weak in the texts of one language."""
    texts: tuple[tuple[Field, str, int, int], ...] = (
        ("title", creative.title, MAX_TITLE, SEEN_TITLE),
        ("body", creative.body, MAX_BODY, SEEN_BODY),
    )
    for field, text, most, seen in texts:
        for sentence in (*_unresolved(text), *_too_long(text, most), *_watching(text)):
            yield Finding(Severity.FAULT, creative.locale, field, sentence)
        if seen < visible_length(text) and len(text) <= most:
            yield Finding(
                Severity.WARNING,
                creative.locale,
                field,
                f"has {visible_length(text)} characters; a lock screen shows about {seen}",
            )
    if (claim := _bare_claim(creative)) is not None:
        field, words = claim
        yield Finding(
            Severity.WARNING,
            creative.locale,
            field,
            f"promises {words!r} without saying for which product, how many or until when",
        )
    if creative.image_url is not None and len(creative.image_url.encode()) > MAX_IMAGE_URL_BYTES:
        yield Finding(
            Severity.WARNING,
            creative.locale,
            "image_url",
            f"is longer than {MAX_IMAGE_URL_BYTES} octets; beside long texts no picture is sent",
        )


def _unresolved(text: str) -> Iterable[str]:
    found = [match.group() for kind in (_BRACES, _PERCENT, _MERGE) for match in kind.finditer(text)]
    for match in _BRACKETS.finditer(text):
        words = re.split(r"[\s_-]+", _plain(match.group(1)))
        if not VARIABLE_WORDS.isdisjoint(words):
            found.append(match.group())
    for variable in found:
        yield f"{variable!r} is a place for something that nobody fills in"


def _too_long(text: str, most: int) -> Iterable[str]:
    if not text.strip():
        yield "is blank"
    if len(text) > most:
        yield f"has {len(text)} characters; at most {most} fit into a push"


def _watching(text: str) -> Iterable[str]:
    plain = _plain(text)
    for watching in WATCHING:
        if (match := watching.pattern.search(plain)) is not None:
            yield f"{match.group()!r} tells people {watching.tells}; say what the offer is"
            return  # one is enough to write it anew


def _bare_claim(creative: Creative) -> tuple[Field, str] | None:
    """The first price or gift that nothing in the texts is said about."""
    title, body = _plain(creative.title), _plain(creative.body)
    both = f"{title}\n{body}"
    if CONDITION.search(both) is not None:
        return None
    if any(len(word) > 2 and word not in EMPTY for word in _WORD.findall(CLAIM.sub(" ", both))):
        return None
    for field, text in (("title", title), ("body", body)):
        if (match := CLAIM.search(text)) is not None:
            return ("title" if field == "title" else "body"), match.group()
    return None


def _plain(text: str) -> str:
    """Small letters without accents, straight apostrophes, one space between words."""
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )
    return " ".join(bare.casefold().translate(_APOSTROPHES).split())

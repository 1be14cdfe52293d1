"""The creative that a shopper reads, and what of it a locked handset shows."""

import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from offers.campaign import Creative, Offer

# An FCM message carries at most 4,096 octets; title and body may take half in any script.
MAX_TITLE: Final = 120
MAX_BODY: Final = 400
# Shown as the end of what is cut.
ELLIPSIS: Final = "…"

_JOINER: Final = "\u200d"
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters a locked handset shows of a title and of a body. Assumed: type of the
    usual size in the usual alphabet; a wide letter takes more room, and a shopper may enlarge all.
    """

    title: int
    body: int


# Source: Batch, "Optimal length for every iOS/Android push notification": iOS shows 120 to 140
# characters of a body since version 15; Android one line, about 50, until it is pulled open.
# Titles have one line on both.
ROOM: Final[dict[Literal["android", "ios"], Room]] = {
    "android": Room(50, 50),
    "ios": Room(50, 120),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a locked handset shows; what was cut ends with an ellipsis."""

    title: str
    body: str
    title_is_cut: bool
    body_is_cut: bool


def creative_for(offer: Offer, locale: str | None) -> Creative:
    """The offer in the shopper's language, else its fallback, whose locale is empty.

    locale: of the handset, `de-CH` or `de_CH`. `de-CH-1996` is looked up as it is, then as `de-CH`,
    then as `de`; a creative for `de-AT` never speaks to `de`.
    Source: RFC 4647, 3.4 (lookup).
    """
    tag = "" if locale is None else _plain(locale)
    while tag:
        for creative in offer.creatives:
            if _plain(creative.locale) == tag:
                image_url = creative.image_url or offer.image_url
                return Creative(creative.locale, creative.title, creative.body, image_url)
        tag = _shorter(tag)
    return Creative("", offer.title, offer.body, offer.image_url)


def seen_locked(creative: Creative, platform: Literal["android", "ios"]) -> Seen:
    """What is seen of it on a lock screen."""
    room = ROOM[platform]
    title, body = _cut(creative.title, room.title), _cut(creative.body, room.body)
    return Seen(title, body, title != creative.title, body != creative.body)


def visible_length(text: str) -> int:
    """How many characters a reader counts: an accent, a skin tone or a joined emoji adds none."""
    return len(_characters(text))


def _cut(text: str, room: int) -> str:
    characters = _characters(text)
    if len(characters) <= room:
        return text
    return "".join(characters[: room - 1]).rstrip() + ELLIPSIS


def _characters(text: str) -> list[str]:
    """The text by what a reader takes for one character."""
    found: list[str] = []
    for letter in text:
        last = found[-1] if found else ""
        is_flag = (
            len(last) == 1 and ord(last) in _FLAG_LETTERS and ord(letter) in _FLAG_LETTERS
        )  # two of them are one flag
        is_mark = unicodedata.category(letter) in {"Mn", "Me", "Cf"} or ord(letter) in _SKIN_TONES
        if last and (is_mark or is_flag or last.endswith(_JOINER)):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _plain(tag: str) -> str:
    return tag.replace("_", "-").lower()


def _shorter(tag: str) -> str:
    """The tag without its last part; one that then ends in a single letter loses that, too."""
    parts = tag.split("-")[:-1]
    while parts and len(parts[-1]) == 1:
        parts.pop()
    return "-".join(parts)

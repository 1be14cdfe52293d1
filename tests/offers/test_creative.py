"""Which creative a shopper reads, and what a locked handset shows of it."""

import pytest

from offers.campaign import Creative, Offer
from offers.creative import creative_for, seen_locked, visible_length

OFFER = Offer(
    "Pasta, 2 for 1", "Aisle 7", "https://a.example/pasta.jpg",
    creatives=(
        Creative("it", "Pasta, 2 al prezzo di 1", "Corsia 7"),
        Creative("de", "Nudeln", "Gang 7", "https://a.example/nudeln.jpg"),
        Creative("de-CH", "Teigwaren", "Gang 7"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("it", "it"),
        ("it-IT", "it"),
        ("IT_it", "it"),
        ("de-CH", "de-CH"),
        ("de-ch-1996", "de-CH"),
        ("de-AT", "de"),
        ("de-x-private", "de"),
        ("fr-FR", ""),
        ("i", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_nearest_language_speaks_else_the_fallback(locale: str | None, found: str) -> None:
    assert creative_for(OFFER, locale).locale == found


def test_a_creative_without_a_picture_shows_the_offers() -> None:
    assert creative_for(OFFER, "it").image_url == "https://a.example/pasta.jpg"
    assert creative_for(OFFER, "de").image_url == "https://a.example/nudeln.jpg"
    assert creative_for(OFFER, "fr") == Creative("", OFFER.title, OFFER.body, OFFER.image_url)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("abc", 3),
        ("e\u0301", 1),
        ("👍🏽", 1),
        ("👩\u200d🍳!", 2),
        ("🇮🇹🇨🇭", 2),
        ("❤\ufe0f", 1),
        ("", 0),
    ],
)
def test_a_character_is_what_a_reader_takes_for_one(text: str, length: int) -> None:
    assert visible_length(text) == length


def test_a_lock_screen_cuts_what_has_no_room_between_characters() -> None:
    long = Creative("", "🇮🇹" * 60, "word " * 30)

    android, ios = seen_locked(long, "android"), seen_locked(long, "ios")

    assert android.title == "🇮🇹" * 49 + "…"
    assert len(android.body) <= 50 < len(ios.body) <= 120
    assert android.body == "word " * 9 + "word…"
    assert (ios.title_is_cut, ios.body_is_cut) == (True, True)
    short = seen_locked(Creative("", "a", "b"), "ios")
    assert (short.title, short.body, short.title_is_cut, short.body_is_cut) == (
        "a", "b", False, False,
    )  # fmt: skip

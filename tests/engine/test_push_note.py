"""What a claimed push says: in the shopper's language, and where a tap leads."""

from datetime import UTC, datetime
from typing import cast

import msgspec
import pytest

from db.outbox import Claimed
from engine.push_note import note_of
from offers.campaign import Creative, Offer
from tests.offers.situations import a_campaign

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
OFFER = Offer(
    "Pasta", "Aisle 7", "https://a.example/p.jpg", deep_link="/offers/pasta",
    creatives=(Creative("it", "La pasta", "Corsia 7"),),
)  # fmt: skip


def claimed(locale: str | None) -> Claimed:
    document = cast("dict[str, object]", msgspec.to_builtins(a_campaign(offer=OFFER)))
    return Claimed(
        decision_id="d1", handset_id="h1", shopper_id="s1", store_id="store-1", visit_id="v1",
        zone_id="aisle-7", campaign_id="pasta", campaign=document, target_kind="token",
        target_value="t1", platform="android", locale=locale, decided_at=AT, expires_at=AT,
        attempts=0, lease="l1", leased_until=AT,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("locale", "title", "body"),
    [
        ("it-IT", "La pasta", "Corsia 7"),
        ("de", "Pasta", "Aisle 7"),
        (None, "Pasta", "Aisle 7"),
    ],
)
def test_a_push_speaks_the_shoppers_language(locale: str | None, title: str, body: str) -> None:
    note = note_of(claimed(locale))

    assert (note.title, note.body) == (title, body)
    assert note.image_url == "https://a.example/p.jpg"
    assert note.deep_link == "/offers/pasta"


def test_a_campaign_of_before_creatives_is_still_pushed() -> None:
    one = claimed("it")
    old = cast("dict[str, dict[str, object]]", one.campaign)
    for key in ("benefit", "product_ids", "creatives", "deep_link"):
        del old["offer"][key]

    assert note_of(one).title == "Pasta"
    assert note_of(one).deep_link is None

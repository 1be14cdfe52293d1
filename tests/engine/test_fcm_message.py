"""The message we make of an offer: what it always says, and how it is made to fit."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from firebase_admin import messaging
from hypothesis import given
from hypothesis import strategies as st

from engine.fcm_message import SIZE_LIMIT_BYTES, PushNote, UnsendableNote, collapse_id, request_body
from firmware_sim.fcm_json import read_json
from firmware_sim.fcm_schema import REQUEST
from firmware_sim.fcm_validation import part, violations

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
NOTE = PushNote(
    decision_id="d-1",
    title="Pasta, 2 for 1",
    body="Aisle 7",
    image_url="https://shop.example/pasta.png",
    target_kind="fid",
    target_value="cExampleFid_0123456789",
    platform="android",
    collapse_key="visit-9",
    expires_at=NOW + timedelta(seconds=90.7),
    zone_id="aisle-7",
    deep_link="https://shop.example/o/1",
)


def message_of(note: PushNote) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(request_body(note, NOW))["message"]
    return message


def test_the_end_of_the_offer_is_told_to_every_platform() -> None:
    message = message_of(replace(NOTE, platform="web"))

    assert message["android"]["ttl"] == "90s"
    # Absolute: 2026-11-21T10:01:30Z
    assert message["apns"]["headers"]["apns-expiration"] == "1795255290"
    assert message["webpush"]["headers"]["TTL"] == "90"
    assert message["data"]["expires_at"] == "1795255290"


def test_a_resend_is_marked_as_the_same_on_every_platform() -> None:
    message = message_of(replace(NOTE, platform="web"))

    assert message["android"]["collapse_key"] == "visit-9"
    assert message["android"]["notification"]["tag"] == "visit-9"
    assert message["apns"]["headers"]["apns-collapse-id"] == "visit-9"
    assert message["webpush"]["notification"]["tag"] == "visit-9"


def test_an_offer_is_prompt_and_never_time_sensitive() -> None:
    message = message_of(NOTE)

    assert message["android"]["priority"] == "high"
    assert message["apns"]["headers"]["apns-priority"] == "10"
    assert message["apns"]["headers"]["apns-push-type"] == "alert"
    assert message["apns"]["payload"]["aps"]["interruption-level"] == "active"


def test_the_decision_travels_in_the_data() -> None:
    assert message_of(NOTE)["data"] == {
        "decision_id": "d-1",
        "zone_id": "aisle-7",
        "expires_at": "1795255290",
        "deep_link": "https://shop.example/o/1",
    }


def test_what_is_absent_is_left_out() -> None:
    message = message_of(replace(NOTE, image_url=None, deep_link=None))

    assert "image" not in message["notification"]
    assert "fcm_options" not in message["apns"]
    assert "mutable-content" not in message["apns"]["payload"]["aps"]
    assert "deep_link" not in message["data"]


def test_the_target_is_named_by_its_kind_and_a_token_needs_no_warning() -> None:
    assert message_of(NOTE)["fid"] == NOTE.target_value
    by_token = message_of(replace(NOTE, target_kind="token"))

    assert by_token["token"] == NOTE.target_value
    assert "fid" not in by_token


def test_only_web_has_a_web_part_and_only_https_is_linked() -> None:
    assert "webpush" not in message_of(NOTE)
    web = replace(NOTE, platform="web")

    assert message_of(web)["webpush"]["fcm_options"]["link"] == "https://shop.example/o/1"
    assert "fcm_options" not in message_of(replace(web, deep_link="shop://o/1"))["webpush"]


def test_the_longest_life_is_four_weeks() -> None:
    note = replace(NOTE, expires_at=NOW + timedelta(days=90))

    assert message_of(note)["android"]["ttl"] == "2419200s"


@pytest.mark.parametrize("key", ["x" * 65, "", "Besuch 9 ü", "a\nb"])
def test_a_key_that_apns_would_refuse_is_replaced_by_its_hash(key: str) -> None:
    assert len(collapse_id(key)) == 64
    assert collapse_id(key) == collapse_id(key)
    assert collapse_id(key) != collapse_id(key + "!")


def test_a_key_of_64_bytes_stays() -> None:
    assert collapse_id("x" * 64) == "x" * 64


def test_the_image_goes_first() -> None:
    note = replace(NOTE, image_url="https://shop.example/" + "x" * 2000, body="y" * 500)

    message = message_of(note)

    assert "image" not in message["notification"]
    assert message["notification"]["body"] == "y" * 500


def test_then_the_text_is_cut_between_characters() -> None:
    message = message_of(replace(NOTE, image_url=None, body="🍝é" * 1000))

    body = message["notification"]["body"]
    assert body.endswith("…")
    assert set(body[:-1]) == {"🍝", "é"}
    assert len(request_body(replace(NOTE, body="🍝é" * 1000), NOW)) > SIZE_LIMIT_BYTES - 20


def test_then_the_title_and_with_nothing_left_to_cut_it_is_an_error() -> None:
    message = message_of(replace(NOTE, title="t" * 5000, body="b"))
    assert message["notification"]["body"] == ""
    assert message["notification"]["title"].endswith("t…")

    with pytest.raises(UnsendableNote):
        request_body(replace(NOTE, deep_link="https://shop.example/" + "x" * 4096), NOW)


@pytest.mark.parametrize(
    "note",
    [
        replace(NOTE, expires_at=NOW),
        replace(NOTE, title=""),
        replace(NOTE, target_value=""),
        replace(NOTE, body="half a character: \ud83c"),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_quotes_nothing(note: PushNote) -> None:
    with pytest.raises(UnsendableNote) as caught:
        request_body(note, NOW)

    assert "half" not in str(caught.value)


def _by_the_sdk(note: PushNote, ttl_s: int) -> dict[str, Any]:
    """The same message, made with firebase-admin's model and encoded by it."""
    collapse = collapse_id(note.collapse_key)
    data = {
        "decision_id": note.decision_id,
        "zone_id": note.zone_id,
        "expires_at": str(int(note.expires_at.timestamp())),
    }
    image = note.image_url
    aps = messaging.Aps(
        sound="default",
        mutable_content=image is not None,
        custom_data={"interruption-level": "active"},
    )
    topic = message_of(note).get("webpush", {}).get("headers", {}).get("Topic")
    message = messaging.Message(
        fid=note.target_value,
        data=data if note.deep_link is None else {**data, "deep_link": note.deep_link},
        notification=messaging.Notification(note.title, note.body, image),
        android=messaging.AndroidConfig(
            collapse_key=collapse,
            priority="high",
            ttl=ttl_s,
            notification=messaging.AndroidNotification(tag=collapse, channel_id="offers"),
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-expiration": data["expires_at"],
                "apns-priority": "10",
                "apns-push-type": "alert",
                "apns-collapse-id": collapse,
            },
            payload=messaging.APNSPayload(aps),
            fcm_options=None if image is None else messaging.APNSFCMOptions(image=image),
        ),
        webpush=messaging.WebpushConfig(
            headers={"TTL": str(ttl_s), "Urgency": "high", "Topic": topic},
            notification=messaging.WebpushNotification(tag=collapse),
            fcm_options=messaging.WebpushFCMOptions(note.deep_link) if note.deep_link else None,
        )
        if note.platform == "web"
        else None,
    )
    made: dict[str, Any] = json.loads(str(message))
    return made


@pytest.mark.parametrize("platform", ["android", "ios", "web"])
@pytest.mark.parametrize("image", [None, "https://shop.example/pasta.png"])
@pytest.mark.parametrize("link", [None, "https://shop.example/o/1"])
def test_the_message_is_what_firebase_admin_would_make_of_it(
    platform: Any, image: str | None, link: str | None
) -> None:
    note = replace(NOTE, platform=platform, image_url=image, deep_link=link)

    assert message_of(note) == _by_the_sdk(note, ttl_s=90)


def test_a_resend_has_what_is_left_of_the_life_and_the_same_names() -> None:
    first = message_of(replace(NOTE, platform="web"))
    later = NOW + timedelta(seconds=60)
    second = json.loads(request_body(replace(NOTE, platform="web"), later))["message"]

    assert (second["android"]["ttl"], second["webpush"]["headers"]["TTL"]) == ("30s", "30")
    second["android"]["ttl"], second["webpush"]["headers"]["TTL"] = "90s", "90"
    assert second == first


def _message_bytes(note: PushNote) -> int:
    return len(request_body(note, NOW)) - len('{"message":}')


def test_at_4096_bytes_nothing_is_dropped_and_at_one_more_the_image_is() -> None:
    room = SIZE_LIMIT_BYTES - _message_bytes(replace(NOTE, body=""))
    fits, too_long = replace(NOTE, body="b" * room), replace(NOTE, body="b" * (room + 1))

    assert _message_bytes(fits) == SIZE_LIMIT_BYTES
    assert message_of(fits)["notification"]["image"] == NOTE.image_url
    assert "image" not in message_of(too_long)["notification"]
    assert message_of(too_long)["notification"]["body"] == too_long.body


def test_without_an_image_one_byte_too_many_shortens_the_text_by_just_enough() -> None:
    note = replace(NOTE, image_url=None)
    room = SIZE_LIMIT_BYTES - _message_bytes(replace(note, body=""))

    assert message_of(replace(note, body="b" * room))["notification"]["body"] == "b" * room
    cut = replace(note, body="b" * (room + 1))
    # The ellipsis takes three bytes of UTF-8.
    assert message_of(cut)["notification"]["body"] == "b" * (room - 3) + "…"
    assert _message_bytes(cut) == SIZE_LIMIT_BYTES


@given(body_length=st.integers(3_000, 9_000), letter=st.sampled_from(["b", "é", "🍝", '"', "\n"]))
def test_however_long_the_text_the_decision_and_the_link_stay(
    body_length: int, letter: str
) -> None:
    note = replace(NOTE, body=letter * body_length)

    message = message_of(note)

    assert message["data"]["decision_id"] == NOTE.decision_id
    assert message["data"]["deep_link"] == NOTE.deep_link
    assert message["notification"]["title"] == NOTE.title
    lost_bytes = SIZE_LIMIT_BYTES - len(msgspec.json.encode(message))
    assert lost_bytes >= 0
    if message["notification"]["body"] != note.body:
        assert lost_bytes < len(msgspec.json.encode(letter)) - len('""') or letter.isspace()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(
    title=st.builds("T".__add__, TEXT),
    body=TEXT,
    title_times=st.sampled_from([1, 200]),
    body_times=st.sampled_from([1, 300]),
    collapse_key=st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    platform=st.sampled_from(["android", "ios", "web"]),
    image=st.sampled_from([None, "https://shop.example/i.png", "https://x.example/" + "i" * 3000]),
)
def test_whatever_an_offer_says_fcm_takes_the_message(
    title: str,
    body: str,
    title_times: int,
    body_times: int,
    collapse_key: str,
    platform: Any,
    image: str | None,
) -> None:
    note = replace(
        NOTE,
        title=title * title_times,
        body=body * body_times,
        collapse_key=collapse_key,
        platform=platform,
        image_url=image,
    )

    sent = request_body(note, NOW)

    read, wrong = read_json(REQUEST, sent)
    assert wrong == []
    assert violations(part(read, "message")) == []
    assert len(sent) <= SIZE_LIMIT_BYTES + len('{"message":}')

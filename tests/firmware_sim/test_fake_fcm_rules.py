"""What the fake FCM refuses and what it lets through: rule by rule, without HTTP."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.fcm_json import read_json
from firmware_sim.fcm_schema import REQUEST
from firmware_sim.fcm_validation import violations

FULL_MESSAGE: dict[str, Any] = {
    "token": "x",
    "data": {"offer": "o_1", "zone": "z_7"},
    "notification": {"title": "Pasta 2x1", "body": "Aisle 7", "image": "https://x.example/i.png"},
    "android": {
        "collapse_key": "visit",
        "priority": "high",
        "ttl": "120.500s",
        "notification": {
            "tag": "visit-9",
            "channel_id": "offers",
            "notification_count": 1,
            "color": "#00ff00",
            "vibrate_timings": ["0.5s", "1s"],
            "light_settings": {
                "color": {"red": 1, "green": 0.5, "blue": 0, "alpha": 1},
                "light_on_duration": "1s",
                "light_off_duration": "1s",
            },
            "visibility": "PUBLIC",
            "event_time": "2026-11-21T10:00:00.5Z",
        },
        "fcm_options": {"analytics_label": "camp_12"},
    },
    "apns": {
        "headers": {
            "apns-priority": "10",
            "apns-push-type": "alert",
            "apns-expiration": "1790000120",
            "apns-collapse-id": "visit-9",
        },
        "payload": {"aps": {"sound": "default", "interruption-level": "active"}},
        "fcm_options": {"image": "https://x.example/i.png"},
    },
    "webpush": {
        "headers": {"TTL": "120", "Urgency": "high", "Topic": "visit-9"},
        "notification": {"actions": [{"action": "a", "title": "b"}], "renotify": True},
        "fcm_options": {"link": "https://x.example/o/1"},
    },
    "fcm_options": {"analytics_label": "camp_12"},
}


def faults(message: object, **request: object) -> list[str]:
    """What is wrong, first the shape and then, if that is right, the rules."""
    read, wrong = read_json(REQUEST, json.dumps({"message": message, **request}).encode())
    wrong = wrong or violations(read["message"])  # type: ignore[arg-type]
    return [f"{each.field}: {each.description}" for each in wrong]


def test_a_message_with_everything_in_it_is_fine() -> None:
    assert faults(FULL_MESSAGE, validate_only=False) == []


def test_every_name_may_be_written_in_camel_case() -> None:
    def camel(value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {
            "".join(p if n == 0 else p.capitalize() for n, p in enumerate(key.split("_"))): camel(v)
            for key, v in value.items()
        }

    read, wrong = read_json(REQUEST, json.dumps({"message": camel(FULL_MESSAGE)}).encode())

    assert wrong == []
    as_sent, _ = read_json(REQUEST, json.dumps({"message": FULL_MESSAGE}).encode())
    assert read == as_sent


def test_null_is_absence() -> None:
    assert faults({"fid": "x", "token": None, "android": None}) == []


def test_the_last_of_two_equal_keys_wins() -> None:
    read, wrong = read_json(REQUEST, b'{"message": {"fid": "a", "fid": "b"}}')

    assert (read, wrong) == ({"message": {"fid": "b"}}, [])


@pytest.mark.parametrize(
    ("message", "field", "says"),
    [
        # One target
        ({}, "message", "Recipient of the message is not set."),
        ({"fid": ""}, "message", "Recipient of the message is not set."),
        ({"fid": "x", "topic": "y"}, "message", "oneof field 'target' is already set"),
        ({"token": "x", "condition": ""}, "message", "Cannot set 'condition'"),
        ({"topic": "/topics/news"}, "message.topic", "Malformed"),
        ({"condition": "'a' in topic"}, "message.condition", "Invalid condition"),
        ({"condition": "'a' in topics && "}, "message.condition", "Invalid condition"),
        ({"condition": "('a' in topics"}, "message.condition", "Invalid condition"),
        (
            {"condition": " || ".join(f"'t{n}' in topics" for n in range(6))},
            "message.condition",
            "more than five",
        ),
        # Shapes
        ({"fid": 12}, "message.fid", "(TYPE_STRING), 12"),
        ({"fid": "\ud800"}, "message.fid", "TYPE_STRING"),
        ({"data": {"a": True}}, "message.data[0].value", "(TYPE_STRING), true"),
        ({"data": {"a": {"b": "c"}}}, "message.data[0].value", "TYPE_STRING"),
        ({"data": ["a"]}, "message.data", "map"),
        ({"notification": "hello"}, "message.notification", "v1.Notification"),
        ({"notification": {"titel": "x"}}, "message.notification", 'Unknown name "titel"'),
        ({"to": "x"}, "message", 'Unknown name "to"'),
        ({"android": {"priority": "urgent"}}, "message.android.priority", "AndroidMessagePrio"),
        ({"android": {"ttl": 120}}, "message.android.ttl", "protobuf.Duration"),
        ({"android": {"ttl": "120"}}, "message.android.ttl", "protobuf.Duration"),
        ({"android": {"direct_boot_ok": "yes"}}, "message.android.direct_boot_ok", "TYPE_BOOL"),
        (
            {"android": {"notification": {"notification_count": 1.5}}},
            "message.android.notification.notification_count",
            "TYPE_INT32",
        ),
        (
            {"android": {"notification": {"vibrate_timings": "1s"}}},
            "message.android.notification.vibrate_timings",
            "Duration",
        ),
        ({"apns": {"headers": {"apns-priority": 10}}}, "message.apns.headers[0].value", "STRING"),
        ({"apns": {"payload": "x"}}, "message.apns.payload", "protobuf.Struct"),
        # Data keys
        ({"data": {"from": "x"}}, "message.data", "Invalid data payload key: from"),
        ({"data": {"message_type": "x"}}, "message.data", "message_type"),
        ({"data": {"google.x": "x"}}, "message.data", "google.x"),
        ({"data": {"gcm.notification.x": "x"}}, "message.data", "gcm.notification.x"),
        ({"android": {"data": {"from": "x"}}}, "message.android.data", "from"),
        ({"webpush": {"data": {"from": "x"}}}, "message.webpush.data", "from"),
        # Android
        ({"android": {"ttl": "-1s"}}, "message.android.ttl", "non-negative"),
        ({"android": {"ttl": "2419201s"}}, "message.android.ttl", "at most 2419200s"),
        ({"android": {"notification": {"color": "red"}}}, "message.android.notification.color", ""),
        (
            {"android": {"notification": {"body_loc_args": ["x"]}}},
            "message.android.notification.body_loc_args",
            "body_loc_key",
        ),
        (
            {"android": {}, "android_v2": {"background_sync": {}}},
            "message",
            "Only one of android and android_v2",
        ),
        ({"android_v2": {}}, "message.android_v2", "message type"),
        (
            {"androidV2": {"backgroundSync": {}, "remoteNotification": {}}},
            "message.android_v2",
            "oneof field 'message_type' is already set",
        ),
        # APNs
        ({"apns": {"headers": {"apns-priority": "7"}}}, "message.apns.headers", "apns-priority"),
        ({"apns": {"headers": {"apns-expiration": "1h"}}}, "message.apns.headers", "expiration"),
        ({"apns": {"headers": {"apns-push-type": "x"}}}, "message.apns.headers", "push-type"),
        (
            {"apns": {"headers": {"apns-collapse-id": "é" * 33}}},
            "message.apns.headers",
            "longer than 64 bytes",
        ),
        ({"apns": {"payload": {"sound": "x"}}}, "message.apns.payload", "[aps] key"),
        (
            {"data": {"a": "b"}, "apns": {"headers": {"apns-priority": "10"}}},
            "message.apns.headers",
            "background",
        ),
        # Web
        ({"webpush": {"headers": {"TTL": "soon"}}}, "message.webpush.headers", "[TTL]"),
        ({"webpush": {"headers": {"Urgency": "extreme"}}}, "message.webpush.headers", "Urgency"),
        ({"webpush": {"headers": {"Topic": "x" * 33}}}, "message.webpush.headers", "[Topic]"),
        (
            {"webpush": {"fcm_options": {"link": "http://x.example"}}},
            "message.webpush.fcm_options.link",
            "HTTPS",
        ),
        # Labels
        (
            {"fcm_options": {"analytics_label": "two words"}},
            "message.fcm_options.analytics_label",
            "Invalid analytics label",
        ),
        (
            {"apns": {"fcm_options": {"analytics_label": "x" * 51}}},
            "message.apns.fcm_options.analytics_label",
            "Invalid analytics label",
        ),
        # Sizes
        ({"data": {"k": "x" * 4096}}, "message", "Android message is too big"),
        ({"notification": {"body": "é" * 2049}}, "message", "Android message is too big"),
        ({"topic": "t", "data": {"k": "x" * 2048}}, "message", "too big"),
        (
            {"apns": {"payload": {"aps": {}, "x": ["x" * 4100]}}},
            "message",
            "APNs message is too big",
        ),
        ({"webpush": {"data": {"k": "x" * 4096}}}, "message", "Web message is too big"),
    ],
)
def test_a_broken_rule_is_named_with_its_field(
    message: dict[str, object], field: str, says: str
) -> None:
    targeted = {"token", "fid", "topic", "condition"} & message.keys() or message == {}
    found = faults(message if targeted else {"fid": "x", **message})

    assert len(found) == 1
    assert found[0].startswith(f"{field}: ")
    assert says in found[0]


@pytest.mark.parametrize(
    "message",
    [
        {"fid": "x"},
        {"topic": "weather.v-1~%20"},
        {"condition": "'a' in topics"},
        {"condition": "'a' in topics && ('b' in topics || !('c' in topics))"},
        {"fid": "x", "android": {"ttl": "0s"}},
        {"fid": "x", "android": {"ttl": "2419200s", "priority": "HIGH"}},
        {"fid": "x", "android": {"notification": {"notification_count": "3"}}},
        {"fid": "x", "data": {"a": "b"}, "apns": {"headers": {"apns-priority": "5"}}},
        {"fid": "x", "data": {"google": "b", "fromage": "c"}},
        {"fid": "x", "data": {"k": "x" * 4095}},
        {"fid": "x", "apns": {"headers": {"apns-collapse-id": "é" * 32}}},
        {"topic": "t", "data": {"k": "x" * 2047}},
        {
            "fid": "x",
            "android_v2": {
                "ttl": "5s",
                "remote_notification": {"mutable_content": True, "notification": {"title": "t"}},
            },
        },
    ],
)
def test_what_the_rules_allow_is_allowed(message: dict[str, object]) -> None:
    assert faults(message) == []


def test_an_empty_body_is_a_message_for_nobody() -> None:
    read, wrong = read_json(REQUEST, b"")

    assert (read, wrong) == ({}, [])


NAMES = st.sampled_from(
    ["fid", "topic", "condition", "data", "notification", "android", "apns", "webpush", "ttl",
     "headers", "payload", "aps", "alert", "title", "fcm_options", "link", "collapse_key"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NEAR_MESSAGES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(NAMES, NEAR_MESSAGES, max_size=4))
def test_any_json_is_either_read_or_refused(message: dict[str, object]) -> None:
    read, wrong = read_json(REQUEST, json.dumps({"message": message}).encode())
    if not wrong:
        violations(read["message"])  # type: ignore[arg-type]


@given(st.binary())
def test_any_bytes_are_either_read_or_refused(body: bytes) -> None:
    read_json(REQUEST, body)

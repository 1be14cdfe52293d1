"""From one of our offers to the body of an FCM request, within FCM's sizes.

The rules that are ours stand here: every platform is told when the offer ends, a resend replaces
what it repeats, and no offer ever claims to be time-sensitive (Apple forbids that level for
marketing). A test holds the names to firebase-admin's message model, which is not used to send:
it takes ten times as long (measured: 40 us a message).
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

import msgspec

Platform = Literal["android", "ios", "web"]
TargetKind = Literal["fid", "token"]
Json = dict[str, object]

# FCM allows 4096 bytes of keys and values. We count the whole message, its headers and target
# included, so that what passes here passes by any way of counting.
SIZE_LIMIT_BYTES: Final = 4096
TTL_LIMIT_S: Final = 2_419_200  # four weeks, FCM's longest
COLLAPSE_ID_LIMIT_BYTES: Final = 64  # APNs
WEB_TOPIC_LENGTH: Final = 32  # RFC 8030, 5.4: at most 32 characters of URL-safe base64
ELLIPSIS: Final = "…"
# The notification channel that the app creates for offers.
ANDROID_CHANNEL: Final = "offers"


class UnsendableNote(Exception):
    """A note that no message can be made of: our bug, or a campaign's."""


@dataclass(frozen=True, slots=True)
class PushNote:
    """One offer for one handset. expires_at: when it is no longer worth showing."""

    decision_id: str
    title: str
    body: str
    image_url: str | None
    target_kind: TargetKind
    target_value: str = field(repr=False)
    platform: Platform
    collapse_key: str  # the same for each resend, and for what may replace it
    expires_at: datetime
    zone_id: str
    deep_link: str | None


def request_body(note: PushNote, now: datetime) -> bytes:
    """The JSON of a `messages:send` request, degraded until it fits.

    The image goes first, then the end of the text, then the end of the title.
    Raises UnsendableNote when FCM would refuse it all the same.
    """
    if now >= note.expires_at:
        raise UnsendableNote("the offer has ended")
    if not note.title:
        raise UnsendableNote("it has no title")
    if not note.target_value:
        raise UnsendableNote("it has no target")
    ttl_s = min(int((note.expires_at - now).total_seconds()), TTL_LIMIT_S)
    message = _encoded(note, ttl_s)
    if len(message) > SIZE_LIMIT_BYTES and note.image_url is not None:
        note = replace(note, image_url=None)
        message = _encoded(note, ttl_s)
    if len(message) > SIZE_LIMIT_BYTES:
        note = replace(note, body=_shortened(note.body, len(message) - SIZE_LIMIT_BYTES))
        message = _encoded(note, ttl_s)
    if len(message) > SIZE_LIMIT_BYTES:
        note = replace(note, title=_shortened(note.title, len(message) - SIZE_LIMIT_BYTES))
        message = _encoded(note, ttl_s)
    if len(message) > SIZE_LIMIT_BYTES or not note.title:
        raise UnsendableNote("too large even without image, text and title")
    return b'{"message":' + message + b"}"


def collapse_id(key: str) -> str:
    """The key as every platform takes it: printable ASCII, at most 64 bytes; else its hash."""
    is_plain = key.isascii() and key.isprintable() and 0 < len(key) <= COLLAPSE_ID_LIMIT_BYTES
    return key if is_plain else hashlib.sha256(key.encode()).hexdigest()


def _encoded(note: PushNote, ttl_s: int) -> bytes:
    """The message as compact UTF-8 JSON."""
    try:
        return msgspec.json.encode(_message(note, ttl_s))
    except ValueError as error:
        # Half a character, which UTF-8 cannot carry.
        raise UnsendableNote(f"it has no JSON: {type(error).__name__}") from error


def _message(note: PushNote, ttl_s: int) -> Json:
    collapse = collapse_id(note.collapse_key)
    expires_unix_s = str(int(note.expires_at.timestamp()))
    notification: Json = {"title": note.title, "body": note.body}
    if note.image_url is not None:
        notification["image"] = note.image_url
    data: Json = {
        "decision_id": note.decision_id,
        "zone_id": note.zone_id,
        "expires_at": expires_unix_s,
    }
    if note.deep_link is not None:
        data["deep_link"] = note.deep_link
    message: Json = {
        note.target_kind: note.target_value,
        "data": data,
        "notification": notification,
        "android": _android(collapse, ttl_s),
        "apns": _apns(note.image_url, collapse, expires_unix_s),
    }
    if note.platform == "web":
        message["webpush"] = _webpush(note.deep_link, collapse, ttl_s)
    return message


def _android(collapse: str, ttl_s: int) -> Json:
    return {
        "collapse_key": collapse,
        # FCM lowers the priority of apps whose high-priority messages show nothing; ours all do.
        "priority": "high",
        "ttl": f"{ttl_s}s",
        "notification": {"tag": collapse, "channel_id": ANDROID_CHANNEL},
    }


def _apns(image_url: str | None, collapse: str, expires_unix_s: str) -> Json:
    aps: Json = {"sound": "default", "interruption-level": "active"}
    apns: Json = {
        "headers": {
            # FCM would set 30 days; the number is absolute, a relative one has always passed.
            "apns-expiration": expires_unix_s,
            "apns-priority": "10",
            "apns-push-type": "alert",
            "apns-collapse-id": collapse,
        },
        "payload": {"aps": aps},
    }
    if image_url is not None:
        aps["mutable-content"] = 1
        apns["fcm_options"] = {"image": image_url}
    return apns


def _webpush(link: str | None, collapse: str, ttl_s: int) -> Json:
    topic = hashlib.sha256(collapse.encode()).hexdigest()[:WEB_TOPIC_LENGTH]
    webpush: Json = {
        "headers": {"TTL": str(ttl_s), "Urgency": "high", "Topic": topic},
        "notification": {"tag": collapse},
    }
    if link is not None and link.startswith("https://"):
        webpush["fcm_options"] = {"link": link}
    return webpush


def _shortened(text: str, excess_bytes: int) -> str:
    """The text less at least that many bytes of JSON, cut between characters; may be empty."""
    to_go_bytes = excess_bytes + len(ELLIPSIS.encode())
    for kept in range(len(text) - 1, 0, -1):
        # Quotes and control characters are longer in JSON than in UTF-8.
        to_go_bytes -= len(msgspec.json.encode(text[kept])) - len('""')
        if to_go_bytes <= 0:
            return text[:kept].rstrip() + ELLIPSIS
    return ""

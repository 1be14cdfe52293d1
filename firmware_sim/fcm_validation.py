"""What FCM refuses in a request whose shape is right: targets, sizes, times, headers, keys.

The rules are the documented ones; the wording of a refusal is FCM's own where a public example
shows it. Source: FCM v1 reference (projects.messages, ErrorCode), RFC 8030 for web push headers,
Apple's "Sending notification requests to APNs" for APNs headers.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal

from firmware_sim.fcm_json import Violation

TargetKind = Literal["fid", "token", "topic", "condition"]
Message = dict[str, object]

TARGET_KINDS: Final[tuple[TargetKind, ...]] = ("fid", "token", "topic", "condition")
# Documented: keys and values, UTF-8; topics carry half.
SIZE_LIMIT_BYTES: Final = 4096
TOPIC_SIZE_LIMIT_BYTES: Final = 2048
TTL_LIMIT_S: Final = 2_419_200  # four weeks
COLLAPSE_ID_LIMIT_BYTES: Final = 64
CONDITION_TOPICS_LIMIT: Final = 5

LABEL: Final = re.compile(r"[a-zA-Z0-9-_.~%]{1,50}")
TOPIC: Final = re.compile(r"[a-zA-Z0-9-_.~%]{1,900}")
CONDITION_TOPIC: Final = re.compile(r"'[a-zA-Z0-9-_.~%]{1,900}' in topics")
CONDITION_REST: Final = re.compile(r"[\s()!]*T[\s()]*((&&|\|\|)[\s()!]*T[\s()]*)*")
COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
DECIMAL: Final = re.compile(r"[0-9]{1,18}")
URL_SAFE_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
RESERVED_KEYS: Final = frozenset({"from", "message_type"})
RESERVED_PREFIXES: Final = ("google.", "gcm.notification.")
APNS_PRIORITIES: Final = frozenset({"1", "5", "10"})
APNS_PUSH_TYPES: Final = frozenset({
    "alert", "background", "complication", "controls", "fileprovider", "liveactivity", "location",
    "mdm", "pushtotalk", "voip", "widgets",
})  # fmt: skip
URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})


def part(message: Message, *path: str) -> Message:
    """The object at a path of names; empty when it, or one on the way, is absent."""
    at: object = message
    for name in path:
        at = at.get(name) if isinstance(at, dict) else None
    return at if isinstance(at, dict) else {}


def text(message: Message, *path: str) -> str | None:
    """The string at a path of names; None when it is absent."""
    *way, last = path
    value = part(message, *way).get(last)
    return value if isinstance(value, str) else None


def target_of(message: Message) -> tuple[TargetKind, str] | None:
    """Whom the message is for; None when nobody is named."""
    for kind in TARGET_KINDS:
        value = text(message, kind)
        if value:
            return kind, value
    return None


def violations(message: Message) -> list[Violation]:
    """Every documented rule that the message breaks; empty when FCM would take it."""
    found = [*_target(message)]
    found += _data_keys(message)
    found += _android(message)
    found += _apns(message)
    found += _webpush(message)
    found += _labels(message)
    return found or [*_sizes(message)]


def ttl_s(duration: str) -> Decimal:
    """The seconds of a protobuf Duration, as the reader has already checked it."""
    return Decimal(duration.removesuffix("s"))


def _target(message: Message) -> Iterator[Violation]:
    target = target_of(message)
    if target is None:
        yield Violation("message", "Recipient of the message is not set.")
        return
    kind, value = target
    if kind == "topic" and TOPIC.fullmatch(value) is None:
        yield Violation("message.topic", "Malformed topic name")
    if kind == "condition":
        topics = CONDITION_TOPIC.findall(value)
        rest = CONDITION_TOPIC.sub("T", value)
        if CONDITION_REST.fullmatch(rest) is None or rest.count("(") != rest.count(")"):
            yield Violation("message.condition", "Invalid condition expression provided.")
        elif len(topics) > CONDITION_TOPICS_LIMIT:
            yield Violation("message.condition", "Condition has more than five topics.")


def _data_keys(message: Message) -> Iterator[Violation]:
    for path in (("data",), ("android", "data"), ("android_v2", "data"), ("webpush", "data")):
        for key in part(message, *path):
            if key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES):
                field = ".".join(("message", *path))
                yield Violation(field, f"Invalid data payload key: {key}")


def _android(message: Message) -> Iterator[Violation]:
    if "android" in message and "android_v2" in message:
        yield Violation("message", "Only one of android and android_v2 may be set.")
    for config in ("android", "android_v2"):
        ttl = text(message, config, "ttl")
        if ttl is not None and not 0 <= ttl_s(ttl) <= TTL_LIMIT_S:
            yield Violation(
                f"message.{config}.ttl", "TTL must be non-negative and at most 2419200s."
            )
    v2 = part(message, "android_v2")
    if "android_v2" in message and not {"remote_notification", "background_sync"} & v2.keys():
        yield Violation("message.android_v2", "One message type must be set.")
    for path in (("android",), ("android_v2", "remote_notification")):
        shown = part(message, *path, "notification")
        field = ".".join(("message", *path, "notification"))
        color = text(shown, "color")
        if color is not None and COLOR.fullmatch(color) is None:
            yield Violation(f"{field}.color", "Color must be in the form #rrggbb.")
        for which in ("title", "body"):
            if shown.get(f"{which}_loc_args") and not shown.get(f"{which}_loc_key"):
                yield Violation(f"{field}.{which}_loc_args", f"{which}_loc_key is not set.")


def _apns(message: Message) -> Iterator[Violation]:
    apns = part(message, "apns")
    field = "message.apns.headers"
    headers = {name.lower(): value for name, value in part(apns, "headers").items()}
    priority = headers.get("apns-priority")
    if priority is not None and priority not in APNS_PRIORITIES:
        yield Violation(field, "Invalid value for APNs header [apns-priority].")
    push_type = headers.get("apns-push-type")
    if push_type is not None and push_type not in APNS_PUSH_TYPES:
        yield Violation(field, "Invalid value for APNs header [apns-push-type].")
    expiration = headers.get("apns-expiration")
    if expiration is not None and not _is_decimal(expiration):
        yield Violation(field, "Invalid value for APNs header [apns-expiration].")
    collapse_id = headers.get("apns-collapse-id")
    if isinstance(collapse_id, str) and len(collapse_id.encode()) > COLLAPSE_ID_LIMIT_BYTES:
        yield Violation(field, "APNs header [apns-collapse-id] is longer than 64 bytes.")
    if "payload" in apns and "aps" not in part(apns, "payload"):
        yield Violation(
            "message.apns.payload",
            "Payload of Apple Push Notification Service must contain an [aps] key.",
        )
    aps = part(apns, "payload", "aps")
    shows = "notification" in message or {"alert", "badge", "sound"} & aps.keys()
    if not shows and priority == "10":
        yield Violation(field, "A background push must have [apns-priority] 5.")


def _webpush(message: Message) -> Iterator[Violation]:
    webpush = part(message, "webpush")
    headers = {name.lower(): value for name, value in part(webpush, "headers").items()}
    field = "message.webpush.headers"
    if "ttl" in headers and not _is_decimal(headers["ttl"]):
        yield Violation(field, "Invalid value for web push header [TTL].")
    if "urgency" in headers and headers["urgency"] not in URGENCIES:
        yield Violation(field, "Invalid value for web push header [Urgency].")
    topic = headers.get("topic")
    if isinstance(topic, str) and URL_SAFE_TOPIC.fullmatch(topic) is None:
        yield Violation(field, "Invalid value for web push header [Topic].")
    link = text(webpush, "fcm_options", "link")
    if link is not None and not link.startswith("https://"):
        yield Violation("message.webpush.fcm_options.link", "Link must be an HTTPS URL.")


def _labels(message: Message) -> Iterator[Violation]:
    for path in ((), ("android",), ("android_v2",), ("apns",), ("webpush",)):
        label = text(message, *path, "fcm_options", "analytics_label")
        if label is not None and LABEL.fullmatch(label) is None:
            field = ".".join(("message", *path, "fcm_options", "analytics_label"))
            yield Violation(field, "Invalid analytics label.")


def _sizes(message: Message) -> Iterator[Violation]:
    """Keys and values of what each platform's handset would be sent."""
    target = target_of(message)
    to_topic = target is not None and target[0] in {"topic", "condition"}
    limit_bytes = TOPIC_SIZE_LIMIT_BYTES if to_topic else SIZE_LIMIT_BYTES
    common = part(message, "notification")
    data = part(message, "data")
    android = part(message, "android") or part(message, "android_v2")
    own = part(android, "notification") or part(android, "remote_notification", "notification")
    contents: dict[str, list[Message]] = {
        "Android": [{**common, **own}, part(android, "data") or data],
        "APNs": [common, data, part(message, "apns", "payload")],
        "Web": [
            {**common, **part(message, "webpush", "notification")},
            part(message, "webpush", "data") or data,
        ],
    }
    for platform, parts in contents.items():
        if sum(_size_bytes(each) for each in parts) > limit_bytes:
            yield Violation("message", f"{platform} message is too big")
            return


def _size_bytes(value: object) -> int:
    """The UTF-8 bytes of all keys and values under a value."""
    size_bytes = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            size_bytes += len(each) if each.isascii() else len(each.encode(errors="surrogatepass"))
        elif isinstance(each, dict):
            waiting.extend(each.keys())
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        else:
            size_bytes += len(str(each))
    return size_bytes


def _is_decimal(value: object) -> bool:
    return isinstance(value, str) and DECIMAL.fullmatch(value) is not None

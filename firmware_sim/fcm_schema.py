"""The fields of an FCM HTTP v1 send request, by message type.

Source: the FCM v1 discovery document, revision 20261023, and the firebase-admin 7.7 encoder.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from firmware_sim.fcm_json import (
    DURATION_TEXT,
    FLAG,
    INT32,
    NUMBER,
    TEXT,
    TIMESTAMP_TEXT,
    AnyObject,
    EnumOf,
    ListOf,
    Shape,
    Spec,
    TextMap,
)


def _fcm(name: str) -> str:
    return f"type.googleapis.com/google.firebase.fcm.v1.{name}"


def _shape(name: str, fields: Mapping[str, Spec], **oneofs: Iterable[str]) -> Shape:
    names = {_camel(field): field for field in fields} | {field: field for field in fields}
    return Shape(
        _fcm(name), fields, {field: one for one, group in oneofs.items() for field in group}, names
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _enum(name: str, *names: str) -> EnumOf:
    return EnumOf(_fcm(name), frozenset(names))


NOTIFICATION: Final = _shape("Notification", {"title": TEXT, "body": TEXT, "image": TEXT})
LABEL_OPTIONS: Final[dict[str, Spec]] = {"analytics_label": TEXT}
COLOR: Final = Shape(
    "type.googleapis.com/google.type.Color",
    dict.fromkeys(("red", "green", "blue", "alpha"), NUMBER),
    {},
    {name: name for name in ("red", "green", "blue", "alpha")},
)
ANDROID_NOTIFICATION_FIELDS: Final[dict[str, Spec]] = {
    **dict.fromkeys(
        (
            "title", "body", "icon", "color", "sound", "tag", "click_action", "body_loc_key",
            "title_loc_key", "channel_id", "ticker", "image",
        ),
        TEXT,
    ),
    **dict.fromkeys(("body_loc_args", "title_loc_args"), ListOf(TEXT)),
    **dict.fromkeys(
        (
            "sticky", "local_only", "default_sound", "default_vibrate_timings",
            "default_light_settings", "bypass_proxy_notification",
        ),
        FLAG,
    ),
    "event_time": TIMESTAMP_TEXT,
    "notification_priority": _enum(
        "AndroidNotification.NotificationPriority", "PRIORITY_UNSPECIFIED", "PRIORITY_MIN",
        "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX",
    ),
    "vibrate_timings": ListOf(DURATION_TEXT),
    "visibility": _enum(
        "AndroidNotification.Visibility", "VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"
    ),
    "notification_count": INT32,
    "light_settings": _shape(
        "LightSettings",
        {
            "color": COLOR,
            "light_on_duration": DURATION_TEXT,
            "light_off_duration": DURATION_TEXT,
        },
    ),
    "proxy": _enum(
        "AndroidNotification.Proxy", "PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"
    ),
}  # fmt: skip
ANDROID_COMMON_FIELDS: Final[dict[str, Spec]] = {
    "collapse_key": TEXT,
    "ttl": DURATION_TEXT,
    "restricted_package_name": TEXT,
    "data": TextMap(),
    "fcm_options": _shape("AndroidFcmOptions", LABEL_OPTIONS),
    "direct_boot_ok": FLAG,
    "bandwidth_constrained_ok": FLAG,
    "restricted_satellite_ok": FLAG,
}
ANDROID: Final = _shape(
    "AndroidConfig",
    ANDROID_COMMON_FIELDS
    | {
        "priority": _enum("AndroidMessagePriority", "NORMAL", "HIGH"),
        "notification": _shape("AndroidNotification", ANDROID_NOTIFICATION_FIELDS),
    },
)
# The fields of AndroidNotificationV2 are taken to be those of AndroidNotification: a preview
# that nothing of ours sends yet.
ANDROID_V2: Final = _shape(
    "AndroidConfigV2",
    ANDROID_COMMON_FIELDS
    | {
        "remote_notification": _shape(
            "AndroidRemoteNotification",
            {
                "mutable_content": FLAG,
                "use_as_v1_data_message": FLAG,
                "notification": _shape("AndroidNotificationV2", ANDROID_NOTIFICATION_FIELDS),
            },
        ),
        "background_sync": _shape("AndroidBackgroundSyncMessage", {}),
    },
    message_type=("remote_notification", "background_sync"),
)
APNS: Final = _shape(
    "ApnsConfig",
    {
        "headers": TextMap(),
        "payload": AnyObject(),
        "fcm_options": _shape("ApnsFcmOptions", LABEL_OPTIONS | {"image": TEXT}),
        "live_activity_token": TEXT,
    },
)
WEBPUSH: Final = _shape(
    "WebpushConfig",
    {
        "headers": TextMap(),
        "data": TextMap(),
        "notification": AnyObject(),
        "fcm_options": _shape("WebpushFcmOptions", LABEL_OPTIONS | {"link": TEXT}),
    },
)
MESSAGE: Final = _shape(
    "Message",
    {
        "name": TEXT,
        "data": TextMap(),
        "notification": NOTIFICATION,
        "android": ANDROID,
        "android_v2": ANDROID_V2,
        "apns": APNS,
        "webpush": WEBPUSH,
        "fcm_options": _shape("FcmOptions", LABEL_OPTIONS),
        "fid": TEXT,
        "token": TEXT,
        "topic": TEXT,
        "condition": TEXT,
    },
    target=("fid", "token", "topic", "condition"),
)
REQUEST: Final = _shape("SendMessageRequest", {"validate_only": FLAG, "message": MESSAGE})

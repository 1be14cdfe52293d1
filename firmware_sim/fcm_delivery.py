"""From an accepted message to a handset: time to live, collapsing, and waiting while it is off.

Source: "Lifespan of a message", "Collapsible messages" and "Throttling and quotas" of FCM's
documentation. Not modelled: APNs keeping one message per app, topics, and device rate limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from firmware_sim.fcm_validation import Message, part, text, ttl_s

Platform = Literal["android", "ios", "web"]
DeviceTargetKind = Literal["fid", "token"]

LONGEST_TTL: Final = timedelta(weeks=4)
# FCM sets this apns-expiration when the sender sets none.
APNS_DEFAULT_TTL: Final = timedelta(days=30)
# Unix time runs out of datetime's range long after any sensible expiry.
LATEST_UNIX_S: Final = 253_402_300_799
COLLAPSE_KEYS_LIMIT: Final = 4
PENDING_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it reaches a handset: what the app is handed, and what the system shows."""

    target_kind: DeviceTargetKind
    target_value: str
    platform: Platform
    message_name: str
    title: str | None
    body: str | None
    image_url: str | None
    tag: str | None  # a later message with the same tag takes this one's place on the screen
    collapse_key: str | None
    data: Mapping[str, str]
    message: Message  # the whole message, in proto names
    accepted_at: datetime
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way to one handset.

    until: after it the message is not worth keeping. now_or_never: a time to live of 0, so it is
    delivered if the handset is reachable and never kept.
    """

    message_name: str
    message: Message
    platform: Platform
    accepted_at: datetime
    until: datetime
    now_or_never: bool
    collapse_key: str | None

    def is_alive(self, now: datetime) -> bool:
        return self.now_or_never or now < self.until

    def opened(self, kind: DeviceTargetKind, value: str, now: datetime) -> Delivery:
        """The delivery of this message to its handset."""
        message = self.message
        shown = {**part(message, "notification"), **_own_notification(message, self.platform)}
        data = {**part(message, "data"), **_own_data(message, self.platform)}
        return Delivery(
            target_kind=kind,
            target_value=value,
            platform=self.platform,
            message_name=self.message_name,
            title=text(shown, "title"),
            body=text(shown, "body"),
            image_url=text(shown, "image"),
            tag=text(shown, "tag"),
            collapse_key=self.collapse_key,
            data={key: str(item) for key, item in data.items()},
            message=message,
            accepted_at=self.accepted_at,
            delivered_at=now,
        )


@dataclass(slots=True)
class Mailbox:
    """One registered target: its platform, whether it is reachable, and what waits for it."""

    platform: Platform
    is_online: bool = True
    waiting: list[Envelope] = field(default_factory=list)

    def keep(self, envelope: Envelope) -> list[Envelope]:
        """Keep a message for later; the messages that are given up for it, itself perhaps."""
        if envelope.now_or_never:
            return [envelope]
        given_up: list[Envelope] = []
        if envelope.collapse_key is not None:
            given_up = [e for e in self.waiting if e.collapse_key == envelope.collapse_key]
            keys = {e.collapse_key for e in self.waiting if e.collapse_key is not None}
            if not given_up and len(keys) >= COLLAPSE_KEYS_LIMIT:
                # Which one goes is not documented; the oldest is.
                given_up = [next(e for e in self.waiting if e.collapse_key is not None)]
        elif sum(e.collapse_key is None for e in self.waiting) >= PENDING_LIMIT:
            given_up = [e for e in self.waiting if e.collapse_key is None]
        self.waiting = [e for e in self.waiting if e not in given_up]
        self.waiting.append(envelope)
        return given_up

    def take_all(self) -> list[Envelope]:
        """Everything that waited, oldest first."""
        waiting, self.waiting = self.waiting, []
        return waiting


def sealed(message: Message, message_name: str, platform: Platform, now: datetime) -> Envelope:
    """The envelope of a message accepted now, for a handset of this platform."""
    ttl = timedelta(0)
    collapse_key: str | None = None
    match platform:
        case "android":
            config = part(message, "android") or part(message, "android_v2")
            duration = text(config, "ttl")
            # FCM rounds down to seconds.
            ttl = LONGEST_TTL if duration is None else timedelta(seconds=int(ttl_s(duration)))
            collapse_key = text(config, "collapse_key")
        case "ios":
            headers = _headers(message, "apns")
            expiration = headers.get("apns-expiration")
            ttl = APNS_DEFAULT_TTL
            if expiration is not None:
                at_s = min(int(expiration), LATEST_UNIX_S)
                ttl = datetime.fromtimestamp(at_s, UTC) - now if at_s > 0 else timedelta(0)
            collapse_key = headers.get("apns-collapse-id")
        case "web":
            headers = _headers(message, "webpush")
            ttl_text = headers.get("ttl")
            ttl = LONGEST_TTL
            if ttl_text is not None:
                ttl = timedelta(seconds=min(int(ttl_text), int(LONGEST_TTL.total_seconds())))
            collapse_key = headers.get("topic")
    return Envelope(
        message_name, message, platform, now, now + ttl, ttl == timedelta(0), collapse_key
    )


def _own_notification(message: Message, platform: Platform) -> dict[str, object]:
    match platform:
        case "android":
            config = part(message, "android", "notification")
            return dict(
                config or part(message, "android_v2", "remote_notification", "notification")
            )
        case "ios":
            own: dict[str, object] = {}
            alert = part(message, "apns", "payload", "aps", "alert")
            own |= {name: alert[name] for name in ("title", "body") if name in alert}
            image = text(message, "apns", "fcm_options", "image")
            if image is not None:
                own["image"] = image
            collapse_id = _headers(message, "apns").get("apns-collapse-id")
            if collapse_id is not None:
                own["tag"] = collapse_id
            return own
        case "web":
            return dict(part(message, "webpush", "notification"))


def _own_data(message: Message, platform: Platform) -> Mapping[str, object]:
    match platform:
        case "android":
            return part(message, "android", "data") or part(message, "android_v2", "data")
        case "ios":
            payload = part(message, "apns", "payload")
            return {key: item for key, item in payload.items() if key != "aps"}
        case "web":
            return part(message, "webpush", "data")


def _headers(message: Message, config: Literal["apns", "webpush"]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in part(message, config, "headers").items()}

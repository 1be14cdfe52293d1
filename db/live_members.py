"""Messages and caps as the script `live_scripts.RESERVE` takes them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from offers.pressure import Cap, Message, Scope

# Where in a member what a scope goes by has its place, as Lua counts.
_CAMPAIGN, _VISIT, _ZONE, _STORE, _CHANNEL, _CATEGORIES = range(2, 8)


def member(sent: Message) -> bytes:
    """The same bytes for the same message, whoever writes it."""
    fields = (
        sent.message_id,
        sent.campaign_id,
        sent.visit_id or "",
        sent.zone_id or "",
        sent.store_id or "",
        sent.channel,
        sorted(sent.categories),
    )
    return msgspec.json.encode(fields)


def _counted(scope: Scope, wanted: Message) -> list[tuple[int, list[str]]]:
    """What a member must have to count in a scope, as RESERVE takes it; see `pressure.counts`.

    A message without a visit shares none with any other: nothing that is never stored is asked for.
    """
    match scope:
        case Scope.SHOPPER:
            return []
        case Scope.VISIT:
            return [(_VISIT, _known(wanted.visit_id))]
        case Scope.ZONE_VISIT:
            return [(_VISIT, _known(wanted.visit_id)), (_ZONE, [wanted.zone_id or ""])]
        case Scope.CAMPAIGN:
            return [(_CAMPAIGN, [wanted.campaign_id])]
        case Scope.CATEGORY:
            return [(_CATEGORIES, sorted(wanted.categories))]
        case Scope.CHANNEL:
            return [(_CHANNEL, [wanted.channel])]
        case Scope.STORE:
            return [(_STORE, _known(wanted.store_id))]


def _known(value: str | None) -> list[str]:
    return [] if value is None else [value]


def us(at: datetime) -> int:
    """Microseconds of unix time: whole numbers that Redis keeps exactly."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def reservation(
    wanted: Message,
    caps: Sequence[Cap],
    local: datetime,
    looks_back: timedelta,
    expire_s: int,
) -> list[str | bytes | int]:
    """The arguments of RESERVE up to what SQL knows; `db.live.Live.reserve` has their meaning."""
    asked = [[us(cap.since(local)), cap.most, _counted(cap.scope, wanted)] for cap in caps]
    return [
        member(wanted),
        us(wanted.at),
        us(wanted.at - looks_back),
        expire_s,
        msgspec.json.encode(asked),
    ]

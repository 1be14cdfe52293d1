"""Calibrations of a store: how loud each gateway hears and is heard, and what was said of it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ScalarSelect, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.calibration import GatewayRadio
from beacons.link_changes import Flag, FlagKind
from db.tables import gateway_radios

log = logging.getLogger(__name__)

# A year and a season, to see what a store goes through; one row a gateway and night.
KEPT: Final = timedelta(days=400)
_VALUES: Final = tuple(GatewayRadio.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """A calibration of a store as it was made."""

    calibrated_at: datetime
    radios: tuple[GatewayRadio, ...]
    flags: tuple[Flag, ...]


async def save(
    tx: AsyncConnection,
    store_id: str,
    radios: Sequence[GatewayRadio],
    flags: Iterable[Flag],
    now: datetime,
) -> None:
    """This is the store's calibration from now on. Every gateway of it must be known to SQL.

    What was made later than now, while a clock was ahead, is forgotten: it would win for as long.
    """
    said: dict[str, list[list[str]]] = {radio.gateway_id: [] for radio in radios}
    for flag in flags:
        said[flag.gateway_id].append([flag.kind.value, flag.sentence])
    if radios:
        await tx.execute(
            delete(gateway_radios).where(
                gateway_radios.c.store_id == store_id, gateway_radios.c.calibrated_at > now
            )
        )
        rows = [
            {
                "store_id": store_id,
                "calibrated_at": now,
                "flags": said[radio.gateway_id],
                **asdict(radio),
            }
            for radio in radios
        ]
        await tx.execute(gateway_radios.insert(), rows)


async def load(tx: AsyncConnection, store_id: str) -> list[GatewayRadio]:
    """The store's radios by the last calibration, in order of their id; none before the first."""
    last = await calibration(tx, store_id)
    return [] if last is None else list(last.radios)


async def changed_at(tx: AsyncConnection, store_id: str) -> datetime | None:
    """When the store was last calibrated; None when it never was."""
    found: datetime | None = await tx.scalar(select(_last_at(store_id, None)))
    return found


async def calibration(
    tx: AsyncConnection, store_id: str, until: datetime | None = None
) -> KeptCalibration | None:
    """The store's last calibration, made at `until` or before; None when there was none."""
    rows = (
        await tx.execute(
            select(gateway_radios)
            .where(
                gateway_radios.c.store_id == store_id,
                gateway_radios.c.calibrated_at == _last_at(store_id, until),
            )
            .order_by(gateway_radios.c.gateway_id)
        )
    ).all()
    if not rows:
        return None
    radios = (GatewayRadio(**{name: getattr(row, name) for name in _VALUES}) for row in rows)
    flags = (flag for row in rows for flag in _flags(row))
    return KeptCalibration(rows[0].calibrated_at, tuple(radios), tuple(flags))


async def prune(tx: AsyncConnection, now: datetime) -> int:
    """Forget what is older than it is kept, but for what is in use; how many rows that were."""
    older = gateway_radios.alias()
    in_use = (
        select(func.max(older.c.calibrated_at))
        .where(older.c.store_id == gateway_radios.c.store_id)
        .scalar_subquery()
    )
    gone = await tx.execute(
        delete(gateway_radios).where(
            gateway_radios.c.calibrated_at < now - KEPT, gateway_radios.c.calibrated_at < in_use
        )
    )
    return int(gone.rowcount)


def _flags(row: Any) -> list[Flag]:
    """What was said of one gateway; less what another version says in a form of its own."""
    try:
        said = msgspec.convert(row.flags, tuple[tuple[FlagKind, str], ...])
    except msgspec.ValidationError:
        facts = {"store": row.store_id, "gateway": row.gateway_id}
        log.warning("flags in another version's form: left out", extra=facts)
        return []
    return [Flag(row.gateway_id, kind, sentence) for kind, sentence in said]


def _last_at(store_id: str, until: datetime | None) -> ScalarSelect[datetime]:
    last = select(func.max(gateway_radios.c.calibrated_at)).where(
        gateway_radios.c.store_id == store_id
    )
    if until is not None:
        last = last.where(gateway_radios.c.calibrated_at <= until)
    return last.scalar_subquery()

"""Walk surveys of a store: what they measured, and those that are being walked now."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.survey import Survey, SurveyPoint
from beacons.survey_walk import Tap, TapKind
from db.connect import insert_once
from db.survey_tables import survey_taps, survey_walks, surveys
from db.tables import stores

log = logging.getLogger(__name__)

# The recorder says every few seconds that it is still there; without it, taps would lead nowhere.
OPEN_FOR: Final = timedelta(seconds=30)
# What a recorder that died has left behind.
KEPT_FOR: Final = timedelta(days=1)
# Five hours at a tap every four seconds.
MAX_TAPS: Final = 5_000
# Places are known to a metre and loudness to a decibel: more digits would only fill the row.
_PLACE_DIGITS: Final = 3
_DB_DIGITS: Final = 2


class StoredSurveyError(Exception):
    """A stored survey that another version wrote; the message says what to do.

    fault: what is wrong with it, and where.
    """

    def __init__(self, survey_id: str, fault: str) -> None:
        super().__init__(
            f"survey {survey_id} cannot be read ({fault}) and is not used:"
            f" `corsia store survey remove {survey_id}`"
        )


@dataclass(frozen=True, slots=True)
class KeptSurvey:
    """A survey, and when it was taken in."""

    survey: Survey
    made_at: datetime


@dataclass(frozen=True, slots=True)
class OpenWalk:
    """A survey that is being walked with this handset now."""

    handset_id: str
    store_id: str
    survey_id: str
    opened_at: datetime


class _Heard(msgspec.Struct, array_like=True, frozen=True):
    gateway_id: str
    mean_rssi_dbm: float
    sd_rssi_db: float
    count: int


class _Place(msgspec.Struct, array_like=True, frozen=True):
    floor_id: str
    x_m: float
    y_m: float
    seconds: float
    heard: tuple[_Heard, ...]


# --- surveys ----------------------------------------------------------------------------------
async def save(tx: AsyncConnection, store_id: str, survey: Survey, now: datetime) -> None:
    """Keep the survey; engines of the store take it in. Places keep millimetres."""
    row = {
        "id": survey.survey_id,
        "store_id": store_id,
        "made_at": now,
        "places": msgspec.to_builtins(_places(survey.points)),
    }
    await tx.execute(surveys.insert().values(row))
    await _changed(tx, store_id, now)


async def load(tx: AsyncConnection, store_id: str) -> list[Survey]:
    """All surveys of a store, oldest first."""
    return [kept.survey for kept in await kept_surveys(tx, store_id)]


async def kept_surveys(tx: AsyncConnection, store_id: str) -> list[KeptSurvey]:
    """All surveys of a store with their times, oldest first, without those that cannot be read."""
    rows = await tx.execute(
        select(surveys).where(surveys.c.store_id == store_id).order_by(surveys.c.made_at)
    )
    kept = []
    for row in rows:
        try:
            kept.append(_kept(row))
        except StoredSurveyError as error:
            log.warning(str(error), extra={"store": store_id})
    return kept


async def last_made_at(tx: AsyncConnection, store_id: str) -> datetime | None:
    """When the newest survey of a store was taken in; None when it has none."""
    mine = surveys.c.store_id == store_id
    found: datetime | None = await tx.scalar(select(func.max(surveys.c.made_at)).where(mine))
    return found


async def load_one(tx: AsyncConnection, survey_id: str) -> tuple[str, KeptSurvey] | None:
    """One survey with the store it is of; None when there is none of that id.

    Raises StoredSurveyError.
    """
    row = (await tx.execute(select(surveys).where(surveys.c.id == survey_id))).one_or_none()
    return None if row is None else (row.store_id, _kept(row))


async def remove(tx: AsyncConnection, survey_id: str, now: datetime) -> bool:
    """Forget the survey; False when there is none of that id."""
    store_id = await tx.scalar(select(surveys.c.store_id).where(surveys.c.id == survey_id))
    if store_id is None:
        return False
    await tx.execute(delete(surveys).where(surveys.c.id == survey_id))
    await _changed(tx, store_id, now)
    return True


async def changed_at(tx: AsyncConnection, store_id: str) -> datetime | None:
    """When a survey of the store was last added or removed; None when none ever was."""
    return await tx.scalar(select(stores.c.surveys_changed_at).where(stores.c.id == store_id))


# --- surveys being walked ---------------------------------------------------------------------
async def open_walk(tx: AsyncConnection, walk: OpenWalk, now: datetime) -> bool:
    """Open a survey for this handset's taps; False while another of it is being recorded.

    What a recorder that died has left open is dropped with its taps.
    """
    await tx.execute(
        delete(survey_walks).where(
            survey_walks.c.handset_id == walk.handset_id, survey_walks.c.open_until <= now
        )
    )
    row = {
        "handset_id": walk.handset_id,
        "store_id": walk.store_id,
        "survey_id": walk.survey_id,
        "opened_at": walk.opened_at,
        "open_until": now + OPEN_FOR,
        "erase_after": walk.opened_at + KEPT_FOR,
    }
    return await insert_once(tx, survey_walks, row)


async def keep_open(tx: AsyncConnection, walk: OpenWalk, now: datetime) -> bool:
    """Say that the walk is still being recorded; False when it is not there any more."""
    renewed = await tx.execute(
        update(survey_walks)
        .where(survey_walks.c.survey_id == walk.survey_id)
        .values(open_until=now + OPEN_FOR)
    )
    return renewed.rowcount == 1


async def open_walk_of(tx: AsyncConnection, handset_id: str, now: datetime) -> OpenWalk | None:
    """The survey that is being walked with this handset; None when none is."""
    row = (
        await tx.execute(
            select(survey_walks).where(
                survey_walks.c.handset_id == handset_id, survey_walks.c.open_until > now
            )
        )
    ).one_or_none()
    return None if row is None else OpenWalk(handset_id, row.store_id, row.survey_id, row.opened_at)


async def walking_in(tx: AsyncConnection, store_id: str, now: datetime) -> frozenset[str]:
    """The handsets that a store is being surveyed with: who carries them is no shopper."""
    rows = await tx.scalars(
        select(survey_walks.c.handset_id).where(
            survey_walks.c.store_id == store_id, survey_walks.c.open_until > now
        )
    )
    return frozenset(rows.all())


async def close_walk(tx: AsyncConnection, walk: OpenWalk) -> None:
    """The walk is over: who walked it, and the taps, are forgotten."""
    await tx.execute(delete(survey_walks).where(survey_walks.c.survey_id == walk.survey_id))


async def add_tap(tx: AsyncConnection, walk: OpenWalk, tap_id: str, tap: Tap, at: datetime) -> bool:
    """Keep a tap of an open walk; False when it was there already. at: the tap's own time."""
    row = {
        "handset_id": walk.handset_id,
        "tap_id": tap_id,
        "at": at,
        "floor_id": tap.floor_id,
        "x_m": tap.x_m,
        "y_m": tap.y_m,
        "kind": tap.kind.value,
    }
    return await insert_once(tx, survey_taps, row)


async def tap_count(tx: AsyncConnection, walk: OpenWalk) -> int:
    """How many taps a walk has so far."""
    mine = survey_taps.c.handset_id == walk.handset_id
    return int(await tx.scalar(select(func.count()).select_from(survey_taps).where(mine)) or 0)


async def taps_of(tx: AsyncConnection, walk: OpenWalk) -> list[Tap]:
    """The taps of an open walk in the order of time."""
    rows = await tx.execute(
        select(survey_taps)
        .where(survey_taps.c.handset_id == walk.handset_id)
        .order_by(survey_taps.c.at, survey_taps.c.tap_id)
    )
    return [
        Tap(row.at.timestamp(), row.floor_id, row.x_m, row.y_m, TapKind(row.kind)) for row in rows
    ]


async def _changed(tx: AsyncConnection, store_id: str, now: datetime) -> None:
    await tx.execute(update(stores).where(stores.c.id == store_id).values(surveys_changed_at=now))


def _kept(row: Any) -> KeptSurvey:
    try:
        places = msgspec.convert(row.places, tuple[_Place, ...])
    except msgspec.ValidationError as error:
        raise StoredSurveyError(row.id, str(error)) from error
    points = tuple(
        SurveyPoint(
            floor_id=place.floor_id,
            x_m=place.x_m,
            y_m=place.y_m,
            gateway_id=one.gateway_id,
            mean_rssi_dbm=one.mean_rssi_dbm,
            sd_rssi_db=one.sd_rssi_db,
            count=one.count,
            seconds=place.seconds,
        )
        for place in places
        for one in place.heard
    )
    return KeptSurvey(Survey(row.id, points), row.made_at)


def _places(points: Sequence[SurveyPoint]) -> list[_Place]:
    heard: defaultdict[tuple[str, float, float, float], list[_Heard]] = defaultdict(list)
    for point in points:
        place = (
            point.floor_id,
            round(point.x_m, _PLACE_DIGITS),
            round(point.y_m, _PLACE_DIGITS),
            round(point.seconds, _PLACE_DIGITS),
        )
        mean_dbm = round(point.mean_rssi_dbm, _DB_DIGITS)
        sd_db = round(point.sd_rssi_db, _DB_DIGITS)
        heard[place].append(_Heard(point.gateway_id, mean_dbm, sd_db, point.count))
    return [_Place(*place, tuple(all_heard)) for place, all_heard in heard.items()]

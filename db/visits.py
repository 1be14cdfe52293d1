"""Visits to a store and to its zones, as presence saw them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, distinct, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ids import new_id
from db.tables import shoppers, visits, zone_visits

KEPT: Final = timedelta(days=365)
# A visit that nobody closed, because the engine was away, is over all the same.
UNHEARD_OF: Final = timedelta(minutes=10)
SAME_TRIP: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay in a store that is not over."""

    visit_id: str
    shopper_id: str
    store_id: str
    handset_id: str
    entered_at: datetime
    last_heard_at: datetime


async def open_visit(
    tx: AsyncConnection, shopper_id: str, store_id: str, handset_id: str, at: datetime
) -> Visit:
    """A visit that begins now."""
    visit = Visit(new_id(), shopper_id, store_id, handset_id, at, at)
    await tx.execute(
        visits.insert().values(
            id=visit.visit_id,
            shopper_id=shopper_id,
            store_id=store_id,
            handset_id=handset_id,
            entered_at=at,
            last_heard_at=at,
            erase_after=at + KEPT,
        )
    )
    return visit


async def open_visits(tx: AsyncConnection, store_id: str) -> list[Visit]:
    """The visits to a store that nobody has closed."""
    rows = await tx.execute(
        select(visits).where(visits.c.store_id == store_id, visits.c.left_at.is_(None))
    )
    return [
        Visit(
            row.id,
            row.shopper_id,
            row.store_id,
            row.handset_id,
            row.entered_at,
            row.last_heard_at,
        )
        for row in rows
    ]


async def heard_until(tx: AsyncConnection, visit_id: str, at: datetime) -> None:
    """The shopper was still heard at that time."""
    await tx.execute(
        update(visits)
        .where(visits.c.id == visit_id, visits.c.last_heard_at < at)
        .values(last_heard_at=at)
    )


async def close_visit(tx: AsyncConnection, visit_id: str, at: datetime) -> None:
    """The visit is over, and with it the stay in a zone."""
    await tx.execute(update(visits).where(visits.c.id == visit_id).values(left_at=at))
    await leave_zones(tx, visit_id, at)


async def enter_zone(
    tx: AsyncConnection, visit_id: str, zone_id: str, at: datetime, confidence: float
) -> None:
    """A stay in a zone begins, and any other is over.

    One that is open already goes on: an engine that began anew tells it once more.
    """
    open_zone: str | None = await tx.scalar(
        select(zone_visits.c.zone_id)
        .where(zone_visits.c.visit_id == visit_id, zone_visits.c.left_at.is_(None))
        .order_by(zone_visits.c.id.desc())
        .limit(1)
    )
    if open_zone == zone_id:
        return
    if open_zone is not None:
        await leave_zones(tx, visit_id, at)
    await tx.execute(
        zone_visits.insert().values(
            visit_id=visit_id, zone_id=zone_id, entered_at=at, confidence=confidence
        )
    )


async def leave_zones(tx: AsyncConnection, visit_id: str, at: datetime) -> None:
    """Whatever zone the shopper was in, they are there no more."""
    await tx.execute(
        update(zone_visits)
        .where(zone_visits.c.visit_id == visit_id, zone_visits.c.left_at.is_(None))
        .values(left_at=at)
    )


async def open_stays(tx: AsyncConnection, store_id: str) -> dict[str, str]:
    """handset -> the zone that it is in, of the visits to a store that nobody has closed."""
    rows = await tx.execute(
        select(visits.c.handset_id, zone_visits.c.zone_id)
        .join(zone_visits, zone_visits.c.visit_id == visits.c.id)
        .where(
            visits.c.store_id == store_id,
            visits.c.left_at.is_(None),
            zone_visits.c.left_at.is_(None),
        )
        .order_by(zone_visits.c.id)
    )
    return {row.handset_id: row.zone_id for row in rows}


@dataclass(frozen=True, slots=True)
class VisitsBefore:
    """A shopper's visits before one. days: on how many; last_at: when the last began."""

    days: int
    last_at: datetime | None


async def visits_before(tx: AsyncConnection, shopper_id: str, begun_at: datetime) -> VisitsBefore:
    """The shopper's visits, to whichever store, before one that began then.

    A handset that is silent for a while makes two visits of one trip to the shops: what began less
    than SAME_TRIP earlier does not count, and of a day (UTC) the visits count once.
    """
    before = and_(visits.c.shopper_id == shopper_id, visits.c.entered_at < begun_at - SAME_TRIP)
    days: int | None = await tx.scalar(
        select(func.count(distinct(func.date(visits.c.entered_at)))).where(before)
    )
    last_at: datetime | None = await tx.scalar(select(func.max(visits.c.entered_at)).where(before))
    return VisitsBefore(days or 0, last_at)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where presence believed a shopper to be. zone_id None: in no zone that could be named."""

    store_id: str
    zone_id: str | None


async def whereabouts(tx: AsyncConnection, shopper_id: str, at: datetime) -> Whereabouts | None:
    """Where the shopper was at a moment; None when in no store."""
    is_open = and_(visits.c.left_at.is_(None), visits.c.last_heard_at >= at - UNHEARD_OF)
    open_or_later = or_(is_open, visits.c.left_at >= at)
    visit = (
        await tx.execute(
            select(visits.c.id, visits.c.store_id)
            .where(visits.c.shopper_id == shopper_id, visits.c.entered_at <= at, open_or_later)
            .order_by(visits.c.entered_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if visit is None:
        return None
    zone_id: str | None = await tx.scalar(
        select(zone_visits.c.zone_id)
        .where(
            zone_visits.c.visit_id == visit.id,
            zone_visits.c.entered_at <= at,
            or_(zone_visits.c.left_at.is_(None), zone_visits.c.left_at >= at),
        )
        .order_by(zone_visits.c.entered_at.desc())
        .limit(1)
    )
    return Whereabouts(visit.store_id, zone_id)


async def can_visit(tx: AsyncConnection, shopper_id: str) -> bool:
    """Whether the shopper is still there to have a visit: not erased."""
    found = await tx.scalar(select(shoppers.c.id).where(shoppers.c.id == shopper_id))
    return found is not None

"""Past stays in zones, counted by how long they lasted: what expected dwell is learned from.

Counted in SQL, so that weeks of visits come back as a few thousand rows at most. Read as presence
wrote them, but for this:

- A stay that ends when its visit does, or later, has no seen end: the handset fell silent, or the
  engine stopped and the handset did not come back. It is unfinished, and ends with the visit.
- Visits under way are left out: of their stays the long ones would be missing.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CTE, ColumnElement, Float, Integer, case, cast, extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.dwell import LONGEST_STAY_S, SHORTEST_STAY_S, StayCount
from db.tables import visits, zone_visits

# Long enough for two of every weekday, short enough to forget last season's layout.
LEARNED_FROM: Final = timedelta(weeks=4)
# The newest visits that are read, however many there were: a busy store's month. Measured with
# twenty stays each: SQLite counts them in 1.6 s.
VISITS_MAX: Final = 20_000
# Presence works in half seconds.
TICKS_PER_S: Final = 2


async def stay_counts(
    tx: AsyncConnection, store_id: str, since: datetime, visits_max: int = VISITS_MAX
) -> list[StayCount]:
    """Stays of the newest visits that began since then and are over, in half seconds.

    Stays of SHORTEST_STAY_S or less teach nothing and are left out.
    """
    stays = _stays(store_id, since, visits_max, is_sqlite=tx.dialect.name == "sqlite")
    is_over = (stays.c.left_s < stays.c.visit_left_s).label("is_over")
    duration_s = _least(stays.c.left_s, stays.c.visit_left_s) - stays.c.entered_s
    # What lasts too long to matter is all alike.
    duration_s = _least(duration_s, cast(LONGEST_STAY_S + 1.0, Float))
    ticks = cast(func.round(duration_s * TICKS_PER_S), Integer).label("ticks")
    counted = await tx.execute(
        select(stays.c.zone_id, ticks, is_over, func.count().label("stays"))
        .where(ticks > SHORTEST_STAY_S * TICKS_PER_S)
        .group_by(stays.c.zone_id, ticks, is_over)
        .order_by(stays.c.zone_id, ticks, is_over)
    )
    return [
        StayCount(row.zone_id, row.ticks / TICKS_PER_S, bool(row.is_over), row.stays)
        for row in counted
    ]


def _stays(store_id: str, since: datetime, visits_max: int, *, is_sqlite: bool) -> CTE:
    """The stays of the visits to be read, as written, in seconds."""
    recent = (
        select(visits.c.id, visits.c.left_at)
        .where(
            visits.c.store_id == store_id,
            visits.c.entered_at >= since,
            visits.c.left_at.is_not(None),
        )
        .order_by(visits.c.entered_at.desc())
        .limit(visits_max)
        .cte("recent")
    )
    return (
        select(
            zone_visits.c.zone_id,
            _unix_s(zone_visits.c.entered_at, is_sqlite=is_sqlite).label("entered_s"),
            _unix_s(zone_visits.c.left_at, is_sqlite=is_sqlite).label("left_s"),
            _unix_s(recent.c.left_at, is_sqlite=is_sqlite).label("visit_left_s"),
        )
        .join(recent, recent.c.id == zone_visits.c.visit_id)
        .cte("stays")
    )


def _least(one: ColumnElement[float], other: ColumnElement[float]) -> ColumnElement[float]:
    return case((other < one, other), else_=one)


def _unix_s(at: ColumnElement[datetime], *, is_sqlite: bool) -> ColumnElement[float]:
    """Seconds on one axis, to the millisecond on SQLite: its dates are text."""
    if is_sqlite:
        return func.julianday(at, type_=Float) * 86_400.0
    return cast(extract("epoch", at), Float)

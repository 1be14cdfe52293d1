"""Through which zones a shopper went in one visit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import visits, zone_visits


@dataclass(frozen=True, slots=True)
class Way:
    """Of one visit. entered: when and into which zone, in the order of time."""

    store_id: str
    entered: tuple[tuple[datetime, str], ...]


async def way_of(tx: AsyncConnection, shopper_id: str, begun_at: datetime) -> Way | None:
    """The shopper's way in the visit that began then; None when no such visit is stored."""
    rows = (
        await tx.execute(
            select(visits.c.store_id, zone_visits.c.entered_at, zone_visits.c.zone_id)
            .outerjoin(zone_visits, zone_visits.c.visit_id == visits.c.id)
            .where(visits.c.shopper_id == shopper_id, visits.c.entered_at == begun_at)
            .order_by(visits.c.id, zone_visits.c.id)
        )
    ).all()
    if not rows:
        return None
    store_id = rows[0].store_id
    entered = [
        (row.entered_at, row.zone_id)
        for row in rows
        if row.store_id == store_id and row.zone_id is not None
    ]
    return Way(store_id, tuple(entered))

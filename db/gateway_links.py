"""Links between gateways: what each heard of its fellows' canaries, in sums per hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.links import Link, LinkHour, links_of
from db.tables import gateway_links

# Two months tell a slow change from a sudden one; 12 gateways make 190,000 rows of it at the most.
KEPT: Final = timedelta(days=60)
_KEY: Final = ("store_id", "hearer_id", "heard_id", "hour_at")
_SUMS: Final = ("windows", "packets", "sum_dbm", "sum_dbm2")


async def add(tx: AsyncConnection, store_id: str, hours: Sequence[LinkHour]) -> None:
    """Add these sums to what is there. Every gateway of them must be known to SQL."""
    if not hours:
        return
    rows = [
        {
            "store_id": store_id,
            "hearer_id": hour.hearer_id,
            "heard_id": hour.heard_id,
            "hour_at": datetime.fromtimestamp(hour.hour_s, UTC),
            **{name: getattr(hour, name) for name in _SUMS},
        }
        for hour in hours
    ]
    dialect: Any = sqlite if tx.dialect.name == "sqlite" else postgresql
    new = dialect.insert(gateway_links)
    sums = {name: gateway_links.c[name] + new.excluded[name] for name in _SUMS}
    await tx.execute(new.on_conflict_do_update(index_elements=_KEY, set_=sums), rows)


async def load(tx: AsyncConnection, store_id: str, since: datetime, until: datetime) -> list[Link]:
    """The links of a store over the clock hours that begin within the span.

    The hour in which the span begins is left out, unless both begin at once: sums of an hour cannot
    be parted, and what was heard before `since` may be of a gateway that hung elsewhere.
    """
    rows = await tx.execute(
        select(gateway_links).where(
            gateway_links.c.store_id == store_id,
            gateway_links.c.hour_at >= since,
            gateway_links.c.hour_at < until,
        )
    )
    return links_of(
        LinkHour(
            row.hearer_id,
            row.heard_id,
            int(row.hour_at.timestamp()),
            row.windows,
            row.packets,
            row.sum_dbm,
            row.sum_dbm2,
        )
        for row in rows
    )


def first_hour(since: datetime) -> datetime:
    """When the first clock hour begins that `load` takes in."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    return hour if hour == since else hour + timedelta(hours=1)


async def prune(tx: AsyncConnection, now: datetime) -> int:
    """Forget what is older than it is kept; how many rows that were."""
    gone = await tx.execute(delete(gateway_links).where(gateway_links.c.hour_at < now - KEPT))
    return int(gone.rowcount)

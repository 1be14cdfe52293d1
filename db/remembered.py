"""The facts that profiles are made of: what shoppers bought, and where they stood."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import visits, zone_visits
from db.worth_tables import purchases

# store, zone
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Basket:
    """What was paid at once: the categories in it."""

    categories: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """Some time in a zone."""

    place: Place
    seconds: float
    until: datetime


@dataclass(slots=True)
class Facts:
    """What is known of one shopper. erase_after: when the first of it is erased."""

    baskets: list[Basket] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    erase_after: datetime | None = None

    def erased_by(self, at: datetime) -> None:
        """One more fact that is kept until then."""
        self.erase_after = at if self.erase_after is None else min(at, self.erase_after)


async def facts_of(
    tx: AsyncConnection, shopper_ids: Collection[str], kept_until: datetime
) -> Mapping[str, Facts]:
    """The facts about each of these shoppers that are kept beyond `kept_until`."""
    found: defaultdict[str, Facts] = defaultdict(Facts)
    await _add_baskets(tx, found, shopper_ids, kept_until)
    await _add_stays(tx, found, shopper_ids, kept_until)
    return found


async def news_of(tx: AsyncConnection, shopper_ids: Collection[str]) -> dict[str, datetime]:
    """When each of these last bought something that we heard of, or left a store."""
    bought = select(purchases.c.shopper_id, func.max(purchases.c.stored_at).label("at"))
    left = select(visits.c.shopper_id, func.max(visits.c.left_at).label("at"))
    found: dict[str, datetime] = {}
    for query, table in ((bought, purchases), (left, visits)):
        rows = await tx.execute(
            query.where(table.c.shopper_id.in_(shopper_ids)).group_by(table.c.shopper_id)
        )
        for row in rows:
            if row.at is not None:
                found[row.shopper_id] = max(row.at, found.get(row.shopper_id, row.at))
    return found


async def _add_baskets(
    tx: AsyncConnection,
    found: defaultdict[str, Facts],
    shopper_ids: Collection[str],
    kept_until: datetime,
) -> None:
    rows = await tx.execute(
        select(
            purchases.c.shopper_id,
            purchases.c.store_id,
            purchases.c.receipt_id,
            purchases.c.category,
            purchases.c.at,
            purchases.c.erase_after,
        )
        .where(
            purchases.c.shopper_id.in_(shopper_ids),
            purchases.c.may_profile,
            purchases.c.erase_after > kept_until,
        )
        .order_by(purchases.c.shopper_id, purchases.c.at)
    )
    baskets: defaultdict[tuple[str, str, str, datetime], set[str]] = defaultdict(set)
    for row in rows:
        baskets[row.shopper_id, row.store_id, row.receipt_id, row.at].add(row.category)
        found[row.shopper_id].erased_by(row.erase_after)
    for (shopper_id, _, _, at), held in baskets.items():
        found[shopper_id].baskets.append(Basket(frozenset(held), at))


async def _add_stays(
    tx: AsyncConnection,
    found: defaultdict[str, Facts],
    shopper_ids: Collection[str],
    kept_until: datetime,
) -> None:
    """Stays of visits that are over; one that nobody ended, ended with its visit."""
    rows = await tx.execute(
        select(
            visits.c.shopper_id,
            visits.c.store_id,
            visits.c.left_at,
            visits.c.erase_after,
            zone_visits.c.zone_id,
            zone_visits.c.entered_at,
            zone_visits.c.left_at.label("zone_left_at"),
        )
        .join(zone_visits, zone_visits.c.visit_id == visits.c.id)
        .where(
            visits.c.shopper_id.in_(shopper_ids),
            visits.c.left_at.is_not(None),
            visits.c.erase_after > kept_until,
        )
        .order_by(visits.c.shopper_id, zone_visits.c.entered_at)
    )
    for row in rows:
        until = min(row.zone_left_at or row.left_at, row.left_at)
        seconds = (until - row.entered_at).total_seconds()
        own = found[row.shopper_id]
        own.stays.append(Stay((row.store_id, row.zone_id), seconds, until))
        own.erased_by(row.erase_after)

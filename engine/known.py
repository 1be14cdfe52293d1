"""What is known when a decision is made: a shopper's profile from SQL; what was learnt of all, and
what a store sells, from memory."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from shapely import Polygon
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.store_plan import StorePlan
from db import learnt, products, profiles, stores
from db.products import IN_FORCE_AFTER, Version
from offers.goods import Goods, Product, Spot
from offers.known import Known, Learnt
from offers.learning import NOTHING_LEARNT, Learning
from offers.relevance import Kept

# A live engine needs the newest version; a replay goes through a week of them, in order.
_VERSIONS_KEPT: Final = 2
# More than are in the stores of one process at a time; some kilobytes each.
KEPT_MAX: Final = 5_000
# SQL is asked so often whether a store sells something else by now: what is taken in comes into
# force later than that, so that nothing is missed.
GOODS_EVERY: Final = timedelta(seconds=30)
assert GOODS_EVERY < IN_FORCE_AFTER
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Stocked:
    """What a store sells from `since` to before `until`. made_of: by which versions it was read."""

    since: datetime
    until: datetime
    made_of: tuple[datetime | None, ...]
    goods: Goods


class Remembering:
    """Known shoppers, for all stores of a process. What was learnt of all is read once a version.

    Everything is told as it was at the moment that is asked for, so that a decision of the last
    days (`db.profiles.REPLAYED`) can be taken again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._versions: dict[datetime, tuple[Learnt, Learning]] = {}
        # From when to before when products are known to be of a version.
        self._sold = (_NEVER, _NEVER, Version(None, None))
        self._products: tuple[datetime | None, Mapping[str, Product]] = (None, {})
        self._stocked: dict[str, _Stocked] = {}

    def kept_for(self, shopper_id: str) -> Kept:
        """What the shopper's decision before worked out; of the newest KEPT_MAX shoppers."""
        kept = self._kept.pop(shopper_id, None) or Kept()
        self._kept[shopper_id] = kept  # at the end: the newest are the last to go
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return kept

    async def known_of(
        self, tx: AsyncConnection, shopper_id: str, at: datetime, *, may_profile: bool
    ) -> Known:
        """What was known of the shopper at that moment.

        may_profile: whether they allowed it then. Of those who do not, only what they said is.
        """
        said = await profiles.opinions(tx, shopper_id, at)
        found = await profiles.find(tx, shopper_id if may_profile else None, at)
        of_all, learning = await self._learnt(tx, found.learnt_since)
        profile = found.profile
        if said:
            profile = replace(profile, stated=said)
        return Known(profile, of_all, learning)

    async def is_anything_sold(self, tx: AsyncConnection, at: datetime) -> bool:
        """Whether the retailer had told of any product by then."""
        return (await self._sold_at(tx, at)).since is not None

    async def goods_of(self, tx: AsyncConnection, store_id: str, at: datetime) -> Goods:
        """What a store sold at that moment; its zones are those of the plan that is saved now."""
        known = self._stocked.get(store_id)
        if known is not None and known.since <= at < known.until:
            return known.goods
        sold = await self._sold_at(tx, at)
        shelved = await products.shelves_version(tx, store_id, at)
        made_of = (sold.since, shelved.since, await stores.changed_at(tx, store_id))
        if known is not None and known.made_of == made_of:
            goods = known.goods
        else:
            # Some tenths of a second for fifty thousand products, once an import; most of it in a
            # thread, in which the loop goes on.
            since, by_id = self._products
            if since != sold.since:
                rows = await products.products_at(tx, at)
                by_id = await asyncio.to_thread(products.read_products, rows)
                self._products = (sold.since, by_id)
            lying = await products.shelves_at(tx, store_id, at)
            spots = await _spots(tx, store_id)
            goods = await asyncio.to_thread(_goods, by_id, lying, spots)
        until = min(_until(sold, at), _until(shelved, at))
        self._stocked[store_id] = _Stocked(at, until, made_of, goods)
        return goods

    async def _sold_at(self, tx: AsyncConnection, at: datetime) -> Version:
        since, until, version = self._sold
        if not since <= at < until:
            version = await products.products_version(tx, at)
            self._sold = (at, _until(version, at), version)
        return version

    async def _learnt(self, tx: AsyncConnection, since: datetime | None) -> tuple[Learnt, Learning]:
        if since is None:
            return Learnt(), NOTHING_LEARNT
        version = self._versions.get(since)
        if version is None:
            # Some hundredths of a second, once a night.
            version = self._versions[since] = await learnt.load(tx, since)
            while len(self._versions) > _VERSIONS_KEPT:
                del self._versions[next(iter(self._versions))]
        return version


def _until(version: Version, at: datetime) -> datetime:
    """Until when SQL need not be asked again."""
    again = at + GOODS_EVERY
    return again if version.until is None else min(again, version.until)


def _goods(
    sold: Mapping[str, Product], lying: Iterable[Row[str, str, bool]], spots: Mapping[str, Spot]
) -> Goods:
    places: dict[str, frozenset[str]] = {}
    gone: set[str] = set()
    # Most products lie in one zone, and share its set.
    alone: dict[str, frozenset[str]] = {}
    for product_id, zone_id, in_stock in lying:
        if not in_stock:
            gone.add(product_id)
        elif product_id in places:
            places[product_id] |= {zone_id}
        else:
            places[product_id] = alone.setdefault(zone_id, frozenset({zone_id}))
    return Goods(sold, places, frozenset(gone - places.keys()), spots)


async def _spots(tx: AsyncConnection, store_id: str) -> dict[str, Spot]:
    """The middle of each zone; none where the stored plan cannot be read."""
    try:
        plan = await stores.load_store(tx, store_id)
    except stores.StoredPlanError as error:
        log.warning("ways unknown", extra={"store": store_id, "why": str(error)})
        return {}
    return {} if plan is None else _middles(plan)


def _middles(plan: StorePlan) -> dict[str, Spot]:
    found = {}
    for floor in plan.floors:
        for zone in floor.zones:
            middle = Polygon(zone.polygon).centroid
            found[zone.zone_id] = Spot(zone.name, floor.floor_id, middle.x, middle.y)
    return found

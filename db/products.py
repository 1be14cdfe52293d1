"""What is sold and what lies on which shelf: taken in from the retailer, and told as it was.

A row holds from `since` on until, if not empty, `until`, and is kept for REPLAYED after that, so
that a past decision can be taken again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.learnt_tables import products, shelves
from db.profiles import REPLAYED
from offers.goods import Product

# What is taken in holds from a minute later on, at the next ten seconds: by then it is committed
# and every engine has asked (`engine.known`), so that whoever asks what held at a moment gets the
# same answer for ever; and the thousands of rows of one import mostly come into force together.
IN_FORCE_AFTER: Final = timedelta(seconds=60)
_ROUND_S: Final = 10


@dataclass(frozen=True, slots=True)
class Shelved:
    """A product in a zone of a store."""

    store_id: str
    product_id: str
    zone_id: str
    in_stock: bool


@dataclass(frozen=True, slots=True)
class Version:
    """Since when what holds at a moment holds, and when it is followed by something else.

    None: nothing was ever taken in; nothing is to follow.
    """

    since: datetime | None
    until: datetime | None


def in_force_from(now: datetime) -> datetime:
    """When what is taken in now comes into force."""
    ends_s = (now + IN_FORCE_AFTER).timestamp()
    return datetime.fromtimestamp(-(-ends_s // _ROUND_S) * _ROUND_S, UTC)


async def put_products(tx: AsyncConnection, given: Sequence[Product], now: datetime) -> int:
    """These products are as given, from `in_force_from(now)` on; how many are new or changed."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {
        (one.product_id,): {
            "id": one.product_id,
            "name": one.name,
            "category": one.category,
            "price_cents": one.price_cents,
            "margin_cents": one.margin_cents,
        }
        for one in given
    }
    return await _put(tx, products, ("id",), rows, now)


async def put_shelves(tx: AsyncConnection, given: Sequence[Shelved], now: datetime) -> int:
    """So these products lie and are in stock, from `in_force_from(now)` on; how many are new or
    changed. Other places of a product stay as they are."""
    key = ("store_id", "product_id", "zone_id")
    rows: dict[tuple[str, ...], dict[str, Any]] = {
        (one.store_id, one.product_id, one.zone_id): {
            "store_id": one.store_id,
            "product_id": one.product_id,
            "zone_id": one.zone_id,
            "in_stock": one.in_stock,
        }
        for one in given
    }
    return await _put(tx, shelves, key, rows, now)


async def prune(tx: AsyncConnection, now: datetime) -> None:
    """Delete what no replay asks for any more."""
    for table in (products, shelves):
        await tx.execute(delete(table).where(table.c.until < now - REPLAYED))


async def products_version(tx: AsyncConnection, at: datetime) -> Version:
    """Which products hold at a moment."""
    return await _version(tx, products.c.since, at)


async def shelves_version(tx: AsyncConnection, store_id: str, at: datetime) -> Version:
    """Which shelves of a store hold at a moment."""
    return await _version(tx, shelves.c.since, at, shelves.c.store_id == store_id)


async def products_at(tx: AsyncConnection, at: datetime) -> Sequence[Row[str, str, str, int, int]]:
    """Every product as it was then; `read_products` takes its time over thousands."""
    rows = await tx.execute(
        select(
            products.c.id,
            products.c.name,
            products.c.category,
            products.c.price_cents,
            products.c.margin_cents,
        ).where(_held(products, at))
    )
    return rows.all()


def read_products(rows: Iterable[Row[str, str, str, int, int]]) -> dict[str, Product]:
    """What rows of products mean, by id."""
    return {row[0]: Product(*row) for row in rows}


async def shelves_at(
    tx: AsyncConnection, store_id: str, at: datetime
) -> Sequence[Row[str, str, bool]]:
    """What lay where in a store then: product, zone, and whether it was in stock."""
    rows = await tx.execute(
        select(shelves.c.product_id, shelves.c.zone_id, shelves.c.in_stock).where(
            shelves.c.store_id == store_id, _held(shelves, at)
        )
    )
    return rows.all()


async def known_ids(tx: AsyncConnection, asked: Collection[str]) -> set[str]:
    """Of these products, those that were ever taken in and not replaced since."""
    found = await tx.scalars(
        select(products.c.id).where(products.c.id.in_(asked), products.c.until.is_(None))
    )
    return set(found.all())


async def changes(tx: AsyncConnection, since: datetime, until: datetime) -> list[datetime]:
    """When, from `since` to `until`, anything of it became another, in any store."""
    found: set[datetime] = set()
    for table in (products, shelves):
        found.update(
            await tx.scalars(
                select(table.c.since).distinct().where(table.c.since.between(since, until))
            )
        )
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Listed:
    """A product and where it lies. stock: shelves by store, in stock and all."""

    product: Product
    stock: Mapping[str, tuple[int, int]]


async def listed(tx: AsyncConnection, category: str | None, most: int) -> list[Listed]:
    """The newest of the first so many products in the order of their ids; of one category, if one
    is given."""
    wanted = select(products).where(products.c.until.is_(None)).order_by(products.c.id).limit(most)
    if category is not None:
        wanted = wanted.where(products.c.category == category)
    found = [
        Product(row.id, row.name, row.category, row.price_cents, row.margin_cents)
        for row in await tx.execute(wanted)
    ]
    rows = await tx.execute(
        select(shelves.c.product_id, shelves.c.store_id, shelves.c.in_stock, func.count())
        .where(
            shelves.c.product_id.in_([one.product_id for one in found]), shelves.c.until.is_(None)
        )
        .group_by(shelves.c.product_id, shelves.c.store_id, shelves.c.in_stock)
        .order_by(shelves.c.store_id)
    )
    stock: dict[str, dict[str, tuple[int, int]]] = {}
    for product_id, store_id, in_stock, count in rows:
        own = stock.setdefault(product_id, {})
        there, of = own.get(store_id, (0, 0))
        own[store_id] = there + (count if in_stock else 0), of + count
    return [Listed(one, stock.get(one.product_id, {})) for one in found]


async def how_many(tx: AsyncConnection, category: str | None) -> int:
    """How many products there are; of one category, if one is given."""
    wanted = select(func.count()).select_from(products).where(products.c.until.is_(None))
    if category is not None:
        wanted = wanted.where(products.c.category == category)
    return int(await tx.scalar(wanted) or 0)


async def _put(
    tx: AsyncConnection,
    table: Table,
    key: tuple[str, ...],
    rows: Mapping[tuple[str, ...], dict[str, Any]],
    now: datetime,
) -> int:
    """Follow the rows that are not as given by new ones; how many. One that would come into force
    at the same moment goes."""
    if not rows:
        return 0
    before = await tx.execute(
        select(table).where(_one_of(table, key, rows), table.c.until.is_(None))
    )
    same = {
        place
        for row in before.mappings()
        for place in [tuple(row[name] for name in key)]
        if all(row[name] == value for name, value in rows[place].items())
    }
    changed = [place for place in rows if place not in same]
    if not changed:
        return 0
    since = in_force_from(now)
    own = _one_of(table, key, changed)
    await tx.execute(delete(table).where(own, table.c.since >= since))
    held_on = or_(table.c.until.is_(None), table.c.until > since)
    await tx.execute(update(table).where(own, held_on).values(until=since))
    await tx.execute(table.insert(), [{**rows[place], "since": since} for place in changed])
    return len(changed)


def _one_of(
    table: Table, key: tuple[str, ...], places: Iterable[tuple[str, ...]]
) -> ColumnElement[bool]:
    if len(key) == 1:
        return table.c[key[0]].in_([place[0] for place in places])
    return tuple_(*(table.c[name] for name in key)).in_(list(places))


async def _version(
    tx: AsyncConnection,
    since: ColumnElement[datetime],
    at: datetime,
    *of: ColumnElement[bool],
) -> Version:
    row = (
        await tx.execute(
            select(
                select(func.max(since)).where(since <= at, *of).scalar_subquery(),
                select(func.min(since)).where(since > at, *of).scalar_subquery(),
            )
        )
    ).one()
    return Version(*row)


def _held(table: Table, at: datetime) -> ColumnElement[bool]:
    return and_(table.c.since <= at, or_(table.c.until.is_(None), table.c.until > at))

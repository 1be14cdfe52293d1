"""`corsia products ...`: what is sold and what lies on which shelf, from the retailer's files."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.patience import DatabaseBusyError, patiently
from corsia.commands.plan_said import refuse
from corsia.product_files import FAULTS_SAID, Lined, ProductFileError, read_products, read_shelves
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import products, stores
from db.connect import DatabaseUrlError
from db.products import Listed, Shelved, in_force_from
from db.stores import StoredPlanError
from offers.goods import Product

# Rows of one transaction: some hundredths of a second for SQLite's one writer.
CHUNK: Final = 1_000
Row = TypeVar("Row")
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_BROKEN_OFF: Final = "what was written before stays: run it again, and only the rest is written"
# Called with how many rows more are through.
_Through = Callable[[int], None]


class BrokenOffError(Exception):
    """An import that ended in the middle; the message says how to go on."""

    def __init__(self, done: int, of: int) -> None:
        super().__init__(f"the database is busy or away after {done:,} of {of:,} rows;"
                         f" {_BROKEN_OFF}")  # fmt: skip


@click.group("products")
def products_command() -> None:
    """What is sold, what it earns, and on which shelf it lies.

    \b
    Example:
      corsia products import products.csv --shelves shelves.csv
      corsia products list --category pasta
    """


@products_command.command("import", short_help="Take in products, and shelves, from CSV files.")
@click.argument("file", type=_FILE, required=False)
@click.option("--shelves", type=_FILE, metavar="FILE", help="What lies where, and is in stock.")
@click.option("--dry-run", is_flag=True, help="Only say what is wrong.")
def import_products(file: Path | None, *, shelves: Path | None, dry_run: bool) -> None:
    """Take in the products of FILE, with the columns product_id, name, category, price and margin;
    and with --shelves what lies where: store, product, zone and in_stock (yes, no, or how many).

    Columns are named in the first line, in any order; others are left aside. Commas, semicolons or
    tabs separate them; money is written 1.29 or 1,29; margin is what one piece earns. Every fault
    is named with its line, and then nothing is taken in.

    What is in no file stays as it was: what is not sold any more is told as not in stock. Engines
    go by it about a minute later.

    \b
    Examples:
      corsia products import products.csv --dry-run
      corsia products import products.csv --shelves shelves.csv
      corsia products import --shelves tonight.csv
    """
    if file is None and shelves is None:
        raise click.UsageError("FILE, or --shelves FILE, or both")
    faults: list[str] = []
    sold: list[Lined[Product]] = []
    lying: list[Lined[Shelved]] = []
    try:
        sold = [] if file is None else read_products(file)
    except ProductFileError as error:
        faults += error.faults
    try:
        lying = [] if shelves is None else read_shelves(shelves)
    except ProductFileError as error:
        faults += error.faults
    _refuse(faults)
    settings = load_settings()
    given = [one.thing for one in sold]
    on_shelves = [one.thing for one in lying]
    with said_plainly(BrokenOffError, DatabaseUrlError, DatabaseUnusableError, StoredPlanError):
        if shelves is not None:
            _refuse(uvloop.run(_unknown(settings, shelves.name, lying, given)))
        if dry_run:
            click.echo(f"would take in {_counted(given, on_shelves)}")
            return
        with _progress(len(given) + len(on_shelves)) as through:
            changed, since = uvloop.run(_import(settings, given, on_shelves, through))
    click.echo(f"took in {_counted(given, on_shelves)}: {changed:,} new or changed")
    if changed:
        click.echo(f"in force from {since:%H:%M:%S} UTC on")


@products_command.command("list")
@click.option("--category", help="Only those of this category.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 100_000),
              help="So many, in the order of their ids.")  # fmt: skip
def list_products(*, category: str | None, most: int) -> None:
    """Products with price, margin, and where they are in stock, as they were taken in last."""
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        found, of = uvloop.run(_listed(load_settings(), category, most))
    for one in found:
        click.echo(_line(one))
    if not found and category is None:
        click.echo("there are no products: `corsia products import FILE`")
    elif not found:
        click.echo(f"there are no products of a category {category}")
    elif len(found) < of:
        click.echo(f"... and {of - len(found):,} more: --most {of}")


def _refuse(faults: Sequence[str]) -> None:
    """End the command when there are faults, having said the first of them."""
    more = len(faults) - FAULTS_SAID
    if more > 0:
        click.echo("\n".join(faults[:FAULTS_SAID]), err=True)
        click.echo(f"... and {more:,} more", err=True)
        raise click.ClickException(f"{len(faults):,} faults; nothing was taken in")
    refuse(faults)


async def _unknown(
    settings: Settings, name: str, lying: Sequence[Lined[Shelved]], given: Collection[Product]
) -> list[str]:
    """What the shelves name that nobody knows: stores, zones, products."""
    faults = []
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        known = await stores.store_ids(tx)
        asked = {one.thing.store_id for one in lying}
        zones = {store_id: await _zones(tx, store_id) for store_id in sorted(asked & set(known))}
        sold = {one.product_id for one in given}
        unsure = sorted({one.thing.product_id for one in lying} - sold)
        for start in range(0, len(unsure), CHUNK):
            sold |= await products.known_ids(tx, unsure[start : start + CHUNK])
    for one in lying:
        shelf, where = one.thing, f"{name}:{one.line}"
        if shelf.store_id not in zones:
            said = ", ".join(known) or "none"
            faults.append(f"{where}: store: there is no {shelf.store_id}; there is {said}")
        elif shelf.zone_id not in zones[shelf.store_id]:
            faults.append(f"{where}: zone: {shelf.store_id} has no zone {shelf.zone_id}")
        if shelf.product_id not in sold:
            faults.append(f"{where}: product: nobody told of a product {shelf.product_id}")
    return faults


async def _zones(tx: AsyncConnection, store_id: str) -> frozenset[str]:
    plan = await stores.load_store(tx, store_id)
    assert plan is not None, "stores are never deleted"
    return frozenset(zone.zone_id for floor in plan.floors for zone in floor.zones)


async def _import(
    settings: Settings, given: Sequence[Product], lying: Sequence[Shelved], through: _Through
) -> tuple[int, datetime]:
    """How many rows are new or changed, and from when on all of it is in force."""
    clock = SystemClock()
    changed = done = 0

    async def written(
        put: Callable[[AsyncConnection, Sequence[Row], datetime], Awaitable[int]],
        rows: Sequence[Row],
    ) -> int:
        async with ready_database(settings.sql_url) as database, database.begin() as tx:
            return await put(tx, rows, clock.now())

    async def all_written(
        put: Callable[[AsyncConnection, Sequence[Row], datetime], Awaitable[int]],
        rows: Sequence[Row],
    ) -> None:
        nonlocal changed, done
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            try:
                changed += await patiently(partial(written, put, chunk))
            except DatabaseBusyError as error:
                raise BrokenOffError(done, len(given) + len(lying)) from error
            done += len(chunk)
            through(len(chunk))

    # What lies on a shelf is told after what it is.
    await all_written(products.put_products, given)
    await all_written(products.put_shelves, lying)
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        await products.prune(tx, clock.now())
    return changed, in_force_from(clock.now())


@contextmanager
def _progress(rows: int) -> Iterator[_Through]:
    """A bar on a terminal, nothing elsewhere; Ctrl-C is answered with how to go on."""
    console = Console(stderr=True)
    columns = TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("rows", total=rows)
        try:
            yield lambda more: bar.advance(task, more)
        except KeyboardInterrupt:
            click.echo(f"stopped; {_BROKEN_OFF}", err=True)
            raise


async def _listed(
    settings: Settings, category: str | None, most: int
) -> tuple[Sequence[Listed], int]:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return (
            await products.listed(tx, category, most),
            await products.how_many(tx, category),
        )


def _line(one: Listed) -> str:
    product = one.product
    price, margin = product.price_cents / 100, product.margin_cents / 100
    said = [
        f"{store_id} {'in stock' if there else 'out of stock'}"
        + (f" on {there} of {of} shelves" if 0 < there < of else "")
        for store_id, (there, of) in one.stock.items()
    ]
    where = "; ".join(said) or "on no shelf"
    return (
        f"{product.product_id}: {product.name} ({product.category}),"
        f" {price:.2f} of which {margin:.2f} are margin; {where}"
    )


def _counted(given: Collection[Product], lying: Collection[Shelved]) -> str:
    return f"{len(given):,} products and {len(lying):,} places on shelves"

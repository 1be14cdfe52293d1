"""`corsia store calibrate`: how loud each gateway hears and is heard, and what is wrong with it."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import click
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from beacons.calibration import GatewayRadio
from beacons.gateway_flags import Calibrated
from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from corsia.stored_store import NoSuchStoreError, plan_of
from db.connect import DatabaseUrlError
from db.gateway_links import KEPT
from db.stores import StoredPlanError
from engine.calibrate import SPAN, StoreCalibration, StoreLinks, calibrated, keep, read_links

AN_HOUR: Final = timedelta(hours=1)
# Before that, silence says nothing: a window takes ten seconds, and engines write each minute.
SOON: Final = timedelta(minutes=3)
# A change that its standard error alone explains one time in twenty is set in bold.
SURE: Final = 2.0
NEVER: Final = "-"


class CalibrationError(Exception):
    """A store that cannot be calibrated; the message says what to do."""


_EXPECTED: Final = (
    CalibrationError,
    DatabaseUnusableError,
    DatabaseUrlError,
    NoSuchStoreError,
    StoredPlanError,
)


@click.command()
@click.argument("store_id", metavar="STORE")
@click.option(
    "--hours",
    type=click.IntRange(1, KEPT // AN_HOUR),
    default=SPAN // AN_HOUR,
    show_default=True,
    help="Look at the links of the last hours, from the first full hour of the clock on.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def calibrate(store_id: str, hours: int, *, dry_run: bool, as_json: bool) -> None:
    """Calibrate the gateways of STORE by what they hear of each other.

    Each gateway transmits an iBeacon, its canary, and the others report how loud it is. From that
    follows how much louder than its fellows each gateway hears and is heard (dB, mean 0), and which
    one hangs elsewhere than planned, is covered, deaf, mute or dead. Running engines take the
    result up within a minute. `corsia jobs` does the same each night.

    +- is the standard error; a change of more than two of them is bold. Minutes of links are
    enough: what is left is the shadows of the paths, which do not average out.

    Links are summed by the hour of the clock, and an hour that began before the span is left out
    whole: --hours 1 looks at the present hour only. So after a gateway was moved, wait until three
    minutes past the next full hour: one moved at 14:20 is seen from 15:03 on. Sooner, old and new
    links would blend.

    \b
    Example:
      corsia store calibrate store-1 --dry-run
      corsia store calibrate store-1 --hours 1     # a gateway was moved in the hour before
    """
    with said_plainly(*_EXPECTED):
        found = uvloop.run(_calibrate(load_settings(), store_id, hours, dry_run=dry_run))
    if as_json:
        click.echo(json.dumps(_document(found, hours, written=not dry_run), indent=2))
        return
    Console().print(_table(found))
    for floor in found.floors:
        click.echo(_law(floor))
    for flag in found.flags:
        click.echo(f"{flag.gateway_id} {flag.sentence}.")
    click.echo("Nothing was written." if dry_run else "Engines take it up within a minute.")


async def _calibrate(
    settings: Settings, store_id: str, hours: int, *, dry_run: bool
) -> StoreCalibration:
    now = SystemClock().now()
    async with ready_database(settings.sql_url) as database:
        async with database.read() as tx:
            plan = await plan_of(tx, store_id)
            links = await read_links(tx, plan, now, hours * AN_HOUR)
        if not links.are_enough:
            raise CalibrationError(_why_not(links))
        found = await calibrated(links)
        if not any(floor.is_measured for floor in found.floors):
            raise CalibrationError(_why_not(links))
        if not dry_run:
            async with database.begin() as tx:
                await keep(tx, found)
    return found


def _why_not(links: StoreLinks) -> str:
    store_id, since = links.plan.store_id, _since(links.since)
    if max((len(floor.gateways) for floor in links.plan.floors), default=0) < 2:
        return f"store {store_id} has no two gateways that could hear each other"
    if links.links or links.at - links.since < SOON:
        return (
            f"what the gateways of {store_id} heard of each other {since} is too little yet:"
            " wait three minutes, or look at more --hours"
        )
    return (
        f"no gateway of {store_id} has heard another {since}: do the gateways"
        " and the engine run, and is CORSIA_GATEWAY_CANARY on?"
    )


def _since(at: datetime) -> str:
    return f"since {at:%Y-%m-%d %H:%M} UTC"


def _law(floor: Calibrated) -> str:
    if not floor.is_measured:
        return f"{floor.floor_id}: no links: its gateways keep what was known or is assumed of them"
    law = floor.fit.law
    return (
        f"{floor.floor_id}: {law.level_dbm:.0f} dBm at {law.pivot_m:.0f} m, exponent"
        f" {law.exponent:.1f}, spread {law.sigma_db:.1f} dB, from ceiling to ceiling"
    )


def _table(found: StoreCalibration) -> Table:
    before = {radio.gateway_id: radio for radio in found.before}
    flags: dict[str, list[str]] = {}
    for flag in found.flags:
        flags.setdefault(flag.gateway_id, []).append(flag.kind.value)
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=f"{found.store_id}: {len(found.links)} links {_since(found.since)}",
    )
    table.add_column("gateway", overflow="fold")
    for head in ("hears, dB", "was", "is heard, dB", "was", "links"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for radio in found.radios:
        was = before.get(radio.gateway_id)
        table.add_row(
            radio.gateway_id,
            _now(radio.offset_db, radio.offset_se_db, was.offset_db if was else None),
            f"{was.offset_db:+.1f}" if was else NEVER,
            _now(radio.transmit_db, radio.transmit_se_db, was.transmit_db if was else None),
            f"{was.transmit_db:+.1f}" if was else NEVER,
            str(radio.links),
            ", ".join(flags.get(radio.gateway_id, [])),
        )
    return table


def _now(value_db: float, se_db: float, was_db: float | None) -> str:
    text = f"{value_db:+.1f} +-{se_db:.1f}"
    has_changed = was_db is not None and abs(value_db - was_db) > SURE * se_db
    return f"[bold]{text}[/bold]" if has_changed else text


def _document(found: StoreCalibration, hours: int, *, written: bool) -> dict[str, Any]:
    before = {radio.gateway_id: radio for radio in found.before}
    return {
        "store_id": found.store_id,
        "at": found.at.isoformat(timespec="seconds"),
        "hours": hours,
        "since": found.since.isoformat(timespec="seconds"),
        "written": written,
        "links": len(found.links),
        "floors": [_floor(floor) for floor in found.floors],
        "gateways": [
            {
                **_values(radio),
                "before": _values(before[radio.gateway_id]) if radio.gateway_id in before else None,
                "flags": [
                    {"kind": flag.kind.value, "sentence": flag.sentence}
                    for flag in found.flags
                    if flag.gateway_id == radio.gateway_id
                ],
            }
            for radio in found.radios
        ],
    }


def _floor(floor: Calibrated) -> dict[str, Any]:
    """Its law; None for each value where no link told of it."""
    law = _rounded(asdict(floor.fit.law))
    return {
        "floor_id": floor.floor_id,
        **(law if floor.is_measured else dict.fromkeys(law)),
    }


def _values(radio: GatewayRadio) -> dict[str, Any]:
    return _rounded(asdict(radio))


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}

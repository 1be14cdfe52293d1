"""`corsia store dwell`: how long shoppers stay in each zone, as the engine has learned it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click
import numpy as np
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from beacons.dwell import DwellCurve, dwell_curves
from beacons.floor import Zone
from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from corsia.stored_store import NoSuchStoreError, plan_of
from db.connect import DatabaseUrlError
from db.stays import LEARNED_FROM, stay_counts
from db.stores import StoredPlanError

AFTER_S: Final = (3.0, 10.0, 30.0)
# A character each: where most shoppers have left again, and the long tail.
CURVE_S: Final = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 180.0, 300.0)
BARS: Final = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class ZoneDwell:
    """A zone and its curve."""

    zone: Zone
    curve: DwellCurve


@click.command()
@click.argument("store_id", metavar="STORE")
@click.option(
    "--weeks",
    type=click.IntRange(1, 52),
    default=LEARNED_FROM // timedelta(weeks=1),
    show_default=True,
    help="Learn from visits of the last weeks; the engine uses the default.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a zone, in a list.")
def dwell(store_id: str, weeks: int, *, as_json: bool) -> None:
    """Print how long shoppers stay in each zone of STORE, and how much longer.

    half: half of the stays last longer. 3 s, 10 s, 30 s: how much longer somebody stays who has
    been there for that long; an offer decided then lives for that time. The curve is the share
    still there after 5, 10, 15, 20, 30, 40, 60, 80, 120, 180 and 300 s.

    A zone with few stays is taken for one of its kind in this store, and a kind with few stays for
    what is assumed of it. Stays of 2 s or less are not counted.

    \b
    Example:
      corsia store dwell store-1
      corsia store dwell store-1 --weeks 12 --json
    """
    with said_plainly(NoSuchStoreError, StoredPlanError, DatabaseUrlError, DatabaseUnusableError):
        since = SystemClock().now() - timedelta(weeks=weeks)
        zones = uvloop.run(_load(load_settings(), store_id, since))
    if as_json:
        click.echo(json.dumps([_document(each) for each in zones], indent=2))
        return
    Console().print(_table(zones))
    if not any(each.curve.stays for each in zones):
        click.echo(f"No visit of the last {weeks} weeks is over yet: all of this is assumed.")


async def _load(settings: Settings, store_id: str, since: datetime) -> list[ZoneDwell]:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        plan = await plan_of(tx, store_id)
        stays = await stay_counts(tx, store_id, since)
    zones = [zone for floor in plan.floors for zone in floor.zones]
    curves = dwell_curves(zones, stays)
    return [ZoneDwell(zone, curves[zone.zone_id]) for zone in zones]


def _table(zones: list[ZoneDwell]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="how much longer shoppers stay, in seconds"
    )
    table.add_column("zone", overflow="fold")
    table.add_column("kind", no_wrap=True)
    for head in ("stays", "half", *(f"{after_s:.0f} s" for after_s in AFTER_S)):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("still there", no_wrap=True, min_width=len(CURVE_S))
    for each in zones:
        curve = each.curve
        table.add_row(
            each.zone.zone_id,
            each.zone.kind.value,
            str(curve.stays),
            f"{curve.median_s():.1f}",
            *(f"{residual_s:.1f}" for residual_s in curve.residual_s(AFTER_S)),
            _bars(curve),
        )
    return table


def _bars(curve: DwellCurve) -> str:
    heights = np.rint(curve.survival(CURVE_S) * (len(BARS) - 1)).astype(int)
    return "".join(BARS[height] for height in heights)


def _document(each: ZoneDwell) -> dict[str, Any]:
    curve = each.curve
    return {
        "zone_id": each.zone.zone_id,
        "kind": each.zone.kind.value,
        "stays": curve.stays,
        "median_s": round(curve.median_s(), 2),
        "residual_s": _by_second(AFTER_S, curve.residual_s(AFTER_S), 2),
        "still_here_p": _by_second(CURVE_S, curve.survival(CURVE_S), 4),
    }


def _by_second(
    at_s: tuple[float, ...], values: np.ndarray[Any, np.dtype[np.float64]], digits: int
) -> dict[str, float]:
    """The values by their time, as JSON has it: by text."""
    return {
        f"{second:.0f}": round(float(value), digits)
        for second, value in zip(at_s, values, strict=True)
    }

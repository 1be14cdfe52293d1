"""`corsia store export`: a store's plan as GeoJSON, IMDF or YAML."""

from dataclasses import replace
from pathlib import Path

import click
import uvloop

from beacons.plan_lint import lint
from beacons.store_plan import GeoAnchor, StorePlan
from config.clock import SystemClock
from config.settings import load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.plan_options import ANCHOR, ANCHOR_HELP, FORMAT, the_format
from corsia.imdf_archive import write_archive
from corsia.plan_files import Plan, write_plan
from corsia.plan_geojson import NoAnchorError, write_geojson
from corsia.plan_imdf import imdf_files
from corsia.plan_source import Format
from corsia.ready_database import DatabaseUnusableError
from corsia.stored_store import NoSuchStoreError, stored_plan
from db.connect import DatabaseUrlError
from db.stores import StoredPlanError


@click.command("export")
@click.argument("store_id", metavar="STORE")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--format", "form", type=FORMAT, help="Guessed from FILE when not given.")
@click.option("--anchor", type=ANCHOR, help=ANCHOR_HELP)
def export_store(
    store_id: str, file: Path | None, *, form: str | None, anchor: GeoAnchor | None
) -> None:
    """Write the plan of STORE to FILE, or to standard output (GeoJSON and YAML).

    GeoJSON and IMDF lie on Earth: a plan that does not say where needs --anchor.

    \b
    Examples:
      corsia store export torino-1 torino.geojson
      corsia store export torino-1 torino.zip --anchor 7.6824,45.0677,26.5
      corsia store export torino-1 --format yaml
    """
    if file is None and form is None:
        raise click.UsageError("give a FILE or a --format")
    format_ = Format(form) if form is not None else the_format(file or Path(), None)
    if file is None and format_ is Format.IMDF:
        raise click.UsageError("an IMDF archive needs a FILE: it is a zip")
    store = _stored(store_id)
    if anchor is not None:
        store = replace(store, anchor=anchor)
    errors = [finding.sentence for finding in lint(store) if finding.is_error]
    if errors:
        raise click.ClickException("\n".join(["the stored plan has faults:", *errors]))
    try:
        with said_plainly(NoAnchorError):
            _write(store, format_, file)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _stored(store_id: str) -> StorePlan:
    with said_plainly(NoSuchStoreError, StoredPlanError, DatabaseUrlError, DatabaseUnusableError):
        return uvloop.run(stored_plan(load_settings(), store_id))


def _write(store: StorePlan, form: Format, file: Path | None) -> None:
    if form is Format.IMDF:
        assert file is not None
        write_archive(file, imdf_files(store, SystemClock().now()))
    else:
        is_yaml = form is Format.YAML
        data = write_plan(Plan((store,))).encode() if is_yaml else write_geojson(store)
        if file is None:
            click.echo(data, nl=False)
            return
        file.write_bytes(data)
    click.echo(f"wrote {file.name}: the plan of {store.store_id}")

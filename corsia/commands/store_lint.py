"""`corsia store lint`: what is wrong or weak in a plan, before radio shows it."""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop

from beacons.plan_finding import Finding
from beacons.plan_lint import is_clean, lint
from beacons.store_plan import StorePlan
from config.settings import load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.plan_options import FORMAT, the_format
from corsia.plan_files import PlanFileError
from corsia.plan_given import Given
from corsia.plan_picture import plan_svg
from corsia.plan_source import Format, examine, format_of
from corsia.ready_database import DatabaseUnusableError
from corsia.stored_store import NoSuchStoreError, stored_plan
from db.connect import DatabaseUrlError
from db.stores import StoredPlanError


@click.command("lint")
@click.argument("store_or_file")
@click.option("--format", "form", type=FORMAT, help="Of a file; guessed from its name.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings, too.")
@click.option("--json", "as_json", is_flag=True, help="The findings for a program.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the plan and mark them there.")
def lint_store(
    store_or_file: str, *, form: str | None, strict: bool, as_json: bool, svg: Path | None
) -> None:
    """Say what is wrong or weak in a plan: STORE_OR_FILE is a stored store, or a file.

    Errors keep a plan from being used (exit code 1); warnings say where it will disappoint: zones
    too short for radio, out of every gateway's reach, hidden, slivers, or where nobody can stand;
    floor that no way leads to; gateways too few, at one place, or all in one line.

    \b
    Examples:
      corsia store lint shop.yaml --svg shop.svg
      corsia store lint torino-1 --strict
    """
    path = Path(store_or_file)
    if form is not None or path.exists() or format_of(path) is not None:
        looked = _of_file(path, the_format(path, form))
    else:
        looked = _Looked((_stored(store_or_file),))
    found = {store.store_id: lint(store) for store in looked.stores}
    if svg is not None:
        _draw(svg, looked.stores, found)
    if as_json:
        click.echo(_json(found, looked))
    else:
        _say(found, looked)
    clean = all(is_clean(findings, strict=strict) for findings in found.values())
    raise SystemExit(0 if clean and not looked.faults else 1)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is looked at. faults: of a file, with their places in it; notes: what it left out."""

    stores: tuple[StorePlan, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _of_file(path: Path, form: Format) -> _Looked:
    try:
        examined, notes = examine(path, form, Given(assumed=path.stem))
    except PlanFileError as error:
        return _Looked((), tuple(map(str, error.faults)))
    faults = PlanFileError((*examined.form, *examined.drawing)).faults
    return _Looked(examined.plan.stores, tuple(map(str, faults)), tuple(notes))


def _stored(store_id: str) -> StorePlan:
    try:
        with said_plainly(StoredPlanError, DatabaseUrlError, DatabaseUnusableError):
            return uvloop.run(stored_plan(load_settings(), store_id))
    except NoSuchStoreError as error:
        raise click.ClickException(f"there is no file {store_id}, and {error}") from error


def _draw(path: Path, stores: tuple[StorePlan, ...], found: dict[str, list[Finding]]) -> None:
    if len(stores) != 1:
        raise click.ClickException(f"--svg draws one store; there are {len(stores)} to draw")
    try:
        path.write_text(plan_svg(stores[0], found[stores[0].store_id]), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path.name}", err=True)


def _say(found: dict[str, list[Finding]], looked: _Looked) -> None:
    said = [f"error: {fault}" for fault in looked.faults]
    errors = len(said)
    for store_id, findings in found.items():
        for finding in findings:
            # A file's errors are its faults, which name the line or the feature.
            if looked.faults and finding.is_error:
                continue
            floor = f"{finding.floor_id}: " if finding.floor_id is not None else ""
            said.append(f"{finding.severity.value}: {store_id}: {floor}{finding.sentence}")
            errors += finding.is_error
    said += [f"note: {note}" for note in looked.notes]
    warnings = sum(not finding.is_error for some in found.values() for finding in some)
    click.echo("\n".join([*said, f"{errors} error(s), {warnings} warning(s)"]))


def _json(found: dict[str, list[Finding]], looked: _Looked) -> str:
    stores = [
        {
            "store_id": store_id,
            "findings": [
                {
                    "severity": finding.severity.value,
                    "rule": finding.rule.value,
                    "floor_id": finding.floor_id,
                    "about": finding.about,
                    "sentence": finding.sentence,
                    "mark": finding.mark,
                }
                for finding in findings
            ],
        }
        for store_id, findings in found.items()
    ]
    whole = {"stores": stores, "faults": looked.faults, "notes": looked.notes}
    return json.dumps(whole, indent=2)

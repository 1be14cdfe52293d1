"""`corsia campaign preview`: what campaigns of a file would have done in the past days."""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.plan_clashes import clashes
from corsia.plan_files import Plan, PlanFileError, read_plan
from corsia.preview_views import Previewed, as_json, show
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaigns, replay, stores
from db.connect import DatabaseUrlError
from db.explained import utc
from db.profiles import REPLAYED
from db.stores import StoredPlanError
from engine.past import Gone
from engine.preview import SetAside, is_as_stored, replayed
from offers.preview import Tally

# No decision is kept for more than a year, and there was no Corsia before.
EARLIEST_YEAR: Final = 2000
EXIT_STOPPED: Final = 130  # as a shell says of what Ctrl-C ended

_AGO: Final = re.compile(r"([1-9][0-9]{0,3})([dh])")
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}


class PreviewError(Exception):
    """There is nothing to replay; the message says why."""


class NoSuchStoreError(PreviewError):
    def __init__(self, unknown: Collection[str], known: Collection[str]) -> None:
        super().__init__(
            f"there is no store {', '.join(sorted(unknown))};"
            f" there is {', '.join(sorted(known)) or 'none'}"
        )


class NoMomentsError(PreviewError):
    def __init__(
        self, since: datetime, until: datetime, span: tuple[datetime, datetime] | None
    ) -> None:
        if span is None:
            why = "no decision was ever stored: shoppers must have been in a store first"
        else:
            first, last = span
            why = (
                f"no decision is stored from {utc(since)} to {utc(until)};"
                f" there are some from {utc(first)} to {utc(last)}"
            )
        super().__init__(f"nothing can be replayed: {why}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", "since_text", default="7d", show_default=True, metavar="TIME",
              help="7d, 36h, 2026-11-15 or 2026-11-15T09:00:00+01:00.")  # fmt: skip
@click.option("--until", "until_text", metavar="TIME", help="In the same forms.  [default: now]")
@click.option("--store", "store_ids", multiple=True, metavar="ID", help="Count this store alone; "
              "more than once for more.")  # fmt: skip
@click.option("--newest-policy", is_flag=True, help="Judge all by the policy that is in force now, "
              "and not by the one of each moment.")  # fmt: skip
@click.option("--json", "as_document", is_flag=True, help="Everything, as JSON.")
def preview(
    file: Path,
    *,
    since_text: str,
    until_text: str | None,
    store_ids: tuple[str, ...],
    newest_policy: bool,
    as_document: bool,
) -> None:
    """Show what the campaigns of FILE would have done, before anybody gets them.

    FILE is a plan as `corsia import` reads it; nothing of it is taken in. Every stored moment is
    decided twice, by the code that decides: with what is live, and with these campaigns beside it,
    or in place of those of the same id. A date is a day in UTC.

    \b
    Examples:
      corsia campaign preview deal.yaml
      corsia campaign preview deal.yaml --since 2026-11-15 --until 2026-11-17
      corsia campaign preview deal.yaml --store milano-1 --json
    """
    now = SystemClock().now()
    since, until = _instant("--since", since_text, now), now
    if until_text is not None:
        until = _instant("--until", until_text, now)
    if since >= until:
        raise click.UsageError(f"--since: {utc(since)} is not before {utc(until)}")
    try:
        plan = read_plan(file)
    except PlanFileError as error:
        raise _faulty(map(str, error.faults)) from error
    if not plan.campaigns:
        raise click.ClickException(f"{file.name}: no campaigns in it; there is nothing to try")
    expected = (PreviewError, StoredPlanError, DatabaseUrlError, DatabaseUnusableError)
    with said_plainly(*expected):
        work = _previewed(
            load_settings(),
            plan,
            since,
            until,
            frozenset(store_ids),
            by_newest_policy=newest_policy,
        )
        try:
            done = uvloop.run(work)
        except KeyboardInterrupt:
            # Nothing was to be written.
            click.echo("stopped before the end: no preview", err=True)
            raise SystemExit(EXIT_STOPPED) from None
    if isinstance(done, list):
        raise _faulty(done)
    if since < now - REPLAYED:
        days = REPLAYED.days
        click.echo(f"warning: of what was known of shoppers more than {days} days ago most is gone:"
                   " interests count for less there than they did", err=True)  # fmt: skip
    if as_document:
        click.echo(json.dumps(as_json(done), indent=2))
    else:
        show(done, Console())


def _faulty(faults: Iterable[str]) -> click.ClickException:
    """Each fault has been said."""
    said = list(faults)
    click.echo("\n".join(said), err=True)
    count = "1 fault" if len(said) == 1 else f"{len(said)} faults"
    return click.ClickException(f"{count}; nothing was tried")


def _instant(option: str, text: str, now: datetime) -> datetime:
    """The time that is meant: so long ago, a day or an instant. Raises UsageError."""
    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(
            f"{option}: {text!r} is no time; write 7d, 36h or 2026-11-15"
        ) from error
    if at.tzinfo is None:
        if "T" in text or " " in text.strip():
            raise click.UsageError(f"{option} needs its offset, such as Z or +01:00")
        at = at.replace(tzinfo=UTC)
    if at.year < EARLIEST_YEAR:
        raise click.UsageError(f"{option}: {text} is before the time of anything that is stored")
    return at.astimezone(UTC)


async def _previewed(
    settings: Settings,
    plan: Plan,
    since: datetime,
    until: datetime,
    store_ids: frozenset[str],
    *,
    by_newest_policy: bool,
) -> Previewed | list[str]:
    """The preview, or the faults between the file and what is stored."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    async with ready_database(settings.sql_url) as database:
        async with database.read() as tx:
            kept = await stores.load_stores(tx)
            # The stores of the file are no part of the past.
            faults = clashes([Plan((), plan.campaigns, plan.document)], kept)
            if faults:
                return [str(fault) for fault in faults]
            if unknown := store_ids - {store.store_id for store in kept}:
                raise NoSuchStoreError(unknown, [store.store_id for store in kept])
            moments = await replay.how_many(tx, since, until)
            if not moments:
                raise NoMomentsError(since, until, await replay.span(tx))
            stands = [await campaigns.state(tx, one.campaign_id) for one in plan.campaigns]
        tally = Tally(plan.campaigns)
        same = 0
        aside: Counter[Gone] = Counter()
        with _progress(moments) as advance:
            async for one in replayed(
                database, plan.campaigns, since, until, by_newest_policy=by_newest_policy
            ):
                advance()
                stored = one.stored
                if store_ids and stored.store_id not in store_ids:
                    continue
                if isinstance(one, SetAside):
                    aside[one.why] += 1
                    continue
                same += is_as_stored(one)
                tally.add(
                    stored.decision.shopper_id, stored.decision.visit_id, one.as_is, one.as_tried,
                    one.there,
                )  # fmt: skip
    found = tally.preview()
    if not found.moments and not aside:
        raise PreviewError(f"no decision of {', '.join(sorted(store_ids))} is stored in that time")
    return Previewed(
        found,
        since,
        until,
        tuple(None if state is None else state[0] for state in stands),
        as_stored=same,
        aside=aside,
        by_newest_policy=by_newest_policy,
        took_s=clock.monotonic_s() - began_s,
    )


@contextmanager
def _progress(moments: int) -> Iterator[Callable[[], None]]:
    """A bar with the time that is left, where somebody watches; what it yields is called once for
    each moment."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("moments,"),
        TimeRemainingColumn(), TextColumn("to go"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=moments)
        yield lambda: bar.advance(task)

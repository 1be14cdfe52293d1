"""`corsia explain`: why an offer was sent, or was not; from stored data alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import click
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaigns, visits
from db.connect import DatabaseUrlError
from db.decisions import StoredDecision, decisions_between, load_decision
from db.visits import Whereabouts
from offers.reasons import Otherwise, Stored, otherwise, stored, unless, why
from offers.situation import Reason

# A stay is decided on again and again; this far from the asked time it is another story.
AROUND: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Asked:
    """Why did this shopper (not) get this campaign then?"""

    shopper_id: str
    campaign_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision that answers, or where the shopper was when there is none."""

    decision: StoredDecision | None
    whereabouts: Whereabouts | None = None
    is_known_campaign: bool = True
    nearby: int = 0  # decisions around the time that did not weigh the campaign


@click.command()
@click.argument("decision", nargs=-1, metavar="[decision] [DECISION_ID]")
@click.option("--shopper", "shopper_id", metavar="SHOPPER")
@click.option("--campaign", "campaign_id", metavar="CAMPAIGN")
@click.option("--at", "at_text", metavar="TIME", help="With its offset: 2026-11-21T10:00:00+01:00.")
@click.option("--json", "as_json", is_flag=True, help="The stored decision as it is.")
def explain(
    *,
    decision: tuple[str, ...],
    shopper_id: str | None,
    campaign_id: str | None,
    at_text: str | None,
    as_json: bool,
) -> None:
    """Say why an offer was sent, or was not, with every reason and what would have changed it.

    By a decision's id, which each push carries; or for a shopper, a campaign and a time: the
    decision nearest to it answers.

    \b
    Examples:
      corsia explain 0b6f0c1e8e6f4b3f9f3f0f5c7d3c2a11
      corsia explain --shopper 5d0c --campaign rice --at 2026-11-21T10:00:00+01:00
    """
    names = decision[1:] if decision[:1] == ("decision",) else decision
    options = (shopper_id, campaign_id, at_text)
    if len(names) > 1 or (names and any(options)) or not (names or all(options)):
        raise click.UsageError("give a DECISION_ID, or all of --shopper, --campaign and --at")
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        if names:
            answer = uvloop.run(_decision(load_settings(), names[0]))
            asked = None
        else:
            asked = Asked(shopper_id or "", campaign_id or "", _instant(at_text or ""))
            answer = uvloop.run(_nearest(load_settings(), asked))
    found = answer.decision
    if found is None:
        raise click.ClickException(_no_decision(answer, names, asked))
    if as_json:
        click.echo(
            json.dumps(
                {"decision_id": found.decision_id, "outcome": found.outcome,
                 "at": found.at.isoformat(), "reasons": found.reasons,
                 "weighed": found.weighed, "seen": found.seen},
                indent=2,
            )
        )  # fmt: skip
        return
    _print(found, asked)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--at: {text!r} is no time; write 2026-11-21T10:00:00Z") from error
    if at.tzinfo is None:
        raise click.UsageError("--at needs its offset, such as Z or +01:00")
    return at.astimezone(UTC)


async def _decision(settings: Settings, decision_id: str) -> Answer:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return Answer(await load_decision(tx, decision_id))


async def _nearest(settings: Settings, asked: Asked) -> Answer:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        since, until = asked.at - AROUND, asked.at + AROUND
        around = await decisions_between(tx, asked.shopper_id, since, until)
        weighed = [one for one in around if _is_weighed(one, asked.campaign_id)]
        if weighed:
            return Answer(min(weighed, key=lambda one: abs(one.at - asked.at)))
        return await _without_a_decision(tx, asked, len(around))


async def _without_a_decision(tx: AsyncConnection, asked: Asked, nearby: int) -> Answer:
    return Answer(
        None,
        await visits.whereabouts(tx, asked.shopper_id, asked.at),
        await campaigns.is_there(tx, asked.campaign_id),
        nearby,
    )


def _is_weighed(decision: StoredDecision, campaign_id: str) -> bool:
    return any(one["campaign_id"] == campaign_id for one in decision.weighed)


def _no_decision(answer: Answer, names: Sequence[str], asked: Asked | None) -> str:
    """Why there is nothing to explain, as far as what is stored tells."""
    if asked is None:
        return f"there is no decision {names[0]}"
    if not answer.is_known_campaign:
        return f"there is no campaign {asked.campaign_id}: `corsia export` lists them"
    where = answer.whereabouts
    if where is None:
        return f"at {_time(asked.at)} the shopper was in no store, as far as is stored"
    place = f"zone {where.zone_id}" if where.zone_id else "no zone that could be named"
    inside = f"at {_time(asked.at)} the shopper was in store {where.store_id}, in {place}"
    if answer.nearby:
        return (
            f"{inside}. None of the {answer.nearby} decisions within {AROUND.seconds // 60} minutes"
            f" of it weighed {asked.campaign_id}: it did not run there, was not live, was for"
            " others, or stood far behind the ones that are stored"
        )
    return f"{inside}, and no decision was taken: none is before two seconds in a zone"


def _print(decision: StoredDecision, asked: Asked | None) -> None:
    console = Console()
    seen = decision.seen
    verdict = f"sent {decision.campaign_id}" if decision.outcome == "send" else "nothing was sent"
    console.print(f"[bold]{verdict}[/] in zone {decision.zone_id} at {_time(decision.at)}")
    if decision.ghost:
        console.print(
            f"a ghost moment: the shopper is in the control group of {decision.campaign_id}"
        )
    candidates = stored(decision.weighed)
    if not candidates:
        console.print("no campaign runs in this zone, or none that may be for this shopper")
    about = [one for one in candidates if asked is None or one.campaign_id == asked.campaign_id]
    for one in about[:1] if asked is None else about:
        for reason in one.against:
            console.print(f"  {one.campaign_id}: {why(reason, seen)}")
        if (changed := otherwise(candidates, one.campaign_id)) is not None:
            console.print(f"  {_otherwise(one, changed, seen)}")
    table = Table("campaign", "worth, cents", "against it", "for it")
    for row in decision.weighed:
        table.add_row(
            row["campaign_id"], f"{row['score']:.2f}",
            ", ".join(Reason(each).value.replace("_", " ") for each in row["against"]) or "nothing",
            ", ".join(row["relevance"]),
        )  # fmt: skip
    if candidates:
        console.print(table)
    moment = seen["moment"]
    console.print(
        f"believed: {moment['confidence']:.0%} sure of the zone, {moment['zone_dwell_s']:.0f} s "
        f"there, {moment['visit_age_s']:.0f} s into the visit; "
        f"consents: {', '.join(seen['consents']) or 'none'}"
    )


def _otherwise(one: Stored, changed: Otherwise, seen: dict[str, object]) -> str:
    conditions = " and ".join(unless(reason, seen) for reason in changed.lifted)
    if changed.wins == one.campaign_id:
        return f"it would have been sent {conditions}"
    if changed.is_ghost:
        ahead = f"{changed.wins} goes first, and the shopper is in its control group"
        return f"{conditions or 'even so'}, silence: {ahead}"
    if not changed.lifted:
        return f"{changed.wins} was sent instead: it fitted better, or its kind goes first"
    return f"{conditions}, {changed.wins} would have been sent instead"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

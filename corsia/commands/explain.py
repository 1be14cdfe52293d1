"""`corsia explain`: why an offer was sent, or was not; from stored data alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import click
import msgspec
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
from db.explained import StandingConsent, Told, consents_at, told, utc
from db.visits import Whereabouts
from offers.assignment import Arm
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
    consents: tuple[StandingConsent, ...] = ()  # that stood at the decision


@click.command()
@click.argument("decision", nargs=-1, metavar="[decision] [DECISION_ID]")
@click.option("--shopper", "shopper_id", metavar="SHOPPER")
@click.option("--campaign", "campaign_id", metavar="CAMPAIGN")
@click.option("--at", "at_text", metavar="TIME", help="With its offset: 2026-11-21T10:00:00+01:00.")
@click.option("--json", "as_json", is_flag=True, help="The same in JSON, with what is stored.")
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
    said = told(found, answer.consents, None if asked is None else asked.campaign_id)
    if as_json:
        kept = {"reasons": found.reasons, "weighed": found.weighed, "seen": found.seen}
        click.echo(json.dumps(msgspec.to_builtins(said) | kept, indent=2))
        return
    _print(found, said, asked)


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
        found = await load_decision(tx, decision_id)
        return Answer(None) if found is None else await _answer(tx, found)


async def _nearest(settings: Settings, asked: Asked) -> Answer:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        since, until = asked.at - AROUND, asked.at + AROUND
        around = await decisions_between(tx, asked.shopper_id, since, until)
        weighed = [one for one in around if _is_weighed(one, asked.campaign_id)]
        if weighed:
            return await _answer(tx, min(weighed, key=lambda one: abs(one.at - asked.at)))
        return await _without_a_decision(tx, asked, len(around))


async def _answer(tx: AsyncConnection, decision: StoredDecision) -> Answer:
    standing = await consents_at(tx, decision.shopper_id, decision.at)
    return Answer(decision, consents=standing)


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
        return f"at {utc(asked.at)} the shopper was in no store, as far as is stored"
    place = f"zone {where.zone_id}" if where.zone_id else "no zone that could be named"
    inside = f"at {utc(asked.at)} the shopper was in store {where.store_id}, in {place}"
    if answer.nearby:
        return (
            f"{inside}. None of the {answer.nearby} decisions within {AROUND.seconds // 60} minutes"
            f" of it weighed {asked.campaign_id}: it did not run there, was not live, was for"
            " others, or stood far behind the ones that are stored"
        )
    return f"{inside}, and no decision was taken: none is before two seconds in a zone"


def _print(decision: StoredDecision, said: Told, asked: Asked | None) -> None:
    console = Console()
    console.print(f"[bold]{said.verdict}[/] in zone {said.zone_id} at {utc(said.at)}")
    if decision.ghost:
        group = "the hold-out from all campaigns" if said.arm == Arm.HELD_OUT else (
            f"the control group of {decision.campaign_id}"
        )  # fmt: skip
        console.print(f"a ghost moment: the shopper is in {group}")
    if not decision.weighed:
        console.print("no campaign runs in this zone, or none that may be for this shopper")
    for one in said.about[:1] if asked is None else said.about:
        for clause in one.against:
            console.print(f"  {one.campaign_id}: {clause}")
        if one.otherwise is not None:
            console.print(f"  {one.otherwise}")
    table = Table("campaign", "worth, cents", "against it", "for it")
    for row in decision.weighed:
        table.add_row(
            row["campaign_id"], f"{row['score']:.2f}",
            ", ".join(Reason(each).value.replace("_", " ") for each in row["against"]) or "nothing",
            ", ".join(row["relevance"]),
        )  # fmt: skip
    if decision.weighed:
        console.print(table)
    for used in said.data_used:
        console.print(f"believed: {used}" if used is said.data_used[0] else f"used: {used}")
    for consent in said.consents:
        answer = "allowed" if consent.granted else "not allowed"
        console.print(
            f"consent: {consent.purpose} {answer}, text {consent.text_version} ({consent.locale}),"
            f" ledger row {consent.consent_id} of {utc(consent.at)}"
        )

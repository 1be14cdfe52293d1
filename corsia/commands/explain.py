"""`corsia explain`: why an offer was sent, or was not; from stored data alone."""

import json
from datetime import UTC

import click
import uvloop
from rich.console import Console
from rich.table import Table

from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from db.connect import DatabaseUrlError
from db.decisions import StoredDecision, load_decision


@click.command()
@click.argument("decision_id")
@click.option("--json", "as_json", is_flag=True, help="The stored decision as it is.")
def explain(decision_id: str, *, as_json: bool) -> None:
    """Say why the decision DECISION_ID was to send, or to hold, with every reason."""
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        found = uvloop.run(_load(load_settings(), decision_id))
    if found is None:
        raise click.ClickException(f"there is no decision {decision_id}")
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
    _print(found)


async def _load(settings: Settings, decision_id: str) -> StoredDecision | None:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return await load_decision(tx, decision_id)


def _print(decision: StoredDecision) -> None:
    console = Console()
    at = decision.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    verdict = f"sent {decision.campaign_id}" if decision.outcome == "send" else "nothing was sent"
    console.print(f"[bold]{verdict}[/] in zone {decision.zone_id} at {at}")
    if decision.ghost:
        console.print("the shopper is in this campaign's control group: a ghost moment")
    table = Table("campaign", "worth, cents", "against it", "for it")
    for one in decision.weighed:
        table.add_row(
            one["campaign_id"], f"{one['score']:.2f}", ", ".join(one["against"]) or "nothing",
            ", ".join(one["relevance"]),
        )  # fmt: skip
    if decision.weighed:
        console.print(table)
    else:
        console.print("no campaign is for this zone")
    moment = decision.seen["moment"]
    console.print(
        f"believed: {moment['confidence']:.0%} sure of the zone, {moment['zone_dwell_s']:.0f} s "
        f"there, {moment['visit_age_s']:.0f} s into the visit; "
        f"consents: {', '.join(decision.seen['consents']) or 'none'}"
    )

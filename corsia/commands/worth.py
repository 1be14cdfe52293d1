"""`corsia worth`: what campaigns cost and earned, beside those who never got them."""

import json
from datetime import UTC, datetime
from typing import Final

import click
import msgspec
import uvloop
from rich import box
from rich.console import Console
from rich.table import Column, Table

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.interval_picture import interval_picture
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaigns, salts, trials, worth
from db.connect import DatabaseUrlError
from engine.asking import ask_questions
from engine.worth import measure
from offers.assignment import BadSalts
from offers.ledger import Line
from offers.report import AllWorth, CampaignWorth
from offers.worth import Finding, sentence

MISSED_SHOWN: Final = 5


class WorthError(Exception):
    """Figures that cannot be told; the message says why."""


@click.command("worth")
@click.argument("campaign_id", required=False, metavar="[CAMPAIGN]")
@click.option("--since", "since_text", metavar="DAY", help="Count sends from this day (UTC) on.")
@click.option("--now", "is_now", is_flag=True, help="Work the figures out now; takes a while.")
@click.option("--json", "as_json", is_flag=True, help="The figures as they are kept.")
@click.option("--deal-anew", "why", metavar="WHY", help="Deal all shoppers into new arms.")
@click.option("--yes", is_flag=True, help="Deal anew without being asked again.")
def worth_command(
    *,
    campaign_id: str | None,
    since_text: str | None,
    is_now: bool,
    as_json: bool,
    why: str | None,
    yes: bool,
) -> None:
    """Say what campaigns cost and earned, and how sure that is.

    The figures are of the last night, made by `corsia jobs`; --now and --since make their own.
    Money is as the tills report it, in the currency's hundredths divided by 100.

    Dealing anew is for a salt that leaked, or for a control group that must not stay the same
    people for years. Every trial that runs is cut.

    \b
    Examples:
      corsia worth
      corsia worth pasta --since 2026-11-01
      corsia worth --deal-anew "once a year"
    """
    expected = (WorthError, DatabaseUrlError, DatabaseUnusableError)
    if why is not None:
        if campaign_id or since_text or is_now or as_json:
            raise click.UsageError("--deal-anew stands alone, with --yes at most")
        if not 1 <= len(why) <= 200:
            raise click.UsageError("--deal-anew needs a reason of 1 to 200 characters")
        with said_plainly(*expected):
            running = uvloop.run(_running(load_settings()))
            warning = f"{running} trials that run will be cut, and begin again with nobody in them."
            if not yes:
                click.confirm(f"{warning} Deal anew?", abort=True)
            click.echo(uvloop.run(_deal_anew(load_settings(), why)))
        return
    since = None if since_text is None else _day(since_text)
    with said_plainly(*expected):
        found, whole = uvloop.run(_figures(load_settings(), since, is_now=is_now))
        if campaign_id is not None:
            found = [one for one in found if one.campaign_id == campaign_id]
            if not found:
                raise WorthError(f"nothing has been sent or asked of {campaign_id} yet")
    if as_json:
        told = [msgspec.to_builtins(one) | {"sentence": _said(one)} for one in found]
        click.echo(json.dumps({"campaigns": told, "all": msgspec.to_builtins(whole)}, indent=2))
        return
    _print(found, whole, is_one=campaign_id is not None)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise click.UsageError(f"--since: {text!r} is no day; write 2026-11-01") from error


async def _figures(
    settings: Settings, since: datetime | None, *, is_now: bool
) -> tuple[list[CampaignWorth], AllWorth]:
    async with ready_database(settings.sql_url) as database:
        if is_now or since is not None:
            now = SystemClock().now()
            await ask_questions(database, now)
            measured = await measure(database, now, since)
            return list(measured.campaigns), measured.whole
        async with database.read() as tx:
            found, whole = await worth.load_worth(tx)
    if whole is None:
        raise WorthError(
            "there are no figures yet: `corsia jobs` makes them every night, `corsia worth --now`"
            " at once"
        )
    return found, whole


async def _running(settings: Settings) -> int:
    now = SystemClock().now()
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        known = await trials.all_trials(tx)
    last = [stored[-1] for stored in known.values()]
    return sum(not one.is_cut and now < one.trial.until for one in last)


async def _deal_anew(settings: Settings, why: str) -> str:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        try:
            history = await salts.deal_anew(tx, why, SystemClock().now())
            # So that engines deal by it from their next turn on.
            await campaigns.changed(tx)
        except BadSalts as error:
            raise WorthError(
                "the last salt is of a later time than this machine's clock: set the clock"
            ) from error
    return f"all shoppers are dealt anew; it was the salt number {len(history.history)}"


def _print(found: list[CampaignWorth], whole: AllWorth, *, is_one: bool) -> None:
    console = Console()
    console.print(f"as of {whole.as_of:%Y-%m-%d %H:%M} UTC")
    table = Table(
        Column("campaign", no_wrap=True),
        *(
            Column(heading, justify="right", no_wrap=True)
            for heading in (
                "sends",
                "shown",
                "used",
                "margin",
                "discount",
                "credited",
                "earned",
            )
        ),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    told = [one for one in found if is_one or one.line.sends or one.line.redeemed_lines]
    for one in told:
        line = one.line
        table.add_row(
            one.campaign_id, f"{line.sends:,}", f"{line.shown:,}", f"{line.redeemed_lines:,}",
            _money(line.redeemed_cents), _money(line.discount_cents), _money(line.credited_cents),
            _incremental(line),
        )  # fmt: skip
    console.print(table)
    if len(told) < len(found):
        console.print(f"{len(found) - len(told)} campaigns have sent nothing yet")
    for one in told:
        if is_one:
            console.print(
                f"credited to every push that was shown, not only the last:"
                f" {_money(one.line.full_credit_cents)}"
            )
        console.print(f"[bold]{one.campaign_id}[/]: {_said(one)}")
        if one.finding is not None:
            _print_finding(console, one.finding)
        _print_before(console, one.before)
        if one.line.unpriced_lines:
            console.print(f"  {one.line.unpriced_lines} redeemed lines without a margin: none is"
                          " counted for them")  # fmt: skip
    if is_one:
        return
    if whole.hold_out is not None:
        console.print(f"[bold]all together[/], beside the hold-out: {sentence(whole.hold_out)}")
        _print_finding(console, whole.hold_out)
    _print_before(console, whole.hold_out_before)
    for missed in whole.missed[:MISSED_SHOWN]:
        rules = " and ".join(reason.value.replace("_", " ") for reason in missed.reasons)
        alone = " alone" if len(missed.reasons) == 1 else ""
        console.print(
            f"missed in a week: lifting {rules}{alone} would have brought"
            f" {_money(missed.cents)} ({missed.moments:,} moments)"
        )
    console.print(_reconciled(whole))


def _print_finding(console: Console, finding: Finding) -> None:
    if finding.response is not None:
        effect = finding.response.times(100)
        console.print(
            f"  {interval_picture(effect)}  {effect.low:+.1f} to {effect.high:+.1f} points,"
            f" {finding.confidence:.0%}",
            markup=False,
        )
    both = finding.control.shoppers + finding.treated.shoppers
    if finding.split_p is not None:
        console.print(
            f"  split: {finding.control.shoppers:,} of {both:,} shoppers without the offer, where"
            f" {finding.trial.control_share:.0%} should be"
            f" (so uneven by chance: p {finding.split_p:.2g})"
        )


def _print_before(console: Console, before: Finding | None) -> None:
    """The trial before, if anybody was in it."""
    if before is not None and before.control.shoppers + before.treated.shoppers:
        console.print(f"  until {before.trial.until:%Y-%m-%d}: {sentence(before)}")


def _said(one: CampaignWorth) -> str:
    if one.finding is None:
        return "nobody can tell: no trial has been asked, for want of a control group or a salt."
    return sentence(one.finding)


def _incremental(line: Line) -> str:
    if line.incremental is None:
        return "not known"
    low, high = _money(line.incremental.low), _money(line.incremental.high)
    return f"{_money(line.incremental.amount)} ({low} to {high})"


def _reconciled(whole: AllWorth) -> str:
    counted = whole.counted_lines - whole.unmatched_lines
    said = (
        f"the tills redeemed {whole.redeemed_lines:,} lines with"
        f" {_money(whole.redeemed_discount_cents)} of discount: {counted:,} of these campaigns and"
        f" {whole.unmatched_lines:,} unmatched"
    )
    if whole.reconciles:
        return f"{said}; every line is counted once"
    return f"{said}. THAT DOES NOT ADD UP: do not use these figures"


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f}"

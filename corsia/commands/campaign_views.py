"""`corsia campaign list`, `show`, `history`, `diff`: how campaigns stand, and what they said."""

import difflib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

import click
import uvloop
from sqlalchemy.ext.asyncio import AsyncConnection

from config.settings import load_settings
from corsia.commands.campaign_life import ID, NoSuchCampaignError
from corsia.commands.failures import said_plainly
from corsia.plan_files import Plan, write_plan
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaign_versions, campaigns
from db.connect import DatabaseUrlError
from offers.campaign import Offer
from offers.creative import creative_for, seen_locked
from offers.versions import DONE, Life, Version, VersionRefused, VersionState

_PLATFORMS: Final[tuple[tuple[Literal["android", "ios"], str], ...]] = (
    ("android", "Android"),
    ("ios", "iOS"),
)
T = TypeVar("T")

_NUMBER = click.IntRange(min=1)


@click.command("list")
def list_campaigns() -> None:
    """Every campaign: its status, the version that is sent, what was sent, and what waits."""
    rows = _read(_standing)
    if not rows:
        click.echo("there is no campaign; `corsia import` takes them in")
        return
    width = max(len(life.campaign_id) for life, _ in rows)
    for life, sends in rows:
        sent = f"version {life.published.number}" if life.published is not None else "-"
        waits = "" if life.waiting is None else _waits(life.waiting)
        line = f"{life.campaign_id:{width}}  {life.status.value:6}  {sent:10}  {sends:7} sent"
        click.echo(f"{line}  {waits}".rstrip())


@click.command()
@ID
@click.option("--version", "number", type=_NUMBER, help="That version instead of what is sent.")
def show(campaign_id: str, *, number: int | None) -> None:
    """What is sent of a campaign, else what waits, as a file that `corsia import` reads.

    Its comments say what lock screens show of the texts.

    \b
    Examples:
      corsia campaign show pasta-may > pasta.yaml    # to be changed and imported again
      corsia campaign show pasta-may --version 1
    """
    life, versions = _read(lambda tx: _one(tx, campaign_id))
    version = life.published or life.waiting if number is None else _of(life, versions, number)
    assert version is not None
    click.echo(f"# {version.name}: {version.state.value}, written by {_by_whom(version)}")
    click.echo(f"# the campaign is {life.status.value}")
    for line in _locked(version.campaign.offer):
        click.echo(f"# {line}")
    click.echo(_text(version, life), nl=False)


@click.command()
@ID
def history(campaign_id: str) -> None:
    """Who did what to a campaign, the oldest first."""
    _read(lambda tx: _one(tx, campaign_id))
    events = _read(lambda tx: campaign_versions.load_events(tx, campaign_id))
    if not events:
        click.echo(f"nobody's name stands in the history of {campaign_id} yet")
    for event in events:
        note = f": {event.note}" if event.note else ""
        what = f"version {event.number} {DONE[event.deed]}"
        click.echo(f"{_at(event.at)}  {what} by {event.by}{note}")


@click.command()
@ID
@click.option("--from", "old", type=_NUMBER, help="Without it, the version that is sent.")
@click.option("--to", "new", type=_NUMBER, help="Without it, the version that waits.")
def diff(campaign_id: str, *, old: int | None, new: int | None) -> None:
    """What one version says otherwise than another, line by line.

    \b
    Examples:
      corsia campaign diff pasta-may                   # what a review is about
      corsia campaign diff pasta-may --from 1 --to 2
    """
    life, versions = _read(lambda tx: _one(tx, campaign_id))
    after = life.waiting or life.published if new is None else _of(life, versions, new)
    before = life.published if old is None else _of(life, versions, old)
    assert after is not None
    if before is not None and before.number == after.number and old is None:
        # Nothing waits, or it was asked for: what it replaced is the question then.
        earlier = [version for version in versions if version.number < after.number]
        before = earlier[-1] if earlier else None
    lines = difflib.unified_diff(
        [] if before is None else _text(before, life).splitlines(),
        _text(after, life).splitlines(),
        "nothing" if before is None else before.name,
        after.name,
        lineterm="",
    )
    said = "\n".join(lines)
    click.echo(said or f"{after.name} says the same")


def _read(ask: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def asked() -> T:
        settings = load_settings()
        async with ready_database(settings.sql_url) as database, database.read() as tx:
            return await ask(tx)

    expected = (NoSuchCampaignError, VersionRefused, DatabaseUrlError, DatabaseUnusableError)
    with said_plainly(*expected):
        return uvloop.run(asked())


async def _standing(tx: AsyncConnection) -> list[tuple[Life, int]]:
    sends = await campaigns.sends_of_all(tx)
    found = await campaign_versions.lives(tx, sends.keys())
    return [(life, sends[campaign_id]) for campaign_id, life in sorted(found.items())]


async def _one(tx: AsyncConnection, campaign_id: str) -> tuple[Life, list[Version]]:
    life = (await campaign_versions.lives(tx, [campaign_id])).get(campaign_id)
    if life is None:
        raise NoSuchCampaignError(campaign_id)
    return life, await campaign_versions.load_versions(tx, campaign_id)


def _of(life: Life, versions: list[Version], number: int) -> Version:
    for version in versions:
        if version.number == number:
            return version
    raise click.ClickException(
        f"{life.campaign_id} has no version {number}; its last is {life.last_number}"
    )


def _waits(version: Version) -> str:
    wanted = {
        VersionState.DRAFT: "to be submitted",
        VersionState.SUBMITTED: "for a review",
        VersionState.REVIEWED: "to be published",
    }
    return f"version {version.number} by {version.author} waits {wanted[version.state]}"


def _by_whom(version: Version) -> str:
    written = f"{version.author}, {_at(version.created_at)}"
    if version.reviewed_by is None or version.reviewed_at is None:
        return written
    return f"{written}; reviewed by {version.reviewed_by}, {_at(version.reviewed_at)}"


def _locked(offer: Offer) -> list[str]:
    """What lock screens show of each of its texts, a line each; it goes into comments."""
    lines = []
    for creative in (creative_for(offer, None), *offer.creatives):
        language = f" ({creative.locale})" if creative.locale else ""
        for platform, name in _PLATFORMS:
            seen = seen_locked(creative, platform)
            # A body may have several lines, and a comment has one.
            words = " ".join(f"{seen.title} | {seen.body}".split())
            lines.append(f"locked {name}{language}: {words}")
    return lines


def _text(version: Version, life: Life) -> str:
    """The version as a plan file; of what is sent with its status, else a draft."""
    is_sent = version.state is VersionState.PUBLISHED
    current = life.current if is_sent else version.campaign
    assert current is not None
    return write_plan(Plan((), (current,)))


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

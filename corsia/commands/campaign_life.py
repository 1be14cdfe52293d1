"""What moves a campaign: `corsia campaign submit, review, publish, pause, resume` and `end`."""

from typing import Final

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.patience import DatabaseBusyError, patiently
from corsia.commands.people import BY
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaign_versions
from db.connect import DatabaseUrlError
from offers.campaign import Status
from offers.creative_lint import lint
from offers.versions import Act, Deed, Step, VersionRefused

# Of a note as the database keeps it.
MAX_NOTE: Final = 400
BUSY: Final = "`corsia halt` stops offers at once"

ID: Final = click.argument("campaign_id", metavar="ID")
WHY: Final = click.option("--why", default="", help="For the history.")


class NoSuchCampaignError(Exception):
    def __init__(self, campaign_id: str) -> None:
        super().__init__(
            f"there is no campaign {campaign_id}; `corsia campaign list` names them all"
        )


@click.command()
@ID
@BY
@WHY
def submit(campaign_id: str, *, by: str, why: str) -> None:
    """Hand the version that waits to a reviewer; its texts' weaknesses are told.

    \b
    Example:
      corsia campaign submit pasta-may --by anna
    """
    done = _do(campaign_id, Deed.SUBMIT, by, why)
    version = done.life.waiting
    assert version is not None
    for finding in lint(version.campaign.offer):
        where = f"{finding.field} ({finding.locale})" if finding.locale else finding.field
        click.echo(f"warning: {where} {finding.sentence}", err=True)
    click.echo(
        f"{version.name} waits for a review by anybody but {version.author}:"
        f" `corsia campaign review {campaign_id}`"
    )


@click.command()
@ID
@BY
@click.option("--return", "returned", metavar="WHY", help="Say no: it is a draft again.")
def review(campaign_id: str, *, by: str, returned: str | None) -> None:
    """Say that you have read the version that was submitted, and that it may be sent.

    Nobody reviews what they wrote. Read it first with `corsia campaign diff ID`.

    \b
    Examples:
      corsia campaign review pasta-may --by bruno
      corsia campaign review pasta-may --by bruno --return "the price is last week's"
    """
    if returned is not None:
        done = _do(campaign_id, Deed.RETURN, by, returned)
        assert done.life.waiting is not None
        click.echo(f"{done.life.waiting.name} is a draft again")
        return
    done = _do(campaign_id, Deed.REVIEW, by, "")
    assert done.life.waiting is not None
    click.echo(
        f"{done.life.waiting.name} is reviewed; `corsia campaign publish {campaign_id}` sends it"
    )


@click.command()
@ID
@BY
@WHY
def publish(campaign_id: str, *, by: str, why: str) -> None:
    """Send the version that was reviewed, instead of the one before.

    Engines know it within a second. What was sent so far stays counted; a campaign that is paused
    stays paused.
    """
    done = _do(campaign_id, Deed.PUBLISH, by, why)
    assert done.life.published is not None
    paused = done.life.status is Status.PAUSED
    still = f", and paused until `corsia campaign resume {campaign_id}`" if paused else ""
    click.echo(f"{done.life.published.name} is published{still}")


@click.command()
@ID
@BY
@WHY
def pause(campaign_id: str, *, by: str, why: str) -> None:
    """Send it no more until `corsia campaign resume`. What was sent stays redeemable."""
    _do(campaign_id, Deed.PAUSE, by, why)
    click.echo(f"campaign {campaign_id} is paused")


@click.command()
@ID
@BY
@WHY
def resume(campaign_id: str, *, by: str, why: str) -> None:
    """Send a paused campaign again, in the version that is published."""
    _do(campaign_id, Deed.RESUME, by, why)
    click.echo(f"campaign {campaign_id} is live")


@click.command()
@ID
@BY
@WHY
def end(campaign_id: str, *, by: str, why: str) -> None:
    """End it for good. Nothing brings it back but a new campaign of another id."""
    _do(campaign_id, Deed.END, by, why)
    click.echo(f"campaign {campaign_id} has ended")


def _do(campaign_id: str, deed: Deed, by: str, why: str) -> Step:
    if len(why) > MAX_NOTE:
        raise click.UsageError(f"why has {len(why)} characters; the history keeps {MAX_NOTE}")
    expected = (
        NoSuchCampaignError,
        VersionRefused,
        DatabaseBusyError,
        DatabaseUrlError,
        DatabaseUnusableError,
    )
    with said_plainly(*expected):
        settings = load_settings()
        return uvloop.run(patiently(lambda: _done(settings, campaign_id, deed, by, why), BUSY))


async def _done(settings: Settings, campaign_id: str, deed: Deed, by: str, why: str) -> Step:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        act = Act(deed, by, SystemClock().now(), why)
        done = await campaign_versions.act_on(tx, campaign_id, act)
        if done is None:
            raise NoSuchCampaignError(campaign_id)
        return done

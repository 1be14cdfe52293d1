"""`corsia learn now`: what the nightly job does, at once."""

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from db.connect import DatabaseUrlError
from engine.learn import IN_FORCE_AFTER, Lessons
from engine.learn import learn as learn_all


@click.group()
def learn() -> None:
    """What purchases and stays teach of shoppers, and responses of campaigns.

    `corsia jobs` learns at once when nothing was ever learnt, and then every night.
    """


@learn.command()
def now() -> None:
    """Learn now: profiles of whoever allows it, what goes with what, how campaigns are answered.

    Decisions go by it a minute later. Safe beside a running system, and to run again: who gave no
    news is not done twice.
    """
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        lessons = uvloop.run(_learn(load_settings()))
    click.echo(
        f"learnt from {lessons.baskets:,} baskets and the sends of {lessons.campaigns:,} campaigns;"
        f" {lessons.profiles:,} profiles made; in force in {IN_FORCE_AFTER.seconds} seconds"
    )


async def _learn(settings: Settings) -> Lessons:
    async with ready_database(settings.sql_url) as database:
        return await learn_all(database, SystemClock())

"""`corsia code`: a one-time code that enrols a gateway."""

from datetime import timedelta

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from db import gateways
from db.connect import DatabaseUrlError, open_database


class NoSuchGatewayError(Exception):
    """A gateway that is in no store's plan."""

    def __init__(self, gateway_id: str) -> None:
        super().__init__(
            f"there is no gateway {gateway_id}: import a store's plan that places it first"
        )


@click.command()
@click.argument("gateway_id")
@click.option("--minutes", type=click.IntRange(1, 1_440), default=15, show_default=True)
def code(gateway_id: str, minutes: int) -> None:
    """Print a code that enrols GATEWAY_ID once. It is shown now and never again.

    On the Pi: corsia gateway enrol CODE
    """
    with said_plainly(NoSuchGatewayError, DatabaseUrlError, OSError):
        click.echo(uvloop.run(_new_code(load_settings(), gateway_id, minutes)))


async def _new_code(settings: Settings, gateway_id: str, minutes: int) -> str:
    async with open_database(settings.sql_url) as database, database.begin() as tx:
        if await gateways.load_gateway(tx, gateway_id) is None:
            raise NoSuchGatewayError(gateway_id)
        until = SystemClock().now() + timedelta(minutes=minutes)
        return await gateways.new_enrolment_code(tx, gateway_id, until)

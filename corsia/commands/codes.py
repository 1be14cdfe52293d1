"""`corsia code` and `corsia revoke`: let a gateway in, and shut it out."""

from datetime import timedelta

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import gateways, stores
from db.connect import DatabaseUrlError


class NoSuchGatewayError(Exception):
    """A gateway that is in no store's plan."""

    def __init__(self, gateway_id: str) -> None:
        super().__init__(
            f"there is no gateway {gateway_id}: import a store's plan that places it first"
        )


class GatewayTakenDownError(Exception):
    """A gateway that its store's plan once had."""

    def __init__(self, gateway_id: str, store_id: str) -> None:
        super().__init__(
            f"{gateway_id} is no longer in the plan of store {store_id}: "
            "import a plan that places it first"
        )


@click.command()
@click.argument("gateway_id")
@click.option("--minutes", type=click.IntRange(1, 1_440), default=15, show_default=True)
def code(gateway_id: str, minutes: int) -> None:
    """Print a code that enrols GATEWAY_ID once. It is shown now and never again.

    On the Pi: corsia gateway enrol CODE
    """
    expected = (NoSuchGatewayError, GatewayTakenDownError, DatabaseUrlError, DatabaseUnusableError)
    with said_plainly(*expected):
        click.echo(uvloop.run(_new_code(load_settings(), gateway_id, minutes)))


async def _new_code(settings: Settings, gateway_id: str, minutes: int) -> str:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        gateway = await gateways.load_gateway(tx, gateway_id)
        if gateway is None:
            raise NoSuchGatewayError(gateway_id)
        if not await stores.is_placed(tx, gateway.store_id, gateway_id):
            raise GatewayTakenDownError(gateway_id, gateway.store_id)
        until = SystemClock().now() + timedelta(minutes=minutes)
        return await gateways.new_enrolment_code(tx, gateway_id, until)


@click.command()
@click.argument("gateway_id")
def revoke(gateway_id: str) -> None:
    """Refuse GATEWAY_ID from its next request on: it was lost, stolen or replaced.

    What it sent before stays. A new code (`corsia code`) lets it, or another Pi, in again.
    """
    with said_plainly(NoSuchGatewayError, DatabaseUrlError, DatabaseUnusableError):
        uvloop.run(_revoke(load_settings(), gateway_id))
    click.echo(f"{gateway_id} is refused from now on")


async def _revoke(settings: Settings, gateway_id: str) -> None:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if not await gateways.revoke(tx, gateway_id, SystemClock().now()):
            raise NoSuchGatewayError(gateway_id)

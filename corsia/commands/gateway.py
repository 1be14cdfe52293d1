"""`corsia gateway ...`: all that a Raspberry Pi needs. Imports nothing of the server."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC
from io import TextIOWrapper
from itertools import chain
from typing import Literal

import click
from rich.console import Console
from rich.table import Table

from config.clock import SystemClock
from config.log import set_up_logging
from config.parent import end_with_parent
from config.process import leave, run_process
from config.settings import load_gateway_settings
from gateway.decode import decode_line
from gateway.enrol import AlreadyEnrolledError, EnrolError, enrol
from gateway.run import run_gateway
from gateway.settings import GatewayConfig
from gateway.status import read_status


@click.group()
def gateway() -> None:
    """Listen for handsets and report them to the store's backend.

    \b
    On a new Pi:
      corsia gateway enrol CODE     # the code comes from `corsia code GATEWAY`
      corsia gateway run
    Settings: CORSIA_GATEWAY_API_URL, _DATA_DIR, _SOURCE, _BEACON_UUIDS, _SPOOL_MAX_BYTES;
    _CANARY=false keeps it from transmitting the iBeacon that its fellows calibrate by.
    """


@gateway.command()
@click.argument("code")
def enrol_command(code: str) -> None:
    """Exchange a one-time CODE for an identity; the key is made here and never leaves."""
    import uvloop

    config = _config()
    try:
        identity = uvloop.run(enrol(config, code))
    except EnrolError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"enrolled as {identity.gateway_id} in store {identity.store_id}")


enrol_command.name = "enrol"


@gateway.command()
@click.option("--code", help="Enrol with this code first, when there is no identity yet.")
@click.option("--with-parent", type=int, hidden=True)
def run(*, code: str | None, with_parent: int | None) -> None:
    """Listen, summarise, keep on disk, send up; until stopped."""
    if with_parent is not None:
        end_with_parent(with_parent)
    settings = load_gateway_settings()
    set_up_logging(settings.log_level, settings.log_style)
    config = _config()

    async def enrol_and_run() -> int:
        if code is not None:
            try:
                await enrol(config, code)
            except AlreadyEnrolledError:
                pass  # it is a restart
            except EnrolError as error:
                click.echo(f"Error: {error}", err=True)
                return 1
        return await run_gateway(config, SystemClock())

    leave(run_process(enrol_and_run))


@gateway.command()
def status() -> None:
    """How this gateway is doing, as it said a moment ago."""
    config = _config()
    said = read_status(config.status_path)
    if said is None:
        raise click.ClickException(
            f"no status in {config.data_dir}: the gateway has not run yet, or not from there"
        )
    age_s = (SystemClock().now() - said.at.astimezone(UTC)).total_seconds()
    table = Table(show_header=False, title=f"gateway {said.gateway_id}, {age_s:.0f} s ago")
    for part in ("source", "canary", "adverts", "flush", "spool", "uplink"):
        facts = getattr(said, part)
        for name in (
            facts.__struct_fields__
            if hasattr(facts, "__struct_fields__")
            else (facts.__dataclass_fields__)
        ):
            table.add_row(f"{part} {name.replace('_', ' ')}", str(getattr(facts, name)))
    Console().print(table)


@gateway.command()
@click.argument("lines", nargs=-1, metavar="[HEX]...")
@click.option(
    "--level",
    type=click.Choice(["ad", "hci", "mgmt"]),
    default="ad",
    show_default=True,
    help="What the octets are: AD structures, an HCI event or a mgmt event.",
)
def decode(lines: tuple[str, ...], level: Literal["ad", "hci", "mgmt"]) -> None:
    """Say what adverts mean: one JSON object for each line of HEX.

    Lines come from the arguments, or from standard input when there are none. A line that cannot
    be read gives {"error": ...}, and the next one goes on.

    \b
    Example:
      corsia gateway decode 02011a1aff4c000215...
    """
    for line in _given(lines):
        click.echo(json.dumps(decode_line(line, level)))


def _given(lines: Iterable[str]) -> Iterator[str]:
    given = iter(lines)
    try:
        first = next(given)
    except StopIteration:
        if isinstance(sys.stdin, TextIOWrapper):
            # A line that is no text is a line that cannot be read, not the end of all.
            sys.stdin.reconfigure(errors="backslashreplace")
        return (line.rstrip("\n") for line in sys.stdin)
    return chain([first], given)


def _config() -> GatewayConfig:
    settings = load_gateway_settings()
    return GatewayConfig(
        api_url=settings.api_url,
        data_dir=settings.data_path,
        source=settings.source,
        beacon_uuids=settings.beacon_uuids,
        spool_max_bytes=settings.spool_max_bytes,
        flush_s=settings.flush_s,
        canary=settings.canary,
        canary_power_1m_dbm=settings.canary_power_1m_dbm,
    )

"""`corsia api | engine | push | jobs`: one process each, for operators with several machines."""

import logging
from collections.abc import Awaitable, Callable

import click
from rich.console import Console
from rich.table import Table

from config.clock import Clock, SystemClock
from config.log import set_up_logging
from config.parent import end_with_parent
from config.process import leave, run_process
from config.settings import PREFIX, Settings, SettingsError, load_settings

log = logging.getLogger(__name__)

Process = Callable[[Settings, Clock], Awaitable[None]]

_check = click.option("--check", is_flag=True, help="Print the settings that would be used; stop.")
_with_parent = click.option("--with-parent", type=int, hidden=True)


@click.command()
@_check
@_with_parent
def api(*, check: bool, with_parent: int | None) -> None:
    """Serve handsets, gateways and tills over HTTP.

    Listens on CORSIA_API_HOST:CORSIA_API_PORT. Needs the database and Redis; keeps no state, so
    run as many as you like behind a load balancer.
    """
    from mobile_api.app import run_api

    _run(run_api, check=check, with_parent=with_parent)


@click.command()
@_check
@_with_parent
def engine(*, check: bool, with_parent: int | None) -> None:
    """Turn sightings into presence, and presence into decisions.

    Engines share the stores among them: each store is worked by one engine at a time.
    """
    from engine.run import run_engine

    _run(run_engine, check=check, with_parent=with_parent)


@click.command()
@_check
@_with_parent
def push(*, check: bool, with_parent: int | None) -> None:
    """Send what the outbox holds to Firebase Cloud Messaging.

    Needs CORSIA_FCM_KEY_FILE, a Firebase service account's key.
    """
    from engine.fcm_credential import KeyFileError
    from engine.push import run_push

    _run(run_push, check=check, with_parent=with_parent, misconfigured=(KeyFileError,))


@click.command()
@_check
@_with_parent
def jobs(*, check: bool, with_parent: int | None) -> None:
    """Do what is done by the clock: erase what has been kept long enough."""
    from engine.jobs import run_jobs

    _run(run_jobs, check=check, with_parent=with_parent, needs_redis=False)


def _run(
    process: Process,
    *,
    check: bool,
    with_parent: int | None,
    needs_redis: bool = True,
    misconfigured: tuple[type[Exception], ...] = (),
) -> None:
    from corsia.ready_database import DatabaseAwayError, SchemaError, check_schema
    from db.connect import DatabaseUrlError

    settings = load_settings()
    if check:
        table = Table("setting", "value")
        for name, value in settings.shown().items():
            table.add_row(f"{PREFIX}{name}".upper(), value)
        Console().print(table)
        return
    if needs_redis and settings.redis_url is None:
        raise click.ClickException(
            "CORSIA_REDIS_URL is not set; a process on its own needs one (`corsia up` starts one)"
        )
    if with_parent is not None:
        end_with_parent(with_parent)
    set_up_logging(settings.log_level, settings.log_style)
    # It says which dialect it uses whenever the schema's version is read.
    logging.getLogger("alembic").setLevel(logging.WARNING)

    async def run() -> None:
        try:
            await check_schema(settings.sql_url)
        except DatabaseAwayError as error:
            # Whether to wait for it is the process's own decision.
            log.warning("schema not read", extra={"why": str(error)})
        await process(settings, SystemClock())

    mendable = (SettingsError, DatabaseUrlError, SchemaError, *misconfigured)
    leave(run_process(run, misconfigured=mendable))

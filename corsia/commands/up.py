"""`corsia up`: everything on this machine, with the embedded defaults."""

import asyncio
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
import uvloop
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from config.clock import Clock, SystemClock
from config.log import set_up_logging
from config.process import EXIT_OK, leave, until_stopped
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.live_view import watch
from corsia.rehearsal import RehearsalPlan, air_source, open_store, start_simulator
from corsia.stack import StackError, of_its_own, open_stack
from db.connect import DatabaseUrlError
from db.redis_server import RedisServerError
from firmware_sim.floor import FloorError, load_floor, supermarket

DEMO_DIR: Final = "demo"
# In every folder that may be deleted at the next start.
DEMO_MARK: Final = ".corsia-demo"


@click.command()
@click.option("--demo", is_flag=True, help="With a simulated store and a live view of it.")
@click.option("--shoppers", type=click.IntRange(1, 500), default=40, show_default=True)
@click.option("--seed", default=7, show_default=True, help="The same seed, the same shoppers.")
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The demo's store in TOML.  [default: the supermarket that comes with Corsia]",
)
@click.option("--uncalibrated", is_flag=True, help="The demo's gateways hang there since now only.")
@click.option("--plain", is_flag=True, help="Print lines instead of the live view.")
def up(
    *, demo: bool, shoppers: int, seed: int, store: Path | None, uncalibrated: bool, plain: bool
) -> None:
    """Run everything on this machine: API, engine, push, jobs, Redis and SQLite.

    Settings are CORSIA_... environment variables; without any, data is kept in
    ~/.local/share/corsia. With --demo a simulated store is opened beside it: shoppers walk,
    gateways hear their handsets, offers arrive. Ctrl-C stops everything.

    \b
    Examples:
      corsia up --demo
      CORSIA_FCM_KEY_FILE=firebase-key.json corsia up
    """
    settings = load_settings()
    set_up_logging("warning", "console")
    console = Console()
    expected = (StackError, RedisServerError, DatabaseUrlError, FloorError, DBAPIError, OSError)
    with said_plainly(*expected):
        if demo:
            plan = RehearsalPlan(
                minutes=None,
                shoppers=shoppers,
                seed=seed,
                store=store,
                calibrated=not uncalibrated,
            )
            uvloop.run(until_stopped(_demo(plan, settings, console, SystemClock(), plain=plain)))
        else:
            uvloop.run(until_stopped(_serve(settings, console, SystemClock())))
    leave(EXIT_OK)


async def _serve(settings: Settings, console: Console, clock: Clock) -> None:
    """Run the backend until stopped."""
    run_dir = settings.data_path
    async with (
        asyncio.TaskGroup() as tasks,
        open_stack(settings, run_dir, tasks, clock) as stack,
    ):
        names = ["api", "engine", "jobs"]
        if settings.fcm_key_file is None:
            console.print("[yellow]CORSIA_FCM_KEY_FILE is not set: no push will be sent[/]")
        else:
            names.append("push")
        for name in names:
            stack.serve(name)
        await stack.wait_for_api()
        console.print(
            f"Corsia is up at {stack.api_url} (logs: {run_dir / 'logs'}); Ctrl-C stops it"
        )
        await asyncio.Event().wait()


async def _demo(
    plan: RehearsalPlan, settings: Settings, console: Console, clock: Clock, *, plain: bool
) -> None:
    """Run the backend and a simulated store until stopped."""
    began_at = clock.now()
    plain = plain or not console.is_terminal or console.is_dumb_terminal
    floor = supermarket() if plan.store is None else load_floor(plan.store)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as parts:
        run_dir = parts.enter_context(_fresh_dir(settings.data_path))
        settings = of_its_own(settings, run_dir)
        console.print("[dim]starting Redis, database and processes...[/]")
        stack = await parts.enter_async_context(open_stack(settings, run_dir, tasks, clock))
        await open_store(
            stack.database,
            plan,
            floor,
            settings,
            clock,
            lambda sentence: console.print(f"[dim]{sentence}[/]"),
        )
        stack = await start_simulator(stack, plan, keep=False)
        for name in ("api", "engine", "push", "jobs"):
            stack.serve(name)
        await stack.wait_for_api()
        for place in floor.gateways:
            await stack.start_gateway(
                place.gateway_id, air_source(run_dir, place.gateway_id), stack.api_url
            )
        await watch(stack, floor, console, began_at, plain=plain)


@contextmanager
def _fresh_dir(data_dir: Path) -> Iterator[Path]:
    """An empty folder for this demonstration alone; what the last one left is deleted.

    Raises StackError when another one is running on it.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / f"{DEMO_DIR}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another demonstration is running on {data_dir}: stop it, or set CORSIA_DATA_DIR"
            ) from None
        run_dir = data_dir.resolve() / DEMO_DIR
        if run_dir.is_symlink() or (run_dir.exists() and not (run_dir / DEMO_MARK).exists()):
            raise StackError(f"{run_dir} is no folder of a demonstration: move it away")
        if run_dir.exists():
            shutil.rmtree(run_dir)
        run_dir.mkdir(mode=0o700)
        (run_dir / DEMO_MARK).touch()
        yield run_dir

"""The live view of a run whose simulator is this test: lines, screen, and what ends it."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from config.clock import SystemClock
from config.log import set_up_logging
from config.settings import Settings
from corsia.children import Children, Command
from corsia.live_view import LOG_FILE, watch
from corsia.stack import Stack, StackError
from db.connect import Database
from db.live import Here, Live, open_live
from firmware_sim.floor import supermarket
from firmware_sim.truth import EnteredStore, PushReceived, Registered, RunLog, TruthPoint
from shoppers.consent import Purpose
from tests.db.rows import STORE, a_person, a_send, a_store

CLOCK = SystemClock()
FLOOR = replace(supermarket(), store_id=STORE)
YES = {purpose.value: True for purpose in Purpose}
WITHIN_S = 20.0


@asynccontextmanager
async def a_stack(
    database: Database, live: Live, run_dir: Path, *, simulator_is_kept: bool = True
) -> AsyncIterator[Stack]:
    """A stack with a simulator that fails at once, and is started again where it is kept."""
    settings = Settings(data_dir=run_dir, api_port=8_099)
    async with asyncio.TaskGroup() as tasks:
        children = Children(run_dir / "logs", tasks, CLOCK)
        children.start(Command("simulator", ("no-such-command",), {}, keep=simulator_is_kept))
        try:
            yield Stack(settings, run_dir, database, live, children, CLOCK)
        finally:
            await children.stop(lambda _name: True)


async def one_push(stack: Stack) -> None:
    """Somebody in aisle 2, where the engine believes them to be, is shown an offer."""
    now = CLOCK.now() - timedelta(seconds=5)
    now_s = now.timestamp()
    await a_store(stack.database, now)
    async with stack.database.begin() as tx:
        person = await a_person(tx, now)
        decision_id = await a_send(tx, person, now + timedelta(seconds=3))
    handset_id = person.handset_id
    await stack.live.picture(FLOOR.store_id, {handset_id: Here("aisle-2", 0.9, 1, 2, now_s)})
    with RunLog(stack.run_dir) as log:
        log.event(Registered(now_s, handset_id, person.shopper_id, YES, "all yes"))
        log.event(EnteredStore(now_s, handset_id))
        for number in range(100):  # far ahead, so that nobody is gone on a slow machine
            log.point(TruthPoint(now_s + number / 2, handset_id, 19.5, 8.0, "aisle-2"))
        log.event(
            PushReceived(
                at_s=now_s + 4,
                handset_id=handset_id,
                decision_id=decision_id,
                campaign_id=None,
                zone_id="aisle-2",
                accepted_at=now_s + 3.5,
                shown=True,
                duplicate=False,
                shown_at=now_s + 4,
                shown_zone="aisle-2",
            )
        )


async def watched(
    stack: Stack, console: Console, *, plain: bool, until: Callable[[], bool]
) -> None:
    """Watch until something has been printed, and stop as Ctrl-C does."""
    watching = asyncio.create_task(
        watch(stack, FLOOR, console, CLOCK.now() - timedelta(seconds=30), plain=plain)
    )
    async with asyncio.timeout(WITHIN_S):
        while not until() and not watching.done():
            await CLOCK.sleep(0.01)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_without_a_terminal_events_are_lines_and_the_scorecard_ends_them(
    sqlite_database: Database, live: Live, tmp_path: Path
) -> None:
    out = io.StringIO()
    async with a_stack(sqlite_database, live, tmp_path) as stack:
        await one_push(stack)
        await watched(
            stack, Console(file=out), plain=True, until=lambda: "first push" in out.getvalue()
        )

    text = out.getvalue()
    assert "a shopper came in" in text
    assert "push: 'Pasta, 2 for 1' shown in Aisle 2, 4.0 s after the shopper entered it" in text
    assert "stopping..." in text
    assert "aisle_precision" in text
    assert text.splitlines()[-1].startswith("1 pushes to 1 shoppers; ")


async def test_a_terminal_gets_a_screen_and_is_given_back(
    sqlite_database: Database, live: Live, tmp_path: Path
) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=40)
    async with a_stack(sqlite_database, live, tmp_path) as stack:
        await one_push(stack)
        await watched(stack, console, plain=False, until=lambda: "Pasta, 2 for 1" in out.getvalue())

    screen, left, after = out.getvalue().partition("\x1b[?1049l")
    assert left
    assert "Pasta, 2 for 1" in screen
    assert "Aisle 2" in screen
    assert "\x1b[?25h" in screen  # the cursor is shown again
    assert "1 pushes to 1 shoppers; " in after


async def test_on_a_screen_warnings_go_to_a_file(
    sqlite_database: Database, live: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("warning", "console")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)

    def is_drawn() -> bool:
        if "Scorecard" not in out.getvalue():
            return False
        logging.getLogger("corsia.test").warning("on the screen")
        return True

    async with a_stack(sqlite_database, live, tmp_path) as stack:
        await a_store(sqlite_database, CLOCK.now())
        await watched(stack, console, plain=False, until=is_drawn)
    logging.getLogger("corsia.test").warning("afterwards")

    told = capsys.readouterr().err
    assert "on the screen" in (tmp_path / "logs" / LOG_FILE).read_text()
    assert "on the screen" not in told
    assert "afterwards" in told


async def test_a_demonstration_ends_when_its_store_does(
    sqlite_database: Database, live: Live, tmp_path: Path
) -> None:
    await a_store(sqlite_database, CLOCK.now())
    console = Console(file=io.StringIO())

    with pytest.RaisesGroup(StackError, flatten_subgroups=True) as raised:
        async with a_stack(sqlite_database, live, tmp_path, simulator_is_kept=False) as stack:
            await watch(stack, FLOOR, console, CLOCK.now(), plain=True)

    assert "the simulated store ended; it said last:\n  Usage" in _sentence(raised.value)


async def test_a_demonstration_ends_when_redis_does(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await a_store(sqlite_database, CLOCK.now())
    console = Console(file=io.StringIO())

    with pytest.RaisesGroup(StackError, flatten_subgroups=True) as raised:
        async with (
            open_live(f"unix://{tmp_path}/nobody.sock") as nobody,
            a_stack(sqlite_database, nobody, tmp_path) as stack,
        ):
            await watch(stack, FLOOR, console, CLOCK.now(), plain=True)

    assert "Redis does not answer" in _sentence(raised.value)


def _sentence(group: BaseExceptionGroup[BaseException]) -> str:
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        (leaf,) = leaf.exceptions
    return str(leaf)

"""`corsia up --demo` for the eyes: a live view in a terminal, or a line an event elsewhere."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError
from rich.console import Console
from rich.live import Live

from corsia.floor_map import ASCII_MARKS, UNICODE_MARKS
from corsia.live_panels import core_figures
from corsia.live_picture import Picture, Pictures
from corsia.live_screen import LiveScreen
from corsia.plain_lines import PlainLines
from corsia.scorecard_views import as_table
from corsia.stack import Stack, StackError
from firmware_sim.floor import Floor

# Four times a second looks alive; the logs themselves are flushed once a second.
PERIOD_S: Final = 0.25
# Of the 5 s that Ctrl-C may take, a last scorecard gets this; else the one of a moment ago is it.
LAST_SCORE_WITHIN_S: Final = 0.7
LOG_FILE: Final = "up.log"


async def watch(
    stack: Stack, floor: Floor, console: Console, began_at: datetime, *, plain: bool
) -> None:
    """Show the demonstration until cancelled, and its scorecard then.

    Raises StackError when it cannot go on: without Redis, or without the simulated store.
    """
    pictures = Pictures(stack, floor, began_at)
    try:
        await _watch(pictures, stack, floor, console, plain=plain)
    except asyncio.CancelledError:
        await _last_words(pictures, console, plain=plain)
        raise


async def _watch(
    pictures: Pictures, stack: Stack, floor: Floor, console: Console, *, plain: bool
) -> None:
    show = _plainly if plain else _on_screen
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_simulator_runs(stack), name="simulator")
            tasks.create_task(pictures.score.keep(), name="scorecard")
            tasks.create_task(show(pictures, stack, floor, console), name="view")
    except* RedisError as group:
        raise StackError(f"Redis does not answer: {group.exceptions[0]}") from group


async def _simulator_runs(stack: Stack) -> None:
    """Return never. Started again it would have another fake FCM, with another key."""
    await stack.children.ended("simulator")
    said = "\n  ".join(stack.children.last_words("simulator")) or "nothing"
    raise StackError(f"the simulated store ended; it said last:\n  {said}")


async def _on_screen(pictures: Pictures, stack: Stack, floor: Floor, console: Console) -> None:
    marks = ASCII_MARKS if console.options.ascii_only else UNICODE_MARKS
    screen = LiveScreen(floor, stack.api_url, marks)
    shown: object = None
    with (
        _warnings_to(stack.run_dir / "logs" / LOG_FILE),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            picture = await pictures.take()
            news = (_without_split_seconds(picture), console.size)
            if news != shown:  # drawing is what costs
                live.update(screen.frame(picture, *console.size), refresh=True)
                shown = news
            await stack.clock.sleep(PERIOD_S)


async def _plainly(pictures: Pictures, stack: Stack, floor: Floor, console: Console) -> None:
    lines = PlainLines(floor)
    while True:
        for line in lines.news(await pictures.take()):
            _print(console, line)
        await stack.clock.sleep(PERIOD_S)


async def _last_words(pictures: Pictures, console: Console, *, plain: bool) -> None:
    _print(console, "stopping...")
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SCORE_WITHIN_S):
            await pictures.score.reckon()
    if pictures.score.latest is None:
        return
    card = pictures.score.latest.card
    if plain:
        console.print(as_table(card))
    _print(console, core_figures(card))


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _without_split_seconds(picture: Picture) -> Picture:
    return replace(picture, at=picture.at.replace(microsecond=0), up_s=int(picture.up_s))


@contextmanager
def _warnings_to(path: Path) -> Iterator[None]:
    """Log lines go to a file for the length of the block: on the screen they would tear it."""
    with path.open("a", encoding="utf-8") as file, ExitStack() as stack:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                before = handler.setStream(file)
                if before is not None:
                    stack.callback(handler.setStream, before)
        yield

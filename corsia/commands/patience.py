"""Waiting for a database that is busy or away, as commands do that somebody stands before."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from config.clock import SystemClock
from corsia.ready_database import DatabaseAwayError

T = TypeVar("T")

# Somebody else's long transaction, such as a large import, ends within this.
PATIENCE_S: Final = 30.0
RETRY_S: Final = 0.5


class DatabaseBusyError(Exception):
    """advice: what else may be done, as a sentence of its own; may be empty."""

    def __init__(self, advice: str) -> None:
        said = f"the database could not be written for {PATIENCE_S:.0f} s: NOTHING HAS CHANGED"
        super().__init__(f"{said}. {advice}" if advice else said)


async def patiently(act: Callable[[], Awaitable[T]], advice: str = "") -> T:
    """What came of it; a database that is busy is asked again. Raises DatabaseBusyError in the end.

    act: all in one transaction, so that asking again repeats nothing.
    """
    clock = SystemClock()
    until_s = clock.monotonic_s() + PATIENCE_S
    while True:
        try:
            return await act()
        except DatabaseAwayError as error:
            if clock.monotonic_s() >= until_s:
                raise DatabaseBusyError(advice) from error
        click.echo("the database is busy or away: trying again", err=True)
        await clock.sleep(RETRY_S)

"""A process of ours: one coroutine, stopped by cancellation, with an exit code."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

import uvloop

log = logging.getLogger(__name__)

EXIT_OK: Final = 0
EXIT_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h
EXIT_MISCONFIGURED: Final = 78  # EX_CONFIG: starting it again will not help
# A terminal that is closed is a way to stop, too.
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


def run_process(
    main: Callable[[], Coroutine[Any, Any, int | None]],
    *,
    misconfigured: tuple[type[Exception], ...] = (),
) -> int:
    """Run `main` until it ends or a signal asks it to stop; the exit code.

    A process that was asked to stop ends with 0. An error that nobody caught is logged once,
    here, and ends it with 70. misconfigured: errors, also out of task groups, that somebody must
    mend in its settings; they are said without a trace and end it with 78.
    """
    try:
        return uvloop.run(until_stopped(main())) or EXIT_OK
    except Exception as error:  # the one place of a process that may
        why = _leaves(error)
        if not all(isinstance(one, misconfigured) for one in why):
            log.exception("process failed")
            return EXIT_CRASHED
        log.error("process cannot run as it is set up", extra={"why": "; ".join(map(str, why))})  # noqa: TRY400
        return EXIT_MISCONFIGURED


async def until_stopped(main: Coroutine[Any, Any, T]) -> T | None:
    """Run it until it ends, or until one of STOP_SIGNALS asks to stop; None then."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(main, name="main")
    is_asked = False

    def stop() -> None:
        # Once: a second Ctrl-C would cut the stopping short and leave things behind.
        nonlocal is_asked
        if not is_asked:
            is_asked = True
            task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not is_asked:
            raise
        return None


def _leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for one in error.exceptions for leaf in _leaves(one)]


def leave(code: int) -> NoReturn:
    """End this process now: all is closed, and taking the interpreter apart takes seconds on a
    busy machine (measured: 4.3 s of Ctrl-C for the whole demonstration, 0.3 s without)."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

"""A process of ours: one coroutine, stopped by cancellation, with an exit code."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvloop

log = logging.getLogger(__name__)

EXIT_OK: Final = 0
EXIT_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h


def run_process(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    """Run `main` until it ends or SIGINT or SIGTERM cancels it; the exit code.

    A cancelled process ends with 0: it was asked to stop. An error that nobody caught is logged
    once, here, and ends it with 70.
    """
    return uvloop.run(_until_stopped(main))


async def _until_stopped(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await main() or EXIT_OK
    except asyncio.CancelledError:
        return EXIT_OK
    except Exception:  # the one place of a process that may
        log.exception("process failed")
        return EXIT_CRASHED

"""How long the event loop keeps a task waiting that wants a turn each millisecond."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

TICK_S: Final = 0.001
LATE_MS: Final = 5.0


@dataclass(slots=True)
class Stall:
    """The longest wait beyond the tick itself, and how many of the ticks waited over 5 ms.

    longest_cpu_ms: the most CPU time of this thread between two turns. What is far below the
    longest wait was not ours: the machine ran somebody else.
    """

    longest_ms: float = 0.0
    longest_cpu_ms: float = 0.0
    ticks: int = 0
    late: int = 0


@asynccontextmanager
async def watched_loop() -> AsyncIterator[Stall]:
    """Watch the loop for the length of the block."""
    stall = Stall()
    ticker = asyncio.create_task(_tick(stall), name="ticker")
    try:
        yield stall
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


async def _tick(stall: Stall) -> None:
    before_s, cpu_before_s = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(TICK_S)  # noqa: TID251  (the loop's own timing is what is measured)
        now_s, cpu_s = time.perf_counter(), time.thread_time()
        waited_ms = 1_000 * (now_s - before_s - TICK_S)
        stall.longest_ms = max(stall.longest_ms, waited_ms)
        stall.longest_cpu_ms = max(stall.longest_cpu_ms, 1_000 * (cpu_s - cpu_before_s))
        stall.ticks += 1
        stall.late += waited_ms > LATE_MS
        before_s, cpu_before_s = now_s, cpu_s

"""`make bench-push`: the stall of a loop is seen, every way to send is measured."""

import math
import time
from pathlib import Path

import pytest

from benchmarks.push import transport_figures
from benchmarks.push_fake import running_fake
from benchmarks.push_outbox import _per_s, outbox_figures
from benchmarks.push_stall import watched_loop
from config.clock import SystemClock


async def test_a_loop_that_is_held_up_shows() -> None:
    clock = SystemClock()
    async with watched_loop() as stall:
        await clock.sleep(0.01)
        until_s = time.perf_counter() + 0.05
        while time.perf_counter() < until_s:
            pass
        await clock.sleep(0.01)

    assert stall.longest_ms >= 45
    # Less when somebody else had the processor meanwhile.
    assert 5 < stall.longest_cpu_ms <= stall.longest_ms + 10
    assert 1 <= stall.late < stall.ticks


def test_the_speed_is_that_of_the_middle_of_the_run() -> None:
    looks = [(0.0, 0), (1.0, 100), (2.0, 300), (3.0, 600), (4.0, 900), (9.0, 1_000)]

    assert _per_s(looks) == pytest.approx(300)
    assert math.isnan(_per_s([(0.0, 0), (1.0, 1_000)]))


async def test_the_transport_and_the_whole_way_are_measured(redis_url: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3"
    with running_fake() as fake:
        alone = await transport_figures(fake, seconds=0.3, warm_up_s=0.2)
        whole = await outbox_figures("whole", url, redis_url, fake, pushes=120)

    assert alone.pushes >= 20
    assert alone.per_s == pytest.approx(alone.pushes / 0.3, rel=0.7)
    assert whole.pushes == 120
    for figures in (alone, whole):
        assert figures.cpu_us > 0
        assert figures.stall.ticks > 0

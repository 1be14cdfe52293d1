"""The virtual clock: time moves only when it is told to, and wakes sleepers in order."""

import asyncio
from datetime import timedelta

from config.clock import SystemClock, VirtualClock


async def test_nobody_wakes_before_the_time_has_come(clock: VirtualClock) -> None:
    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep(10), name="sleeper")
        await clock.advance(9.999)
        assert not sleeper.done()
        await clock.advance(0.001)
        assert sleeper.done()


async def test_sleepers_wake_in_order_each_at_its_own_instant(clock: VirtualClock) -> None:
    start = clock.now()
    woken: list[tuple[str, timedelta, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now() - start, clock.monotonic_s()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 1.0), ("d", 3.5)):
            tasks.create_task(sleep(name, seconds), name=name)
        await clock.advance(3)

        assert woken == [
            ("a", timedelta(seconds=1), 1.0),
            ("b", timedelta(seconds=1), 1.0),
            ("c", timedelta(seconds=3), 3.0),
        ]
        await clock.advance(0.5)


async def test_who_sleeps_again_wakes_again_within_one_advance(clock: VirtualClock) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(0.5)
            ticks.append(clock.monotonic_s())

    task = asyncio.create_task(tick(), name="ticks")
    await clock.advance(2)
    task.cancel()

    assert ticks == [0.5, 1.0, 1.5, 2.0]


async def test_a_cancelled_sleeper_holds_up_nobody(clock: VirtualClock) -> None:
    cancelled = asyncio.create_task(clock.sleep(1), name="cancelled")
    other = asyncio.create_task(clock.sleep(2), name="other")
    await clock.advance(0)
    cancelled.cancel()

    await clock.advance(2)

    assert cancelled.cancelled()
    assert other.done()


async def test_a_sleep_of_nothing_returns_at_once(clock: VirtualClock) -> None:
    await clock.sleep(0)
    await clock.sleep(-1)

    assert clock.monotonic_s() == 0


async def test_the_machines_clock_gives_aware_utc() -> None:
    clock = SystemClock()

    before_s = clock.monotonic_s()
    await clock.sleep(0)

    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic_s() >= before_s

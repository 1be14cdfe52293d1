"""Children note how they ended, so that a crash is told from a kill."""

import asyncio
import signal
from pathlib import Path

from config.clock import SystemClock
from corsia.children import Children, Command

CLOCK = SystemClock()


async def test_an_end_of_its_own_is_noted_with_its_code(tmp_path: Path) -> None:
    before_s = CLOCK.now().timestamp()
    async with asyncio.TaskGroup() as tasks:
        children = Children(tmp_path, tasks, CLOCK)
        child = children.start(Command("wrong", ("no-such-command",), {}, keep=False))
        await children.ended("wrong")

    (end,) = child.ends
    assert before_s <= end.began_s <= end.at_s <= CLOCK.now().timestamp()
    assert end.exit_code == 2


async def test_a_kill_is_noted_and_a_stop_of_ours_is_not(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        children = Children(tmp_path, tasks, CLOCK)
        child = children.start(Command("killed", ("jobs", "--help"), {}))
        async with asyncio.timeout(30):
            while child.pid is None:
                await CLOCK.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        async with asyncio.timeout(30):
            while not child.ends or child.pid is None:
                await CLOCK.sleep(0.01)
        await children.stop(lambda _name: True)

    assert [end.exit_code for end in child.ends][:1] == [-signal.SIGKILL]
    assert child.starts == len(child.ends) + 1

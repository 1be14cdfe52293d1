"""Processes of ours as children: started, watched, started again, stopped in time."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.clock import Clock
from config.settings import child_environment

log = logging.getLogger(__name__)

# Ctrl-C must be over within 5 s in all: this for everybody, the rest for a last scorecard, the
# servers and our own end.
STOP_LIMIT_S: Final = 2.5
FIRST_BACKOFF_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
# A child that ran for this long had a reason of its own to end: the back-off begins anew.
STEADY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Command:
    """A child to run. arguments: what follows `corsia`; keep: start it again when it ends."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """A child ended by itself or by somebody's signal, not because we stopped it. Unix seconds.
    exit_code: of a signal its number, negative."""

    began_s: float
    at_s: float
    exit_code: int


class Child:
    """One child process, as often as it must be started."""

    def __init__(self, command: Command, log_file: Path, clock: Clock) -> None:
        self.command = command
        self.starts = 0
        self.exit_code: int | None = None
        self.ends: list[Ended] = []
        self._log_file = log_file
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def run(self) -> int:
        """Run it until it ends for good; its exit code. Cancelled: SIGTERM, then SIGKILL."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            began_s = self._clock.monotonic_s()
            began_at_s = self._clock.now().timestamp()
            self.exit_code = await self._once()
            ended_at_s = self._clock.now().timestamp()
            self.ends.append(Ended(began_at_s, ended_at_s, self.exit_code))
            if not self.command.keep:
                return self.exit_code
            if self._clock.monotonic_s() - began_s > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            log.warning(
                "child ended, starting it again",
                extra={
                    "child": self.command.name,
                    "code": self.exit_code,
                    "in_s": backoff_s,
                    "log": str(self._log_file),
                },
            )
            await self._clock.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, when it runs."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    async def _once(self) -> int:
        with self._log_file.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "corsia", *self.command.arguments,
                "--with-parent", str(os.getpid()),
                env=child_environment(self.command.environment),
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                # Ctrl-C in a terminal goes to a whole group: we stop our children, in order.
                start_new_session=True,
            )  # fmt: skip
        self._process = process
        self.starts += 1
        try:
            return await process.wait()
        finally:
            await _end(process, self.command.name)


class Children:
    """All children of one run, in one task group."""

    def __init__(self, log_dir: Path, tasks: asyncio.TaskGroup, clock: Clock) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        self.by_name: dict[str, Child] = {}
        self._log_dir = log_dir
        self._tasks = tasks
        self._clock = clock
        self._running: dict[str, asyncio.Task[int]] = {}

    def start(self, command: Command) -> Child:
        """Start a child; it goes on until it ends for good or is stopped."""
        child = Child(command, self.log_file(command.name), self._clock)
        self.by_name[command.name] = child
        task = self._tasks.create_task(child.run(), name=f"child {command.name}")
        self._running[command.name] = task
        return child

    async def ended(self, name: str) -> int:
        """Wait until a child that is not kept has ended; its exit code."""
        return await asyncio.shield(self._running[name])

    async def stop(self, matches: Callable[[str], bool]) -> None:
        """Stop the children whose name matches, all at once, and wait for them."""
        stopping = [task for name, task in self._running.items() if matches(name)]
        for task in stopping:
            task.cancel()
        if stopping:
            await asyncio.wait(stopping)

    def log_file(self, name: str) -> Path:
        """Where a child's output goes."""
        return self._log_dir / f"{name}.log"

    def last_words(self, name: str, lines: int = 5) -> Sequence[str]:
        """The end of what a child said."""
        with contextlib.suppress(OSError):
            return self.log_file(name).read_text(errors="replace").splitlines()[-lines:]
        return ()


async def _end(process: asyncio.subprocess.Process, name: str) -> None:
    """The process is over: asked first, then made."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_LIMIT_S):
            await process.wait()
    except TimeoutError:
        log.warning("child did not stop in time and was killed", extra={"child": name})
        process.kill()
        await process.wait()

"""Processes of ours: how they end, and with which code."""

import os
import signal
import subprocess
import sys

import pytest

from config.process import EXIT_CRASHED, EXIT_MISCONFIGURED
from config.settings import child_environment

# Stopping is a matter of milliseconds; the rest is a busy machine.
SOON_S = 10


def _python(code: str, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(changes),
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


WAITS_FOR_EVER = """
import asyncio
from config.process import run_process

async def main():
    try:
        print("ready", flush=True)
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)

raise SystemExit(run_process(main))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_asked_to_stop_cleans_up_and_ends_well(number: signal.Signals) -> None:
    process = _python(WAITS_FOR_EVER)
    assert _line(process) == "ready"

    process.send_signal(number)
    out, err = process.communicate(timeout=SOON_S)

    assert (process.returncode, out, err) == (0, "cleaned up\n", "")


def test_an_error_that_nobody_caught_is_logged_once_and_ends_it() -> None:
    process = _python("""
from config.log import set_up_logging
from config.process import run_process

async def main():
    raise ValueError("a fault of ours")

set_up_logging("info", "json")
raise SystemExit(run_process(main))
""")

    _, err = process.communicate(timeout=SOON_S)

    assert process.returncode == EXIT_CRASHED == 70
    assert err.count("process failed") == 1
    assert "ValueError: a fault of ours" in err


@pytest.mark.parametrize(
    "raised",
    ["LookupError('no key')", "ExceptionGroup('tasks', [LookupError('no key')])"],
)
def test_what_its_settings_forbid_is_one_line_and_the_code_for_it(raised: str) -> None:
    process = _python(f"""
from config.log import set_up_logging
from config.process import run_process

async def main():
    raise {raised}

set_up_logging("info", "json")
raise SystemExit(run_process(main, misconfigured=(LookupError,)))
""")

    _, err = process.communicate(timeout=SOON_S)

    assert process.returncode == EXIT_MISCONFIGURED == 78
    assert "no key" in err
    assert err.count("\n") == 1


def test_a_fault_beside_a_wrong_setting_is_still_a_crash() -> None:
    process = _python("""
from config.log import set_up_logging
from config.process import run_process

async def main():
    raise ExceptionGroup("tasks", [LookupError("no key"), ValueError("a fault of ours")])

set_up_logging("info", "json")
raise SystemExit(run_process(main, misconfigured=(LookupError,)))
""")

    _, err = process.communicate(timeout=SOON_S)

    assert process.returncode == EXIT_CRASHED
    assert "a fault of ours" in err


@pytest.mark.parametrize(("answer", "code"), [("None", 0), ("0", 0), ("3", 3)])
def test_what_main_returns_is_the_exit_code(answer: str, code: int) -> None:
    process = _python(f"""
from config.process import run_process

async def main():
    return {answer}

raise SystemExit(run_process(main))
""")

    process.communicate(timeout=SOON_S)

    assert process.returncode == code


ENDS_WITH_ITS_PARENT = f"""
import sys
from config.parent import end_with_parent
end_with_parent(int(sys.argv[1]))
{WAITS_FOR_EVER}
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    supervisor = _python(f"""
import os, subprocess, sys
from config.settings import child_environment

# As our supervisor starts its children: in a session of their own.
child = subprocess.Popen([sys.executable, "-c", {ENDS_WITH_ITS_PARENT!r}, str(os.getpid())],
                         env=child_environment({{}}), start_new_session=True)
child.wait()
""")
    assert _line(supervisor) == "ready"

    supervisor.kill()
    # The child holds the same pipe: its end is read only when both are gone.
    out, _ = supervisor.communicate(timeout=SOON_S)

    assert out == "cleaned up\n"


def test_a_child_whose_parent_ended_before_it_could_ask_ends_at_once() -> None:
    orphan = _python(ENDS_WITH_ITS_PARENT, str(os.getppid()))
    out, _ = orphan.communicate(timeout=SOON_S)

    assert (orphan.returncode, out) == (0, "")

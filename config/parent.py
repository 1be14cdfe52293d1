"""Ending with the process that started us, so that a killed supervisor leaves nothing behind.

`python -m config.parent PARENT_PID PROGRAM ARGUMENT...` does it for a program that is not ours.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def end_with_parent(parent_pid: int) -> None:
    """From now on this process gets SIGTERM when the process that started it ends, however.

    parent_pid: whose child this is, as that process said; another parent means that it has ended
    already ("is it 1?" would not do: in a container the supervisor is). It outlives an exec.
    Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        raise SystemExit(0)  # it ended before we could ask


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  (our own command line)

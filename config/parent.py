"""Ending with the process that started us, so that a killed supervisor leaves nothing behind.

`python -m config.parent PROGRAM ARGUMENT...` does it for a program that is not ours.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def end_with_parent() -> None:
    """From now on this process gets SIGTERM when the process that started it ends, however.

    It outlives an exec. Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)  # it ended before we could ask


if __name__ == "__main__":
    end_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  (our own command line)

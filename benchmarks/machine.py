"""The machine under a benchmark: its processor, one core of it, and the memory of this process."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

STATM: Final = Path("/proc/self/statm")


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def one_core() -> Iterator[None]:
    """This thread stays on one core, where a system lets it. The Makefile sees to it that numpy's
    libraries start no others; were there any, CPU time would count them."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def rss_mb() -> float:
    """Memory that this process holds now."""
    pages = int(STATM.read_text().split()[1])
    return pages * resource.getpagesize() / 1e6

"""What `benchmarks.push` measures of each way to send, and the settings all have in common."""

from dataclasses import dataclass
from typing import Final

import engine.push
from benchmarks.push_stall import Stall

# The most under way at once, as the push process has it; the SDK's chunks come to as many.
CONCURRENCY: Final = engine.push.CONCURRENCY


@dataclass(frozen=True, slots=True)
class Figures:
    """One way to send. per_s: after the warm-up. cpu_us: of the process, a push."""

    name: str
    pushes: int
    per_s: float
    cpu_us: float
    stall: Stall

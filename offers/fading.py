"""A sum that fades: what was seen long ago counts for less, at a stated half-life.

Fading by halves needs one amount and one instant a sum, whatever happened in between: no list of
events has to be kept about anybody.
"""

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """`amount` is what the sum was worth at `at`, the newest instant that went into it."""

    amount: float
    at: datetime


def worth(tally: Tally, now: datetime, half_life_s: float) -> float:
    """What is left of the sum. An instant ahead of `now` (a fast clock) counts as now."""
    age_s = max(0.0, (now - tally.at).total_seconds())
    return tally.amount * math.exp2(-age_s / half_life_s)


def added(tally: Tally | None, amount: float, at: datetime, half_life_s: float) -> Tally:
    """The sum with one more amount. Facts that arrive late count as if they had come in order."""
    new = Tally(amount, at)
    if tally is None:
        return new
    latest = max(tally.at, at)
    return Tally(worth(tally, latest, half_life_s) + worth(new, latest, half_life_s), latest)

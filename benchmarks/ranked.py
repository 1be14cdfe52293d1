"""How good a ranking is: recall and NDCG at ten, with intervals over households.

Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002 (NDCG, with
gain 1 for what is relevant); Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter
13 (percentile intervals).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOP: Final = 10
RESAMPLES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over households with its 95 % interval."""

    value: float
    low: float
    high: float


def recall(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Of what is relevant, the share among the first TOP. relevant: not empty."""
    return sum(one in relevant for one in ranked[:TOP]) / len(relevant)


def ndcg(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """The discounted gain of the first TOP, of the greatest that there could be, 0 to 1."""
    gained = sum(_discount(place) for place, one in enumerate(ranked[:TOP]) if one in relevant)
    return gained / sum(_discount(place) for place in range(min(TOP, len(relevant))))


def bootstrapped(by_household: NDArray[np.float64], seed: int) -> Mean:
    """The mean over households, and where it would lie with other households like them.

    by_household: one figure for each. The same seed draws the same households, so that two
    rankings, or their difference, are judged on the same ones.
    """
    chance = np.random.default_rng(seed)
    many = len(by_household)
    means = [by_household[chance.integers(0, many, many)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Mean(float(by_household.mean()), float(low), float(high))


def _discount(place: int) -> float:
    return 1.0 / float(np.log2(place + 2))

"""What goes with what: how often two categories share a basket, beside what chance would do."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

# A pair seen less often is an anecdote: in 20 baskets the count itself is only right to a quarter.
MIN_BOTH: Final = 20
# The lift starts from this many imagined baskets in which the pair met as often as chance has it,
# so that a rare pair has to meet often before it is believed.
PRIOR_BOTH: Final = 10.0
# Below this lift two things share a basket because they are both bought often.
MIN_LIFT: Final = 1.2
# The most that a full basket may add, in log-odds: less than the household's own habits.
MAX_COMPLEMENT: Final = 1.5


@dataclass(frozen=True, slots=True)
class BasketCounts:
    """How many baskets there were, and how many held each category and each pair (in order)."""

    baskets: int
    single: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Association:
    """How `given` and `then` go together.

    support: of all baskets, those with both. confidence: of those with `given`, those with `then`.
    lift: confidence over the share of `then` in all baskets, shrunk towards 1 by PRIOR_BOTH.
    """

    given: str
    then: str
    both: int
    support: float
    confidence: float
    lift: float


class Counting:
    """Baskets being counted."""

    def __init__(self) -> None:
        self._baskets = 0
        self._single: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()

    def add(self, basket: Collection[str]) -> None:
        """One more; within it a category counts once."""
        held = sorted(set(basket))
        self._baskets += 1
        self._single.update(held)
        self._pairs.update(combinations(held, 2))

    @property
    def counts(self) -> BasketCounts:
        """Those so far."""
        return BasketCounts(self._baskets, self._single, self._pairs)


def counted(baskets: Iterable[Collection[str]]) -> BasketCounts:
    """The counts of these baskets."""
    counting = Counting()
    for basket in baskets:
        counting.add(basket)
    return counting.counts


def association(counts: BasketCounts, given: str, then: str) -> Association | None:
    """How the two go together; None when fewer than MIN_BOTH baskets held both."""
    both = counts.pairs.get((min(given, then), max(given, then)), 0)
    if given == then or both < MIN_BOTH:
        return None
    by_chance = counts.single[given] * counts.single[then] / counts.baskets
    return Association(
        given,
        then,
        both,
        both / counts.baskets,
        both / counts.single[given],
        (both + PRIOR_BOTH) / (by_chance + PRIOR_BOTH),
    )


def complements(counts: BasketCounts) -> Mapping[str, Mapping[str, Association]]:
    """For each category what goes with it, with a lift of at least MIN_LIFT."""
    found: dict[str, dict[str, Association]] = {}
    for pair in counts.pairs:
        for given, then in (pair, pair[::-1]):
            one = association(counts, given, then)
            if one is not None and one.lift >= MIN_LIFT:
                found.setdefault(given, {})[then] = one
    return found


def shares(counts: BasketCounts) -> Mapping[str, float]:
    """Of all baskets, the share that held each category; in (0, 1), however few baskets."""
    return {one: (n + 0.5) / (counts.baskets + 1.0) for one, n in counts.single.items()}


def best_complement(
    held: Collection[str], category: str, calling: Mapping[str, Mapping[str, Association]]
) -> Association | None:
    """What in the basket calls for this category most; None when nothing does, or it is in it.

    calling: as `complements` finds it.
    The strongest, not the sum: what is in one basket comes from one intention, and its
    categories are not evidence independent of each other.
    """
    if category in held:
        return None
    calls = [calling[had][category] for had in held if category in calling.get(had, ())]
    return max(calls, key=lambda one: (one.lift, one.given), default=None)


def complement_log_odds(found: Association) -> float:
    """What a complement adds to the odds, at most MAX_COMPLEMENT."""
    return min(math.log(found.lift), MAX_COMPLEMENT)

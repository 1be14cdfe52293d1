"""What has been bought so far, kept as the engine keeps it, and four ways to rank what comes next.

The engine's own way calls `offers.relevance.Leanings` and nothing else: what it knows here is what
a store without an app would know, purchases only.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import nlargest

from benchmarks.groceries import Visit
from benchmarks.ranked import TOP
from offers.baskets import BasketCounts, complements, counted, shares
from offers.known import Known, Learnt
from offers.odds import log_odds, share_of
from offers.profiling import Neighbourhood, Remembered
from offers.relevance import Leanings
from offers.situation import Browsed

Key = float | tuple[float, int]


class History:
    """Purchases of all households up to now, by label; visits are added in the order of time."""

    def __init__(self, households: Sequence[int], labels: Collection[str]) -> None:
        self.labels = sorted(labels)
        self.remembered: dict[int, Remembered] = {one: Remembered() for one in households}
        self.holding: Counter[str] = Counter()
        self.total = 0
        self._learnt = Learnt()
        self._alike: dict[int, dict[str, float]] = {}

    def add(self, visit: Visit) -> None:
        """One more basket."""
        self.remembered[visit.household].bought(visit.labels, visit.at)
        self.holding.update(visit.labels)
        self.total += 1

    def learn(self, now: datetime) -> None:
        """What a nightly job learns from all baskets so far: shares, and similar shoppers."""
        every = {label: self.holding[label] for label in self.labels}
        of_all = shares(BasketCounts(self.total, every, {}))
        self._learnt = replace(self._learnt, shares=of_all)
        profiles = [one.profile for one in self.remembered.values()]
        found = Neighbourhood(of_all, profiles, now).alike(profiles, range(len(profiles)))
        self._alike = dict(zip(self.remembered, found, strict=True))

    def learn_complements(self, baskets: Iterable[Collection[str]]) -> None:
        """What goes with what, from these baskets."""
        self._learnt = replace(self._learnt, complements=complements(counted(baskets)))

    def known(self, household: int) -> Known:
        """What the engine would be given of this household."""
        alike = self._alike.get(household, {})
        return Known(replace(self.remembered[household].profile, alike=alike), self._learnt)


# Ranks the labels for one household at one moment, with this in the cart.
Ranker = Callable[[History, int, datetime, Collection[str]], list[str]]


def by_engine(history: History, household: int, now: datetime, cart: Collection[str]) -> list[str]:
    """P(response) x need, for offers of one label and one margin each."""
    return _by_engine(history, household, now, cart, [Browsed("carted", one, now) for one in cart])


def by_engine_cart_unseen(
    history: History, household: int, now: datetime, cart: Collection[str]
) -> list[str]:
    """The same, for a shopper who does not use the app's cart."""
    return _by_engine(history, household, now, cart, ())


def by_popularity(
    history: History, _household: int, _now: datetime, cart: Collection[str]
) -> list[str]:
    """What most baskets of all households held."""
    return _best(history, cart, lambda label: history.holding[label])


def by_recency(
    history: History, household: int, _now: datetime, cart: Collection[str]
) -> list[str]:
    """What the household bought last; what is equally recent by popularity."""
    habits, holding = history.remembered[household].habits, history.holding

    def key(label: str) -> tuple[float, int]:
        habit = habits.get(label)
        return (habit.bought.at.timestamp() if habit else 0.0, holding[label])

    return _best(history, cart, key)


def by_own_frequency(
    history: History, household: int, _now: datetime, cart: Collection[str]
) -> list[str]:
    """What most baskets of the household held; what is equally frequent by popularity."""
    habits, holding = history.remembered[household].habits, history.holding

    def key(label: str) -> tuple[int, int]:
        habit = habits.get(label)
        return (habit.times if habit else 0, holding[label])

    return _best(history, cart, key)


def _by_engine(
    history: History,
    household: int,
    now: datetime,
    cart: Collection[str],
    looks: Sequence[Browsed],
) -> list[str]:
    known = history.known(household)
    of_all = known.learnt.shares
    signs = Leanings(looks, known, now)

    def score(label: str) -> float:
        gain, needed = signs.strength(frozenset({label}))
        return share_of(log_odds(of_all[label]) + gain) * needed

    return _best(history, cart, score)


def _best(history: History, cart: Collection[str], key: Callable[[str], Key]) -> list[str]:
    """The TOP labels that are not in the cart; what is still equal falls by the alphabet."""
    return nlargest(TOP, (label for label in history.labels if label not in cart), key=key)

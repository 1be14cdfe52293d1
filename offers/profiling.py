"""From purchases and stays to what is kept of a shopper, and to what all baskets teach.

The nightly job makes profiles with it, and so does the benchmark on real groceries.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from offers.baskets import BasketCounts, complements, shares
from offers.fading import Tally, added
from offers.habits import Habit, after_basket, after_purchase, basket_share
from offers.interests import DWELL_HALF_LIFE_S
from offers.known import Learnt, Profile
from offers.neighbours import Matrix, alike_log_odds

# An aisle is walked through in this time: twenty metres at a shopper's pace. Only what is longer is
# standing.
WALKED_THROUGH_S: Final = 20.0
# Who stands longer at one shelf waits for somebody, or has put the phone down.
STOOD_MAX_S: Final = 120.0
# Likeness that moves the odds by less than this changes no ranking, and need not be kept.
ALIKE_FROM: Final = 0.02
_ALIKE_PLACES: Final = 3


class Remembered:
    """What is kept of one shopper while facts come in, in whatever order."""

    def __init__(self) -> None:
        self.habits: dict[str, Habit] = {}
        self.baskets: Tally | None = None
        self.dwelt: dict[str, Tally] = {}

    def bought(self, categories: Collection[str], at: datetime) -> None:
        """One more basket."""
        for category in categories:
            self.habits[category] = after_purchase(self.habits.get(category), at)
        self.baskets = after_basket(self.baskets, at)

    def stood(self, categories: Collection[str], seconds: float, until: datetime) -> None:
        """One more stay in a zone where these categories lie. Walking through counts for nothing,
        and what lies on one shelf shares the time that was spent there."""
        standing_s = min(seconds - WALKED_THROUGH_S, STOOD_MAX_S)
        if standing_s <= 0:
            return
        for category in categories:
            known = self.dwelt.get(category)
            each_s = standing_s / len(categories)
            self.dwelt[category] = added(known, each_s, until, DWELL_HALF_LIFE_S)

    @property
    def profile(self) -> Profile:
        """What is kept so far, without what similar shoppers say."""
        return Profile(baskets=self.baskets, habits=self.habits, dwelt=self.dwelt)


class Neighbourhood:
    """Some shoppers, whom others are compared with. shares: of all baskets, by category."""

    def __init__(
        self, shares: Mapping[str, float], among: Sequence[Profile], now: datetime
    ) -> None:
        self._categories = sorted(shares)
        self._number = {category: number for number, category in enumerate(self._categories)}
        self._shares = np.array([shares[category] for category in self._categories])
        self._now = now
        self._among = self._matrix(among)

    def alike(
        self, profiles: Sequence[Profile], places: Sequence[int | None]
    ) -> list[dict[str, float]]:
        """`Profile.alike` of each. places: where each of them is among the neighbours, if it is:
        nobody is a neighbour of their own."""
        own = np.array([-1 if place is None else place for place in places], dtype=np.intp)
        found = alike_log_odds(self._matrix(profiles), self._shares, self._among, own)
        return [
            {
                category: round(gain, _ALIKE_PLACES)
                for category, gain in zip(self._categories, row, strict=True)
                if abs(gain) >= ALIKE_FROM
            }
            for row in found.tolist()
        ]

    def _matrix(self, profiles: Sequence[Profile]) -> Matrix:
        """Profiles x categories: the share of each one's baskets that hold the category."""
        rows = np.empty((len(profiles), len(self._categories)))
        for row, profile in zip(rows, profiles, strict=True):
            # What was never bought is alike for all: worked out once with a share of 1.
            row[:] = self._shares * basket_share(None, profile.baskets, 1.0, self._now)
            for category, habit in profile.habits.items():
                number = self._number.get(category)
                if number is not None:
                    prior = float(self._shares[number])
                    row[number] = basket_share(habit, profile.baskets, prior, self._now)
        return rows


def learnt_from(counts: BasketCounts, since: datetime) -> Learnt:
    """What all baskets teach."""
    return Learnt(shares=shares(counts), complements=complements(counts), since=since)

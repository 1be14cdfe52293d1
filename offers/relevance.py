"""How well an offer fits this shopper at this shelf, in cents, and why, in words.

P(response) x margin x need - fatigue. The signs add up in log-odds (`offers.interests`).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from offers.campaign import Campaign
from offers.habits import need
from offers.interests import WANTED_LOG_ODDS, Part, category_parts, look_parts, stated_on
from offers.known import NOTHING_KNOWN, Known, Opinion, Profile
from offers.odds import share_of
from offers.situation import Browsed, Situation
from shoppers.consent import Purpose

# Assumed until attribution has taught us better: one shopper in a hundred responds to an offer at
# the shelf out of the blue.
BASE_ODDS: Final = 0.01
_BASE_LOG_ODDS: Final = math.log(BASE_ODDS)
_NEAR: Final = "you are near it"
_WANTED: Final = "you said that you like it"
_UNWANTED: Final = "you asked for no offers of this kind"
# The reasons that rest on nothing that was inferred: they stay when profiling is no longer allowed.
SAID_WITHOUT_PROFILE: Final = frozenset({_NEAR, _WANTED, _UNWANTED})
# However many signs agree, three in five respond at most.
MAX_LOG_ODDS_GAIN: Final = 5.0
# Below this expected margin a message costs more goodwill than it earns.
RELEVANCE_THRESHOLD_CENTS: Final = 1.0
# Assumed: what each message of the last seven days takes off the goodwill for the next one.
FATIGUE_CENTS: Final = 0.5
# What was carted in the app longer ago than this is no longer the cart of this visit.
_CART_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Leaning:
    """What the signs say of some categories. need: 0 to 1, how much of it is needed again now."""

    log_odds_gain: float
    need: float
    because: tuple[str, ...]  # the strongest first


_NOTHING: Final[tuple[float, str, tuple[Part, ...]]] = (0.0, "", ())


class Leanings:
    """What the signs say of any categories, for one shopper at one moment.

    Thousands of campaigns share some dozens of categories: each is weighed once.
    """

    def __init__(self, looks: Sequence[Browsed], known: Known, now: datetime) -> None:
        self._known, self._now = known, now
        self._cart = _cart(looks, now)
        self._looks: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for look in looks:
            self._looks[look.category].append((look.kind, look.at))
        self._categories: dict[str, tuple[float, str, tuple[Part, ...]]] = {}
        self._seen: dict[tuple[str, ...], tuple[float, tuple[Part, ...]]] = {(): (0.0, ())}

    def strength(self, categories: AbstractSet[str]) -> tuple[float, float]:
        """`log_odds_gain` and `need` of the leaning, without its words."""
        gain, best, _ = self._best(categories)
        if not self._looks.keys().isdisjoint(categories):
            said, _ = self._looked_at(categories)
            gain += said
        return min(gain, MAX_LOG_ODDS_GAIN), need(self._known.profile.habits.get(best), self._now)

    def of(self, categories: AbstractSet[str]) -> Leaning:
        """What all signs together say of these categories.

        An offer for several categories is judged by the one that fits best: a person who buys pasta
        every week is not put off by the rice beside it.
        """
        _, _, parts = self._best(categories)
        _, said = self._looked_at(categories)
        telling = sorted((*said, *parts), key=lambda part: -part.log_odds)
        because = tuple(part.because for part in telling if part.because)
        return Leaning(*self.strength(categories), because)

    def _best(self, categories: AbstractSet[str]) -> tuple[float, str, tuple[Part, ...]]:
        """What is not looking in the app, of the category that it says most for."""
        best = _NOTHING
        for category in categories:
            found = self._categories.get(category)
            if found is None:
                parts = category_parts(self._known, category, self._cart, self._now)
                found = sum(part.log_odds for part in parts), category, parts
                self._categories[category] = found
            gain = found[0]
            if best is _NOTHING or gain > best[0] or (gain == best[0] and category < best[1]):
                best = found
        return best

    def _looked_at(self, categories: AbstractSet[str]) -> tuple[float, tuple[Part, ...]]:
        names = tuple(sorted([name for name in categories if name in self._looks]))
        known = self._seen.get(names)
        if known is None:
            looks = [look for name in names for look in self._looks[name]]
            parts = look_parts(looks, self._now)
            known = self._seen[names] = sum(part.log_odds for part in parts), parts
        return known


class Fitting:
    """How well campaigns fit one situation.

    What was inferred counts only with the consent that let it be kept; what the shopper said of
    a category counts always. An unwanted category is worth nothing, whatever the rest says.
    """

    def __init__(self, situation: Situation, known: Known = NOTHING_KNOWN) -> None:
        looks: Sequence[Browsed] = situation.browsed
        self._profile = known.profile
        if Purpose.PROFILING not in situation.shopper.consents:
            looks, known = (), Known(Profile(stated=known.profile.stated))
        self._leanings = Leanings(looks, known, situation.now)
        self._worths: dict[frozenset[str], float] = {}
        self._fatigue_cents = FATIGUE_CENTS * situation.pressure.sent_last_7_days

    def expected_cents(self, campaign: Campaign) -> float:
        """The expected margin of sending, in cents."""
        categories = campaign.categories
        worth = self._worths.get(categories)
        if worth is None:
            worth = self._worths[categories] = self._worth(categories)
        offer = campaign.offer
        return worth * (offer.margin_cents - offer.cost_cents) - self._fatigue_cents

    def because(self, campaign: Campaign) -> tuple[str, ...]:
        """The reasons a shopper may read."""
        opinion = stated_on(self._profile, campaign.categories)
        if opinion is Opinion.UNWANTED:
            return (_UNWANTED,)
        said = (_WANTED,) if opinion is Opinion.WANTED else ()
        return (_NEAR, *said, *self._leanings.of(campaign.categories).because)

    def _worth(self, categories: frozenset[str]) -> float:
        """P(response) x need; nothing for what is unwanted."""
        opinion = stated_on(self._profile, categories)
        if opinion is Opinion.UNWANTED:
            return 0.0
        gain, needed = self._leanings.strength(categories)
        if opinion is Opinion.WANTED:
            gain = max(gain, WANTED_LOG_ODDS)
        return share_of(_BASE_LOG_ODDS + gain) * needed


def interest_level(looks: Sequence[Browsed], known: Known, category: str, now: datetime) -> float:
    """The interest in one category, 0 to 1, for audiences and for the shopper to see."""
    match stated_on(known.profile, (category,)):
        case Opinion.UNWANTED:
            return 0.0
        case Opinion.WANTED:
            return 1.0
        case None:
            gain, _ = Leanings(looks, known, now).strength(frozenset({category}))
            return max(0.0, gain / MAX_LOG_ODDS_GAIN)


def _cart(looks: Sequence[Browsed], now: datetime) -> frozenset[str]:
    return frozenset(
        look.category
        for look in looks
        if look.kind == "carted" and (now - look.at).total_seconds() < _CART_S
    )

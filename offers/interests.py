"""What interests a shopper, category by category: each sign with its weight and its half-life.

A sign adds log-odds, so that signs of different kinds can be summed, and carries the words a
shopper may read. The most that a kind of sign can add falls in this order: looking in the app, list
and cart, purchases, standing at the shelf, what similar shoppers buy. What a shopper said beats all
of them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from offers.baskets import Association, best_complement, complement_log_odds
from offers.fading import Tally, worth
from offers.habits import HALF_LIFE_S, share_with, words
from offers.known import Known, Learnt, Opinion, Profile
from offers.odds import log_odds, share_of

_DAY_S: Final = 86_400.0
# What one look is worth at the moment of looking, in log-odds. Assumed, until attribution has
# taught us better; the order is what matters. Searching names what is wanted. What is on the list
# or in the cart will mostly be bought without us, so an offer for it moves less.
LOOK_WEIGHTS: Final = {"searched": 3.0, "viewed": 2.5, "listed": 2.0, "carted": 2.0}
# A look fades in a day, a list in the week it is written for.
LOOK_HALF_LIVES_S: Final = {
    "searched": _DAY_S,
    "viewed": _DAY_S,
    "listed": 7 * _DAY_S,
    "carted": 7 * _DAY_S,
}
_LOOK_WORDS: Final = {
    "searched": "you searched for it in the app",
    "viewed": "you viewed it in the app",
    "listed": "it is on your list",
    "carted": "it is in your cart",
}
_APP: Final = frozenset({"searched", "viewed"})
# Standing at a shelf is weak evidence (somebody waits, somebody chats) and of a month, not a day.
DWELL_HALF_LIFE_S: Final = 28 * _DAY_S
# Two minutes in sum at a shelf make the odds e times as high.
DWELL_SCALE_S: Final = 120.0
# The most that each kind of sign may add, in log-odds, and the least for what may also subtract:
# never bought is no reason to be silent for ever.
MAX_LOOKS: Final = 5.0
MAX_LIST: Final = 4.5
MAX_BOUGHT: Final = 4.0
MIN_BOUGHT: Final = -2.0
MAX_DWELL: Final = 1.5
MAX_ALIKE: Final = 1.0
# A category the shopper named: the odds are at least twenty times those of anyone.
WANTED_LOG_ODDS: Final = 3.0
# Below this a sign is too weak to be given as a reason.
WORTH_SAYING: Final = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """One sign: what it adds to the log-odds of a response, and why in words, if worth saying."""

    log_odds: float
    because: str | None


def look_parts(looks: Iterable[tuple[str, datetime]], now: datetime) -> tuple[Part, Part]:
    """What looking in the app adds, and what list and cart add. Unknown kinds add nothing.

    looks: kind and instant of each look at what is on offer.
    Ten looks are not ten times as keen: each of the two has its ceiling.
    """
    in_app: dict[str, float] = {}
    on_list: dict[str, float] = {}
    for kind, at in looks:
        if kind in LOOK_WEIGHTS:
            gains = in_app if kind in _APP else on_list
            gain = worth(Tally(LOOK_WEIGHTS[kind], at), now, LOOK_HALF_LIVES_S[kind])
            gains[kind] = gains.get(kind, 0.0) + gain
    return _look_part(in_app, MAX_LOOKS), _look_part(on_list, MAX_LIST)


def baskets_now(profile: Profile, now: datetime) -> float:
    """What is left of the household's baskets: the same for every category."""
    return worth(profile.baskets, now, HALF_LIFE_S) if profile.baskets else 0.0


def category_gain(
    known: Known, category: str, cart: Collection[str], baskets: float, now: datetime
) -> float:
    """What purchases, standing at the shelf, similar shoppers and the cart add for one category.

    cart: the categories in it now. baskets: `baskets_now`. Without a share of all baskets for the
    category, purchases and similar shoppers cannot be weighed and add nothing.
    """
    if not cart and category not in known.learnt.shares and category not in known.profile.dwelt:
        return 0.0
    bought, alike, dwelt, called = _gains(known, category, cart, baskets, now)
    return bought + alike + dwelt + (complement_log_odds(called) if called else 0.0)


def category_parts(
    known: Known, category: str, cart: Collection[str], now: datetime
) -> tuple[Part, ...]:
    """The signs that make up `category_gain`, with their words."""
    baskets = baskets_now(known.profile, now)
    bought, alike, dwelt, called = _gains(known, category, cart, baskets, now)
    habit = known.profile.habits.get(category)
    parts = [
        _part(bought, words(habit) if habit else None),
        _part(alike, "shoppers with baskets like yours buy it"),
        _part(dwelt, "this shelf may interest you"),
    ]
    if called is not None:
        parts.append(_part(complement_log_odds(called), goes_with(called, known.learnt)))
    return tuple([part for part in parts if part.log_odds])


def goes_with(called: Association, learnt: Learnt) -> str:
    """What in the cart calls for it, in words."""
    return f"it goes with {learnt.names.get(called.given, called.given)} in your cart"


def stated_on(profile: Profile, categories: Collection[str]) -> Opinion | None:
    """What the shopper said of any of these; one unwanted category spoils the whole offer."""
    if not profile.stated:
        return None
    said = {profile.stated[category] for category in categories if category in profile.stated}
    if Opinion.UNWANTED in said:
        return Opinion.UNWANTED
    return Opinion.WANTED if said else None


def _gains(
    known: Known, category: str, cart: Collection[str], baskets: float, now: datetime
) -> tuple[float, float, float, Association | None]:
    """Own purchases, similar shoppers, standing at the shelf, and what in the cart calls for it.

    Similar shoppers set what to expect of a household; its own baskets move it from there. So the
    first two together are the log-odds of the household's own share over those of all baskets.
    """
    profile = known.profile
    bought = alike = stood = 0.0
    share = known.learnt.shares.get(category)
    if share is not None:
        alike = max(-MAX_ALIKE, min(MAX_ALIKE, profile.alike.get(category, 0.0)))
        expected = log_odds(share) + alike
        own = share_with(profile.habits.get(category), baskets, share_of(expected), now)
        bought = max(MIN_BOUGHT, min(MAX_BOUGHT, log_odds(own) - expected))
    dwelt = profile.dwelt.get(category)
    if dwelt is not None:
        stood = min(worth(dwelt, now, DWELL_HALF_LIFE_S) / DWELL_SCALE_S, MAX_DWELL)
    called = best_complement(cart, category, known.learnt.complements) if cart else None
    return bought, alike, stood, called


def _look_part(gains: Mapping[str, float], most: float) -> Part:
    if not gains:
        return Part(0.0, None)
    strongest = max(gains, key=lambda kind: (gains[kind], kind))
    return _part(min(sum(gains.values()), most), _LOOK_WORDS[strongest])


def _part(log_odds_gain: float, because: str | None) -> Part:
    return Part(log_odds_gain, because if log_odds_gain >= WORTH_SAYING else None)

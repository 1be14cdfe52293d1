"""How well an offer fits this shopper at this shelf, in cents, and why, in words.

P(response) x margin x need - fatigue. The signs add up in log-odds (`offers.interests`).
"""

import math
from collections.abc import Collection, Sequence
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
# However many signs agree, three in five respond at most.
MAX_LOG_ODDS_GAIN: Final = 5.0
# Below this expected margin a message costs more goodwill than it earns.
RELEVANCE_THRESHOLD_CENTS: Final = 1.0
# Assumed: what each message of the last seven days takes off the goodwill for the next one.
FATIGUE_CENTS: Final = 0.5
# What was carted in the app longer ago than this is no longer the cart of this visit.
_CART_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Fit:
    """The expected margin of sending, in cents, and the reasons a shopper may read."""

    expected_cents: float
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaning:
    """What the signs say of some categories. need: 0 to 1, how much of it is needed again now."""

    log_odds_gain: float
    need: float
    because: tuple[str, ...]  # the strongest first


def fit(situation: Situation, campaign: Campaign, known: Known = NOTHING_KNOWN) -> Fit:
    """How well the campaign fits.

    What was inferred counts only with the consent that let it be kept; what the shopper said of
    a category counts always. An unwanted category is worth nothing, whatever the rest says.
    """
    fatigue_cents = FATIGUE_CENTS * situation.pressure.sent_last_7_days
    opinion = stated_on(known.profile, campaign.categories)
    if opinion is Opinion.UNWANTED:
        return Fit(-fatigue_cents, ("you asked for no offers of this kind",))
    looks: Sequence[Browsed] = situation.browsed
    if Purpose.PROFILING not in situation.shopper.consents:
        looks, known = (), Known(Profile(stated=known.profile.stated))
    found = leaning(looks, known, campaign.categories, situation.now)
    because = ["you are near it", *found.because]
    gain = found.log_odds_gain
    if opinion is Opinion.WANTED:
        gain = max(gain, WANTED_LOG_ODDS)
        because.insert(1, "you said that you like it")
    margin_cents = campaign.offer.margin_cents - campaign.offer.cost_cents
    response = share_of(math.log(BASE_ODDS) + gain)
    return Fit(response * margin_cents * found.need - fatigue_cents, tuple(because))


def leaning(
    looks: Sequence[Browsed], known: Known, categories: Collection[str], now: datetime
) -> Leaning:
    """What all signs together say of these categories.

    An offer for several categories is judged by the one that fits best: a person who buys pasta
    every week is not put off by the rice beside it.
    """
    own_looks = [(look.kind, look.at) for look in looks if look.category in categories]
    cart = _cart(looks, now) if known.learnt.complements else frozenset[str]()
    best: tuple[float, str, tuple[Part, ...]] = (0.0, "", ())
    for category in sorted(categories):
        parts = category_parts(known, category, cart, now)
        gain = sum(part.log_odds for part in parts)
        if not best[1] or gain > best[0]:
            best = (gain, category, parts)
    gain, category, parts = best
    said = look_parts(own_looks, now)
    total = gain + sum(part.log_odds for part in said)
    telling = sorted((*said, *parts), key=lambda part: -part.log_odds)
    return Leaning(
        min(total, MAX_LOG_ODDS_GAIN),
        need(known.profile.habits.get(category), now),
        tuple(part.because for part in telling if part.because),
    )


def interest_level(looks: Sequence[Browsed], known: Known, category: str, now: datetime) -> float:
    """The interest in one category, 0 to 1, for audiences and for the shopper to see."""
    match stated_on(known.profile, (category,)):
        case Opinion.UNWANTED:
            return 0.0
        case Opinion.WANTED:
            return 1.0
        case None:
            gain = leaning(looks, known, (category,), now).log_odds_gain
            return max(0.0, gain / MAX_LOG_ODDS_GAIN)


def _cart(looks: Sequence[Browsed], now: datetime) -> frozenset[str]:
    return frozenset(
        look.category
        for look in looks
        if look.kind == "carted" and (now - look.at).total_seconds() < _CART_S
    )

"""How much a shopper is interested in a category, 0 to 1: for audiences, and for them to see."""

from collections.abc import Sequence
from datetime import datetime

from offers.interests import stated_on
from offers.known import Known, Opinion
from offers.relevance import MAX_LOG_ODDS_GAIN, Leanings, cart_of
from offers.situation import Browsed


def interest_level(looks: Sequence[Browsed], known: Known, category: str, now: datetime) -> float:
    """The interest in one category."""
    match stated_on(known.profile, (category,)):
        case Opinion.UNWANTED:
            return 0.0
        case Opinion.WANTED:
            return 1.0
        case None:
            gain, _ = Leanings(looks, known, now).strength(frozenset({category}))
            return max(0.0, gain / MAX_LOG_ODDS_GAIN)


def interest_levels(looks: Sequence[Browsed], known: Known, now: datetime) -> dict[str, float]:
    """Every category in which there is an interest, with its `interest_level`."""
    profile, cart = known.profile, cart_of(looks, now)
    leanings = Leanings(looks, known, now, cart)
    names = {*leanings.looked_at, *profile.habits, *profile.dwelt, *profile.alike, *profile.stated}
    for held in cart:
        names.update(known.learnt.complements.get(held, ()))
    levels = {}
    for name in sorted(names):
        match profile.stated.get(name):
            case Opinion.UNWANTED:
                continue
            case Opinion.WANTED:
                levels[name] = 1.0
            case None:
                gain, _ = leanings.strength(frozenset({name}))
                if gain > 0:
                    levels[name] = gain / MAX_LOG_ODDS_GAIN
    return levels

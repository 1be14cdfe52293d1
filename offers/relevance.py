"""How well an offer fits this shopper at this shelf: P(response) x margin, and why, in words."""

import math
from dataclasses import dataclass
from typing import Final

from offers.campaign import Campaign
from offers.situation import Browsed, Situation
from shoppers.consent import Purpose

# Assumed until attribution has taught us better: one shopper in a hundred responds to an offer at
# the shelf out of the blue; having just looked at the category in the app multiplies the odds.
BASE_ODDS: Final = 0.01
# What one look is worth in log-odds at the moment of looking; carted beats listed beats viewed.
LOOK_WEIGHTS: Final = {"carted": 3.0, "listed": 2.5, "searched": 2.0, "viewed": 1.5}
# Interest from browsing fades: half after a day.
HALF_LIFE_S: Final = 86_400.0
# A person who saw the same thing ten times is not ten times as keen.
MAX_LOG_ODDS_GAIN: Final = 4.0
# Below this expected margin a message costs more goodwill than it earns.
RELEVANCE_THRESHOLD_CENTS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fit:
    """The expected margin of sending, in cents, and the reasons a shopper may read."""

    expected_cents: float
    because: tuple[str, ...]


def fit(situation: Situation, campaign: Campaign) -> Fit:
    """How well the campaign fits. Browsing counts only with the consent that let it be kept."""
    gains: dict[str, float] = {}
    may_profile = Purpose.PROFILING in situation.shopper.consents
    for look in situation.browsed if may_profile else ():
        if look.category in campaign.categories:
            gains[look.kind] = gains.get(look.kind, 0.0) + _gain(situation, look)
    gain = min(sum(gains.values()), MAX_LOG_ODDS_GAIN)
    odds = BASE_ODDS * math.exp(gain)
    because = ["you are near it"]
    if gains:
        strongest = max(gains, key=lambda kind: (gains[kind], kind))
        because.append(f"you {strongest} it in the app")
    margin_cents = campaign.offer.margin_cents - campaign.offer.cost_cents
    return Fit(odds / (1 + odds) * margin_cents, tuple(because))


def _gain(situation: Situation, look: Browsed) -> float:
    age_s = max(0.0, (situation.now - look.at).total_seconds())
    return LOOK_WEIGHTS.get(look.kind, 0.0) * math.exp2(-age_s / HALF_LIFE_S)

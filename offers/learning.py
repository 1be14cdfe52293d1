"""What responses teach: how often a campaign was answered, and the draw between rivals.

Thompson sampling: each rival's share of responses is drawn from what is believed of it, and the
best draw wins, so that a campaign is tried as often as it may still be the best. What is believed
starts from the score's own P(response) and is moved by what was seen. Nobody's group depends on a
draw: who is held out falls by the salt alone, and their ghost moments are drawn like any other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from random import Random
from statistics import NormalDist
from struct import Struct
from typing import Final
from zlib import crc32

# The score's P(response) counts as much as this many messages shown. Assumed: at the shelf one in a
# hundred responds, so that one response more or less among the first hundred moves it by half.
PRIOR_WEIGHT: Final = 100.0
# In so many decisions whatever may be sent is sent, each as likely as the others: a campaign that
# was unlucky at first, or that the score misjudges, is still tried.
FLOOR_SHARE: Final = 0.05
# Between so many of the best-placed the draw decides: beyond them a draw wins too rarely to be
# worth its time, which the floor sees to.
RIVALS_MAX: Final = 5
# Log-odds over those of anyone, from which the score takes a shopper to be warm and keen: between
# standing at a shelf often (1.5) and having looked in the app today (2 to 3).
WARM_FROM: Final = 0.5
KEEN_FROM: Final = 2.0
_MASK: Final = 0xFFFF_FFFF
_THREE: Final = Struct("<III")
_NORMAL: Final = NormalDist()
# No draw is nothing at all, however unlikely a response: two of them could not be divided.
_LEAST: Final = 1e-300


class Warmth(StrEnum):
    """How keen the score took the shopper to be: the context in which a campaign is learnt.

    Counts of the keen and of the cold are never added up: a campaign that happened to meet keen
    shoppers would pass for a good one. Zones are no context: a campaign has one or a few of its
    own. The names are stored: never renamed.
    """

    COLD = "cold"
    WARM = "warm"
    KEEN = "keen"


@dataclass(frozen=True, slots=True)
class Tried:
    """How often a campaign was shown in one context, and how often answered."""

    shown: int
    responded: int


# campaign -> context -> what was seen. What is not in it has not been tried.
Learning = Mapping[str, Mapping[str, Tried]]
NOTHING_LEARNT: Final[Learning] = {}


@dataclass(frozen=True, slots=True)
class Belief:
    """A beta distribution: what a campaign's share of responses may be."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The share to expect, in (0, 1)."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True, slots=True)
class Rival:
    """A campaign that may be sent. Its worth in cents: the drawn share x `gain_cents` - `less`."""

    campaign_id: str
    belief: Belief
    gain_cents: float
    less_cents: float


def warmth_of(log_odds_gain: float) -> Warmth:
    """The context of a shopper whom the signs set apart from anyone by so much."""
    if log_odds_gain < WARM_FROM:
        return Warmth.COLD
    return Warmth.WARM if log_odds_gain < KEEN_FROM else Warmth.KEEN


def belief_of(response: float, tried: Tried | None) -> Belief:
    """What is believed of a campaign. response: the score's P(response), in (0, 1)."""
    shown, responded = (tried.shown, tried.responded) if tried else (0, 0)
    return Belief(
        PRIOR_WEIGHT * response + responded, PRIOR_WEIGHT * (1.0 - response) + shown - responded
    )


def rivals_max(chance: int) -> int | None:
    """How many of the best-placed that may be sent are drawn between; None: all of them.

    chance: the situation's own number, of 64 bits; equal numbers draw alike, whenever it is asked.
    """
    return None if _is_floor(chance) else RIVALS_MAX


def drawn(rivals: Sequence[Rival], chance: int) -> int:
    """Which of the rivals is sent: its place among them. At least one; they are all alike in tier.

    Each rival's draw depends on the chance and its id alone: another campaign more or less in the
    zone moves nobody's luck. Equal draws fall to the better placed.
    """
    if len(rivals) == 1:
        return 0
    if _is_floor(chance):
        return Random(chance).randrange(len(rivals))
    best, most = 0, float("-inf")
    for place, rival in enumerate(rivals):
        cents = share_drawn(rival, chance) * rival.gain_cents - rival.less_cents
        if cents > most:
            best, most = place, cents
    return best


def share_drawn(rival: Rival, chance: int) -> float:
    """A share from what is believed of the rival, in (0, 1): the one that this chance gives it.

    Two gamma variates make a beta variate. A seeded `random.Random` for each rival took three times
    as long, a twelfth of a whole decision.
    """
    digest = blake2b(
        rival.campaign_id.encode(), digest_size=12, key=chance.to_bytes(8, "little", signed=False)
    ).digest()
    first, second, third = _THREE.unpack(digest)
    one = _gamma(rival.belief.alpha, first, third)
    other = _gamma(rival.belief.beta, second, third)
    return one / (one + other)


def _gamma(shape: float, first: int, second: int) -> float:
    """A gamma variate of two numbers of 32 bits.

    Source: Wilson, Hilferty, "The distribution of chi-square", PNAS 17, 1931: its cube root is
    nearly normal. Below 1 they were wrong; there a variate of shape + 1 is shrunk by a power of a
    uniform one (Stuart's theorem), for which `second` is.
    """
    if shape < 1.0:
        return max(
            _gamma(shape + 1.0, first, second) * math.pow(_share(second), 1.0 / shape), _LEAST
        )
    spread = 1.0 / (9.0 * shape)
    root = 1.0 - spread + _NORMAL.inv_cdf(_share(first)) * math.sqrt(spread)
    return max(shape * root * root * root, _LEAST)


def _share(of_32_bits: int) -> float:
    """In (0, 1)."""
    return (of_32_bits + 0.5) / (_MASK + 1.0)


def _is_floor(chance: int) -> bool:
    """Cheap, as every decision asks twice."""
    return crc32(b"floor", chance >> 32 & _MASK) < FLOOR_SHARE * _MASK

"""What responses teach: how often a campaign was answered, and the draw between rivals.

Thompson sampling: each rival's share of responses is drawn from what is believed of it, and the
best draw wins, so that a campaign is tried as often as it may still be the best. What is believed
starts from the score's own P(response) and is moved by what was seen. Nobody's group depends on a
draw: who is held out falls by the salt alone, and their ghost moments are drawn like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
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

    chance: the situation's own number; equal numbers draw alike, whenever it is asked.
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
        return Random(_seed(chance, "any of them")).randrange(len(rivals))
    own = Random()
    best, most = 0, float("-inf")
    for place, rival in enumerate(rivals):
        own.seed(_seed(chance, rival.campaign_id))
        share = own.betavariate(rival.belief.alpha, rival.belief.beta)
        cents = share * rival.gain_cents - rival.less_cents
        if cents > most:
            best, most = place, cents
    return best


def _is_floor(chance: int) -> bool:
    return Random(_seed(chance, "floor")).random() < FLOOR_SHARE


def _seed(chance: int, of: str) -> int:
    """A number of its own for each use of one chance."""
    return (chance << 32) ^ crc32(of.encode())

"""What a shopper does with the app during a visit, settled before it begins.

The same plan is carried out over HTTP by a handset and in memory by a fast rehearsal.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from firmware_sim.client import Purpose
from firmware_sim.persona import Persona

BrowseKind = Literal["viewed", "searched", "listed"]

# Assumed: people look at the app shortly before the shelf, or write the list at home.
LOOKS_AT_APP_SHARE: Final = 0.7
LOOKS_AHEAD_S: Final = (5.0, 60.0)
BROWSE_KINDS: Final[tuple[BrowseKind, ...]] = ("viewed", "viewed", "searched", "listed")
# Assumed: the feed is opened once on the way in and now and then after.
FEED_PERIOD_S: Final = (60.0, 180.0)
# Assumed: who changes their mind does so well inside the visit.
WITHDRAWAL_SHARE_OF_VISIT: Final = (0.3, 0.7)
# Assumed: the code is shown to the till this long before the shopper is out of the door.
PAYS_BEFORE_LEAVING_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ShelfStop:
    """A halt at a shelf; `category` is what it sells."""

    at_s: float
    category: str


@dataclass(frozen=True, slots=True)
class Browse:
    """The shopper looks at a category in the app."""

    at_s: float
    kind: BrowseKind
    category: str


@dataclass(frozen=True, slots=True)
class OpenFeed:
    """The shopper opens the list of offers."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The shopper takes consent back."""

    at_s: float
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Pay:
    """The shopper is at the till and may use what they were offered."""

    at_s: float


Action = Browse | OpenFeed | Withdraw | Pay


def plan(
    persona: Persona,
    arrives_at_s: float,
    leaves_at_s: float,
    stops: Iterable[ShelfStop],
    chance: random.Random,
) -> tuple[Action, ...]:
    """The actions of one visit in order of time, all between arrival and leaving."""
    actions: list[Action] = []
    for stop in stops:
        if chance.random() < LOOKS_AT_APP_SHARE:
            looks_at_s = max(arrives_at_s, stop.at_s - chance.uniform(*LOOKS_AHEAD_S))
            actions.append(Browse(looks_at_s, chance.choice(BROWSE_KINDS), stop.category))
    feed_at_s = arrives_at_s + chance.uniform(*FEED_PERIOD_S) / 4
    while feed_at_s < leaves_at_s:
        actions.append(OpenFeed(feed_at_s))
        feed_at_s += chance.uniform(*FEED_PERIOD_S)
    if persona.temper.withdraws:
        share = chance.uniform(*WITHDRAWAL_SHARE_OF_VISIT)
        at_s = arrives_at_s + share * (leaves_at_s - arrives_at_s)
        actions.append(Withdraw(at_s, persona.temper.withdraws))
    actions.append(Pay(max(arrives_at_s, leaves_at_s - PAYS_BEFORE_LEAVING_S)))
    return tuple(sorted(actions, key=lambda action: action.at_s))

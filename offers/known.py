"""What is known beyond the moment: of one shopper, and by the store from all baskets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from offers.baskets import Association
from offers.fading import Tally
from offers.habits import Habit
from offers.learning import Learning


class Opinion(Enum):
    """What a shopper said of a category, in so many words."""

    WANTED = "wanted"
    UNWANTED = "unwanted"


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept of one shopper's interests; every mapping is by category.

    baskets: all their baskets, fading as habits do. dwelt: seconds stood at the shelf, fading with
    `interests.DWELL_HALF_LIFE_S`. alike: log-odds by which similar shoppers differ from all, as
    `offers.neighbours` finds them. since: when it came into force.
    """

    baskets: Tally | None = None
    habits: Mapping[str, Habit] = field(default_factory=dict)
    dwelt: Mapping[str, Tally] = field(default_factory=dict)
    alike: Mapping[str, float] = field(default_factory=dict)
    stated: Mapping[str, Opinion] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Learnt:
    """What all baskets together have taught: see `baskets.shares` and `baskets.complements`.

    shares: of all baskets, those that hold the category, in (0, 1). names: of categories, as a
    shopper reads them; one without a name is called by its id. since: when it came into force.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    complements: Mapping[str, Mapping[str, Association]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Both, as a decision needs them, and what responses have taught of campaigns."""

    profile: Profile = field(default_factory=Profile)
    learnt: Learnt = field(default_factory=Learnt)
    learning: Learning = field(default_factory=dict)


NOTHING_KNOWN: Final = Known()

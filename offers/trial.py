"""A trial: the question asked of a campaign ahead, and the shoppers who answer it.

A shopper counts once, with the first moment of the trial: until then both arms were treated alike,
afterwards caps and habits differ. Shoppers were dealt into arms, so every moment counts, also a
push that nobody saw: who saw theirs is not like who did not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from offers.assignment import Arm
from offers.attribution import (
    RETURN_WITHIN,
    Bought,
    Moment,
    Outcome,
    Target,
    Window,
    followed,
)
from offers.intervals import Mean

# Until the visit is over and till receipts are in, nobody knows what followed a moment.
SETTLED_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """A question asked ahead: under one salt and one share, moments from `since` to `until`.

    campaign_id: None asks it of all campaigns together, against the hold-out; margin is then of
    everything bought. control_share: of the control group, or of the hold-out. within: how long
    after a moment its goal counts; None: as long as goals do.
    """

    campaign_id: str | None
    goal: Window
    since: datetime
    until: datetime
    control_share: float
    within: timedelta | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether all that followed its moments is known."""
        return now >= self.until + self.settled_after

    @property
    def return_within(self) -> timedelta:
        """How long after a moment a return counts."""
        return self.within if self.within and self.goal is Window.RETURN else RETURN_WITHIN

    @property
    def settled_after(self) -> timedelta:
        """How long after a moment all that may follow it is known."""
        return SETTLED_AFTER + (self.return_within if self.goal is Window.RETURN else timedelta())


@dataclass(frozen=True, slots=True)
class Subject:
    """A shopper in a trial, and what followed their first moment."""

    shopper_id: str
    is_control: bool
    saw: bool
    responded: bool
    margin_cents: int  # after discounts


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of a trial.

    earning: shoppers who brought any margin. squared_cents: the sum of their margins' squares.
    """

    shoppers: int
    saw: int
    responders: int
    earning: int
    margin_cents: int
    squared_cents: int

    def plus(self, other: "Sample") -> "Sample":
        """Both together; no shopper is in both."""
        return Sample(
            self.shoppers + other.shoppers,
            self.saw + other.saw,
            self.responders + other.responders,
            self.earning + other.earning,
            self.margin_cents + other.margin_cents,
            self.squared_cents + other.squared_cents,
        )

    @property
    def response(self) -> Mean:
        """The share of shoppers who responded; size 1 or more."""
        rate = self.responders / self.shoppers
        return Mean(rate, rate * (1 - rate), self.shoppers)

    @property
    def margin(self) -> Mean:
        """The margin of a shopper in cents; size 2 or more."""
        spread = self.shoppers * self.squared_cents - self.margin_cents**2
        variance = spread / (self.shoppers * (self.shoppers - 1))
        return Mean(self.margin_cents / self.shoppers, variance, self.shoppers)


def subjects(
    trial: Trial,
    moments: Iterable[Moment],
    outcomes: Iterable[Outcome],
    targets: Mapping[str, Target],
    now: datetime,
) -> tuple[Subject, ...]:
    """Everybody in the trial of whom all is known by now, by shopper id."""
    first: dict[str, Moment] = {}
    for moment in moments:
        if not _belongs(trial, moment):
            continue
        known = first.get(moment.shopper_id)
        if known is None or (moment.at, moment.moment_id) < (known.at, known.moment_id):
            first[moment.shopper_id] = moment
    theirs: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in set(outcomes):
        if isinstance(outcome, Bought) and not outcome.is_compared:
            continue
        if outcome.shopper_id in first:
            theirs[outcome.shopper_id].append(outcome)
    return tuple(
        _subject(trial, moment, theirs[shopper_id], targets[moment.campaign_id])
        for shopper_id, moment in sorted(first.items())
        if moment.at + trial.settled_after <= now
    )


def sample(side: Iterable[Subject]) -> Sample:
    """The subjects of one side, added up."""
    side = tuple(side)
    return Sample(
        shoppers=len(side),
        saw=sum(one.saw for one in side),
        responders=sum(one.responded for one in side),
        earning=sum(one.margin_cents != 0 for one in side),
        margin_cents=sum(one.margin_cents for one in side),
        squared_cents=sum(one.margin_cents**2 for one in side),
    )


NOBODY: Final = Sample(0, 0, 0, 0, 0, 0)


def _belongs(trial: Trial, moment: Moment) -> bool:
    if not trial.since <= moment.at < trial.until:
        return False
    # The hold-out gets none of the other campaigns either: it is no control group of one.
    return trial.campaign_id is None or (
        moment.campaign_id == trial.campaign_id and moment.arm is not Arm.HELD_OUT
    )


def _subject(trial: Trial, moment: Moment, outcomes: list[Outcome], target: Target) -> Subject:
    control = Arm.HELD_OUT if trial.campaign_id is None else Arm.CONTROL
    return Subject(
        shopper_id=moment.shopper_id,
        is_control=moment.arm is control,
        saw=moment.shown_at is not None,
        responded=trial.goal in followed(moment, outcomes, target).values(),
        # A discount counts where its margin does: neither does that of a margin nobody knows.
        margin_cents=sum(
            one.margin_cents - one.discount_cents
            for one in outcomes
            if isinstance(one, Bought) and one.is_priced and _earns(trial, moment, one, target)
        ),
    )


def _earns(trial: Trial, moment: Moment, bought: Bought, target: Target) -> bool:
    """In the same visit; a campaign that brings people back also earns when they are."""
    if bought.at < moment.at or not (trial.campaign_id is None or target.offers(bought)):
        return False
    if bought.visit_id == moment.visit_id:
        return True
    return trial.goal is Window.RETURN and bought.at <= moment.at + trial.return_within

"""What followed a moment, and which moment it is credited to.

Two questions, kept apart. `followed` asks it of both arms alike and is what uplift is made of: a
ghost moment has the same windows as a push. `full_credit` and `single_credit` ask it of pushes that
were shown, for the ledger; a coupon that was redeemed is its own proof there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from offers.assignment import Arm

SHELF_WITHIN: Final = timedelta(minutes=10)
RETURN_WITHIN: Final = timedelta(days=7)
# Assumed: a handset shows a push within 2 s and it takes 8 s to read. Who then stays as long again
# has looked at the shelf.
SHELF_DWELL: Final = timedelta(seconds=20)


class Window(StrEnum):
    """How long after a moment something may be credited to it. The names are stored."""

    SHELF = "shelf"  # stayed in a zone of the offer, within 10 minutes
    BASKET = "basket"  # bought what it offers, in the same visit
    RETURN = "return"  # the next visit began within 7 days


@dataclass(frozen=True, slots=True)
class Moment:
    """A decision to send, or a ghost moment in which it would have been sent.

    moment_id: of the decision. arm: TREATED is a send, also one that reached nobody; the others
    are ghosts. shown_at: when the first handset said so; None when none did.
    """

    moment_id: str
    shopper_id: str
    campaign_id: str
    visit_id: str
    arm: Arm
    at: datetime
    shown_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a campaign is after, and how long after a moment that may be credited to it.

    places: (store, zone); zones of two stores may bear one name. basket_within: None is the whole
    of the visit.
    """

    campaign_id: str
    places: frozenset[tuple[str, str]] = frozenset()
    product_ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    shelf_within: timedelta = SHELF_WITHIN
    basket_within: timedelta | None = None
    return_within: timedelta = RETURN_WITHIN

    def offers(self, bought: "Bought") -> bool:
        """Whether this is something that the campaign offers."""
        return bought.product_id in self.product_ids or bought.category in self.categories


@dataclass(frozen=True, slots=True)
class Dwelt:
    """A stay in a zone that is over."""

    outcome_id: str
    shopper_id: str
    store_id: str
    zone_id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Bought:
    """One line of a till receipt. redeems: the decision whose coupon was used for it."""

    outcome_id: str
    shopper_id: str
    visit_id: str | None  # None when the till could not tell
    at: datetime
    product_id: str
    category: str
    margin_cents: int  # before the discount
    discount_cents: int = 0  # of the coupon
    redeems: str | None = None
    # False: the till does not know the margin, and none is counted.
    is_priced: bool = True
    # False: known by a coupon alone, of which the control group has none. It is money in the
    # ledger, and compared with nothing.
    is_compared: bool = True


@dataclass(frozen=True, slots=True)
class Returned:
    """The beginning of a visit, every visit of the shopper being told."""

    outcome_id: str
    shopper_id: str
    visit_id: str
    at: datetime


# No two share an outcome_id, whatever their kind.
Outcome = Dwelt | Bought | Returned


@dataclass(frozen=True, slots=True, order=True)
class Credit:
    """An outcome credited to a moment; window: None when a coupon proves it."""

    outcome_id: str
    moment_id: str
    campaign_id: str
    window: Window | None


def followed(moment: Moment, outcomes: Iterable[Outcome], target: Target) -> dict[str, Window]:
    """What lies in a window of the moment: outcome ids with their window, whatever the arm.

    A redeemed line counts as any other purchase here: the control group has no coupon.
    outcomes: all of this shopper; others' are passed over.
    """
    found: dict[str, Window] = {}
    later: list[Returned] = []
    for outcome in outcomes:
        if outcome.shopper_id != moment.shopper_id:
            continue
        match outcome:
            case Dwelt():
                place = outcome.store_id, outcome.zone_id
                if place in target.places and _lingered(moment, outcome, target):
                    found[outcome.outcome_id] = Window.SHELF
            case Bought():
                here = outcome.visit_id == moment.visit_id and outcome.at >= moment.at
                within = target.basket_within
                if here and within is not None:
                    here = outcome.at <= moment.at + within
                if here and target.offers(outcome):
                    found[outcome.outcome_id] = Window.BASKET
            case Returned():
                if outcome.at > moment.at and outcome.visit_id != moment.visit_id:
                    later.append(outcome)
            case _:
                assert_never(outcome)
    if later:
        following = min(later, key=lambda visit: (visit.at, visit.outcome_id))
        if following.at <= moment.at + target.return_within:
            found[following.outcome_id] = Window.RETURN
    return found


def full_credit(
    moments: Iterable[Moment], outcomes: Iterable[Outcome], targets: Mapping[str, Target]
) -> tuple[Credit, ...]:
    """Every pair of a push that was shown and an outcome in one of its windows; each coupon once.

    One outcome may be credited to several pushes: do not add these up over campaigns.
    targets: by campaign; a campaign without one is credited with its coupons only.
    """
    return tuple(sorted(_pairs(moments, outcomes, targets)))


def single_credit(
    moments: Iterable[Moment], outcomes: Iterable[Outcome], targets: Mapping[str, Target]
) -> tuple[Credit, ...]:
    """As `full_credit`, each outcome to the last push only: what may be added up."""
    moments = set(moments)
    when = {moment.moment_id: moment.at for moment in moments}
    last: dict[str, Credit] = {}
    for pair in _pairs(moments, outcomes, targets):
        known = last.get(pair.outcome_id)
        if known is None or _turn(pair, when) > _turn(known, when):
            last[pair.outcome_id] = pair
    return tuple(sorted(last.values()))


def one_per_window(moments: Iterable[Moment], window: Window) -> tuple[Moment, ...]:
    """The moments that count, in order of time: of a shopper and a campaign, none lies within the
    window of another. A visit is one window of BASKET."""
    counted: list[Moment] = []
    last: dict[tuple[str, str], Moment] = {}
    visits: set[tuple[str, str, str]] = set()
    for moment in sorted(set(moments), key=lambda one: (one.at, one.moment_id)):
        key = (moment.shopper_id, moment.campaign_id)
        before = last.get(key)
        match window:
            case Window.SHELF:
                repeats = before is not None and moment.at <= before.at + SHELF_WITHIN
            case Window.BASKET:
                repeats = (*key, moment.visit_id) in visits
            case Window.RETURN:
                repeats = before is not None and moment.at <= before.at + RETURN_WITHIN
            case _:
                assert_never(window)
        if not repeats:
            counted.append(moment)
            last[key] = moment
            visits.add((*key, moment.visit_id))
    return tuple(counted)


def _pairs(
    moments: Iterable[Moment], outcomes: Iterable[Outcome], targets: Mapping[str, Target]
) -> list[Credit]:
    sent = {moment.moment_id: moment for moment in moments if moment.arm is Arm.TREATED}
    by_shopper: defaultdict[str, list[Outcome]] = defaultdict(list)
    pairs = []
    for outcome in set(outcomes):
        if isinstance(outcome, Bought) and outcome.redeems is not None:
            redeemed = sent.get(outcome.redeems)
            if redeemed is not None:
                pairs.append(_credit(outcome.outcome_id, redeemed, None))
        else:
            by_shopper[outcome.shopper_id].append(outcome)
    for moment in sent.values():
        target = targets.get(moment.campaign_id)
        if target is not None and moment.shown_at is not None:
            found = followed(moment, by_shopper[moment.shopper_id], target)
            pairs += [_credit(outcome_id, moment, window) for outcome_id, window in found.items()]
    return pairs


def _credit(outcome_id: str, moment: Moment, window: Window | None) -> Credit:
    return Credit(outcome_id, moment.moment_id, moment.campaign_id, window)


def _turn(credit: Credit, when: Mapping[str, datetime]) -> tuple[datetime, str]:
    return when[credit.moment_id], credit.moment_id


def _lingered(moment: Moment, stay: Dwelt, target: Target) -> bool:
    since, until = max(stay.since, moment.at), min(stay.until, moment.at + target.shelf_within)
    return until - since >= SHELF_DWELL

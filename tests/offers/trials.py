"""Moments, outcomes and trials to be changed one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from offers.assignment import Arm
from offers.attribution import Bought, Dwelt, Moment, Returned, Target, Window
from offers.trial import Trial

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
PLACE = ("store-1", "aisle-7")
TARGET = Target("pasta", frozenset({PLACE}), frozenset({"penne"}), frozenset({"pasta"}))
TARGETS = {"pasta": TARGET, "rice": replace(TARGET, campaign_id="rice")}
TRIAL = Trial("pasta", Window.BASKET, AT, AT + 28 * DAY, control_share=0.5)


def a_moment(moment_id: str = "m1", **changes: Any) -> Moment:
    """A push that was shown two seconds later."""
    moment = Moment(moment_id, "ann", "pasta", "visit-1", Arm.TREATED, AT, AT + 2 * SECOND)
    return replace(moment, **changes)


def a_ghost(moment_id: str = "m1", **changes: Any) -> Moment:
    """The same moment in the control group."""
    return replace(a_moment(moment_id, arm=Arm.CONTROL, shown_at=None), **changes)


def a_purchase(outcome_id: str = "b1", **changes: Any) -> Bought:
    """What the campaign offers, bought later in the visit."""
    bought = Bought(outcome_id, "ann", "visit-1", AT + 20 * MINUTE, "penne", "pasta", 300)
    return replace(bought, **changes)


def a_stay(outcome_id: str = "d1", **changes: Any) -> Dwelt:
    """A minute in the zone, around the moment."""
    stay = Dwelt(outcome_id, "ann", "store-1", "aisle-7", AT - 20 * SECOND, AT + 40 * SECOND)
    return replace(stay, **changes)


def a_return(outcome_id: str = "r1", **changes: Any) -> Returned:
    """The next visit, after two days."""
    return replace(Returned(outcome_id, "ann", "visit-2", AT + 2 * DAY), **changes)

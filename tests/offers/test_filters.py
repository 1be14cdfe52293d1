"""The hard filters: each one alone, at its border, and all of them together."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from offers.assignment import campaign_draw
from offers.audience import IsOneOf
from offers.audience_checks import checks_of
from offers.audience_fields import Facts, WordField
from offers.campaign import Hours, Status
from offers.decide import decide
from offers.filters import (
    CAMPAIGN_FILTERS,
    MIN_CONFIDENCE,
    MIN_STILL_HERE,
    MOMENT_FILTERS,
)
from offers.pressure import DEFAULT_LIMITS
from offers.situation import (
    Candidate,
    Hold,
    Pressure,
    Reason,
    Send,
    Situation,
    ZoneRole,
)
from offers.stops import Stops
from shoppers.consent import Purpose
from tests.offers.situations import NOW, a_campaign, a_situation

SECOND = timedelta(seconds=1)
EVERY_REASON = [*(why for why, _ in MOMENT_FILTERS), *(why for why, _ in CAMPAIGN_FILTERS)]


NOBODY = checks_of(IsOneOf(WordField.COUNTRY, frozenset()))


def _shopper(**changes: Any) -> Situation:
    situation = a_situation()
    return replace(situation, shopper=replace(situation.shopper, **changes))


def _moment(**changes: Any) -> Situation:
    situation = a_situation()
    return replace(situation, moment=replace(situation.moment, **changes))


def _campaign(**changes: Any) -> Situation:
    return a_situation(a_campaign(**changes))


def _spent(budget: int | None, sends: int) -> Situation:
    campaign = a_campaign(budget_sends=budget)
    return replace(a_situation(), candidates=(Candidate(campaign, sends),))


def _audience(*countries: str) -> Situation:
    """The shopper lives in Italy."""
    only = IsOneOf(WordField.COUNTRY, frozenset(countries))
    candidate = Candidate(a_campaign(), 0, checks_of(only))
    return replace(a_situation(), facts=Facts(country="IT"), candidates=(candidate,))


def _pressure(**changes: Any) -> Situation:
    return replace(a_situation(), pressure=replace(Pressure(0, 0, frozenset(), None), **changes))


def _at_eleven(start: time, end: time, weekdays: frozenset[int] = frozenset(range(7))) -> Situation:
    """The store's clock shows a Saturday, 11:00."""
    return _campaign(hours=(Hours(start, end, weekdays),))


_DRAW = campaign_draw("salt", "pasta", "shopper-1")


def _stopped(**what: Any) -> Situation:
    return replace(a_situation(), stops=Stops(**what))


FORBIDDEN: list[tuple[Reason, Situation]] = [
    (Reason.STOPPED, _stopped(everything=True)),
    (Reason.STOPPED, _stopped(store_ids=frozenset({"store-1"}))),
    (Reason.CAMPAIGN_STOPPED, _stopped(campaign_ids=frozenset({"pasta"}))),
    (Reason.NO_CONSENT, _shopper(consents=frozenset())),
    (Reason.NO_CONSENT, _shopper(consents=frozenset({Purpose.LOCATION_BLE}))),
    (Reason.NO_CONSENT, _shopper(consents=frozenset({Purpose.PUSH_MARKETING}))),
    (
        Reason.NO_CONSENT,
        _shopper(consents=frozenset({Purpose.PUSH_MARKETING, Purpose.PROFILING})),
    ),
    (Reason.COUNTRY_UNKNOWN, _shopper(country="XX")),
    (Reason.COUNTRY_UNKNOWN, _shopper(country="")),
    (Reason.NO_PUSH_TARGET, _shopper(has_push_target=False)),
    (Reason.QUIET_ZONE, _moment(role=ZoneRole.QUIET)),
    (Reason.UNSURE_PLACE, _moment(confidence=MIN_CONFIDENCE - 0.001)),
    (Reason.VISIT_TOO_YOUNG, _moment(visit_age_s=DEFAULT_LIMITS.first_after_s - 0.001)),
    (Reason.LEAVING_SOON, _moment(still_here_p=MIN_STILL_HERE - 0.001)),
    (Reason.NOT_LIVE, _campaign(status=Status.DRAFT)),
    (Reason.NOT_LIVE, _campaign(status=Status.PAUSED)),
    (Reason.NOT_LIVE, _campaign(status=Status.ENDED)),
    (Reason.OUTSIDE_AUDIENCE, _audience("DE", "AT")),
    (Reason.OUTSIDE_DATES, _campaign(valid_from=NOW + SECOND)),
    (Reason.OUTSIDE_DATES, _campaign(valid_until=NOW)),
    (Reason.OUTSIDE_HOURS, _at_eleven(time(9), time(11))),
    (Reason.OUTSIDE_HOURS, _at_eleven(time(11, 0, 1), time(12))),
    (Reason.OUTSIDE_HOURS, _at_eleven(time(9), time(12), frozenset({0, 1, 2, 3, 4, 6}))),
    (Reason.BUDGET_SPENT, _spent(100, 100)),
    (Reason.BUDGET_SPENT, _spent(100, 101)),
    (Reason.BUDGET_SPENT, _spent(0, 0)),
    (Reason.VISIT_CAP, _pressure(sent_this_visit=DEFAULT_LIMITS.per_visit)),
    (Reason.WEEK_CAP, _pressure(sent_last_7_days=DEFAULT_LIMITS.per_7_days)),
    (Reason.CAMPAIGN_SEEN, _pressure(campaigns_this_visit=frozenset({"pasta"}))),
    (
        Reason.COOL_DOWN,
        _pressure(last_sent_at=NOW + SECOND - timedelta(seconds=DEFAULT_LIMITS.cool_down_s)),
    ),
    (Reason.CONTROL_GROUP, _campaign(control_share=_DRAW + 1e-9)),
    (Reason.CONTROL_GROUP, _campaign(control_share=1.0)),
]
ALLOWED: list[Situation] = [
    a_situation(),
    _stopped(store_ids=frozenset({"store-2"}), campaign_ids=frozenset({"rice"})),
    _shopper(consents=frozenset({Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING})),
    _moment(confidence=MIN_CONFIDENCE),
    _moment(visit_age_s=DEFAULT_LIMITS.first_after_s),
    _moment(still_here_p=MIN_STILL_HERE),
    _audience("DE", "IT"),
    _campaign(valid_from=NOW, valid_until=NOW + SECOND),
    _at_eleven(time(11), time(11, 0, 1)),
    _at_eleven(time(9), time(12), frozenset({5})),
    _campaign(hours=(Hours(time(7), time(8)), Hours(time(11), time(12)))),
    _spent(100, 99),
    _spent(None, 1_000_000),
    _pressure(sent_last_7_days=DEFAULT_LIMITS.per_7_days - 1),
    _pressure(campaigns_this_visit=frozenset({"another"})),
    _pressure(last_sent_at=NOW - timedelta(seconds=DEFAULT_LIMITS.cool_down_s)),
    _campaign(control_share=_DRAW),
]


@pytest.mark.parametrize(("reason", "situation"), FORBIDDEN)
def test_each_filter_alone_holds_the_offer(reason: Reason, situation: Situation) -> None:
    decision = decide(situation)

    assert isinstance(decision, Hold)
    assert decision.why == (reason,)


@pytest.mark.parametrize("situation", ALLOWED)
def test_on_the_right_side_of_each_border_it_is_sent(situation: Situation) -> None:
    assert isinstance(decide(situation), Send)


def test_every_filter_has_a_case_of_its_own() -> None:
    assert {reason for reason, _ in FORBIDDEN} == set(EVERY_REASON)


def test_every_reason_is_recorded_whatever_the_others_said() -> None:
    base = a_situation()
    campaign = a_campaign(
        status=Status.PAUSED,
        valid_until=NOW,
        hours=(Hours(time(1), time(2)),),
        budget_sends=5,
        control_share=1.0,
        offer=replace(a_campaign().offer, margin_cents=0),
    )
    decision = decide(
        replace(
            base,
            shopper=replace(
                base.shopper, consents=frozenset(), country="XX", has_push_target=False
            ),
            moment=replace(
                base.moment,
                role=ZoneRole.QUIET,
                confidence=0.1,
                visit_age_s=1.0,
                still_here_p=0.1,
            ),
            pressure=Pressure(1, 2, frozenset({"pasta"}), NOW),
            stops=Stops(everything=True, campaign_ids=frozenset({"pasta"})),
            candidates=(Candidate(campaign, sends=5, audience=NOBODY),),
        )
    )

    assert isinstance(decision, Hold)
    assert decision.why == (*EVERY_REASON, Reason.BELOW_RELEVANCE)
    assert decision.ghost is None
    assert decision.weighed[0].against == decision.why

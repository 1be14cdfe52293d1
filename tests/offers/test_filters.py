"""The hard filters: each one alone, at its border, and all of them together."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from offers.assignment import campaign_draw, hold_out_draw
from offers.audience import IsOneOf
from offers.audience_checks import checks_of
from offers.audience_fields import Facts, WordField
from offers.campaign import CampaignLimits, Hours, OnHolidays, Status, Tier
from offers.decide import decide
from offers.filters import (
    CAMPAIGN_FILTERS,
    CAP_REASONS,
    MIN_CONFIDENCE,
    MIN_STILL_HERE,
    MOMENT_FILTERS,
    PROMOTION_FILTERS,
)
from offers.pressure import IGNORED_AFTER, WEEK, Cap, Channel, Message, Pressure, Scope
from offers.situation import (
    Candidate,
    Hold,
    Reason,
    Send,
    Situation,
    ZoneRole,
)
from offers.stops import Stops
from shoppers.consent import Purpose
from tests.offers.situations import NOBODY_HELD_OUT, NOW, a_campaign, a_message, a_situation

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
EVERY_REASON = {
    *(why for why, _ in (*MOMENT_FILTERS, *PROMOTION_FILTERS, *CAMPAIGN_FILTERS)),
    *CAP_REASONS,
}
DAY = timedelta(days=1)
COOL_DOWN = timedelta(minutes=20)
FIRST_AFTER_S = NOBODY_HELD_OUT.first_after_s


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


def _priced(budget_cents: int, sends: int) -> Situation:
    campaign = a_campaign(budget_cents=budget_cents)
    return replace(a_situation(), candidates=(Candidate(campaign, sends),))


def _audience(*countries: str) -> Situation:
    """The shopper lives in Italy."""
    only = IsOneOf(WordField.COUNTRY, frozenset(countries))
    candidate = Candidate(a_campaign(), 0, checks_of(only))
    return replace(a_situation(), facts=Facts(country="IT"), candidates=(candidate,))


def _sent(*messages: Message, **changes: Any) -> Situation:
    return replace(a_situation(), pressure=replace(Pressure(messages), **changes))


def _capped(cap: Cap, *messages: Message) -> Situation:
    """Under that one cap alone."""
    return replace(_sent(*messages), policy=replace(NOBODY_HELD_OUT, caps=(cap,)))


def _ignored(*answered: bool) -> Situation:
    """Promotions of so many visits, the oldest first; none of them too many."""
    messages = [
        a_message(n, ago=IGNORED_AFTER + (len(answered) - n) * DAY, is_answered=answer)
        for n, answer in enumerate(answered)
    ]
    return replace(_sent(*messages), policy=replace(NOBODY_HELD_OUT, caps=()))


def _held_out(share: float) -> Situation:
    return replace(a_situation(), policy=replace(NOBODY_HELD_OUT, hold_out_share=share))


def _at_eleven(start: time, end: time, weekdays: frozenset[int] = frozenset(range(7))) -> Situation:
    """The store's clock shows a Saturday, 11:00."""
    return _campaign(hours=(Hours(start, end, weekdays),))


_DRAW = campaign_draw("salt", "pasta", "shopper-1")
_HOLD_OUT_DRAW = hold_out_draw("salt", "shopper-1")
_OWN = Cap(Scope.SHOPPER, 1, within=WEEK, is_own=True)


def _stopped(**what: Any) -> Situation:
    return replace(a_situation(), stops=Stops(**what))


def _offering(product_ids: set[str], *, out_of_stock: set[str]) -> Situation:
    offer = replace(a_campaign().offer, product_ids=frozenset(product_ids))
    return replace(_campaign(offer=offer), out_of_stock=frozenset(out_of_stock))


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
    (Reason.VISIT_TOO_YOUNG, _moment(visit_age_s=FIRST_AFTER_S - 0.001)),
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
    (Reason.OUTSIDE_HOURS, _campaign(on_holidays=OnHolidays.ONLY)),
    (
        Reason.OUTSIDE_HOURS,
        replace(_campaign(on_holidays=OnHolidays.NEVER), is_holiday=True),
    ),
    (Reason.BUDGET_SPENT, _spent(100, 100)),
    (Reason.BUDGET_SPENT, _spent(100, 101)),
    (Reason.BUDGET_SPENT, _spent(0, 0)),
    (Reason.BUDGET_SPENT, _priced(budget_cents=499, sends=4)),  # 100 cents each
    (Reason.OUT_OF_STOCK, _offering({"penne"}, out_of_stock={"penne", "rice"})),
    (Reason.OUT_OF_STOCK, _offering({"penne", "fusilli"}, out_of_stock={"penne", "fusilli"})),
    (Reason.VISIT_CAP, _sent(a_message(visit_id="visit-1"))),
    (Reason.WEEK_CAP, _sent(a_message(1), a_message(2, ago=WEEK - SECOND))),
    (Reason.CAMPAIGN_SEEN, _sent(campaigns_this_visit=frozenset({"pasta"}))),
    (Reason.COOL_DOWN, _sent(a_message(ago=COOL_DOWN - SECOND))),
    (Reason.OWN_CAP, _sent(a_message(), own=(_OWN,))),
    (Reason.OWN_CAP, _sent(own=(replace(_OWN, most=0),))),
    (Reason.ZONE_VISIT_CAP, _capped(Cap(Scope.ZONE_VISIT, 1), a_message(visit_id="visit-1"))),
    # 11:00 in Rome; midnight there was eleven hours ago.
    (Reason.DAY_CAP, _capped(Cap(Scope.SHOPPER, 1, days=1), a_message(ago=11 * HOUR))),
    (Reason.DAY_CAP, _capped(Cap(Scope.SHOPPER, 1, within=DAY), a_message(ago=DAY - SECOND))),
    (Reason.WEEK_CAP, _capped(Cap(Scope.SHOPPER, 1, days=2), a_message(ago=35 * HOUR))),
    (Reason.CHANNEL_CAP, _capped(Cap(Scope.CHANNEL, 1, within=DAY), a_message())),
    (Reason.STORE_CAP, _capped(Cap(Scope.STORE, 1, within=DAY), a_message())),
    (
        Reason.CAMPAIGN_CAP,
        _capped(Cap(Scope.CAMPAIGN, 1, within=30 * DAY), a_message(campaign_id="pasta")),
    ),
    (
        Reason.CATEGORY_CAP,
        _capped(Cap(Scope.CATEGORY, 1), a_message(categories=frozenset({"rice", "pasta"}))),
    ),
    (
        Reason.CAMPAIGN_CAP,
        replace(
            _campaign(limits=CampaignLimits(per_shopper=1, per_days=30)),
            pressure=Pressure((a_message(campaign_id="pasta", ago=30 * DAY - SECOND),)),
        ),
    ),
    (Reason.CAMPAIGN_CAP, _campaign(limits=CampaignLimits(per_shopper=0))),
    (Reason.FATIGUED, _ignored(True, False, False, False)),
    (Reason.HELD_OUT, _held_out(_HOLD_OUT_DRAW + 1e-9)),
    (Reason.CONTROL_GROUP, _campaign(control_share=_DRAW + 1e-9)),
    (Reason.CONTROL_GROUP, _campaign(control_share=1.0)),
]
ALLOWED: list[Situation] = [
    a_situation(),
    _stopped(store_ids=frozenset({"store-2"}), campaign_ids=frozenset({"rice"})),
    _shopper(consents=frozenset({Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING})),
    _moment(confidence=MIN_CONFIDENCE),
    _moment(visit_age_s=FIRST_AFTER_S),
    _moment(still_here_p=MIN_STILL_HERE),
    _audience("DE", "IT"),
    _campaign(valid_from=NOW, valid_until=NOW + SECOND),
    _at_eleven(time(11), time(11, 0, 1)),
    _at_eleven(time(9), time(12), frozenset({5})),
    _campaign(hours=(Hours(time(7), time(8)), Hours(time(11), time(12)))),
    _spent(100, 99),
    _priced(budget_cents=500, sends=4),
    _spent(None, 1_000_000),
    _offering(set(), out_of_stock={"penne"}),
    _offering({"penne", "fusilli"}, out_of_stock={"penne"}),
    _offering({"not-in-the-catalogue"}, out_of_stock={"penne"}),
    _sent(a_message(1), a_message(2, ago=WEEK)),
    _sent(campaigns_this_visit=frozenset({"another"})),
    _sent(a_message(ago=COOL_DOWN)),
    _sent(a_message(), own=(replace(_OWN, most=2),)),
    _capped(
        Cap(Scope.ZONE_VISIT, 1), a_message(visit_id="visit-1", zone_id="aisle-8"), a_message(2)
    ),
    _capped(Cap(Scope.SHOPPER, 1, days=1), a_message(ago=11 * HOUR + SECOND)),
    _capped(Cap(Scope.SHOPPER, 1, within=DAY), a_message(ago=DAY)),
    _capped(Cap(Scope.CHANNEL, 1, within=DAY), a_message(channel=Channel.EMAIL)),
    _capped(Cap(Scope.STORE, 1, within=DAY), a_message(store_id="store-2")),
    _capped(Cap(Scope.CAMPAIGN, 1), a_message()),
    _capped(Cap(Scope.CATEGORY, 1), a_message(categories=frozenset({"rice"}))),
    _ignored(False, False),
    _ignored(False, False, False, True),
    _ignored(False, False, True, False, False),
    _held_out(_HOLD_OUT_DRAW),
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
    assert {reason for reason, _ in FORBIDDEN} == EVERY_REASON


def test_every_reason_is_recorded_whatever_the_others_said() -> None:
    base = a_situation()
    campaign = a_campaign(
        status=Status.PAUSED,
        valid_until=NOW,
        hours=(Hours(time(1), time(2)),),
        budget_sends=5,
        control_share=1.0,
        offer=replace(a_campaign().offer, margin_cents=0, product_ids=frozenset({"penne"})),
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
            pressure=Pressure(
                tuple(
                    a_message(
                        n,
                        ago=IGNORED_AFTER,
                        visit_id="visit-1",
                        campaign_id="pasta",
                        categories=frozenset({"pasta"}),
                    )
                    for n in range(3)
                ),
                frozenset({"pasta"}),
                own=(_OWN,),
            ),
            policy=replace(
                NOBODY_HELD_OUT,
                caps=(
                    *(Cap(scope, 1) for scope in Scope),
                    Cap(Scope.SHOPPER, 1, within=DAY + SECOND),
                    Cap(Scope.SHOPPER, 0, within=SECOND),
                    Cap(Scope.SHOPPER, 0, days=1),
                ),
                hold_out_share=1.0,
            ),
            stops=Stops(everything=True, campaign_ids=frozenset({"pasta"})),
            out_of_stock=frozenset({"penne"}),
            candidates=(Candidate(campaign, sends=5, audience=NOBODY),),
        )
    )

    assert isinstance(decision, Hold)
    assert set(decision.why) == {*EVERY_REASON, Reason.BELOW_RELEVANCE}
    assert len(set(decision.why)) == len(decision.why)
    assert decision.ghost is None
    assert decision.weighed[0].against == decision.why


FULL = _sent(a_message(1, visit_id="visit-1"), a_message(2), a_message(3, ago=SECOND))


@pytest.mark.parametrize("tier", [Tier.RECOVERY, Tier.SERVICE])
@pytest.mark.parametrize("restrained", [FULL, _ignored(False, False, False), _held_out(1.0)])
def test_a_service_message_passes_what_restrains_promotions(
    tier: Tier, restrained: Situation
) -> None:
    service = Candidate(a_campaign("service", tier=tier), sends=0)
    both = replace(restrained, candidates=(*restrained.candidates, service))

    decision = decide(both)

    assert isinstance(decision, Send)
    assert decision.campaign.campaign_id == "service"
    assert not isinstance(decide(restrained), Send)


def test_the_shoppers_own_cap_binds_service_messages_too() -> None:
    said = replace(FULL, pressure=replace(FULL.pressure, own=(_OWN,)))
    service = Candidate(a_campaign(tier=Tier.SERVICE), sends=0)

    decision = decide(replace(said, candidates=(service,)))

    assert isinstance(decision, Hold)
    assert decision.why == (Reason.OWN_CAP,)


def test_a_held_out_shopper_leaves_a_ghost() -> None:
    decision = decide(_held_out(1.0))

    assert isinstance(decision, Hold)
    assert decision.ghost == a_campaign()

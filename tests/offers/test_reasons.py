"""The reasons in words, and what would have had to be otherwise."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offers.campaign import Status, Tier
from offers.decide import decide
from offers.filters import reason_of
from offers.otherwise import Otherwise, Stored, Winner, otherwise, stored
from offers.pressure import Cap, Policy, Pressure, Scope
from offers.reasons import caps_apart, full_caps, seen_by, unless, why
from offers.situation import Decision, Reason, Send, Situation, ZoneRole
from shoppers.consent import NEEDED_IN_AISLE
from tests.offers.situations import a_campaign, a_message, a_situation
from tests.offers.test_decide import RICH, SITUATIONS

LIMITS = {
    "confidence": 0.75,
    "still_here_p": 0.4,
    "first_after_s": 12.0,
    "worth_cents": 2.5,
}


# Under which nothing has room.
FULL = Policy(
    (
        *(Cap(scope, 0) for scope in Scope),
        Cap(Scope.SHOPPER, 0, days=1),
        Cap(Scope.SHOPPER, 0, within=timedelta(minutes=20)),
        Cap(Scope.SHOPPER, 0, within=timedelta(days=7), is_own=True),
    ),
    first_after_s=10.0,
    hold_out_share=0.0,
)


def seen(situation: Situation) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(
        {
            "moment": situation.moment,
            "caps": full_caps(situation, "pasta"),
            "country": "IT",
            "limits": LIMITS,
        }
    )
    return built


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_for_both(reason: Reason) -> None:
    told = seen(replace(a_situation(), policy=FULL, pressure=Pressure(own=FULL.caps[-1:])))
    for said in (why(reason, told), unless(reason, told)):
        assert said
        assert said[0].islower() or said[0].isdigit()
        assert "{" not in said
        assert "?" not in said
    assert why(reason, {})  # of an old decision that kept nothing


def test_the_cap_that_would_have_sufficed_is_named() -> None:
    sent = (a_message(1), a_message(2, visit_id="visit-1"))
    situation = replace(a_situation(), pressure=Pressure(sent))
    assert unless(Reason.VISIT_CAP, seen(situation)) == "with a cap of 2 a visit"
    assert unless(Reason.WEEK_CAP, seen(situation)) == "with a cap of 3 in 7 days"
    assert why(Reason.WEEK_CAP, seen(situation)) == "2 sent in 7 days already"


def test_a_decision_is_explained_by_the_limits_it_was_judged_by() -> None:
    told = seen(a_situation())
    assert unless(Reason.UNSURE_PLACE, told) == "with 75% certainty of the zone"
    assert why(Reason.BELOW_RELEVANCE, told) == "worth less than 2.5 cents"


BOTH = (Reason.VISIT_CAP,)
ROWS = [
    Stored("first", 9.0, (*BOTH, Reason.CONTROL_GROUP), 3),
    Stored("second", 8.0, BOTH, 3),
    Stored("third", 7.0, (*BOTH, Reason.OUTSIDE_HOURS), 3),
]


def test_what_holds_for_every_campaign_is_lifted_for_all() -> None:
    first, second = Winner("first"), Winner("second")
    lifted = (*BOTH, Reason.CONTROL_GROUP)
    assert otherwise(ROWS, "first") == Otherwise(lifted, (first, second))
    free = ROWS[1:]
    assert otherwise(free, "second") == Otherwise(BOTH, (second,))
    assert otherwise(free, "third") == Otherwise(
        (*BOTH, Reason.OUTSIDE_HOURS), (second, Winner("third"))
    )
    assert otherwise(free, "another") is None


def test_a_control_group_that_may_be_drawn_means_silence() -> None:
    ghost = Winner("first", is_ghost=True)
    assert otherwise(ROWS, "second") == Otherwise(BOTH, (ghost, Winner("second")))


def test_between_what_is_no_promotion_nothing_is_drawn() -> None:
    rows = [replace(row, tier=1) for row in ROWS]
    assert otherwise(rows, "third") == Otherwise(
        (*BOTH, Reason.OUTSIDE_HOURS), (Winner("first", is_ghost=True),)
    )
    old = [replace(row, tier=99) for row in ROWS]
    assert otherwise(old, "first") == Otherwise((*BOTH, Reason.CONTROL_GROUP), (Winner("first"),))


def test_who_won_the_draw_has_won_it_against_all_but_the_newcomer() -> None:
    won = [
        Stored("won", 5.0, (), 3),
        Stored("better", 9.0, (Reason.OUTRANKED,), 3),
        Stored("seen", 7.0, (Reason.CAMPAIGN_SEEN,), 3),
        Stored("ghost", 6.0, (Reason.CONTROL_GROUP,), 3),
        Stored("below", 8.0, (Reason.OUTSIDE_HOURS,), 4),
    ]
    assert otherwise(won, "better") == Otherwise((), (Winner("won"),))
    assert otherwise(won, "ghost") == Otherwise((Reason.CONTROL_GROUP,), (Winner("won"),))
    assert otherwise(won, "below") == Otherwise((Reason.OUTSIDE_HOURS,), (Winner("won"),))
    seen_first = otherwise(won, "seen")
    assert seen_first is not None
    likely = [one.campaign_id for one in seen_first.wins]
    assert likely == ["seen", "won", "better", "ghost"]


def test_who_was_outranked_learns_by_whom() -> None:
    decision = decide(
        a_situation(a_campaign("poor"), a_campaign("rich", offer=RICH, tier=Tier.PERSONAL))
    )
    rows = stored(msgspec.to_builtins(list(decision.weighed)))
    assert otherwise(rows, "poor") == Otherwise((), (Winner("rich"),))
    assert otherwise(rows, "rich") is None


@pytest.mark.parametrize(
    ("within_s", "said"),
    [
        (1_200.0, "20 minutes"), (60.0, "1 minute"), (45.0, "45 s"), (90.0, "90 s"),
        (3_600.0, "1 hour"), (7_200.0, "2 hours"), (86_400.0, "24 hours"), (172_800.0, "2 days"),
    ],
)  # fmt: skip
def test_a_time_is_told_in_its_own_unit(within_s: float, said: str) -> None:
    cap = {"reason": "cool_down", "most": 1, "sent": 1, "within_s": within_s, "days": None}
    assert why(Reason.COOL_DOWN, {"caps": [cap]}) == f"another was sent less than {said} before"


@pytest.mark.parametrize(("sent", "said"), [(1, "once"), (2, "twice"), (3, "3 times")])
def test_how_often_is_told_as_people_say_it(sent: int, said: str) -> None:
    cap = {"reason": "campaign_cap", "most": 1, "sent": sent, "within_s": 604_800.0, "days": None}
    told = {"caps": [cap]}
    assert why(Reason.CAMPAIGN_CAP, told) == f"the campaign was sent {said} in 7 days"


def decide_without(situation: Situation, campaign_id: str, lifted: tuple[Reason, ...]) -> Decision:
    """The same moment, in which nothing of that was in the way of the campaign."""
    shopper, moment, policy = situation.shopper, situation.moment, situation.policy
    stops, pressure = situation.stops, situation.pressure
    for reason in lifted:
        match reason:
            case Reason.STOPPED:
                stops = replace(stops, everything=False, store_ids=frozenset())
            case Reason.NO_CONSENT:
                shopper = replace(shopper, consents=shopper.consents | NEEDED_IN_AISLE)
            case Reason.COUNTRY_UNKNOWN:
                shopper = replace(shopper, country="IT")
            case Reason.NO_PUSH_TARGET:
                shopper = replace(shopper, has_push_target=True)
            case Reason.QUIET_ZONE:
                moment = replace(moment, role=ZoneRole.SELLING)
            case Reason.UNSURE_PLACE:
                moment = replace(moment, confidence=1.0)
            case Reason.VISIT_TOO_YOUNG:
                policy = replace(policy, first_after_s=0.0)
            case Reason.LEAVING_SOON:
                moment = replace(moment, still_here_p=1.0)
            case Reason.HELD_OUT:
                policy = replace(policy, hold_out_share=0.0)
            case Reason.FATIGUED:
                answered = [replace(one, is_answered=True) for one in pressure.messages]
                pressure = replace(pressure, messages=tuple(answered))
            case _:
                pass  # of the campaign, below
    spotless = a_campaign(campaign_id)
    candidates = tuple(
        replace(
            one,
            sends=0,
            audience=None,
            campaign=replace(
                spotless,
                offer=one.campaign.offer,
                tier=one.campaign.tier,
                categories=one.campaign.categories,
            ),
        )
        if one.campaign.campaign_id == campaign_id
        else one
        for one in situation.candidates
    )
    return decide(
        replace(
            situation,
            shopper=shopper,
            moment=moment,
            stops=replace(stops, campaign_ids=stops.campaign_ids - {campaign_id}),
            pressure=replace(
                pressure,
                campaigns_this_visit=pressure.campaigns_this_visit - {campaign_id},
                own=tuple(cap for cap in pressure.own if reason_of(cap) not in lifted),
            ),
            policy=replace(
                policy, caps=tuple(cap for cap in policy.caps if reason_of(cap) not in lifted)
            ),
            candidates=candidates,
        )
    )


@settings(max_examples=500, deadline=None)
@given(SITUATIONS, st.integers(0, 2**64 - 1))
def test_who_is_said_to_win_wins_when_the_reasons_are_gone(
    situation: Situation, chance: int
) -> None:
    """Judged by deciding again where nothing of that was in the way, whatever is drawn."""
    situation = replace(situation, chance=chance)
    decision = decide(situation)
    rows = stored(msgspec.to_builtins(list(decision.weighed)))
    for row in rows:
        answer = otherwise(rows, row.campaign_id)
        if answer is None:
            assert isinstance(decision, Send)
            assert decision.campaign.campaign_id == row.campaign_id
            continue
        if Reason.BELOW_RELEVANCE in answer.lifted:
            continue  # worth more, it would stand elsewhere
        again = decide_without(situation, row.campaign_id, answer.lifted)
        if isinstance(again, Send):
            won = Winner(again.campaign.campaign_id)
        else:
            assert again.ghost is not None
            won = Winner(again.ghost.campaign_id, is_ghost=True)
        assert won in answer.wins


def test_each_campaign_is_told_by_its_own_caps_and_all_of_them() -> None:
    week, month = timedelta(days=7), timedelta(days=30)
    caps = (Cap(Scope.CATEGORY, 1, within=week), Cap(Scope.CATEGORY, 2, within=month))
    rice, both = frozenset({"rice"}), frozenset({"pasta"})
    sent = (
        a_message(1, categories=rice),
        a_message(2, categories=both),
        a_message(3, ago=timedelta(days=9), categories=both),
    )
    situation = replace(
        a_situation(a_campaign("pasta"), a_campaign("rice", categories=rice)),
        pressure=Pressure(sent),
        policy=replace(FULL, caps=caps),
    )
    decision = decide(situation)
    told = msgspec.to_builtins(
        {
            "caps": full_caps(situation, "pasta"),
            "caps_apart": caps_apart(situation, decision.weighed),
        }
    )

    assert unless(Reason.CATEGORY_CAP, seen_by(told, "pasta")) == (
        "with a cap of 2 for the category in 7 days and with a cap of 3 for the category in 30 days"
    )
    assert unless(Reason.CATEGORY_CAP, seen_by(told, "rice")) == (
        "with a cap of 2 for the category in 7 days"
    )


def test_promotions_behind_a_service_message_are_told_by_their_own_caps() -> None:
    situation = replace(
        a_situation(a_campaign("service", tier=Tier.SERVICE, status=Status.PAUSED), a_campaign()),
        pressure=Pressure((a_message(visit_id="visit-1"),)),
    )
    decision = decide(situation)
    best, promotion = (one.campaign_id for one in decision.weighed)
    told = msgspec.to_builtins(
        {
            "caps": full_caps(situation, best),
            "caps_apart": caps_apart(situation, decision.weighed),
        }
    )

    assert (best, promotion) == ("service", "pasta")
    assert why(Reason.VISIT_CAP, seen_by(told, promotion)) == "1 sent in this visit already"


def test_who_had_won_and_lost_its_place_at_the_last_moment_would_have_been_sent() -> None:
    rows = [
        Stored("won", 5.0, (Reason.CAP_RACE,), 3),
        Stored("better", 9.0, (Reason.OUTRANKED,), 3),
        Stored("other", 4.0, (Reason.OUTRANKED,), 3),
    ]

    assert otherwise(rows, "won") == Otherwise((Reason.CAP_RACE,), (Winner("won", False),))

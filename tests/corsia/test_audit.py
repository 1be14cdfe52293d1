"""The audit of a run: a good run has no breach, and each promise that is broken is found."""

from dataclasses import replace
from datetime import UTC

import pytest

import corsia.audit as module
from corsia.audit import (
    Accepted,
    Audit,
    Breach,
    Decided,
    Evidence,
    OutboxRow,
    Promise,
    Shown,
    audit,
)
from corsia.audit_caps import Law, Limit, Terms
from corsia.truth import ConsentChange, consents
from shoppers.consent import Purpose

ALL = frozenset(Purpose)
# Of ada's handset: she allows all, and takes push back at 500.
CONSENTS = consents(
    [
        ConsentChange("phone-a", "ada", 0.0, 0.0, ALL),
        ConsentChange("phone-a", "ada", 500.0, 501.0, ALL - {Purpose.PUSH_MARKETING}),
        ConsentChange("phone-b", "bea", 0.0, 0.0, ALL),
    ]
)
SEND = Decided("d1", "ada", "v1", "pasta", "aisle-1", 49.0, 100.0, is_send=True)
HOLD = replace(SEND, decision_id="d2", at_s=120.0, is_send=False, reasons=("visit_cap",))
ONE_A_VISIT = Limit("visit", 1, same_visit=True)
LAW = Law(
    limits=(ONE_A_VISIT, Limit("cool-down", 1, within_s=1_200.0)),
    terms={"pasta": Terms(budget_sends=1), "wine": Terms()},
    own={},
    tz=UTC,
)
GOOD = Evidence(
    decisions=[SEND, HOLD],
    outbox=[OutboxRow("d1", "phone-a", "delivered")],
    # A worker died between sending and writing so: FCM took it twice, the handset showed it once.
    accepted=[Accepted("d1", "phone-a", 101.0), Accepted("d1", "phone-a", 131.0)],
    shown=[Shown("d1", "phone-a", 102.0)],
    shopper_of={"phone-a": "ada", "phone-b": "bea"},
    entered_s={"phone-a": [50.0, 400.0], "phone-b": [60.0]},
    began_s={"phone-a": [50.0, 400.0], "phone-b": [60.0]},
    consents=CONSENTS,
    control=frozenset({("bea", "pasta")}),
    law=LAW,
    quiet_s=10.0,
    quiet_zones=frozenset({"checkout"}),
)


def another(**changes: object) -> Evidence:
    """A second send that FCM took, to another shopper and of another campaign unless told so."""
    second = {
        "decision_id": "d3", "shopper_id": "bea", "visit_id": "v3", "campaign_id": "wine",
        "zone_id": "aisle-2", "visit_age_s": 40.0, "at_s": 200.0, "is_send": True, **changes,
    }  # fmt: skip
    decided = Decided(**second)  # type: ignore[arg-type]
    handset = "phone-a" if decided.shopper_id == "ada" else "phone-b"
    return replace(
        GOOD,
        decisions=[*GOOD.decisions, decided],
        outbox=[*GOOD.outbox, OutboxRow("d3", handset, "delivered")],
        accepted=[*GOOD.accepted, Accepted("d3", handset, decided.at_s + 1)],
        shown=[*GOOD.shown, Shown("d3", handset, decided.at_s + 2)],
    )


def promises(found: Audit) -> set[Promise]:
    return {breach.promise for breach in found.breaches}


BROKEN = [
    (replace(GOOD, accepted=[*GOOD.accepted, Accepted("d9", "phone-a", 1.0)]),
     Promise.UNKNOWN_DECISION),
    (replace(GOOD, accepted=[*GOOD.accepted, Accepted(None, "phone-a", 1.0)]),
     Promise.UNKNOWN_DECISION),
    (replace(GOOD, accepted=[*GOOD.accepted, Accepted("d1", "phone-b", 101.0)]),
     Promise.WRONG_SHOPPER),
    (replace(GOOD, accepted=[*GOOD.accepted, Accepted("d1", None, 101.0)]),
     Promise.WRONG_SHOPPER),
    (replace(GOOD, shown=[*GOOD.shown, Shown("d1", "phone-a", 132.0)]),
     Promise.SHOWN_TWICE),
    (another(shopper_id="ada", visit_id="v2", campaign_id="pasta"), Promise.TOLD_TWICE),
    (another(shopper_id="ada", visit_id="v1", campaign_id="pasta"), Promise.SENT_TWICE),
    (another(shopper_id="ada", visit_id="v1"), Promise.OVER_A_CAP),
    (another(campaign_id="unheard of"), Promise.UNKNOWN_DECISION),
    (another(zone_id="checkout"), Promise.QUIET_ZONE),
    (another(visit_age_s=9.9), Promise.TOO_EARLY),
    (another(at_s=68.0), Promise.TOO_EARLY),
    (another(at_s=50.0), Promise.TOO_EARLY),
    (replace(GOOD, began_s={}), Promise.TOO_EARLY),
    (replace(GOOD, accepted=[*GOOD.accepted, Accepted("d1", "phone-a", 502.0)]),
     Promise.WITHOUT_CONSENT),
    (replace(GOOD, consents={}), Promise.WITHOUT_CONSENT),
    (another(campaign_id="pasta"), Promise.CONTROL_GROUP),
    (another(campaign_id="pasta"), Promise.OVER_BUDGET),
    (replace(GOOD, accepted=[]), Promise.NEVER_ACCEPTED),
    (replace(GOOD, decisions=[replace(SEND, is_given_back=True)]), Promise.GIVEN_BACK),
    (replace(GOOD, outbox=[]), Promise.NO_PUSH),
    (replace(GOOD, outbox=[OutboxRow("d1", "phone-a", None)]), Promise.NOT_SETTLED),
    (replace(GOOD, outbox=[OutboxRow("d1", "phone-a", "lost")]), Promise.NOT_SETTLED),
    (replace(GOOD, decisions=[SEND, replace(HOLD, reasons=())]), Promise.NO_REASON),
]  # fmt: skip


def test_a_good_run_has_no_breach_and_every_decision_its_outcome() -> None:
    found = audit(GOOD)

    assert found.breaches == ()
    assert found.outcomes == {"delivered": 1, "held": 1}
    assert found.reasons == {"visit_cap": 1}
    assert found.resent == 1
    assert audit(another()).breaches == ()


@pytest.mark.parametrize(("broken", "promise"), BROKEN)
def test_each_broken_promise_is_found(broken: Evidence, promise: Promise) -> None:
    assert promise in promises(audit(broken))


def test_each_promise_has_a_case_above_and_a_definition() -> None:
    assert {promise for _, promise in BROKEN} == set(Promise)
    definitions = module.__doc__ or ""
    assert all(f"\n{promise.value}  " in definitions for promise in Promise)


def test_a_visit_that_the_engine_splits_is_one_to_the_cap() -> None:
    split = another(shopper_id="ada", visit_id="v2", campaign_id="wine")
    only_visits = replace(split, law=replace(LAW, limits=(ONE_A_VISIT,)))

    (breach,) = audit(only_visits).breaches
    assert breach == Breach(Promise.OVER_A_CAP, ("d3", "ada"), "visit: 2 of 1")


def test_a_new_true_visit_is_a_new_one_to_the_cap_and_the_cool_down_still_holds() -> None:
    again = another(shopper_id="ada", visit_id="v2", campaign_id="wine", at_s=450.0)

    assert [breach.detail for breach in audit(again).breaches] == ["cool-down: 2 of 1"]
    later = another(shopper_id="ada", visit_id="v2", campaign_id="wine", at_s=1_301.0)
    assert Promise.OVER_A_CAP not in promises(audit(later))


def test_who_was_away_for_too_short_a_time_to_begin_another_visit_is_no_newcomer() -> None:
    back = another(shopper_id="ada", visit_id="v2", campaign_id="wine", at_s=405.0)

    assert Promise.TOO_EARLY in promises(audit(back))
    one_visit = replace(back, began_s={**back.began_s, "phone-a": [50.0]})
    assert Promise.TOO_EARLY not in promises(audit(one_visit))


def test_what_fcm_never_took_counts_against_no_cap_and_no_budget() -> None:
    more = [
        replace(SEND, decision_id=f"x{n}", visit_id=f"x{n}", is_given_back=True) for n in range(3)
    ]
    rows = [OutboxRow(one.decision_id, "phone-a", "expired", "too late") for one in more]
    found = audit(replace(GOOD, decisions=[*GOOD.decisions, *more], outbox=[*GOOD.outbox, *rows]))

    assert found.breaches == ()
    assert found.outcomes == {"delivered": 1, "held": 1, "expired": 3}
    assert found.ends == {("expired", "too late"): 3}


def test_a_push_whose_yes_was_lost_is_told_apart() -> None:
    unheard = replace(GOOD, outbox=[OutboxRow("d1", "phone-a", "expired", "timeout")])
    found = audit(unheard)

    assert found.breaches == ()
    assert (found.outcomes["expired"], found.unheard) == (1, 1)
    assert audit(GOOD).unheard == 0


def test_a_push_on_the_way_while_consent_is_withdrawn_is_excused_until_the_answer() -> None:
    on_the_way = replace(GOOD, accepted=[Accepted("d1", "phone-a", 500.5)])

    assert audit(on_the_way).breaches == ()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("expired", "delivered"), "delivered"),
        (("target_gone", "refused"), "refused"),
        (("expired", None), "unaccounted for"),
    ],
)
def test_a_decision_for_two_handsets_is_what_came_best(
    outcomes: tuple[str | None, ...], expected: str
) -> None:
    rows = [OutboxRow("d1", f"phone-{n}", outcome) for n, outcome in enumerate(outcomes)]

    assert audit(replace(GOOD, outbox=rows)).outcomes[expected] == 1


def test_ids_are_shortened() -> None:
    long = replace(GOOD, decisions=[replace(HOLD, decision_id="0123456789abcdef", reasons=())])
    found = audit(replace(long, accepted=[], outbox=[], shown=[]))

    assert found.breaches == (Breach(Promise.NO_REASON, ("01234567",)),)

"""What a fault run came to: recoveries, ends that nobody had meant, and runs that prove nothing."""

import signal
from dataclasses import replace

import pytest

from corsia.audit import Audit
from corsia.blows import Blow
from corsia.chaos_report import (
    STARTS_WITHIN_S,
    ChaosReport,
    Recovery,
    recoveries,
    shortfalls,
    unmeant_ends,
)
from corsia.children import Ended
from corsia.striking import Struck

KILLED = -signal.SIGKILL
GOOD = ChaosReport(
    audit=Audit({"held": 8, "delivered": 3}, {"visit_cap": 8}, {}, 0, 0, ()),
    recoveries=[Recovery(blow, 1, 1, 2.0, 2.0, 0, 3.0, 3.0, 0) for blow in Blow],
    troubles={},
    accepted=3,
    shown=3,
    starts={"engine-1": 2},
    fell={},
    kept_out={},
    failed_calls=[],
    shoppers=5,
    seconds=120.0,
    sightings_lost=0,
)


def test_a_recovery_is_counted_from_the_end_of_the_blow_to_what_comes_next() -> None:
    found = recoveries(
        [
            Struck(Blow.SQL_GONE, 100.0, 120.0),
            Struck(Blow.SQL_GONE, 200.0, 220.0, has_landed=False),
            Struck(Blow.ENGINE, 300.0, 300.0),
        ],
        decided_s=[110.0, 121.0, 225.0],
        accepted_s=[122.0, 223.0, 310.0],
    )

    assert found == [
        Recovery(Blow.ENGINE, 1, 1, None, None, 1, 10.0, 10.0, 0),
        Recovery(Blow.SQL_GONE, 2, 1, 5.0, 3.0, 0, 3.0, 2.5, 0),
    ]


def test_a_blow_that_nothing_followed_makes_the_longest_silence_endless() -> None:
    struck = [Struck(Blow.API, at_s, at_s) for at_s in (10.0, 20.0, 30.0)]

    (found,) = recoveries(struck, decided_s=[11.0, 25.0], accepted_s=[12.0])

    assert (found.decision_longest_s, found.decision_median_s) == (None, 5.0)
    assert found.decision_never == 1
    assert (found.push_longest_s, found.push_median_s, found.push_never) == (None, None, 2)


def test_a_run_in_which_all_worked_falls_short_of_nothing() -> None:
    assert shortfalls(GOOD) == []


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (replace(GOOD, audit=replace(GOOD.audit, outcomes={"held": 8})), "no decision was to send"),
        (replace(GOOD, audit=replace(GOOD.audit, outcomes={})), "no decision was to send"),
        (replace(GOOD, accepted=0), "FCM took no push"),
        (replace(GOOD, shown=0), "no handset showed a push"),
        (replace(GOOD, fell={"engine-1": 2}), "engine-1 ended 2 times without having been killed"),
        (replace(GOOD, recoveries=GOOD.recoveries[1:]), "engine killed: it never hit anything"),
        (
            replace(GOOD, recoveries=[replace(one, landed=0) for one in GOOD.recoveries[:1]]),
            "engine killed: it never hit anything",
        ),
    ],
)
def test_a_run_that_proves_nothing_is_told(run: ChaosReport, sentence: str) -> None:
    assert any(one.startswith(sentence) for one in shortfalls(run))


def test_a_process_that_could_not_start_while_sql_was_gone_did_not_fall() -> None:
    gone = Struck(Blow.SQL_GONE, 100.0, 120.0)

    assert unmeant_ends({"engine-1": [Ended(105.0, 112.0, 70)]}, [gone]) == ({}, {"engine-1": 1})


@pytest.mark.parametrize(
    "end",
    [
        Ended(100.0 - STARTS_WITHIN_S, 101.0, 70),  # it had been up, and did not bear it
        Ended(121.0, 123.0, 70),  # SQL was there again
        Ended(90.0, 99.0, 0),  # it was there still
        Ended(80.0, 110.0, KILLED),  # by somebody, not by us
    ],
)
def test_a_process_that_ended_while_it_was_up_fell(end: Ended) -> None:
    gone = Struck(Blow.SQL_GONE, 100.0, 120.0)

    assert unmeant_ends({"engine-1": [end]}, [gone]) == ({"engine-1": 1}, {})


def test_a_process_that_we_killed_did_not_fall_and_one_kill_excuses_one_end() -> None:
    killed = Struck(Blow.ENGINE, 50.0, 50.0, ("engine-1",))
    ends = [Ended(0.0, 50.0, KILLED), Ended(50.5, 90.0, 70)]

    assert unmeant_ends({"engine-1": ends, "push-1": []}, [killed]) == ({"engine-1": 1}, {})


def test_what_is_cut_off_hits_nobody_who_needs_it_to_start() -> None:
    cut = Struck(Blow.CUT, 100.0, 120.0)

    assert unmeant_ends({"engine-1": [Ended(105.0, 112.0, 70)]}, [cut]) == ({"engine-1": 1}, {})

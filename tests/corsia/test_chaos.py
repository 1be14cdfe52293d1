"""A fault run: its sums, and a short one with real processes that are really killed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from corsia.audit import Audit, Breach, Promise
from corsia.bad_days import SMALL_BUDGET_SENDS, Fault
from corsia.blows import Blow
from corsia.chaos import ChaosReport, Recovery, recoveries
from corsia.chaos_views import as_json, show
from corsia.cli import main
from corsia.rehearsal import RehearsalPlan
from corsia.striking import Struck
from firmware_sim.floor import supermarket
from tests.corsia.test_up import corsia, processes_of

OPENING = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_a_recovery_is_counted_from_the_end_of_the_blow_to_what_comes_next() -> None:
    found = recoveries(
        [Struck(Blow.SQL_GONE, 120.0), Struck(Blow.SQL_GONE, 220.0), Struck(Blow.ENGINE, 300.0)],
        decided_s=[110.0, 121.0, 225.0],
        accepted_s=[122.0, 223.0, 310.0],
    )

    assert found == [
        Recovery(Blow.ENGINE, 1, None, None, 10.0, 10.0),
        Recovery(Blow.SQL_GONE, 2, 5.0, 3.0, 3.0, 2.5),
    ]


def test_money_is_short_in_a_fault_run_and_in_no_other() -> None:
    budgets = {
        fault: [
            one.budget_sends
            for one in RehearsalPlan(30.0, 40, 7, fault=fault).campaigns(supermarket(), OPENING)
        ]
        for fault in (None, Fault.CHAOS)
    }

    assert set(budgets[None]) == {None}
    assert set(budgets[Fault.CHAOS]) == {None, SMALL_BUDGET_SENDS}


@pytest.fixture
def report() -> ChaosReport:
    return ChaosReport(
        audit=Audit(
            outcomes={"held": 8, "delivered": 3, "expired": 1, "unaccounted for": 1},
            reasons={"visit_cap": 8},
            ends={("expired", "quota"): 1},
            resent=1,
            unheard=2,
            breaches=(Breach(Promise.NOT_SETTLED, ("d1", "phone-a"), "quota"),),
        ),
        recoveries=[Recovery(Blow.REDIS, 2, 1.25, 0.5, None, None)],
        troubles={"QUOTA_EXCEEDED": 2},
        accepted=4,
        starts={"api": 2},
        fell={"engine-1": 1},
        failed_calls=["POST /v1/me/events: 503"] * 2,
        shoppers=5,
        seconds=120.0,
        sightings_lost=3,
    )


def test_the_report_is_shown_with_each_breach(
    report: ChaosReport, capsys: pytest.CaptureFixture[str]
) -> None:
    show(report, Console(width=120))
    shown = capsys.readouterr().out

    for words in (
        "held", "visit_cap 8", "quota exceeded", "1.2 (0.5)", "never (never)", "api 2",
        "killed: engine-1 1", "2 that it took ended", "violated: not settled: d1 phone-a quota",
        "2 x POST /v1/me/events: 503",
    ):  # fmt: skip
        assert words in shown
    document = json.loads(json.dumps(as_json(report)))
    assert document["decisions"] == 13
    assert document["outcomes"]["unaccounted for"] == 1
    assert document["violations"] == {
        promise.value: int(promise is Promise.NOT_SETTLED) for promise in Promise
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fault", "chaos", "--fast"], "in real time"),
        (["--fault", "chaos", "--recording", "."], "plays the modelled store"),
        (["--fault", "chaos", "--survey"], "leave out --fast, --recording and --survey"),
        (["--sql", "postgres"], "goes with --fault chaos"),
    ],
)
def test_what_a_fault_run_cannot_be_is_said_before_it(options: list[str], sentence: str) -> None:
    done = CliRunner().invoke(main, ["rehearse", *options])

    assert done.exit_code == 2
    assert sentence in done.output


# Two minutes on an idle machine: a dozen processes start, and a lease of half a minute runs out.
@pytest.mark.timeout(400)
async def test_a_minute_of_everything_that_can_fail(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    async with corsia(
        "rehearse", "--fault", "chaos", "--minutes", "1", "--shoppers", "10", "--seed", "7",
        "--uncalibrated", "--keep", str(tmp_path / "run"), "--json", str(out),
    ) as process:  # fmt: skip
        said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    document = json.loads(out.read_text())
    assert document["decisions"] > 0
    assert document["outcomes"]["unaccounted for"] == 0
    assert set(document["violations"].values()) == {0}
    assert {one["blow"]: one["times"] for one in document["blows"]} == dict.fromkeys(Blow, 1)
    # An engine, a push process, both of them, and the API; one may have been down at the moment.
    ends = sum(count - 1 for count in document["starts"].values())
    assert ends - sum(document["fell"].values()) >= 4
    assert processes_of(tmp_path) == []

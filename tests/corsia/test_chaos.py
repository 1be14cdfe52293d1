"""A fault run: its sums, and a short one with real processes that are really killed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from corsia.audit import Audit, Breach, Promise
from corsia.bad_days import HARD_POLICY, SHARED_CATEGORY, SMALL_BUDGET_SENDS, Fault
from corsia.blows import Blow
from corsia.chaos import _keys_met
from corsia.chaos_report import ChaosReport, Recovery
from corsia.chaos_views import as_json, show
from corsia.cli import main
from corsia.commands.rehearse import _show_chaos
from corsia.rehearsal import RehearsalPlan
from corsia.striking import Struck
from firmware_sim.floor import supermarket
from firmware_sim.truth import OwnCapSet, read_handset_events
from offers.campaign import Tier
from offers.pressure import Scope
from tests.corsia.test_up import corsia, processes_of

OPENING = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_every_kind_of_limit_is_tried_in_a_fault_run_and_none_in_another() -> None:
    made = {
        fault: RehearsalPlan(30.0, 40, 7, fault=fault).campaigns(supermarket(), OPENING)
        for fault in (None, Fault.CHAOS)
    }

    assert {one.budget_sends for one in made[None]} == {None}
    hard = made[Fault.CHAOS]
    assert {one.budget_sends for one in hard} == {None, SMALL_BUDGET_SENDS}
    (in_cents,) = [one for one in hard if one.budget_cents is not None]
    assert in_cents.budget_sends is None
    assert in_cents.budget_cents == SMALL_BUDGET_SENDS * in_cents.offer.cost_cents > 0
    assert [one.limits.per_shopper for one in hard if one.limits.per_shopper is not None] == [1]
    (service,) = [one for one in hard if one.tier is Tier.SERVICE]
    assert service.zone_ids > {"checkout", "entrance"}
    assert 2 <= sum(SHARED_CATEGORY in one.categories for one in hard) < len(hard)
    assert {cap.scope for cap in HARD_POLICY.caps} >= {Scope.CATEGORY, Scope.ZONE_VISIT}
    assert any(cap.days for cap in HARD_POLICY.caps)
    assert HARD_POLICY.hold_out_share > 0


def test_a_refused_key_that_no_push_met_has_hit_nothing() -> None:
    struck = [Struck(Blow.KEY, 100.0, 160.0), Struck(Blow.API, 100.0, 100.0)]

    assert [one.has_landed for one in _keys_met(struck, [99.0, 161.0])] == [False, True]
    assert [one.has_landed for one in _keys_met(struck, [160.0])] == [True, True]


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
        recoveries=[
            Recovery(blow, 2, int(blow is not Blow.CUT), 1.25, 0.5, 0, None, None, 2)
            for blow in Blow
        ],
        troubles={"QUOTA_EXCEEDED": 2},
        accepted=4,
        shown=3,
        starts={"api": 2},
        fell={"engine-1": 1},
        kept_out={"push-2": 3},
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
        "held", "visit_cap 8", "quota exceeded", "1.2 (0.5)", "never 2 x (never)", "api 2",
        "killed: engine-1 1", "away: push-2 3", "not a proof: gateway cut off: it never hit",
        "2 that it took ended", "violated: not settled: d1 phone-a quota",
        "2 x POST /v1/me/events: 503",
    ):  # fmt: skip
        assert words in shown
    document = json.loads(json.dumps(as_json(report)))
    assert len(document["shortfalls"]) == 2
    assert document["decisions"] == 13
    assert document["outcomes"]["unaccounted for"] == 1
    assert document["violations"] == {
        promise.value: int(promise is Promise.NOT_SETTLED) for promise in Promise
    }


def test_a_run_that_proves_nothing_fails_although_no_promise_was_broken(
    report: ChaosReport, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = replace(report.audit, breaches=())
    good = replace(
        report,
        audit=kept,
        fell={},
        recoveries=[replace(one, landed=1) for one in report.recoveries],
    )
    _show_chaos(good, None)

    for fails in (
        replace(good, accepted=0),
        replace(good, fell={"engine-1": 1}),
        replace(good, audit=report.audit),
        replace(good, recoveries=report.recoveries),
    ):
        with pytest.raises(SystemExit) as ended:
            _show_chaos(fails, None)
        assert ended.value.code == 1
    assert "ended 1 times without having been killed" in capsys.readouterr().out


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


# What may be missing from a run of a minute, in which a push or two are made.
TOO_SHORT = {
    "no decision was to send",
    "FCM took no push",
    "no handset showed a push",
    f"{Blow.KEY}: it never hit anything",
    f"{Blow.SENDING}: it never hit anything",
}


# Two minutes on an idle machine: a dozen processes start, and a lease of half a minute runs out.
@pytest.mark.timeout(400)
async def test_a_minute_of_everything_that_can_fail(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    async with corsia(
        "rehearse", "--fault", "chaos", "--minutes", "1", "--shoppers", "20", "--seed", "7",
        "--uncalibrated", "--keep", str(tmp_path / "run"), "--json", str(out),
    ) as process:  # fmt: skip
        said, _ = await process.communicate()

    document = json.loads(out.read_text())
    assert process.returncode == bool(document["shortfalls"]), said.decode()
    assert set(document["shortfalls"]) <= TOO_SHORT
    assert document["decisions"] > 0
    assert document["outcomes"]["unaccounted for"] == 0
    assert set(document["violations"].values()) == {0}
    assert {one["blow"]: one["times"] for one in document["blows"]} == dict.fromkeys(Blow, 1)
    # An engine, a push process, both of them, and the API; one may have been down at the moment.
    ends = sum(count - 1 for count in document["starts"].values())
    assert ends - sum(document["kept_out"].values()) >= 4
    # Some of the shoppers have set a cap of their own.
    assert any(isinstance(one, OwnCapSet) for one in read_handset_events(tmp_path / "run"))
    assert processes_of(tmp_path) == []

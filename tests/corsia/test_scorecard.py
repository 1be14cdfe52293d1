"""Every figure of the scorecard, on runs small enough to be scored by hand."""

import io
import json
from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from rich.console import Console

from corsia.run_records import (
    Cap,
    DecisionRecord,
    Push,
    Records,
    Rules,
    ZoneEntry,
    caps_of,
)
from corsia.scorecard import RecordsDisagreeError, Scorecard, Spread, score
from corsia.scorecard_views import MEANINGS, as_json, as_table, violations
from corsia.truth import ConsentChange, TruthSample
from offers.pressure import DEFAULT_POLICY
from shoppers.consent import NEEDED_IN_AISLE, Purpose

ONE_A_VISIT = Cap("visit", 1, per_visit=True)
RULES = Rules(caps=(ONE_A_VISIT,), quiet_first_s=0.0, visit_break_s=60.0)
NOTHING: frozenset[Purpose] = frozenset()


def path(
    *parts: tuple[str | None, float], handset: str = "h1", at_s: float = 0.0
) -> list[TruthSample]:
    """Samples of a way: so many seconds in each zone."""
    samples = []
    for zone_id, seconds in parts:
        for _ in range(round(seconds * 2)):
            samples.append(TruthSample(at_s, handset, zone_id))
            at_s += 0.5
    return samples


def consent(
    handset: str = "h1",
    shopper: str = "s1",
    at_s: float = -1.0,
    purposes: frozenset[Purpose] = NEEDED_IN_AISLE,
) -> ConsentChange:
    return ConsentChange(handset, shopper, at_s, at_s, purposes)


def send(
    decision: str,
    at_s: float,
    zone: str = "A",
    campaign: str = "c1",
    visit: str = "v1",
    handset: str = "h1",
    shopper: str = "s1",
) -> DecisionRecord:
    return DecisionRecord(decision, shopper, handset, zone, campaign, visit, at_s, is_send=True)


def push(
    decision: str, shown_s: float | None, handset: str = "h1", accepted_s: float = 1.0
) -> Push:
    return Push(decision, handset, accepted_s if shown_s is None else shown_s - 0.2, shown_s)


def records(
    truth: Sequence[TruthSample] = (),
    consents: Sequence[ConsentChange] = (consent(),),
    decisions: Sequence[DecisionRecord] = (),
    pushes: Sequence[Push] = (),
    entries: Sequence[ZoneEntry] = (),
    control: frozenset[tuple[str, str]] = frozenset(),
) -> Records:
    return Records(
        truth=truth,
        consents=consents,
        decisions=decisions,
        pushes=pushes,
        entries=entries,
        eligible={"A": frozenset({"c1"}), "B": frozenset({"c2"}), "AB": frozenset({"c1", "c2"})},
        control=control,
        sightings_spooled=100,
        sightings_consumed=100,
        seconds=60.0,
    )


ONE_GOOD_PUSH = records(
    truth=path((None, 2), ("A", 12), ("B", 4)),
    decisions=[send("d1", 6.0)],
    pushes=[push("d1", 7.0)],
    entries=[ZoneEntry("h1", "A", 3.0)],
)


def test_one_good_push_scores_full_marks() -> None:
    assert score(ONE_GOOD_PUSH, RULES) == Scorecard(
        aisle_precision=1.0,
        in_aisle_delivery=1.0,
        entry_to_push_s=Spread(5.0, 5.0),
        accepted_to_fcm_s=Spread(None, None),
        aisle_recall=1.0,
        wrong_aisle=0,
        flaps_per_min=0.0,
        cap_violations=0,
        consent_violations=0,
        duplicate_pushes=0,
        sightings_lost=0,
        pushes=1,
        shoppers=1,
        seconds=60.0,
    )


def test_the_zero_of_the_time_axis_does_not_matter() -> None:
    by_s = 2.0**30  # a power of two, so that no fraction is rounded
    rules = replace(RULES, caps=(Cap("week", 1, window_s=1_000.0),), quiet_first_s=1.0)
    run = replace(
        ONE_GOOD_PUSH,
        truth=[*ONE_GOOD_PUSH.truth, *path(("A", 12), at_s=500.0), *path(("A", 12), at_s=1_500.0)],
    )
    moved = replace(
        run,
        truth=[replace(s, t_s=s.t_s + by_s) for s in run.truth],
        consents=[consent(at_s=by_s - 1.0)],
        decisions=[replace(d, decided_s=d.decided_s + by_s) for d in run.decisions],
        pushes=[push("d1", 7.0 + by_s)],
        entries=[replace(e, entered_s=e.entered_s + by_s) for e in run.entries],
    )
    assert score(run, rules).aisle_recall == 0.5
    assert score(moved, rules) == score(run, rules)


def test_an_empty_run_has_no_shares_and_no_faults() -> None:
    card = score(records(consents=()), RULES)
    assert (card.aisle_precision, card.in_aisle_delivery, card.aisle_recall) == (None, None, None)
    assert (card.entry_to_push_s, card.flaps_per_min) == (Spread(None, None), None)
    assert card.accepted_to_fcm_s == Spread(None, None)
    assert (card.pushes, card.shoppers, card.wrong_aisle) == (0, 0, 0)
    assert violations(card) == []


@pytest.mark.parametrize(
    ("decided_s", "precision"), [(1.9, 0.0), (2.0, 1.0), (13.9, 1.0), (14.0, 0.0)]
)
def test_precision_asks_where_the_shopper_was_when_it_was_decided(
    decided_s: float, precision: float
) -> None:
    card = score(replace(ONE_GOOD_PUSH, decisions=[send("d1", decided_s)]), RULES)
    assert card.aisle_precision == precision
    assert card.wrong_aisle == 1 - precision


def test_a_send_to_a_shopper_who_has_left_the_store_is_a_wrong_aisle() -> None:
    assert score(replace(ONE_GOOD_PUSH, decisions=[send("d1", 40.0)]), RULES).wrong_aisle == 1


def test_holds_are_not_judged_for_precision() -> None:
    hold = replace(send("d2", 16.0), is_send=False, reasons=("visit_cap",))
    decisions = [*ONE_GOOD_PUSH.decisions, hold]
    assert score(replace(ONE_GOOD_PUSH, decisions=decisions), RULES).aisle_precision == 1.0


def test_a_push_shown_after_leaving_is_not_delivered_in_the_aisle_and_has_no_time() -> None:
    card = score(replace(ONE_GOOD_PUSH, pushes=[push("d1", 14.0)]), RULES)
    assert (card.in_aisle_delivery, card.entry_to_push_s) == (0.0, Spread(None, None))


def test_a_push_never_shown_counts_against_delivery() -> None:
    card = score(replace(ONE_GOOD_PUSH, pushes=[push("d1", None)]), RULES)
    assert (card.pushes, card.in_aisle_delivery) == (1, 0.0)


def test_the_stopwatch_starts_at_the_entry_of_the_stay_in_which_it_was_shown() -> None:
    run = replace(ONE_GOOD_PUSH, truth=path(("A", 10), ("B", 10), ("A", 10)))
    card = score(replace(run, decisions=[send("d1", 9.0)], pushes=[push("d1", 21.5)]), RULES)
    assert card.entry_to_push_s == Spread(1.5, 1.5)


def test_percentiles_are_times_that_occurred() -> None:
    handsets = [f"h{n}" for n in range(20)]
    card = score(
        records(
            truth=[s for h in handsets for s in path(("A", 40), handset=h)],
            consents=[consent(h, f"s-{h}") for h in handsets],
            decisions=[send(f"d-{h}", 0.5, handset=h, shopper=f"s-{h}") for h in handsets],
            pushes=[push(f"d-{h}", float(n + 1), handset=h) for n, h in enumerate(handsets)],
        ),
        RULES,
    )
    assert card.entry_to_push_s == Spread(10.0, 19.0)


def test_a_repeat_that_the_handset_kept_quiet_is_one_push_and_no_duplicate() -> None:
    card = score(replace(ONE_GOOD_PUSH, pushes=[push("d1", None), push("d1", 7.0)]), RULES)
    assert (card.pushes, card.duplicate_pushes, card.in_aisle_delivery) == (1, 0, 1.0)


def test_one_decision_shown_three_times_on_one_handset_is_two_duplicates() -> None:
    shown = [push("d1", t) for t in (7.0, 8.0, 9.0)]
    card = score(replace(ONE_GOOD_PUSH, pushes=shown), RULES)
    assert (card.duplicate_pushes, card.pushes, card.entry_to_push_s.p50) == (2, 1, 5.0)


def test_one_decision_shown_on_two_handsets_of_a_shopper_is_no_duplicate() -> None:
    run = replace(
        ONE_GOOD_PUSH,
        consents=[consent(), consent("h2")],
        pushes=[push("d1", 7.0), push("d1", 7.0, handset="h2")],
    )
    card = score(run, RULES)
    assert (card.duplicate_pushes, card.cap_violations, card.pushes) == (0, 0, 2)


def test_two_sends_of_one_campaign_in_one_visit_are_a_duplicate() -> None:
    decisions = [send("d1", 6.0), send("d2", 8.0), send("d3", 8.0, visit="v2")]
    assert score(replace(ONE_GOOD_PUSH, decisions=decisions), RULES).duplicate_pushes == 1


# Recall


def recall(run: Records, rules: Rules = RULES) -> float | None:
    return score(run, rules).aisle_recall


def missed(truth: Sequence[TruthSample]) -> Records:
    """A run in which nothing was sent."""
    return records(truth=truth)


@pytest.mark.parametrize(("seconds", "expected"), [(7.5, None), (8.0, 0.0)])
def test_recall_counts_stays_of_eight_seconds(seconds: float, expected: float | None) -> None:
    assert recall(missed(path(("A", seconds), (None, 2)))) == expected


def test_recall_leaves_out_zones_without_a_live_campaign() -> None:
    assert recall(missed(path(("Z", 20)))) is None


def test_recall_counts_the_stays_that_got_nothing() -> None:
    run = replace(ONE_GOOD_PUSH, truth=path(("B", 10), ("A", 12), ("B", 4)))
    run = replace(run, decisions=[send("d1", 12.0)], pushes=[push("d1", 13.0)])
    assert recall(run) == 0.5


def test_a_push_in_the_visit_forbids_the_stays_after_it() -> None:
    assert recall(replace(ONE_GOOD_PUSH, truth=path(("A", 12), ("B", 12), ("A", 12)))) == 1.0


def test_the_next_visit_is_asked_anew() -> None:
    again = [*path(("A", 12)), *path(("A", 12), at_s=100.0)]
    assert recall(replace(ONE_GOOD_PUSH, truth=again)) == 0.5


def test_a_rolling_cap_forbids_the_next_visit_too_until_it_is_over() -> None:
    caps = (ONE_A_VISIT, Cap("week", 1, window_s=1_000.0))
    again = [*path(("A", 12)), *path(("A", 12), at_s=500.0), *path(("A", 12), at_s=1_500.0)]
    assert recall(replace(ONE_GOOD_PUSH, truth=again), replace(RULES, caps=caps)) == 0.5


def test_a_campaign_cap_forbids_that_campaign_only() -> None:
    rules = replace(RULES, caps=(Cap("once", 1, per_campaign=True),))
    run = replace(ONE_GOOD_PUSH, truth=path(("A", 12), (None, 2), ("A", 12), ("AB", 12)))
    assert recall(run, rules) == 0.5  # A again: only c1, seen. AB: c2 is left, and was missed.


def test_a_push_that_fcm_never_accepted_forbids_nothing() -> None:
    run = replace(ONE_GOOD_PUSH, truth=path(("A", 12), ("B", 12)), pushes=[])
    assert recall(run) == 0.0
    assert score(run, RULES).pushes == 0


def test_a_push_for_the_zone_before_does_not_serve_this_one() -> None:
    run = replace(ONE_GOOD_PUSH, truth=path(("B", 4), ("A", 12)))
    run = replace(run, decisions=[send("d1", 6.0, zone="B", campaign="c2")])
    assert recall(run) == 0.0


def test_the_first_seconds_of_a_visit_are_not_held_against_the_engine() -> None:
    rules = replace(RULES, quiet_first_s=10.0)
    assert recall(missed(path(("A", 17))), rules) is None
    assert recall(missed(path(("A", 18))), rules) == 0.0
    assert recall(missed(path(("A", 10), (None, 60))), replace(rules, quiet_first_s=30.0)) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], None),
        ([consent(purposes=NOTHING)], None),
        ([consent(purposes=frozenset({Purpose.LOCATION_BLE}))], None),
        ([consent(), consent(at_s=7.0, purposes=NOTHING)], None),
        ([consent(), consent(at_s=9.0, purposes=NOTHING)], 0.0),
        ([consent(at_s=13.0)], None),
        ([consent(at_s=11.0)], 0.0),
    ],
)
def test_recall_asks_for_eight_seconds_of_consent(
    changes: list[ConsentChange], expected: float | None
) -> None:
    assert recall(replace(missed(path(("A", 20))), consents=changes)) == expected


def test_the_control_group_is_left_out() -> None:
    run = replace(missed(path(("A", 20))), control=frozenset({("s1", "c1")}))
    assert recall(run) is None


def test_a_zone_with_another_campaign_counts_for_the_control_group() -> None:
    run = replace(missed(path(("AB", 20))), control=frozenset({("s1", "c1")}))
    assert recall(run) == 0.0


def test_a_ghost_moment_excuses_the_silence_when_the_shopper_truly_is_in_the_control_group() -> (
    None
):
    ghost = replace(send("d1", 5.0, zone="AB"), is_send=False, reasons=("control_group",))
    run = replace(missed(path(("AB", 20))), decisions=[ghost])
    assert recall(replace(run, control=frozenset({("s1", "c1")}))) is None
    assert recall(replace(run, control=frozenset({("s2", "c1")}))) == 0.0


# Caps


def cap_violations(
    decisions: Sequence[DecisionRecord], *caps: Cap, truth: Sequence[TruthSample] = ()
) -> int:
    run = records(
        truth=truth or path(("A", 60)),
        decisions=decisions,
        pushes=[push(d.decision_id, d.decided_s + 1.0) for d in decisions],
    )
    return score(run, replace(RULES, caps=caps)).cap_violations


def test_the_second_and_third_push_of_a_visit_are_violations() -> None:
    sends = [send(f"d{n}", 5.0 * n, campaign=f"c{n}") for n in (1, 2, 3)]
    assert cap_violations(sends, ONE_A_VISIT) == 2


def test_an_engine_that_splits_a_visit_does_not_escape_the_cap() -> None:
    sends = [send("d1", 5.0), send("d2", 15.0, campaign="c2", visit="v2")]
    assert cap_violations(sends, ONE_A_VISIT) == 1


def test_two_true_visits_may_have_one_push_each() -> None:
    truth = [*path(("A", 20)), *path(("A", 20), at_s=200.0)]
    sends = [send("d1", 5.0), send("d2", 210.0, visit="v2")]
    assert cap_violations(sends, ONE_A_VISIT, truth=truth) == 0


def test_an_engine_that_joins_two_visits_is_held_to_its_own_word() -> None:
    truth = [*path(("A", 20)), *path(("A", 20), at_s=200.0)]
    assert cap_violations([send("d1", 5.0), send("d2", 210.0)], ONE_A_VISIT, truth=truth) == 1


@pytest.mark.parametrize(("third_s", "expected"), [(109.9, 1), (110.0, 0)])
def test_a_rolling_cap_looks_back_over_its_window(third_s: float, expected: int) -> None:
    sends = [send(f"d{n}", t) for n, t in enumerate((10.0, 50.0, third_s))]
    assert cap_violations(sends, Cap("two in 100 s", 2, window_s=100.0)) == expected


def test_a_push_over_two_caps_is_one_violation() -> None:
    sends = [send("d1", 5.0), send("d2", 6.0)]
    assert cap_violations(sends, ONE_A_VISIT, Cap("cool-down", 1, window_s=100.0)) == 1


def test_caps_are_counted_apart_for_each_shopper_and_campaign() -> None:
    once = Cap("campaign", 1, per_campaign=True)
    sends = [send("d1", 5.0), send("d2", 6.0, campaign="c2"), send("d3", 7.0, shopper="s2")]
    assert cap_violations(sends, once) == 0
    assert cap_violations([*sends, send("d4", 8.0, campaign="c2")], once) == 1


def test_a_push_that_was_never_shown_is_within_any_cap() -> None:
    decisions = [send("d1", 5.0), send("d2", 6.0, campaign="c2")]
    run = records(
        truth=path(("A", 20)), decisions=decisions, pushes=[push("d1", 6.0), push("d2", None)]
    )
    assert score(run, RULES).cap_violations == 0


def test_the_limits_of_the_engine_become_caps() -> None:
    caps = caps_of(DEFAULT_POLICY)
    day_s = 86_400.0
    days = [send(f"d{n}", n * day_s, visit=f"v{n}", campaign=f"c{n}") for n in range(3)]
    truth = [sample for d in days for sample in path(("A", 20), at_s=d.decided_s)]
    assert cap_violations(days[:2], *caps, truth=truth) == 0
    assert cap_violations(days, *caps, truth=truth) == 1


# Consent, loss, flapping


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], 1),
        ([consent(purposes=frozenset({Purpose.PUSH_MARKETING}))], 1),
        ([consent(), consent(at_s=6.7, purposes=NOTHING)], 1),
        ([consent(), consent(at_s=6.9, purposes=NOTHING)], 0),
        ([consent(), ConsentChange("h1", "s1", 6.0, 7.0, NOTHING)], 0),
        ([consent("h2")], 1),
    ],
)
def test_consent_is_asked_at_the_moment_fcm_accepted(
    changes: list[ConsentChange], expected: int
) -> None:
    card = score(replace(ONE_GOOD_PUSH, consents=changes), RULES)  # accepted at 6.8
    assert card.consent_violations == expected


def test_each_message_without_consent_counts_shown_or_not() -> None:
    pushes = [push("d1", None), push("d1", 7.0)]
    assert score(replace(ONE_GOOD_PUSH, consents=(), pushes=pushes), RULES).consent_violations == 2


@pytest.mark.parametrize(("consumed", "lost"), [(97, 3), (100, 0), (104, -4)])
def test_lost_sightings_are_a_violation_and_so_are_repeats(consumed: int, lost: int) -> None:
    card = score(replace(ONE_GOOD_PUSH, sightings_consumed=consumed), RULES)
    assert card.sightings_lost == lost
    assert len(violations(card)) == (lost != 0)


@pytest.mark.parametrize(
    ("zone", "entered_s", "flaps"),
    [("A", 19.0, 0), ("A", 16.9, 1), ("A", 32.9, 0), ("A", 33.0, 1), ("Z", 25.0, 1)],
)
def test_an_entry_is_a_flap_when_the_handset_was_not_there_within_three_seconds(
    zone: str, entered_s: float, flaps: int
) -> None:
    run = records(
        truth=path((None, 20), ("A", 10), (None, 30)), entries=[ZoneEntry("h1", zone, entered_s)]
    )
    assert score(run, RULES).flaps_per_min == flaps


def test_flaps_are_shared_over_the_presence_of_handsets_that_could_be_located() -> None:
    run = records(
        truth=[*path(("A", 30)), *path(("A", 600), handset="h2")],
        consents=[consent(), consent("h2", "s2", purposes=NOTHING)],
        entries=[ZoneEntry("h1", "B", 10.0), ZoneEntry("ghost", "A", 10.0)],
    )
    assert score(run, RULES).flaps_per_min == 4.0


def test_shoppers_are_counted_once_and_only_when_they_came() -> None:
    run = records(
        truth=[*path(("A", 2)), *path(("A", 2), handset="h2"), *path(("A", 2), handset="h9")],
        consents=[consent(), consent("h2"), consent("h3", "s3")],
    )
    assert score(run, RULES).shoppers == 2  # s1 with two handsets, and the one who never registered


def test_a_push_of_a_decision_nobody_stored_is_refused() -> None:
    with pytest.raises(RecordsDisagreeError, match="d7"):
        score(replace(ONE_GOOD_PUSH, pushes=[push("d7", 7.0)]), RULES)


# Views


def test_every_figure_has_a_sentence_and_a_place_in_the_document() -> None:
    card = score(ONE_GOOD_PUSH, RULES)
    names = [field.name for field in fields(Scorecard)]
    assert list(MEANINGS) == names
    assert list(json.loads(json.dumps(as_json(card)))) == names
    assert as_json(card)["entry_to_push_s"] == {"p50": 5.0, "p95": 5.0}


def test_the_document_keeps_absence_apart_from_zero() -> None:
    card = as_json(score(records(consents=()), RULES))
    assert card["aisle_precision"] is None
    assert card["entry_to_push_s"] == {"p50": None, "p95": None}
    assert card["wrong_aisle"] == 0


def test_each_broken_promise_is_a_sentence() -> None:
    card = replace(
        score(ONE_GOOD_PUSH, RULES), cap_violations=2, consent_violations=1, duplicate_pushes=3
    )
    said = violations(card)
    assert [sentence.split(":")[0] for sentence in said] == [
        "cap_violations is 2", "consent_violations is 1", "duplicate_pushes is 3",
    ]  # fmt: skip


def test_the_table_shows_every_figure() -> None:
    out = io.StringIO()
    console = Console(file=out, width=140)
    console.print(as_table(replace(score(ONE_GOOD_PUSH, RULES), aisle_recall=None)))
    text = out.getvalue()
    assert all(name in text for name in MEANINGS)
    assert "100.0%" in text
    assert "p50 5.00  p95 5.00" in text
    row = next(line for line in text.splitlines() if "aisle_recall" in line)
    assert row.split("│")[2].strip() == "-"


def test_our_own_part_of_the_time_ends_when_fcm_takes_a_push_first() -> None:
    run = records(
        truth=path(("A", 30)),
        decisions=[
            replace(send("d1", 5.1), ready_s=5.0),
            replace(send("d2", 9.1, campaign="c2"), ready_s=9.0),
            send("d3", 12.0, campaign="c3"),  # nobody noted when it was ready
        ],
        pushes=[
            push("d1", None, accepted_s=5.125),
            push("d1", 15.2),  # sent again
            push("d2", None, accepted_s=9.5),
            push("d3", 12.5),
        ],
    )

    assert score(run, RULES).accepted_to_fcm_s == Spread(0.125, 0.5)

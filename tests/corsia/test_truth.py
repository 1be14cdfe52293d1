"""Stays, visits and standing consents, on cases drawn by hand."""

import pytest

from corsia.truth import ConsentChange, Consents, TruthSample, Walk, consents, walks
from shoppers.consent import NEEDED_IN_AISLE, Purpose

LOCATION_ONLY = frozenset({Purpose.LOCATION_BLE})
NOTHING: frozenset[Purpose] = frozenset()


def walk_of(zone_ids: str, start_s: float = 0.0, visit_break_s: float = 60.0) -> Walk:
    """A walk with one letter a sample: a zone, `-` for no zone, a space for no sample."""
    samples = [
        TruthSample(start_s + 0.5 * place, "h", None if letter == "-" else letter)
        for place, letter in enumerate(zone_ids)
        if letter != " "
    ]
    return walks(samples, visit_break_s)["h"]


def stays_of(walk: Walk) -> list[tuple[str, float, float]]:
    return [(stay.zone_id, stay.entered_s, stay.left_s) for stay in walk.stays]


def change(asked_s: float, acked_s: float | None, purposes: frozenset[Purpose]) -> ConsentChange:
    return ConsentChange("h", "s", asked_s, acked_s, purposes)


def consents_of(*changes: ConsentChange) -> Consents:
    return consents(changes)["h"]


def test_a_stay_lasts_from_its_first_sample_to_the_next_zone() -> None:
    assert stays_of(walk_of("AAAABB")) == [("A", 0.0, 2.0), ("B", 2.0, 3.0)]


def test_the_moment_of_entry_belongs_to_the_stay_and_that_of_leaving_to_the_next() -> None:
    walk = walk_of("AAAABB")
    assert [stay and stay.zone_id for stay in (walk.stay_at("A", 0.0), walk.stay_at("B", 2.0))] == [
        "A", "B",
    ]  # fmt: skip
    assert walk.stay_at("A", 2.0) is None


def test_the_order_of_samples_does_not_matter() -> None:
    samples = [TruthSample(t / 2, "h", "A" if t < 4 else "B") for t in range(8)]
    assert walks(samples, 60.0) == walks(reversed(samples), 60.0)


@pytest.mark.parametrize("zone_ids", ["AA-AA", "AA--AA", "AA  AA", "AAB-AA"])
def test_a_second_out_of_the_zone_does_not_end_the_stay(zone_ids: str) -> None:
    stays = [stay for stay in stays_of(walk_of(zone_ids)) if stay[0] == "A"]
    assert stays == [("A", 0.0, len(zone_ids) / 2)]


def test_longer_out_of_the_zone_ends_the_stay() -> None:
    assert stays_of(walk_of("AA---AA")) == [("A", 0.0, 1.0), ("A", 2.5, 3.5)]


def test_a_place_is_that_of_the_last_sample() -> None:
    walk = walk_of("A-B")
    assert [walk.zone_at(t) for t in (-0.1, 0.0, 0.4, 0.5, 1.0, 1.4)] == [
        None, "A", "A", None, "B", "B",
    ]  # fmt: skip


def test_nothing_is_known_after_the_last_sample_has_gone_stale() -> None:
    assert walk_of("A").zone_at(0.5) is None


def test_one_late_sample_leaves_no_hole() -> None:
    walk = walk_of("A A")
    assert walk.zone_at(0.9) == "A"
    assert walk.present_s == 1.5


def test_presence_does_not_run_on_through_an_absence() -> None:
    assert walk_of("AA" + " " * 20 + "AA").present_s == 2.0


def test_an_absence_begins_a_new_visit_and_a_new_stay() -> None:
    walk = walk_of("AA" + " " * 20 + "AA", visit_break_s=9.0)
    assert [stay.visit for stay in walk.stays] == [0, 1]
    assert [walk.visit_at(t) for t in (-1.0, 0.0, 5.0, 11.0)] == [None, 0, 0, 1]


def test_a_short_absence_stays_one_visit() -> None:
    assert walk_of("AA" + " " * 20 + "AA", visit_break_s=11.0).visit_starts_s == (0.0,)


def test_before_registration_nothing_is_allowed() -> None:
    known = consents_of(change(10.0, 11.0, NEEDED_IN_AISLE))
    assert not known.might_allow(9.9, NEEDED_IN_AISLE)


def test_between_request_and_answer_either_state_excuses_but_neither_is_sure() -> None:
    known = consents_of(change(10.0, 11.0, NEEDED_IN_AISLE), change(20.0, 21.0, NOTHING))
    for t_s in (10.5, 20.5):
        assert known.might_allow(t_s, NEEDED_IN_AISLE)
        assert not known.surely_allow(t_s, NEEDED_IN_AISLE)


def test_an_answered_withdrawal_binds() -> None:
    known = consents_of(change(10.0, 11.0, NEEDED_IN_AISLE), change(20.0, 21.0, LOCATION_ONLY))
    assert not known.might_allow(21.0, NEEDED_IN_AISLE)
    assert known.might_allow(21.0, LOCATION_ONLY)


def test_an_unanswered_withdrawal_leaves_both_states_possible_until_an_answer() -> None:
    known = consents_of(
        change(10.0, 11.0, NEEDED_IN_AISLE),
        change(20.0, None, NOTHING),
        change(30.0, 31.0, NOTHING),
    )
    assert known.might_allow(25.0, NEEDED_IN_AISLE)
    assert not known.surely_allow(25.0, NEEDED_IN_AISLE)
    assert not known.might_allow(31.0, NEEDED_IN_AISLE)


def test_sure_spans_are_cut_at_requests_and_joined_where_nothing_changes() -> None:
    known = consents_of(
        change(0.0, 1.0, NEEDED_IN_AISLE),
        change(5.0, 6.0, NEEDED_IN_AISLE),
        change(10.0, 11.0, NOTHING),
        change(20.0, 21.0, NEEDED_IN_AISLE),
    )
    assert known.sure_spans(0.5, 30.0, NEEDED_IN_AISLE) == [(1.0, 10.0), (21.0, 30.0)]


def test_a_change_at_the_zero_of_the_axis_counts() -> None:
    known = consents_of(change(-5.0, 0.0, NEEDED_IN_AISLE))
    assert known.sure_spans(-3.0, 3.0, NEEDED_IN_AISLE) == [(0.0, 3.0)]

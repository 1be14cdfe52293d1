"""Edges and news from probabilities that the test lays down itself, tick by tick."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.presence_rows import Rows
from beacons.zone_events import Dwelling, Entered, Left, ZoneEvent
from beacons.zone_judge import (
    DWELL_MARKS_S,
    ENTER_AT,
    FIRST_LOOK_S,
    LEAVE_AT,
    SURE_AT,
    SWITCH_MARGIN,
    is_silent,
    judge,
)

ZONES = ("a", "b")
START_S = 1_790_000_000.0
TICK_S = 0.5


def one_device() -> Rows:
    rows = Rows(gateways=1, zones=len(ZONES), cells=1, ceiling=1)
    rows.add("d", np.ones(1, dtype=np.float32), START_S)
    return rows


def judged(
    rows: Rows, course: Iterable[tuple[float, float]], first_tick: int = 1
) -> list[ZoneEvent]:
    """Events of a course of probabilities of both zones, one a tick; heard in every tick."""
    events: list[ZoneEvent] = []
    for tick, (a, b) in enumerate(course, start=first_tick):
        at_s = START_S + tick * TICK_S
        rows.zone_p[0] = a, b, max(0.0, 1.0 - a - b)
        rows.last_s[0] = at_s
        events += judge(rows, ZONES, at_s, is_silent(rows, at_s))
    return events


def test_becoming_surer_is_told_once_for_each_level_between_the_marks() -> None:
    """From the last mark before 10 s to the next there is nothing but this news."""
    rows = one_device()
    judged(rows, [(ENTER_AT + 0.01, 0.0)] * 11)
    levels = [level + 0.01 for level in SURE_AT if level > ENTER_AT + 0.01]
    course = [(level, 0.0) for level in levels for _ in range(2)]
    # Less sure in between and surer again is no news.
    course += [(ENTER_AT, 0.0), (levels[-1], 0.0)]
    assert len(course) <= 8
    news = judged(rows, course, first_tick=12)
    assert [type(event) for event in news] == [Dwelling] * len(levels)
    assert [event.confidence for event in news if isinstance(event, Dwelling)] == levels


def test_a_leap_over_several_levels_is_one_piece_of_news() -> None:
    rows = one_device()
    judged(rows, [(ENTER_AT + 0.01, 0.0)] * 11)
    assert len(judged(rows, [(0.99, 0.0)] * 4, first_tick=12)) == 1


def test_a_stay_that_is_sure_from_the_start_is_told_at_its_marks_only() -> None:
    events = judged(one_device(), [(0.99, 0.0)] * 200)
    marks = [event.dwell_s for event in events if isinstance(event, Dwelling)]
    assert marks == list(DWELL_MARKS_S)


def test_a_stay_that_was_long_likely_is_one_piece_of_news() -> None:
    """Not one for each mark that has passed: the news is acted on as it is told."""
    events = judged(one_device(), [(0.5, 0.0)] * 50 + [(0.9, 0.0)])
    assert [type(event) for event in events] == [Entered, Dwelling]
    assert isinstance(events[1], Dwelling)
    assert events[1].dwell_s == 20.0


def test_each_stay_is_surer_anew() -> None:
    rows = one_device()
    first = judged(rows, [(ENTER_AT + 0.01, 0.0)] * 11 + [(0.99, 0.0)] * 2)
    second = judged(rows, [(0.0, ENTER_AT + 0.01)] * 11 + [(0.0, 0.99)] * 2, first_tick=14)
    for zone_id, events in (("a", first), ("b", second)):
        sure = [e for e in events if isinstance(e, Dwelling) and e.confidence > 0.9]
        assert [event.zone_id for event in sure] == [zone_id]


def test_surer_before_the_first_mark_waits_for_it() -> None:
    events = judged(one_device(), [(0.99, 0.0)] * 12)
    dwellings = [event for event in events if isinstance(event, Dwelling)]
    assert dwellings[0].at_s - dwellings[0].since_s >= DWELL_MARKS_S[0]


@pytest.mark.parametrize("short_by", [0.01, -0.01])
def test_a_zone_is_entered_from_its_threshold_on(short_by: float) -> None:
    events = judged(one_device(), [(ENTER_AT - short_by, 0.0)] * 20)
    assert any(isinstance(event, Entered) for event in events) == (short_by < 0)


def test_a_first_impression_is_not_told() -> None:
    (entered, *_) = judged(one_device(), [(0.99, 0.0)] * 20)
    assert entered.at_s - START_S >= FIRST_LOOK_S


@pytest.mark.parametrize("short_by", [0.01, -0.01])
def test_a_stay_ends_below_its_threshold(short_by: float) -> None:
    left_p = LEAVE_AT - short_by
    events = judged(one_device(), [(0.9, 0.0)] * 10 + [(left_p, left_p)] * 10)
    assert any(isinstance(event, Left) for event in events) == (short_by > 0)


def test_two_zones_of_one_half_each_do_not_take_turns() -> None:
    half = SWITCH_MARGIN / 2 - 0.01
    swaying = [(0.5 + half, 0.5 - half), (0.5 - half, 0.5 + half)] * 50
    events = judged(one_device(), [(0.9, 0.1)] * 10 + swaying)
    assert [event for event in events if isinstance(event, Left)] == []
    assert len([event for event in events if isinstance(event, Entered)]) == 1


_COURSES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.68, 0.72, 0.78, 0.85, 0.93, 1.0]),
              st.booleans(), st.integers(1, 25)),
    max_size=15,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_COURSES)
def test_on_any_course_stays_are_whole_and_their_news_goes_forward(
    course: list[tuple[float, bool, int]],
) -> None:
    """Of each stay: dwell_s strictly increasing and true, levels at most once besides the marks."""
    ticks = [
        (p, 1.0 - p) if in_a else (1.0 - p, p) for p, in_a, times in course for _ in range(times)
    ]
    stay: Entered | None = None
    told: list[Dwelling] = []
    for event in judged(one_device(), ticks):
        match event:
            case Entered():
                assert stay is None
                assert event.confidence >= ENTER_AT
                assert START_S <= event.since_s <= event.at_s
                stay, told = event, []
            case Dwelling():
                assert stay is not None
                assert (event.zone_id, event.since_s) == (stay.zone_id, stay.since_s)
                assert event.dwell_s <= event.at_s - event.since_s
                assert not told or event.dwell_s > told[-1].dwell_s
                told.append(event)
                besides = [one for one in told if one.dwell_s not in DWELL_MARKS_S]
                assert len(besides) <= len(SURE_AT)
            case Left():
                assert stay is not None
                assert (event.zone_id, event.since_s) == (stay.zone_id, stay.since_s)
                stay = None
            case _:
                raise AssertionError(event)

"""A demonstration without a terminal: a line for each thing that happens, and none twice."""

from dataclasses import replace

from corsia.plain_lines import SUMMARY_PERIOD_S, PlainLines
from tests.corsia.pictures import BUSY, EMPTY, FLOOR, PUSH

QUIET = replace(EMPTY, up_s=1.0)


def words(lines: list[str]) -> list[str]:
    """The lines without the time of day, which is that of this machine's zone."""
    return [line[9:] for line in lines]


def test_nothing_new_says_nothing() -> None:
    lines = PlainLines(FLOOR)
    lines.news(replace(BUSY, up_s=1.0))

    assert lines.news(replace(BUSY, up_s=2.0)) == []


def test_gateways_and_shoppers_are_announced_as_they_come() -> None:
    lines = PlainLines(FLOOR)

    assert words(lines.news(replace(QUIET, gateways_up=12))) == ["gateways up: 12 of 12"]
    assert words(lines.news(replace(QUIET, gateways_up=12, came=1))) == ["a shopper came in"]
    assert words(lines.news(replace(QUIET, gateways_up=12, came=4))) == ["3 shoppers came in"]


def test_a_push_says_what_where_and_how_soon_and_the_first_how_long_it_took() -> None:
    lines = PlainLines(FLOOR)
    one = replace(QUIET, pushes=(PUSH,), pushes_shown=1, first_push_s=34.2)
    two = replace(one, pushes=(replace(PUSH, decision_id="d2", after_s=None), PUSH), pushes_shown=2)

    assert words(lines.news(one)) == [
        "push: 'Pasta 2 for 1' shown in Aisle 2, 4.8 s after the shopper entered it",
        "first push 34 s after the start",
    ]
    assert words(lines.news(two)) == [
        "push: 'Pasta 2 for 1' for Aisle 2 shown in Aisle 2: too late, or wrong"
    ]


def test_pushes_of_one_moment_are_told_in_their_order() -> None:
    pushes = (replace(PUSH, title="second"), replace(PUSH, title="first"))

    told = PlainLines(FLOOR).news(replace(QUIET, pushes=pushes, pushes_shown=2, first_push_s=1.0))

    assert ["first" in told[0], "second" in told[1]] == [True, True]


def test_a_process_that_ended_is_told() -> None:
    lines = PlainLines(FLOOR)
    up = replace(BUSY, up_s=1.0)
    row = replace(up.processes[0], restarts=1)
    lines.news(up)

    assert words(lines.news(replace(up, processes=(row, *up.processes[1:])))) == [
        "simulator ended and is started again (restarts: 1)"
    ]


def test_every_ten_seconds_there_is_a_summary() -> None:
    lines = PlainLines(FLOOR)
    up = replace(BUSY, up_s=1.0)
    lines.news(up)

    (summary,) = words(lines.news(replace(up, up_s=SUMMARY_PERIOD_S)))

    assert summary == (
        "in the store: 40 (10 right zone, 10 not sure, 10 wrong zone, "
        "10 not located: no consent); pushes shown: 75, 97.0% decided in the right aisle, "
        "half within 4.3 s of entering"
    )
    assert lines.news(replace(up, up_s=SUMMARY_PERIOD_S + 5)) == []
    assert len(lines.news(replace(up, up_s=2 * SUMMARY_PERIOD_S))) == 1

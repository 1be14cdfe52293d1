"""The live view in terminals of every size."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from corsia.floor_map import ASCII_MARKS, UNICODE_MARKS
from corsia.live_picture import Picture
from corsia.live_screen import LiveScreen
from tests.corsia.pictures import BUSY, CARD, EMPTY, FLOOR, PUSH

MAP = "Who is where"
PUSHES = "Offers shown"
SCORE = "Scorecard"
ZONES = "Zones:"
HOLDS = "Why nothing was said"
PROCESSES = "Processes"


def shown(picture: Picture, width: int, height: int, screen: LiveScreen | None = None) -> list[str]:
    screen = screen or LiveScreen(FLOOR, "http://127.0.0.1:8080", UNICODE_MARKS)
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    options = console.options.update(height=height)
    lines = console.render_lines(screen.frame(picture, width, height), options)
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize("picture", [EMPTY, BUSY], ids=["empty", "busy"])
@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (20, 5), (40, 12), (72, 19), (80, 24), (80, 60), (109, 30), (110, 20), (120, 40),
     (132, 24), (200, 50), (320, 100)],
)  # fmt: skip
def test_a_frame_fills_the_terminal_and_no_more(picture: Picture, width: int, height: int) -> None:
    lines = shown(picture, width, height)

    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


@pytest.mark.parametrize(
    ("width", "height", "panels"),
    [
        (60, 24, {PUSHES}),
        (80, 24, {MAP, PUSHES, SCORE}),
        (80, 34, {MAP, PUSHES, SCORE, HOLDS}),
        (120, 24, {MAP, PUSHES, SCORE, PROCESSES}),
        (120, 40, {MAP, PUSHES, SCORE, ZONES, HOLDS, PROCESSES}),
        (200, 50, {MAP, PUSHES, SCORE, ZONES, HOLDS, PROCESSES}),
    ],
)
def test_panels_are_dropped_in_the_order_of_their_worth(
    width: int, height: int, panels: set[str]
) -> None:
    text = "\n".join(shown(BUSY, width, height))

    assert {each for each in (MAP, PUSHES, SCORE, ZONES, HOLDS, PROCESSES) if each in text} == (
        panels
    )


def test_the_smallest_usual_terminal_shows_what_matters() -> None:
    text = "\n".join(shown(BUSY, 80, 24))

    for wanted in ("40 shoppers", "12/12 gateways", "1:02:05", "Pasta 2 for 1", "Aisle 2", "4.8 s",
                   "opened", "first push 34 s after the start", "decided in right aisle", "97.0%",
                   "pushes / shoppers", "Ctrl-C stops", "✖ wrong zone"):  # fmt: skip
        assert wanted in text


def test_a_large_terminal_shows_processes_and_reasons() -> None:
    text = "\n".join(shown(BUSY, 120, 40))

    assert re.search(r"api +4001 +1 restart ", text)
    assert re.search(r"engine +starting +0 restarts", text)
    assert re.search(r"gateways +11 of 12 up +3 restarts", text)
    assert "they had a push a moment ago" in text
    assert "http://127.0.0.1:8080" in text


def test_a_push_that_came_elsewhere_says_so() -> None:
    picture = replace(BUSY, pushes=(replace(PUSH, after_s=None),))

    assert "not there" in "\n".join(shown(picture, 80, 24))


def test_the_next_frame_shows_what_has_changed() -> None:
    screen = LiveScreen(FLOOR, "http://127.0.0.1:8080", UNICODE_MARKS)
    assert BUSY.running is not None
    worse = replace(BUSY.running, card=replace(CARD, aisle_precision=0.25))

    before = "\n".join(shown(BUSY, 120, 40, screen))
    after = "\n".join(
        shown(
            replace(BUSY, running=worse, pushes=(replace(PUSH, title="Wine"),), dots=()),
            120,
            40,
            screen,
        )
    )

    assert "97.0%" in before
    assert "25.0%" in after
    assert "Wine" in after
    assert "Pasta" not in after
    assert after.count("●") == 1  # the legend's


def test_the_view_follows_the_size_of_the_terminal() -> None:
    screen = LiveScreen(FLOOR, "http://127.0.0.1:8080", UNICODE_MARKS)

    for width, height in ((120, 40), (80, 24), (200, 50), (120, 40)):
        lines = shown(BUSY, width, height, screen)
        assert (len(lines), cell_len(lines[3])) == (height, width)


def test_a_terminal_without_unicode_gets_a_map_in_ascii() -> None:
    screen = LiveScreen(FLOOR, "http://127.0.0.1:8080", ASCII_MARKS)

    lines = shown(BUSY, 120, 40, screen)

    assert all(line[1:60].isascii() for line in lines[2:20])

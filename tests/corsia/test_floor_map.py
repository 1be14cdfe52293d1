"""A floor in characters: in proportion, the right way up, and legible."""

from dataclasses import replace

import pytest

from corsia.floor_map import ASCII_MARKS, UNICODE_MARKS, FloorMap, Marks, best_size
from corsia.live_shop import Belief, Dot
from firmware_sim.floor import supermarket

FLOOR = supermarket()
DOOR = Dot(28.0, 0.5, Belief.RIGHT, is_flashing=False)


def drawn(*dots: Dot, columns: int = 66, rows: int = 22, marks: Marks = UNICODE_MARKS) -> list[str]:
    lines = FloorMap(FLOOR, columns, rows, marks).drawn(dots).lines
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize(("columns", "rows"), [(200, 20), (60, 100), (7, 7), (0, 0)])
def test_the_largest_map_that_fits_keeps_the_proportions(columns: int, rows: int) -> None:
    width, height = best_size(FLOOR, columns, rows)

    assert 1 <= width <= max(columns, 1)
    assert 1 <= height <= max(rows, 1)
    if height > 3:
        assert width / height == pytest.approx(2 * 30 / 20, rel=0.2)


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (42, 14), (66, 22), (99, 33)])
def test_every_line_is_as_long_as_the_map_is_wide(columns: int, rows: int) -> None:
    lines = drawn(DOOR, columns=columns, rows=rows)

    assert [len(line) for line in lines] == [columns] * rows


def test_the_front_of_the_store_is_at_the_bottom() -> None:
    lines = drawn(DOOR)

    assert "●" in lines[-1]
    assert "●" not in "".join(lines[:-1])
    assert lines[-1].index("●") == int(28.0 / 30 * 66)


@pytest.mark.parametrize(("columns", "rows"), [(42, 14), (66, 22), (99, 33)])
def test_aisles_are_told_apart_by_their_numbers(columns: int, rows: int) -> None:
    text = "\n".join(drawn(columns=columns, rows=rows))

    for number in range(1, 7):
        assert f"A{number}" in text or f"Aisle {number}" in text


def test_a_name_that_does_not_fit_loses_its_last_words() -> None:
    text = "\n".join(drawn())

    assert "Milk and cheese" in text
    assert "Fruit" in text
    assert "Fruit and" not in text


def test_shelves_stand_where_they_stand() -> None:
    line = drawn()[10]  # through the middle of the gondolas

    runs = [run for run in line.replace("▒", "#").replace("◇", "#").split("#") if run]
    assert len(runs) == 8  # the left side, six aisles, the right side


def test_what_is_wrong_is_drawn_over_what_is_right() -> None:
    wrong = replace(DOOR, belief=Belief.WRONG)

    text = "".join(drawn(wrong, DOOR))

    assert "✖" in text
    assert "●" not in text


def test_a_push_just_shown_is_drawn_over_everything() -> None:
    flash = replace(DOOR, is_flashing=True)

    text = "".join(drawn(flash, replace(DOOR, belief=Belief.WRONG)))

    assert "★" in text
    assert "✖" not in text


def test_a_terminal_without_unicode_gets_ascii() -> None:
    dots = [Dot(5.0 * n, 3.5, belief, is_flashing=False) for n, belief in enumerate(Belief)]

    assert "".join(drawn(*dots, marks=ASCII_MARKS)).isascii()


def test_nobody_is_drawn_outside_the_map() -> None:
    corners = [Dot(x, y, Belief.RIGHT, is_flashing=False) for x in (0, 30) for y in (0, 20)]

    assert sum(line.count("●") for line in drawn(*corners)) == 4

"""A store's floor drawn in characters: shelves, zones with their names, gateways and shoppers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from corsia.live_shop import Belief, Dot
from firmware_sim.floor import Floor, Polygon, Zone

# A character cell of a terminal is about twice as high as wide.
CELL_ASPECT: Final = 2.0
# Each cell is looked at in so many points a side, so that a gondola thinner than a cell shows.
POINTS_A_SIDE: Final = 3
# The share of a cell's points that makes it a shelf; walls are thin and count by any.
SOLID_SHARE: Final = 0.4
WALL_SHARE: Final = 0.1
# Words at which a name that was cut short must not end.
NO_ENDS: Final = frozenset({"and", "of", "the", "&"})
# Later ones are drawn over earlier ones where two shoppers share a cell.
ORDER: Final = (Belief.UNLOCATED, Belief.RIGHT, Belief.UNSURE, Belief.WRONG)

BLANK: Final = Style()
FAINT: Final = Style(color="grey35")
NAME: Final = Style(color="grey70", italic=True)
GATEWAY: Final = Style(color="deep_sky_blue3")
STYLES: Final = {
    Belief.RIGHT: Style(color="green", bold=True),
    Belief.UNSURE: Style(color="yellow"),
    Belief.WRONG: Style(color="red", bold=True),
    Belief.UNLOCATED: Style(color="grey50"),
}
FLASH: Final = Style(color="bright_white", bgcolor="dark_magenta", bold=True)

Cell = tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters of the map; shapes differ as colours do, for those who see no colours."""

    shelf: str
    fixture: str
    wall: str
    edge: str
    gateway: str
    beliefs: dict[Belief, str]
    flash: str


UNICODE_MARKS: Final = Marks(
    "▒", "░", "█", "·", "◇",
    {Belief.RIGHT: "●", Belief.UNSURE: "◐", Belief.WRONG: "✖", Belief.UNLOCATED: "○"},
    "★",
)  # fmt: skip
ASCII_MARKS: Final = Marks(
    "#", "=", "|", ".", "^",
    {Belief.RIGHT: "o", Belief.UNSURE: "?", Belief.WRONG: "x", Belief.UNLOCATED: "-"},
    "*",
)  # fmt: skip


def best_size(floor: Floor, most_columns: int, most_rows: int) -> tuple[int, int]:
    """The largest map of this floor that fits, in columns and rows, in proportion."""
    width_m, depth_m = floor.size_m
    columns = min(most_columns, int(most_rows * CELL_ASPECT * width_m / depth_m))
    rows = min(most_rows, round(columns * depth_m / width_m / CELL_ASPECT))
    return max(columns, 1), max(rows, 1)


def short_name(zone: Zone) -> str:
    """A zone's name in tables: without what comes after a colon."""
    return zone.name.partition(":")[0].strip()


class FloorMap:
    """The floor at one size. y runs up, as on a plan."""

    def __init__(self, floor: Floor, columns: int, rows: int, marks: Marks) -> None:
        self.columns = columns
        self.rows = rows
        self._marks = marks
        self._cell_m = (floor.size_m[0] / columns, floor.size_m[1] / rows)
        self._cells = self._background(floor)
        self._segments = [_segments(row) for row in self._cells]

    def drawn(self, dots: Iterable[Dot]) -> "DrawnFloor":
        """The floor with these shoppers on it."""
        over: dict[int, dict[int, Cell]] = {}
        # In the order of what is worth seeing, so that the last one drawn is.
        for dot in sorted(dots, key=lambda dot: (dot.is_flashing, ORDER.index(dot.belief))):
            row, column = self._cell_of(dot.x_m, dot.y_m)
            cell = (self._marks.beliefs[dot.belief], STYLES[dot.belief])
            if dot.is_flashing:
                cell = (self._marks.flash, FLASH)
            over.setdefault(row, {})[column] = cell
        lines = [
            _segments([over[row].get(column, cell) for column, cell in enumerate(self._cells[row])])
            if row in over
            else self._segments[row]
            for row in range(self.rows)
        ]
        return DrawnFloor(lines)

    def _cell_of(self, x_m: float, y_m: float) -> tuple[int, int]:
        column = int(x_m / self._cell_m[0])
        row = self.rows - 1 - int(y_m / self._cell_m[1])
        return min(max(row, 0), self.rows - 1), min(max(column, 0), self.columns - 1)

    def _background(self, floor: Floor) -> list[list[Cell]]:
        cells: list[list[Cell]] = [[(" ", BLANK)] * self.columns for _ in range(self.rows)]
        zone_of = self._zones(floor.zones)
        taken = np.zeros((self.rows, self.columns), dtype=bool)
        for polygons, share, mark in (
            (floor.fixtures, SOLID_SHARE, self._marks.fixture),
            (floor.shelves, SOLID_SHARE, self._marks.shelf),
            (floor.walls, WALL_SHARE, self._marks.wall),
        ):
            solid = self._share_inside(polygons) >= share
            taken |= solid
            for row, column in np.argwhere(solid):
                cells[row][column] = (mark, FAINT)
        for row, column in _edges(zone_of, taken):
            cells[row][column] = (self._marks.edge, FAINT)
        for place in floor.gateways:
            row, column = self._cell_of(place.x_m, place.y_m)
            cells[row][column] = (self._marks.gateway, GATEWAY)
            taken[row, column] = True
        for number, zone in enumerate(floor.zones):
            found = _place_of_name(zone, (zone_of == number) & ~taken)
            if found is not None:
                row, column, name = found
                for offset, letter in enumerate(name):
                    cells[row][column + offset] = (letter, NAME)
        return cells

    def _points(self, a_side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points spread evenly over the floor, so many a side in each cell; from the back."""
        xs = (np.arange(self.columns * a_side) + 0.5) * self._cell_m[0] / a_side
        ys = (np.arange(self.rows * a_side)[::-1] + 0.5) * self._cell_m[1] / a_side
        grid_x, grid_y = np.meshgrid(xs, ys)
        return grid_x, grid_y

    def _share_inside(self, polygons: Sequence[Polygon]) -> NDArray[np.float64]:
        """Of each cell, the share that lies in one of the polygons."""
        area = shapely.union_all([shapely.Polygon(polygon) for polygon in polygons])
        shapely.prepare(area)
        inside = shapely.contains_xy(area, *self._points(POINTS_A_SIDE))
        cells = inside.reshape(self.rows, POINTS_A_SIDE, self.columns, POINTS_A_SIDE)
        share: NDArray[np.float64] = cells.mean(axis=(1, 3))
        return share

    def _zones(self, zones: Sequence[Zone]) -> NDArray[np.int_]:
        """Of each cell, the number of the zone at its middle; -1 in none."""
        zone_of = np.full((self.rows, self.columns), -1)
        for number, zone in enumerate(zones):
            area = shapely.Polygon(zone.polygon)
            shapely.prepare(area)
            zone_of[shapely.intersects_xy(area, *self._points(1))] = number
        return zone_of


class DrawnFloor:
    """A map with shoppers, ready for a terminal."""

    def __init__(self, lines: list[list[Segment]]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


def _edges(zone_of: NDArray[np.int_], taken: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The free cells after which another zone begins, to the right or below.

    Where a shelf stands beside an aisle it is the line.
    """
    differs = np.zeros(zone_of.shape, dtype=bool)
    differs[:, :-1] |= (zone_of[:, :-1] != zone_of[:, 1:]) & ~taken[:, 1:]
    differs[:-1, :] |= zone_of[:-1, :] != zone_of[1:, :]
    for row, column in np.argwhere(differs & ~taken):
        yield int(row), int(column)


def _place_of_name(zone: Zone, free: NDArray[np.bool_]) -> tuple[int, int, str] | None:
    """Row, first column and text of a zone's name: as much of it as fits, near the middle."""
    rows = np.flatnonzero(free.any(axis=1))
    if not rows.size:
        return None
    middle = (rows[0] + rows[-1]) / 2
    by_distance = sorted(map(int, rows), key=lambda row: abs(row - middle))
    for name in _names(zone):
        # With air around it when there is room for that anywhere in the zone.
        for room, row in product((len(name) + 2, len(name)), by_distance):
            for first, length in _runs(free[row]):
                if length >= room:
                    return row, first + (length - len(name)) // 2, name
    return None


def _names(zone: Zone) -> Iterator[str]:
    """The zone's name, shorter and shorter."""
    words = short_name(zone).split()
    for count in range(len(words), 0, -1):
        dropped = words[count:]
        # A number tells one aisle from the next: it goes last.
        if words[count - 1].lower() not in NO_ENDS and not any(map(str.isdigit, dropped)):
            yield " ".join(words[:count])
    yield "".join(word if word.isdigit() else word[0] for word in words).upper()


def _runs(free: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First column and length of each unbroken run."""
    turns = np.flatnonzero(np.diff(np.concatenate(([0], free.astype(np.int8), [0]))))
    for first, after in zip(turns[::2], turns[1::2], strict=True):
        yield int(first), int(after - first)


def _segments(cells: Sequence[Cell]) -> list[Segment]:
    """The cells of a row, neighbours of one style in one piece."""
    pieces: list[Segment] = []
    text = ""
    style = BLANK
    for mark, own in cells:
        if own is not style and text:
            pieces.append(Segment(text, style))
            text = ""
        style = own
        text += mark
    return [*pieces, Segment(text, style)]

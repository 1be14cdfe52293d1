"""The live view as one frame: which panels fit a terminal of this size, and where they stand."""

from collections.abc import Callable
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.layout import Layout
from rich.segment import Segment
from rich.text import Text

from corsia.floor_map import FloorMap, Marks, best_size, short_name
from corsia.live_panels import (
    floor_panel,
    header,
    holds_panel,
    legend,
    processes_panel,
    pushes_panel,
    score_panel,
    zones_panel,
)
from corsia.live_picture import Picture
from firmware_sim.floor import Floor

BORDER: Final = 2
SCORE_ROWS: Final = 11
# From this width on there are two columns; below it the lists stand under the map.
WIDE: Final = 110
# Beside the map: the longest label and value of the scorecard.
SIDE_COLUMNS: Final = 42
SIDE_COLUMNS_NARROW: Final = 36
# Beyond this a side column has room for two panels beside each other.
SIDE_COLUMNS_ROOMY: Final = 88
# Below these there is no map any more: the pushes are worth more than a blot.
LEAST_COLUMNS: Final = 72
LEAST_ROWS: Final = 19
LEAST_LIST: Final = 5
LISTS_WANTED: Final = 13


class LiveScreen:
    """Frames for one floor. What has not changed is not drawn again."""

    def __init__(self, floor: Floor, api_url: str, marks: Marks) -> None:
        self._floor = floor
        self._api_url = api_url
        self._marks = marks
        self._zone_names = {zone.zone_id: short_name(zone) for zone in floor.zones}
        self._map: FloorMap | None = None
        self._kept: dict[str, tuple[object, _Kept]] = {}

    def frame(self, picture: Picture, width: int, height: int) -> RenderableType:
        """What fills a terminal of that many columns and rows."""
        head = header(picture, self._floor.name, self._api_url)
        foot = legend(self._marks)
        foot_rows = -(-foot.cell_len // width)
        body = height - 1 - foot_rows
        if body < LEAST_LIST:
            return Layout(head)
        whole = Layout()
        whole.split_column(
            Layout(head, size=1),
            self._body(picture, width, body),
            Layout(foot, size=foot_rows),
        )
        return whole

    def _body(self, picture: Picture, width: int, rows: int) -> Layout:
        if width < LEAST_COLUMNS or rows < LEAST_ROWS:
            return self._pushes(picture, rows)
        return (self._wide if width >= WIDE else self._narrow)(picture, width, rows)

    def _narrow(self, picture: Picture, width: int, rows: int) -> Layout:
        """Map and scorecard; under them what else there is room for."""
        size = best_size(
            self._floor, width - SIDE_COLUMNS_NARROW - BORDER, rows - BORDER - LEAST_LIST
        )
        map_rows = max(size[1], SCORE_ROWS) + BORDER
        top = Layout(size=map_rows)
        top.split_row(
            Layout(self._floor_panel(picture, size), size=size[0] + 2 * BORDER),
            Layout(self._score(picture)),
        )
        below = self._lists(picture, rows - map_rows)
        whole = Layout()
        whole.split_column(top, *below)
        return whole

    def _wide(self, picture: Picture, width: int, rows: int) -> Layout:
        """The map over the lists; figures beside them."""
        lists = LISTS_WANTED if rows >= 2 * LISTS_WANTED else LEAST_LIST
        size = best_size(self._floor, width - SIDE_COLUMNS - 2 * BORDER, rows - BORDER - lists)
        left = Layout(size=max(size[0] + 2 * BORDER, width // 2))
        map_rows = size[1] + BORDER
        side_columns = width - (left.size or 0)
        is_roomy = side_columns >= SIDE_COLUMNS_ROOMY
        left.split_column(
            Layout(self._floor_panel(picture, size), size=map_rows),
            *(
                [self._pushes(picture, rows - map_rows)]
                if is_roomy
                else self._lists(picture, rows - map_rows)
            ),
        )
        side = Layout()
        side.split_column(*(self._roomy_side if is_roomy else self._side)(picture, rows))
        whole = Layout()
        whole.split_row(left, side)
        return whole

    def _side(self, picture: Picture, rows: int) -> list[Layout]:
        """Scorecard, zones and processes, as far as they fit."""
        panels = [Layout(self._score(picture), size=SCORE_ROWS + BORDER)]
        rows -= SCORE_ROWS + BORDER
        process_rows = len(picture.processes) + BORDER
        for columns in (1, 2):
            zone_rows = -(-len(picture.zones) // columns) + BORDER
            if zone_rows + process_rows <= rows or (columns == 2 and zone_rows <= rows):
                panels.append(Layout(self._zones(picture, columns), size=zone_rows))
                rows -= zone_rows
                break
        if process_rows <= rows:
            panels.append(Layout(self._processes(picture)))
        else:
            panels[-1].size = None
        return panels

    def _roomy_side(self, picture: Picture, rows: int) -> list[Layout]:
        """Two beside each other at the top, then zones and holds."""
        top = Layout(size=SCORE_ROWS + BORDER)
        top.split_row(Layout(self._score(picture)), Layout(self._processes(picture)))
        zone_rows = -(-len(picture.zones) // 2) + BORDER
        rows -= SCORE_ROWS + BORDER + zone_rows
        zones = Layout(self._zones(picture, 2), size=zone_rows)
        return [top, zones, self._holds(picture, rows)]

    def _lists(self, picture: Picture, rows: int) -> list[Layout]:
        """Pushes, and holds under them where both can be read."""
        if rows < 2 * LEAST_LIST:
            return [self._pushes(picture, rows)]
        holds = rows * 2 // 5
        return [self._pushes(picture, rows - holds), self._holds(picture, holds)]

    def _pushes(self, picture: Picture, rows: int) -> Layout:
        most = max(rows - BORDER, 0)
        shown = (picture.pushes[:most], picture.pushes_shown)
        panel = self._as_kept(
            "pushes", shown, lambda: pushes_panel(picture, self._zone_names, most)
        )
        return Layout(panel, size=rows)

    def _holds(self, picture: Picture, rows: int) -> Layout:
        most = max(rows - BORDER, 0)
        shown = picture.holds[:most]
        panel = self._as_kept("holds", shown, lambda: holds_panel(picture, self._zone_names, most))
        return Layout(panel)

    def _zones(self, picture: Picture, columns: int) -> RenderableType:
        shown = (picture.zones, columns)
        return self._as_kept(
            "zones", shown, lambda: zones_panel(picture, self._zone_names, columns)
        )

    def _score(self, picture: Picture) -> RenderableType:
        return self._as_kept("score", picture.running, lambda: score_panel(picture))

    def _processes(self, picture: Picture) -> RenderableType:
        return self._as_kept("processes", picture.processes, lambda: processes_panel(picture))

    def _as_kept(self, name: str, shown: object, draw: Callable[[], RenderableType]) -> "_Kept":
        """The panel of that name; the one of before where it would show the same."""
        before = self._kept.get(name)
        if before is not None and before[0] == shown:
            return before[1]
        kept = _Kept(draw())
        self._kept[name] = (shown, kept)
        return kept

    def _floor_panel(self, picture: Picture, size: tuple[int, int]) -> RenderableType:
        if min(size) < 1:
            return Text()
        if self._map is None or (self._map.columns, self._map.rows) != size:
            self._map = FloorMap(self._floor, *size, self._marks)
        return floor_panel(picture, self._map)


class _Kept:
    """Something drawn once for each size: rich's tables take milliseconds."""

    def __init__(self, drawn: RenderableType) -> None:
        self._drawn = drawn
        self._size: tuple[int, int | None] | None = None
        self._lines: list[list[Segment]] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        size = (options.max_width, options.height)
        if self._size != size:
            self._size = size
            lines = console.render_lines(self._drawn, options)
            self._lines = [list(Segment.simplify(line)) for line in lines]
        for line in self._lines:
            yield from line
            yield Segment.line()

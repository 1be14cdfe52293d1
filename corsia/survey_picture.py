"""The surveyed places of a floor as a picture: characters for a terminal, or SVG."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
import shapely

from beacons.floor import FloorPlan, Polygon, walkable
from beacons.survey import Survey

# A character cell of a terminal is about twice as high as wide.
CELL_ASPECT: Final = 2.0
# Each cell is looked at in so many points a side, so that a shelf thinner than a cell shows.
POINTS_A_SIDE: Final = 3
SHELF, FREE, OUTSIDE = "#", ".", " "
MOST_SHOWN: Final = 9

# Three gateways place somebody, more do it better; fewer leave a mirror image.
FEW, ENOUGH = 3, 5
COLOURS: Final = ("#c0392b", "#d68910", "#1e8449")  # heard by few, some, enough
PLACE_RADIUS_M: Final = 0.28
MARGIN_M: Final = 1.0


def heard_at(floor: FloorPlan, survey: Survey) -> dict[tuple[float, float], int]:
    """How many gateways heard the handset at each surveyed place of a floor."""
    return dict(Counter((p.x_m, p.y_m) for p in survey.points if p.floor_id == floor.floor_id))


def as_characters(floor: FloorPlan, survey: Survey, columns: int) -> list[str]:
    """The floor in lines of that many characters: a digit says how many gateways heard a place.

    The largest y is on top, as on a plan.
    """
    x_min, y_min, x_max, y_max = shapely.Polygon(floor.outline).bounds
    cell_m = (x_max - x_min) / columns
    rows = max(1, round((y_max - y_min) / cell_m / CELL_ASPECT))
    row_m = (y_max - y_min) / rows
    inside = (np.arange(POINTS_A_SIDE) + 0.5) / POINTS_A_SIDE
    x = x_min + cell_m * (np.arange(columns)[:, None] + inside)
    y = y_max - row_m * (np.arange(rows)[:, None] + inside)
    # (rows, columns, points of a cell)
    shape = (rows, columns, POINTS_A_SIDE**2)
    xs = np.broadcast_to(x[None, :, :, None], (rows, columns, POINTS_A_SIDE, POINTS_A_SIDE))
    ys = np.broadcast_to(y[:, None, None, :], xs.shape)
    area, outline = walkable(floor), shapely.Polygon(floor.outline)
    for each in (area, outline):
        shapely.prepare(each)
    free = shapely.contains_xy(area, xs.ravel(), ys.ravel()).reshape(shape).mean(axis=2)
    on_floor = shapely.contains_xy(outline, xs.ravel(), ys.ravel()).reshape(shape).mean(axis=2)
    marks = np.where(on_floor < 0.5, OUTSIDE, np.where(free < 0.5, SHELF, FREE)).tolist()
    loudest: Counter[tuple[int, int]] = Counter()
    for (x_m, y_m), gateways in heard_at(floor, survey).items():
        row = min(max(int((y_max - y_m) / row_m), 0), rows - 1)
        column = min(max(int((x_m - x_min) / cell_m), 0), columns - 1)
        loudest[row, column] = max(loudest[row, column], gateways)
    for (row, column), gateways in loudest.items():
        marks[row][column] = str(min(gateways, MOST_SHOWN))
    return ["".join(line) for line in marks]


def as_svg(floors: Sequence[FloorPlan], survey: Survey) -> str:
    """The floors below each other, one metre to a unit; places coloured by how many heard them."""
    parts: list[str] = []
    top_m = MARGIN_M
    width_m = 0.0
    for floor in floors:
        x_min, y_min, x_max, y_max = shapely.Polygon(floor.outline).bounds
        # SVG's y goes down.
        parts.append(f'<g transform="translate({MARGIN_M - x_min:.2f} {top_m + 1 + y_max:.2f})">')
        parts.append(
            f'<text x="{x_min:.2f}" y="{-y_max - 0.4:.2f}">{escape(floor.floor_id)}</text>'
        )
        parts.append(_path(floor.outline, "outline"))
        parts += [_path(obstacle, "obstacle") for obstacle in floor.obstacles]
        parts += [_path(zone.polygon, "zone", zone.name) for zone in floor.zones]
        for place in floor.gateways:
            label = escape(place.gateway_id)
            parts.append(
                f'<rect class="gateway" x="{place.x_m - 0.2:.2f}" y="{-place.y_m - 0.2:.2f}"'
                f' width="0.4" height="0.4"><title>{label}</title></rect>'
            )
        for (x_m, y_m), gateways in heard_at(floor, survey).items():
            colour = COLOURS[(gateways >= FEW) + (gateways >= ENOUGH)]
            parts.append(
                f'<circle cx="{x_m:.2f}" cy="{-y_m:.2f}" r="{PLACE_RADIUS_M}" fill="{colour}">'
                f"<title>{gateways} gateways</title></circle>"
            )
        parts.append("</g>")
        top_m += y_max - y_min + 2 * MARGIN_M + 1
        width_m = max(width_m, x_max - x_min + 2 * MARGIN_M)
    size = f"0 0 {width_m:.2f} {top_m:.2f}"
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}">', _STYLE, *parts, "</svg>\n"]
    )


_STYLE: Final = """<style>
text { font: 0.8px sans-serif }
.outline { fill: #fdfefe; stroke: #566573; stroke-width: 0.1 }
.obstacle { fill: #aeb6bf }
.zone { fill: none; stroke: #5dade2; stroke-width: 0.05; stroke-dasharray: 0.3 0.2 }
.gateway { fill: #2e4053 }
</style>"""


def _path(polygon: Polygon, kind: str, name: str | None = None) -> str:
    corners = " ".join(f"{x:.2f},{-y:.2f}" for x, y in polygon)
    title = "" if name is None else f"<title>{escape(name)}</title>"
    return f'<polygon class="{kind}" points="{corners}">{title}</polygon>'

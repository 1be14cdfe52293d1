"""A store's plan as an SVG picture: floors one below the other, with what the lint found marked."""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import numpy as np
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, Point, Polygon, Zone, ZoneKind, is_sound
from beacons.plan_finding import Finding
from beacons.store_plan import StorePlan

# A page's width of a browser window; the height follows the floor.
WIDTH: Final = 960.0
MARGIN: Final = 24.0
LINE: Final = 18.0
# Characters of a sentence that fit into the width at 13 px.
WRAP: Final = 128
# What of a floor fits on a screen; a long hall gets narrower instead.
MOST_HEIGHT: Final = 1_000.0
# A floor drawn larger than this a metre has nothing more to show.
MOST_A_METRE: Final = 40.0
FILLS: Final = {
    ZoneKind.AISLE: "#cfe3f7",
    ZoneKind.PROMO: "#fbd9a5",
    ZoneKind.ENTRANCE: "#d5ecd0",
    ZoneKind.SERVICE_DESK: "#e4d7f2",
    ZoneKind.CHECKOUT: "#f6cfd5",
    ZoneKind.PICKUP: "#e4d7f2",
    ZoneKind.QUIET: "#e6e6e6",
    ZoneKind.PERIMETER: "#d9f0ee",
}
ERROR: Final = "#b3261e"
WARNING: Final = "#b26a00"


def plan_svg(store: StorePlan, findings: Sequence[Finding]) -> str:
    """The picture, as the text of an SVG file. findings: numbered in their order."""
    numbered = list(enumerate(findings, start=1))
    pieces: list[str] = []
    top = MARGIN
    of_store = [(n, finding) for n, finding in numbered if finding.floor_id is None]
    lines, top = _sentences(of_store, top)
    pieces += lines
    for floor in sorted(store.floors, key=lambda floor: -floor.level):
        here = [(n, finding) for n, finding in numbered if finding.floor_id == floor.floor_id]
        drawn = _Drawing(floor, top + 2 * LINE)
        title = f"{store.name}: {floor.floor_id} (level {floor.level})"
        pieces.append(_text(MARGIN, top + LINE, title, "font-weight='bold' font-size='15'"))
        pieces += drawn.floor(store, here)
        lines, top = _sentences(here, drawn.bottom + LINE / 2)
        pieces += lines
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:g} {top + MARGIN:.0f}'"
        " font-family='sans-serif' font-size='13'>\n"
        f"<title>{escape(store.name)}</title>\n<rect width='100%' height='100%' fill='#ffffff'/>\n"
        + "\n".join(pieces)
        + "\n</svg>\n"
    )


def _sentences(findings: Sequence[tuple[int, Finding]], top: float) -> tuple[list[str], float]:
    """The findings as lines of text from `top` down, and where they end."""
    pieces = []
    for number, finding in findings:
        for row, line in enumerate(textwrap.wrap(finding.sentence, WRAP)):
            top += LINE
            if row == 0:
                pieces.append(_text(MARGIN, top, f"{number}", f"fill='{_colour(finding)}'"))
            pieces.append(_text(MARGIN + 24, top, line))
    return pieces, top + (LINE if findings else 0.0)


class _Drawing:
    """One floor, in metres turned into the picture's units; y runs up, as on a plan."""

    def __init__(self, floor: FloorPlan, top: float) -> None:
        corners = [*floor.outline, *((place.x_m, place.y_m) for place in floor.gateways)]
        finite = np.array([xy for xy in corners if np.isfinite(xy).all()] or [(0, 0)], dtype=float)
        self._low, high = finite.min(axis=0), finite.max(axis=0)
        size = np.maximum(high - self._low, 1.0)
        self._a_metre = min((WIDTH - 2 * MARGIN) / size[0], MOST_HEIGHT / size[1], MOST_A_METRE)
        self._floor = floor
        self.bottom = top + float(size[1] * self._a_metre)

    def floor(self, store: StorePlan, findings: Sequence[tuple[int, Finding]]) -> Iterator[str]:
        """The pieces of the picture, what is on top last."""
        yield self._ring(self._floor.outline, "fill='#fafafa' stroke='#444' stroke-width='2'")
        for zone in sorted(self._floor.zones, key=lambda zone: zone.priority):
            style = f"fill='{FILLS[zone.kind]}' stroke='#7a8b99'"
            yield self._ring(zone.polygon, style, f"{zone.name} ({zone.kind.value})")
        for obstacle in self._floor.obstacles:
            yield self._ring(obstacle, "fill='#8d8d8d' fill-opacity='0.7'")
        for zone in self._floor.zones:
            yield self._name(zone)
        for connector in store.connectors:
            for end in connector.ends:
                if end.floor_id == self._floor.floor_id:
                    x, y = self._at((end.x_m, end.y_m))
                    yield f"<rect x='{x - 5:.1f}' y='{y - 5:.1f}' width='10' height='10'/>"
                    yield _text(x + 9, y + 4, connector.connector_id)
        for place in self._floor.gateways:
            if place.is_somewhere:
                x, y = self._at((place.x_m, place.y_m))
                mark = f"M{x:.1f},{y - 7:.1f}l7,7l-7,7l-7,-7z"
                title = f"<title>{escape(place.gateway_id)}, {place.z_m:g} m high</title>"
                yield f"<path d='{mark}' fill='#1769aa'>{title}</path>"
        for number, finding in findings:
            yield from self._mark(number, finding)

    def _mark(self, number: int, finding: Finding) -> Iterator[str]:
        if not finding.mark:
            return
        colour = _colour(finding)
        if len(finding.mark) > 1:
            yield self._ring(
                finding.mark, f"fill='none' stroke='{colour}' stroke-width='3'", finding.sentence
            )
        x, y = np.mean([self._at(corner) for corner in finding.mark], axis=0)
        title = f"<title>{escape(finding.sentence)}</title>"
        yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='10' fill='{colour}'>{title}</circle>"
        yield _text(x, y + 4, str(number), "fill='#fff' text-anchor='middle' font-weight='bold'")

    def _name(self, zone: Zone) -> str:
        """The zone's name in the middle of what can be seen of it."""
        if not is_sound(zone.polygon):
            return ""
        shape = ShapelyPolygon(zone.polygon)
        over = [
            ShapelyPolygon(other.polygon)
            for other in self._floor.zones
            if other.priority > zone.priority and is_sound(other.polygon)
        ]
        seen = shape.difference(shapely.union_all(over))
        middle = shape.centroid
        if not seen.contains(middle) and not seen.is_empty:
            middle = seen.representative_point()
        x, y = self._at((middle.x, middle.y))
        west, _, east, _ = shape.bounds
        # About 7 units a letter; the whole name stands in the zone's title.
        most = max(int((east - west) * self._a_metre / 7), 1)
        name = zone.name if len(zone.name) <= most else zone.name.partition(":")[0].strip()
        short = name if len(name) <= most else name[: most - 1] + "…"
        return _text(x, y - 10, short, "fill='#333' text-anchor='middle'")

    def _ring(self, polygon: Polygon, style: str, title: str = "") -> str:
        # One that crosses itself can be drawn; one that is not made of numbers cannot.
        if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
            return ""
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._at, polygon))
        inside = f"<title>{escape(title)}</title>" if title else ""
        return f"<polygon points='{points}' {style}>{inside}</polygon>"

    def _at(self, corner: Point) -> tuple[float, float]:
        x = MARGIN + (corner[0] - float(self._low[0])) * self._a_metre
        return float(x), self.bottom - float((corner[1] - self._low[1]) * self._a_metre)


def _colour(finding: Finding) -> str:
    return ERROR if finding.is_error else WARNING


def _text(x: float, y: float, text: str, style: str = "fill='#333'") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"

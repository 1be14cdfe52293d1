"""What a survey covers, and how it fits the plain law of distance."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from beacons.floor import FloorPlan, walkable, zone_of
from beacons.radio_map import HANDSET_HEIGHT_M, MIN_DISTANCE_M
from beacons.store_plan import StorePlan
from beacons.survey import Survey, SurveyPoint

# What was measured says something about the radio so far around: the length over which shadowing
# changes indoors is a metre or two.
COVERS_M: Final = 2.0
# Fewer measurements than that fit any law.
_FEWEST: Final = 8

Place = tuple[str, float, float]  # floor_id, x_m, y_m


@dataclass(frozen=True, slots=True)
class ZoneCoverage:
    """One zone in a survey.

    covered: the share of its walkable floor within COVERS_M of a surveyed place. gateways: how many
    heard the handset at a place, in the mean; 0 without a place.
    """

    zone_id: str
    floor_id: str
    places: int
    seconds: float
    covered: float
    gateways: float


@dataclass(frozen=True, slots=True)
class GatewayFit:
    """One gateway in a survey. residual_db: how much louder than the law it heard the handset, in
    the mean; None when the law could not be fitted."""

    gateway_id: str
    floor_id: str
    places: int
    residual_db: float | None


@dataclass(frozen=True, slots=True)
class Law:
    """The law of distance that fits a survey best; of its handset, so that powers differ.

    spread_db: of the measurements about it.
    """

    power_at_1m_dbm: float
    exponent: float
    spread_db: float


@dataclass(frozen=True, slots=True)
class SurveyReport:
    """A survey beside the plan. strange: measurements of floors or gateways that the plan does not
    have (any more)."""

    places: int
    seconds: float
    gateways_per_place: float
    law: Law | None
    zones: tuple[ZoneCoverage, ...]
    gateways: tuple[GatewayFit, ...]
    strange: int


def survey_report(plan: StorePlan, survey: Survey) -> SurveyReport:
    """What the survey says about the store. The plan must have no faults."""
    floor_of = {
        place.gateway_id: floor.floor_id for floor in plan.floors for place in floor.gateways
    }
    floors = {floor.floor_id for floor in plan.floors}
    known = [p for p in survey.points if p.floor_id in floors and p.gateway_id in floor_of]
    by_place: defaultdict[Place, list[SurveyPoint]] = defaultdict(list)
    for point in known:
        by_place[point.floor_id, point.x_m, point.y_m].append(point)
    places = dict(by_place)
    # Between floors is a ceiling, about which the law knows nothing.
    level = [point for point in known if floor_of[point.gateway_id] == point.floor_id]
    distances_m = _distances_m(plan, level)
    law = _law(level, distances_m)
    return SurveyReport(
        places=len(places),
        seconds=sum(points[0].seconds for points in places.values()),
        gateways_per_place=len(known) / len(places) if places else 0.0,
        law=law,
        zones=tuple(zone for floor in plan.floors for zone in _zones(floor, places)),
        gateways=tuple(
            GatewayFit(
                gateway_id=gateway_id,
                floor_id=floor_id,
                places=sum(point.gateway_id == gateway_id for point in known),
                residual_db=_residual_db(gateway_id, level, distances_m, law),
            )
            for gateway_id, floor_id in floor_of.items()
        ),
        strange=len(survey.points) - len(known),
    )


def _zones(floor: FloorPlan, places: dict[Place, list[SurveyPoint]]) -> list[ZoneCoverage]:
    here = [(place, points) for place, points in places.items() if place[0] == floor.floor_id]
    xy = np.array([place[1:] for place, _ in here], dtype=np.float64).reshape(-1, 2)
    zone_at = zone_of(floor, xy)
    area = walkable(floor)
    near = shapely.union_all(shapely.buffer(shapely.points(xy), COVERS_M))
    zones = []
    for index, zone in enumerate(floor.zones):
        inside = [points for (_, points), at in zip(here, zone_at, strict=True) if at == index]
        free = shapely.intersection(shapely.Polygon(zone.polygon), area)
        free_m2 = shapely.area(free)
        covered_m2 = shapely.area(shapely.intersection(free, near))
        zones.append(
            ZoneCoverage(
                zone_id=zone.zone_id,
                floor_id=floor.floor_id,
                places=len(inside),
                seconds=sum(points[0].seconds for points in inside),
                covered=float(covered_m2 / free_m2) if free_m2 > 0.0 else 0.0,
                gateways=sum(map(len, inside)) / len(inside) if inside else 0.0,
            )
        )
    return zones


def _distances_m(plan: StorePlan, points: list[SurveyPoint]) -> list[float]:
    gateways = {place.gateway_id: place for floor in plan.floors for place in floor.gateways}
    distances_m = []
    for point in points:
        place = gateways[point.gateway_id]
        away = (place.x_m - point.x_m, place.y_m - point.y_m, place.z_m - HANDSET_HEIGHT_M)
        distances_m.append(max(float(np.linalg.norm(away)), MIN_DISTANCE_M))
    return distances_m


def _law(points: list[SurveyPoint], distances_m: list[float]) -> Law | None:
    """Least squares over all gateways; None when the measurements do not say enough."""
    if len(points) < _FEWEST or max(distances_m) < 2 * min(distances_m):
        return None
    decades = np.log10(distances_m)
    measured_dbm = np.array([point.mean_rssi_dbm for point in points])
    columns = np.stack([np.ones_like(decades), -10.0 * decades], axis=1)
    (power_dbm, exponent), *_ = np.linalg.lstsq(columns, measured_dbm, rcond=None)
    spread_db = np.std(measured_dbm - columns @ [power_dbm, exponent])
    return Law(float(power_dbm), float(exponent), float(spread_db))


def _residual_db(
    gateway_id: str, points: list[SurveyPoint], distances_m: list[float], law: Law | None
) -> float | None:
    if law is None:
        return None
    residuals_db = [
        point.mean_rssi_dbm - law.power_at_1m_dbm + 10.0 * law.exponent * float(np.log10(away_m))
        for point, away_m in zip(points, distances_m, strict=True)
        if point.gateway_id == gateway_id
    ]
    return float(np.mean(residuals_db)) if residuals_db else None

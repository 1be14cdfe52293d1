"""A radio map refined by walk surveys: the law fitted anew, what is left over filled in by kriging.

Each survey is one handset on one day, with a loudness of its own that is estimated too. Places
where a gateway was not heard count as well: there it must be below what the handset can bring
across. Kriging is Gaussian process regression with an exponential covariance (Cressie 1993), its
length and share of the variance found by maximum likelihood from the survey itself, so that no
constant is fitted to a building.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.floor import FloorPlan
from beacons.grid import Grid
from beacons.radio_map import FAST_DB2, MIN_DISTANCE_M, RadioMap
from beacons.survey import Survey, SurveyPoint

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# What a building may differ from the assumed law, in the mean and by gateway: a hall that guides
# the waves has 1.6, a store full of shelves 4.
EXPONENT_SD: Final = 1.0
OWN_EXPONENT_SD: Final = 0.4
OWN_OFFSET_SD_DB: Final = 4.0
# A mean over so many sightings is as good as its place: the rest is the place's own fade.
MAX_LOOKS: Final = 8.0
# Half-decibel readings, a body that turns.
READING_DB2: Final = 1.0
# Not heard for at least this long at a place, where the law promises a level above the faintest
# twentieth of all readings: it must be fainter than that. How sure that is, as a variance.
SILENT_S: Final = 1.0
FAINT_PERCENTILE: Final = 5.0
BELOW_FAINT_DB: Final = 2.0
SILENT_DB2: Final = 64.0
# No map is better than this at a place: people and goods move between survey and visit.
FLOOR_DB2: Final = 4.0
# Of that, what a gateway as a whole has changed since.
DRIFT_DB2: Final = 1.0
# What the law leaves over is judged by the survey; this many readings it takes to be believed as
# much as the base map's own doubt. A law fitted to one reading leaves nothing over.
PRIOR_READINGS: Final = 20.0
# Of a gateway, evenly chosen: time grows with their cube, and no floor has more shadows.
MAX_PLACES: Final = 800
# Lengths in metres and shares of the variance that are tried.
LENGTHS_M: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)
# Enough to tell lengths apart; more would take minutes in a mall.
_GATEWAYS_TRIED: Final = 40
_PLACES_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class _Readings:
    """What surveys measured, one entry each, pooled by survey, gateway and cell.

    xy: where, shape (readings, 2). noise_db2: of the level as a measurement of its place.
    """

    survey: Ints
    gateway: Ints
    cell: Ints
    xy: Floats
    level_dbm: Floats
    noise_db2: Floats


@dataclass(frozen=True, slots=True)
class _Kriging:
    """Covariance of what the law leaves over: share of it fades over length_m, the rest at once."""

    length_m: float
    share: float
    variance_db2: float

    def between(self, one: Floats, other: Floats) -> Floats:
        away_m = np.hypot(one[:, None, 0] - other[None, :, 0], one[:, None, 1] - other[None, :, 1])
        return np.asarray(self.share * self.variance_db2 * np.exp(-away_m / self.length_m))

    @property
    def unexplained_db2(self) -> float:
        return (1.0 - self.share) * self.variance_db2


def surveyed_map(
    base: RadioMap, floors: Sequence[FloorPlan], grid: Grid, surveys: Sequence[Survey]
) -> RadioMap:
    """The map with everything that the surveys say; `base` where they say nothing."""
    gateway_ids = [place.gateway_id for plan in floors for place in plan.gateways]
    surveys = [replace(one, points=tuple(filter(_is_somewhere, one.points))) for one in surveys]
    heard = _heard(floors, grid, surveys, {name: i for i, name in enumerate(gateway_ids)})
    if len(heard.level_dbm) == 0:
        return base
    distance_db = _distance_db(floors, grid)
    law = _law(base, distance_db, heard)
    silent = _silent(floors, grid, surveys, heard, law)
    readings = _joined(heard, silent)
    law = _law(base, distance_db, readings)
    return _kriged(base, grid, readings, law)


def _is_somewhere(point: SurveyPoint) -> bool:
    return bool(np.isfinite((point.x_m, point.y_m, point.mean_rssi_dbm)).all())


@dataclass(frozen=True, slots=True)
class _Law:
    """The base map, corrected. expected_dbm: (gateways, cells); offset_db: of each survey."""

    expected_dbm: Floats
    offset_db: Floats

    def left_over(self, readings: _Readings) -> Floats:
        expected = self.expected_dbm[readings.gateway, readings.cell]
        return np.asarray(readings.level_dbm - self.offset_db[readings.survey] - expected)


def _heard(
    floors: Sequence[FloorPlan], grid: Grid, surveys: Sequence[Survey], index: dict[str, int]
) -> _Readings:
    floor_of = {plan.floor_id: i for i, plan in enumerate(floors)}
    rows = [
        (s, index[p.gateway_id], floor_of[p.floor_id], p.x_m, p.y_m, p.mean_rssi_dbm, p.count)
        for s, survey in enumerate(surveys)
        for p in survey.points
        if p.gateway_id in index and p.floor_id in floor_of
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    survey, gateway, floor = columns[:3].astype(np.intp)
    cell = _cells(grid, floor, columns[3:5].T)
    looks = np.minimum(columns[6], MAX_LOOKS)
    # Several places in one cell are one reading of more looks.
    keys, place = np.unique(np.stack([survey, gateway, cell]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    total = np.bincount(place, looks, keys.shape[1])
    level = np.bincount(place, looks * columns[5], keys.shape[1]) / np.maximum(total, 1e-9)
    sums = [np.bincount(place, looks * along, keys.shape[1]) for along in columns[3:5]]
    xy = np.stack(sums, axis=1) / np.maximum(total, 1e-9)[:, None]
    noise = FAST_DB2 / np.maximum(np.minimum(total, MAX_LOOKS), 1.0) + READING_DB2
    return _Readings(keys[0], keys[1], keys[2], xy, level, noise)


def _cells(grid: Grid, floor: Ints, xy: Floats) -> Ints:
    """The nearest cell of each place; many readings were taken at one place."""
    places, which = np.unique(np.column_stack([floor, xy]), axis=0, return_inverse=True)
    floor, xy = places[:, 0].astype(np.intp), places[:, 1:]
    cells = np.zeros(len(xy), dtype=np.intp)
    for one in np.unique(floor):
        here = np.flatnonzero(grid.floor == one)
        asked = np.flatnonzero(floor == one)
        away = np.hypot(
            xy[asked, None, 0] - grid.xy[None, here, 0], xy[asked, None, 1] - grid.xy[None, here, 1]
        )
        cells[asked] = here[np.argmin(away, axis=1)]
    return cells[which.reshape(-1)]


def _distance_db(floors: Sequence[FloorPlan], grid: Grid) -> Floats:
    """10 log10 of the distance, (gateways, cells), less its mean over the cells."""
    places = np.array([(place.x_m, place.y_m) for plan in floors for place in plan.gateways])
    away_m = np.hypot(
        places[:, None, 0] - grid.xy[None, :, 0], places[:, None, 1] - grid.xy[None, :, 1]
    )
    fall_db = 10.0 * np.log10(np.maximum(away_m, MIN_DISTANCE_M))
    return np.asarray(fall_db - fall_db.mean())


def _law(base: RadioMap, distance_db: Floats, readings: _Readings) -> _Law:
    """Ridge regression of what the base map misses: by survey, exponent, gateway."""
    surveys = int(readings.survey.max()) + 1
    gateways = len(base.expected_dbm)
    count = len(readings.level_dbm)
    every = np.arange(count)
    fall_db = distance_db[readings.gateway, readings.cell]
    design = np.zeros((count, surveys + 1 + 2 * gateways))
    design[every, readings.survey] = 1.0
    design[:, surveys] = -fall_db
    design[every, surveys + 1 + readings.gateway] = 1.0
    design[every, surveys + 1 + gateways + readings.gateway] = -fall_db
    ridge = np.concatenate(
        [
            np.full(surveys, 1e-4),
            [EXPONENT_SD**-2],
            np.full(gateways, OWN_OFFSET_SD_DB**-2),
            np.full(gateways, OWN_EXPONENT_SD**-2),
        ]
    )
    missed = readings.level_dbm - base.expected_dbm[readings.gateway, readings.cell]
    weight = 1.0 / (FAST_DB2 + readings.noise_db2)
    normal = (design * weight[:, None]).T @ design + np.diag(ridge)
    found = np.linalg.solve(normal, (design * weight[:, None]).T @ missed)
    own_offset = found[surveys + 1 : surveys + 1 + gateways]
    exponent = found[surveys] + found[surveys + 1 + gateways :]
    expected: Floats = base.expected_dbm + own_offset[:, None] - exponent[:, None] * distance_db
    # At the base map's loudness, for which the filter's prior stands, not the surveying handset's.
    offset: Floats = found[:surveys].astype(np.float64)
    return _Law(expected, offset)


def _silent(
    floors: Sequence[FloorPlan],
    grid: Grid,
    surveys: Sequence[Survey],
    heard: _Readings,
    law: _Law,
) -> _Readings:
    """Where a gateway that was at work was expected, and not heard."""
    floor_of = {plan.floor_id: i for i, plan in enumerate(floors)}
    found: list[tuple[Ints, Ints, Ints, Floats]] = []
    gateways = len(law.expected_dbm)
    for s, survey in enumerate(surveys):
        places = {
            (floor_of[p.floor_id], p.x_m, p.y_m)
            for p in survey.points
            if p.seconds >= SILENT_S and p.floor_id in floor_of
        }
        own = heard.survey == s
        if not places or not own.any():
            continue
        where = np.array(sorted(places), dtype=np.float64)
        visited = np.unique(_cells(grid, where[:, 0].astype(np.intp), where[:, 1:]))
        silent = np.zeros((gateways, len(grid.xy)), dtype=np.bool_)
        # One that the survey never met may have been dead on that day.
        silent[np.ix_(np.unique(heard.gateway[own]), visited)] = True
        silent[heard.gateway[own], heard.cell[own]] = False
        faint = float(np.percentile(heard.level_dbm[own], FAINT_PERCENTILE))
        silent &= law.expected_dbm + law.offset_db[s] > faint
        gateway, cell = np.nonzero(silent)
        level = np.full(len(cell), faint - BELOW_FAINT_DB)
        found.append((np.full(len(cell), s), gateway, cell, level))
    if not found:
        nothing = np.zeros(0, dtype=np.intp)
        none = np.zeros(0)
        return _Readings(nothing, nothing, nothing, none.reshape(-1, 2), none, none)
    survey_, gateway_, cell_, level_ = (
        np.concatenate(column) for column in zip(*found, strict=True)
    )
    noise = np.full(len(level_), SILENT_DB2)
    return _Readings(survey_, gateway_, cell_, grid.xy[cell_], level_, noise)


def _joined(one: _Readings, other: _Readings) -> _Readings:
    return _Readings(
        np.concatenate([one.survey, other.survey]),
        np.concatenate([one.gateway, other.gateway]),
        np.concatenate([one.cell, other.cell]),
        np.concatenate([one.xy, other.xy]),
        np.concatenate([one.level_dbm, other.level_dbm]),
        np.concatenate([one.noise_db2, other.noise_db2]),
    )


def _kriged(base: RadioMap, grid: Grid, readings: _Readings, law: _Law) -> RadioMap:
    readings, left = _pooled(readings, law.left_over(readings))
    by_gateway = [
        own[:: -(-len(own) // MAX_PLACES) or 1]
        for own in (np.flatnonzero(readings.gateway == g) for g in range(len(base.expected_dbm)))
    ]
    doubted_db2 = PRIOR_READINGS * float(base.slow_db2.mean())
    variance_db2 = (float(left @ left) + doubted_db2) / (len(left) + PRIOR_READINGS)
    kriging = _likeliest(grid, readings, left, by_gateway, variance_db2)
    expected = law.expected_dbm.copy()
    slow = base.slow_db2.copy()
    for gateway, own in enumerate(by_gateway):
        if len(own) == 0:
            continue
        places = readings.xy[own]
        noise = kriging.unexplained_db2 + readings.noise_db2[own]
        to_cells = kriging.between(grid.xy, places)
        # Places on other floors say nothing about this one's shadows.
        same = grid.floor[:, None] == grid.floor[readings.cell[own]][None, :]
        to_cells = np.where(same, to_cells, 0.0)
        among = kriging.between(places, places)
        among = np.where(same[readings.cell[own]], among, 0.0) + np.diag(noise)
        weights = np.linalg.solve(among, to_cells.T)
        expected[gateway] += weights.T @ left[own]
        known = kriging.share * kriging.variance_db2 - (to_cells * weights.T).sum(axis=1)
        slow[gateway] = np.maximum(known, 0.0) + kriging.unexplained_db2
    gateway_db2 = base.gateway_db2.copy()
    gateway_db2[np.unique(readings.gateway)] = DRIFT_DB2
    return RadioMap(expected, np.maximum(slow, FLOOR_DB2), gateway_db2)


def _pooled(readings: _Readings, left: Floats) -> tuple[_Readings, Floats]:
    """One reading a gateway and cell, whichever survey took it, and what the law leaves over."""
    keys, place = np.unique(
        np.stack([readings.gateway, readings.cell]), axis=1, return_inverse=True
    )
    place = place.reshape(-1)
    weight = 1.0 / readings.noise_db2
    total = np.bincount(place, weight)

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, weight * values) / total)

    xy = np.stack([mean(along) for along in readings.xy.T], axis=1)
    one = np.zeros(len(total), dtype=np.intp)
    level = mean(readings.level_dbm)
    return _Readings(one, keys[0], keys[1], xy, level, 1.0 / total), mean(left)


def _likeliest(
    grid: Grid,
    readings: _Readings,
    left: Floats,
    by_gateway: Sequence[Ints],
    variance_db2: float,
) -> _Kriging:
    """Length and share of greatest likelihood, over an even choice of gateways and their floors."""
    floor = grid.floor[readings.cell]
    by_floor = [own[floor[own] == one] for own in by_gateway for one in np.unique(floor[own])]
    rich = [own for own in by_floor if len(own) > 2]
    chosen = rich[:: max(1, len(rich) // _GATEWAYS_TRIED)]
    tried = [own[:: max(1, len(own) // _PLACES_TRIED)] for own in chosen]

    def log_likelihood(kriging: _Kriging) -> float:
        total = 0.0
        for own in tried:
            places = readings.xy[own]
            noise = kriging.unexplained_db2 + readings.noise_db2[own]
            factor = np.linalg.cholesky(kriging.between(places, places) + np.diag(noise))
            white = np.linalg.solve(factor, left[own])
            total -= 0.5 * float(white @ white) + float(np.log(np.diag(factor)).sum())
        return total

    choices = [_Kriging(length, share, variance_db2) for length in LENGTHS_M for share in SHARES]
    return max(choices, key=log_likelihood)

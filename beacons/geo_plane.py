"""From metres in a plan to degrees on Earth and back, by the plane that touches at the anchor."""

import math
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from beacons.store_plan import GeoAnchor

Floats = npt.NDArray[np.float64]

# WGS 84: NIMA TR8350.2, table 3.1.
_SEMI_MAJOR_M: Final = 6_378_137.0
_FLATTENING: Final = 1.0 / 298.257223563
_ECCENTRICITY_2: Final = _FLATTENING * (2.0 - _FLATTENING)


class GeoPlane:
    """Both ways, linear: exact to and fro.

    In middle latitudes it is 2 mm off the ellipsoid at 100 m from the anchor, 20 cm at 1 km.
    """

    def __init__(self, anchor: GeoAnchor) -> None:
        self._origin = np.array([anchor.longitude_deg, anchor.latitude_deg])
        latitude = math.radians(anchor.latitude_deg)
        bend = 1.0 - _ECCENTRICITY_2 * math.sin(latitude) ** 2
        across_m = _SEMI_MAJOR_M / math.sqrt(bend)  # radius of curvature, east and west
        along_m = across_m * (1.0 - _ECCENTRICITY_2) / bend  # north and south
        self._m_a_degree = np.radians(1.0) * np.array([across_m * math.cos(latitude), along_m])
        turn = math.radians(anchor.bearing_deg)
        cos, sin = math.cos(turn), math.sin(turn)
        # Rows: east, north; columns: the plan's x, y.
        self._turned = np.array([[cos, sin], [-sin, cos]])

    def degrees(self, xy_m: npt.ArrayLike) -> Floats:
        """Longitude and latitude of points of the plan, shape (n, 2) as they come in."""
        east_north = np.asarray(xy_m, dtype=np.float64).reshape(-1, 2) @ self._turned.T
        answer: Floats = self._origin + east_north / self._m_a_degree
        # A plan may reach over the date line; degrees do not.
        answer[:, 0] = (answer[:, 0] + 180.0) % 360.0 - 180.0
        return answer

    def metres(self, degrees: npt.ArrayLike) -> Floats:
        """Points of the plan, shape (n, 2), of longitudes and latitudes."""
        away = np.asarray(degrees, dtype=np.float64).reshape(-1, 2) - self._origin
        away[:, 0] = (away[:, 0] + 180.0) % 360.0 - 180.0
        answer: Floats = (away * self._m_a_degree) @ self._turned
        return answer


def anchor_around(degrees: npt.ArrayLike) -> GeoAnchor:
    """An anchor for places, shape (n, 2): axes along their sides, coordinates of 0 or more.

    The axes are those of the smallest rectangle around the places, turned by 45 degrees at most.
    """
    places = np.asarray(degrees, dtype=np.float64).reshape(-1, 2)
    first = GeoAnchor(float(places[0, 0]), float(places[0, 1]))
    around = shapely.minimum_rotated_rectangle(shapely.multipoints(GeoPlane(first).metres(places)))
    side = np.diff(shapely.get_coordinates(around)[:2], axis=0).reshape(-1)
    turned_deg = math.degrees(math.atan2(side[0], side[1])) if side.any() else 0.0
    first = replace(first, bearing_deg=round((turned_deg + 45.0) % 90.0 - 45.0, 2))
    plane = GeoPlane(first)
    corner = plane.degrees(plane.metres(places).min(axis=0))[0]
    return replace(first, longitude_deg=float(corner[0]), latitude_deg=float(corner[1]))

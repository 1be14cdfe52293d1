"""Metres to degrees: against published lengths of a degree, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons.geo_plane import GeoPlane, anchor_around
from beacons.store_plan import GeoAnchor


@pytest.mark.parametrize(
    ("latitude_deg", "north_m", "east_m"),
    # Length of a degree on WGS 84: NGA, "Length of a Degree of Latitude and Longitude" tables.
    [(0.0, 110_574.3, 111_319.5), (45.0, 111_131.7, 78_846.8), (60.0, 111_412.3, 55_800.0)],
)
def test_a_degree_is_as_long_as_the_tables_say(
    latitude_deg: float, north_m: float, east_m: float
) -> None:
    plane = GeoPlane(GeoAnchor(10.0, latitude_deg))
    (east, _), (_, north) = plane.metres([[10.001, latitude_deg], [10.0, latitude_deg + 0.001]])
    assert east * 1000 == pytest.approx(east_m, rel=1e-5)
    assert north * 1000 == pytest.approx(north_m, rel=1e-5)


def test_the_bearing_is_where_the_y_axis_points() -> None:
    east_of_it = GeoPlane(GeoAnchor(10.0, 45.0, 90.0)).degrees([[0.0, 100.0]])[0]
    assert east_of_it[0] > 10.001
    assert east_of_it[1] == pytest.approx(45.0)
    south_of_it = GeoPlane(GeoAnchor(10.0, 45.0, 90.0)).degrees([[100.0, 0.0]])[0]
    assert south_of_it[0] == pytest.approx(10.0)
    assert south_of_it[1] < 44.9999


@given(
    st.floats(-180, 180),
    st.floats(-85, 85),
    st.floats(-360, 360),
    st.tuples(st.floats(-5_000, 5_000), st.floats(-5_000, 5_000)),
)
def test_there_and_back_is_the_same_to_a_tenth_of_a_millimetre(
    longitude_deg: float, latitude_deg: float, bearing_deg: float, xy: tuple[float, float]
) -> None:
    plane = GeoPlane(GeoAnchor(longitude_deg, latitude_deg, bearing_deg))
    degrees = plane.degrees([xy])
    assert (np.abs(degrees) <= [180.0, 90.0]).all()
    assert np.allclose(plane.metres(np.round(degrees, 9)), xy, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bearing_deg", [0.0, 30.0, -44.0])
def test_an_anchor_around_a_house_lies_along_its_walls(bearing_deg: float) -> None:
    # Over the date line, where degrees jump.
    house = GeoPlane(GeoAnchor(179.9999, 45.0, bearing_deg))
    corners = [[0.0, 0.0], [40.0, 0.0], [40.0, 25.0], [0.0, 25.0]]
    anchor = anchor_around(house.degrees(corners)[[2, 0, 3, 1]])
    assert anchor.bearing_deg == pytest.approx(bearing_deg, abs=0.02)
    assert GeoPlane(anchor).metres(house.degrees(corners)) == pytest.approx(
        np.array(corners), abs=0.01
    )


def test_an_anchor_around_one_place_is_there() -> None:
    assert anchor_around([[9.0, 45.0]]) == GeoAnchor(9.0, 45.0)

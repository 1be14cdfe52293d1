"""What a survey covers, and the law that it fits, against a store whose radio is known."""

import math
from dataclasses import replace

import pytest

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.radio_map import HANDSET_HEIGHT_M
from beacons.store_plan import StorePlan
from beacons.survey import Survey, SurveyPoint
from beacons.survey_report import survey_report

FLOOR = FloorPlan(
    floor_id="ground",
    outline=((0.0, 0.0), (20.0, 0.0), (20.0, 10.0), (0.0, 10.0)),
    obstacles=(((4.0, 0.0), (5.0, 0.0), (5.0, 10.0), (4.0, 10.0)),),
    zones=(
        Zone("near", "Near", ZoneKind.AISLE, ((5.0, 0.0), (12.0, 0.0), (12.0, 10.0), (5.0, 10.0))),
        Zone("far", "Far", ZoneKind.AISLE, ((14.0, 0.0), (20.0, 0.0), (20.0, 10.0), (14.0, 10.0))),
        Zone("shelf", "Shelf", ZoneKind.PROMO, ((4.0, 0.0), (5.0, 0.0), (5.0, 10.0), (4.0, 10.0))),
    ),
    gateways=(
        GatewayPlace("a", 6.0, 5.0, 3.0), GatewayPlace("b", 18.0, 5.0, 3.0),
        GatewayPlace("never", 1.0, 5.0, 3.0),
    ),
)  # fmt: skip
UPSTAIRS = replace(
    FLOOR, floor_id="first", obstacles=(), zones=(), gateways=(GatewayPlace("up", 6.0, 5.0, 3.0),)
)
SHOP = StorePlan("shop", "Shop", "Europe/Rome", "IT", (FLOOR, UPSTAIRS))
POWER_DBM, EXPONENT = -58.0, 2.3


def measured(x_m: float, y_m: float, gateway: GatewayPlace, *, off_db: float = 0.0) -> SurveyPoint:
    away_m = math.hypot(x_m - gateway.x_m, y_m - gateway.y_m, gateway.z_m - HANDSET_HEIGHT_M)
    rssi_dbm = POWER_DBM - 10.0 * EXPONENT * math.log10(away_m) + off_db
    return SurveyPoint("ground", x_m, y_m, gateway.gateway_id, rssi_dbm, 2.0, 8, 4.0)


# A walk along the middle of the near zone's length.
WALK = [(5.5 + step, 5.0) for step in range(7)]
A, B = FLOOR.gateways[:2]
POINTS = tuple(measured(x, y, gateway) for x, y in WALK for gateway in (A, B))


def test_the_law_behind_the_measurements_is_found() -> None:
    report = survey_report(SHOP, Survey("s", POINTS))

    assert report.law is not None
    assert report.law.power_at_1m_dbm == pytest.approx(POWER_DBM)
    assert report.law.exponent == pytest.approx(EXPONENT)
    assert report.law.spread_db == pytest.approx(0.0, abs=1e-6)
    assert (report.places, report.seconds, report.gateways_per_place) == (7, 28.0, 2.0)


def test_a_gateway_that_hears_badly_stands_out() -> None:
    covered = tuple(measured(x, y, B, off_db=-9.0) for x, y in WALK)
    good = tuple(measured(x, y, A) for x, y in WALK)

    report = survey_report(SHOP, Survey("s", good + covered))

    off = {one.gateway_id: (one.places, one.residual_db) for one in report.gateways}
    assert off["a"][0] == off["b"][0] == 7
    assert off["a"][1] is not None
    assert off["b"][1] is not None
    assert off["a"][1] > off["b"][1]
    assert off["never"] == (0, None)


def test_a_zone_is_covered_as_far_as_somebody_walked_in_it() -> None:
    near, far, shelf = survey_report(SHOP, Survey("s", POINTS)).zones

    # A band of two metres on both sides of the walk, of ten metres.
    assert 0.35 < near.covered < 0.42
    assert (near.places, near.seconds, near.gateways) == (7, 28.0, 2.0)
    assert (far.places, far.covered, far.gateways) == (0, 0.0, 0.0)
    assert shelf.covered == 0.0  # nobody can stand there


def test_what_the_plan_does_not_have_any_more_is_counted() -> None:
    strange = (
        replace(POINTS[0], gateway_id="taken down"),
        replace(POINTS[0], floor_id="cellar"),
    )

    report = survey_report(SHOP, Survey("s", POINTS + strange))

    assert report.strange == 2
    assert report.places == 7


def test_a_gateway_on_another_floor_is_no_part_of_the_law() -> None:
    through = tuple(SurveyPoint("ground", x, y, "up", -95.0, 1.0, 2, 4.0) for x, y in WALK)

    report = survey_report(SHOP, Survey("s", POINTS + through))

    assert report.law is not None
    assert report.law.exponent == pytest.approx(EXPONENT)
    up = next(one for one in report.gateways if one.gateway_id == "up")
    assert (up.places, up.residual_db) == (7, None)


@pytest.mark.parametrize("points", [(), POINTS[:1], POINTS[:2] * 1])
def test_too_little_to_fit_a_law(points: tuple[SurveyPoint, ...]) -> None:
    report = survey_report(SHOP, Survey("s", points))

    assert report.law is None
    assert all(one.residual_db is None for one in report.gateways)

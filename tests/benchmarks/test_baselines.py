"""The baselines answer as the open systems do which they stand for."""

import pytest
import shapely

from benchmarks.baselines import (
    CLEARLY_LOUDER_DB,
    STALE_AFTER_S,
    NearestWithHysteresis,
    StrongestGateway,
    zone_of_each,
)

ANCHORS = {"left": (2.0, 2.0), "right": (8.0, 2.0)}
ZONES = {"west": shapely.box(0, 0, 5, 4), "east": shapely.box(5, 0, 10, 4)}


def test_a_gateway_outside_all_zones_stands_for_the_nearest() -> None:
    assert zone_of_each({"door": (11.0, 2.0), **ANCHORS}, ZONES) == {
        "door": "east",
        "left": "west",
        "right": "east",
    }


def test_the_strongest_is_that_of_the_last_three_seconds_only() -> None:
    baseline = StrongestGateway(ANCHORS, ZONES)
    assert baseline.zone(0.0) is None
    baseline.feed(0.0, "left", -50.0)
    baseline.feed(2.0, "right", -70.0)
    baseline.feed(2.0, "right", -60.0)

    assert baseline.zone(3.0) == "west"
    assert baseline.zone(3.5) == "east"
    assert baseline.position(3.5) == (8.0, 2.0)
    assert baseline.zone(6.0) is None


def test_another_gateway_must_be_clearly_louder() -> None:
    baseline = NearestWithHysteresis(ANCHORS, ZONES)
    baseline.feed(0.0, "left", -60.0)
    assert baseline.zone(0.0) == "west"

    baseline.feed(1.0, "right", -60.0 + CLEARLY_LOUDER_DB - 0.1)
    assert baseline.zone(1.0) == "west"
    baseline.feed(2.0, "right", -60.0 + CLEARLY_LOUDER_DB + 1.0)
    assert baseline.zone(2.0) == "east"


def test_a_gateway_that_hears_no_longer_gives_way() -> None:
    baseline = NearestWithHysteresis(ANCHORS, ZONES)
    baseline.feed(0.0, "left", -40.0)
    baseline.feed(1.0, "right", -80.0)

    assert baseline.zone(STALE_AFTER_S) == "west"
    assert baseline.zone(STALE_AFTER_S + 0.5) == "east"
    assert baseline.zone(60.0) == "east"


@pytest.mark.parametrize("kind", [StrongestGateway, NearestWithHysteresis])
def test_after_a_reset_nothing_is_known(kind: type[StrongestGateway]) -> None:
    baseline = kind(ANCHORS, ZONES)
    baseline.feed(0.0, "left", -60.0)
    baseline.reset()

    assert baseline.zone(0.0) is None
    assert baseline.position(0.0) is None

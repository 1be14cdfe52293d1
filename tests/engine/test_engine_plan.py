"""A plan as the engine uses it: what zones mean, and the time on the store's wall."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from beacons.floor import PlanError, ZoneKind
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, StorePlan
from engine.plan import QUIET_KINDS, PlanSource, PlanVersion, engine_plan
from offers.filters import MIN_STILL_HERE
from offers.situation import READ_IN_S, ZoneRole
from tests.engine.shop import a_shop

NEVER = PlanVersion(None, None, None)


def _source(store: StorePlan) -> PlanSource:
    return PlanSource(NEVER, store)


def _with_kind(kind: ZoneKind) -> ZoneRole:
    shop = a_shop()
    floor = shop.floors[0]
    zones = (replace(floor.zones[0], kind=kind), *floor.zones[1:])
    plan = engine_plan(_source(replace(shop, floors=(replace(floor, zones=zones),))))
    assert plan.still_here_p("aisle-a", 3.0, READ_IN_S) > MIN_STILL_HERE
    return plan.role("aisle-a")


@pytest.mark.parametrize("kind", ZoneKind)
def test_people_who_pay_ask_or_come_in_are_left_alone(kind: ZoneKind) -> None:
    sells = kind in {ZoneKind.AISLE, ZoneKind.PROMO, ZoneKind.PERIMETER}

    assert _with_kind(kind) is (ZoneRole.SELLING if sells else ZoneRole.QUIET)
    assert (kind in QUIET_KINDS) is not sells


def test_the_time_is_the_stores_own() -> None:
    plan = engine_plan(_source(a_shop()))

    assert plan.local(datetime(2026, 11, 21, 23, 30, tzinfo=UTC)).at.isoformat() == (
        "2026-11-22T00:30:00+01:00"
    )


def test_a_plan_with_faults_is_refused() -> None:
    shop = a_shop()
    floor = replace(shop.floors[0], zones=shop.floors[0].zones[:1] * 2)

    with pytest.raises(PlanError, match="Zone id aisle-a is used 2 times"):
        engine_plan(_source(replace(shop, floors=(floor,))))


def test_a_store_of_two_floors_has_the_zones_and_gateways_of_both() -> None:
    shop = a_shop()
    ground = shop.floors[0]
    upper = replace(
        ground,
        floor_id="upper",
        level=1,
        zones=tuple(replace(zone, zone_id=f"upper-{zone.zone_id}") for zone in ground.zones),
        gateways=tuple(
            replace(place, gateway_id=f"upper-{place.gateway_id}") for place in ground.gateways
        ),
    )
    stairs = Connector(
        "stairs",
        ConnectorKind.STAIRS,
        (ConnectorEnd("ground", 6.0, 1.0), ConnectorEnd("upper", 6.0, 1.0)),
    )
    plan = engine_plan(_source(replace(shop, floors=(ground, upper), connectors=(stairs,))))

    assert set(plan.model.zone_ids) == set(plan.zones) == set(plan.dwell)
    assert len(plan.zones) == 6
    assert len(plan.gateway_ids) == 8
    assert plan.role("upper-checkout") is ZoneRole.QUIET


def test_a_time_zone_that_this_machine_lacks_is_said() -> None:
    with pytest.raises(PlanError, match="this machine knows no time zone Europe/Nowhere"):
        engine_plan(_source(replace(a_shop(), tz="Europe/Nowhere")))

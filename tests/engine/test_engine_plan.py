"""A plan as the engine uses it: what zones mean, and the time on the store's wall."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from beacons.floor import PlanError, ZoneKind
from engine.plan import QUIET_KINDS, engine_plan
from offers.filters import MIN_RESIDUAL_DWELL_S
from offers.situation import ZoneRole
from tests.engine.shop import a_shop


def _with_kind(kind: ZoneKind) -> ZoneRole:
    shop = a_shop()
    floor = shop.floors[0]
    zones = (replace(floor.zones[0], kind=kind), *floor.zones[1:])
    plan = engine_plan(replace(shop, floors=(replace(floor, zones=zones),)), "salt")
    assert plan.residual_dwell_s("aisle-a", 3.0) > MIN_RESIDUAL_DWELL_S
    return plan.role("aisle-a")


@pytest.mark.parametrize("kind", ZoneKind)
def test_people_who_pay_ask_or_come_in_are_left_alone(kind: ZoneKind) -> None:
    sells = kind in {ZoneKind.AISLE, ZoneKind.PROMO, ZoneKind.PERIMETER}

    assert _with_kind(kind) is (ZoneRole.SELLING if sells else ZoneRole.QUIET)
    assert (kind in QUIET_KINDS) is not sells


def test_the_time_is_the_stores_own() -> None:
    plan = engine_plan(a_shop(), "salt")

    assert plan.local(datetime(2026, 11, 21, 23, 30, tzinfo=UTC)).isoformat() == (
        "2026-11-22T00:30:00+01:00"
    )


def test_a_plan_with_faults_is_refused() -> None:
    shop = a_shop()
    floor = replace(shop.floors[0], zones=shop.floors[0].zones[:1] * 2)

    with pytest.raises(PlanError, match="Zone id aisle-a is used 2 times"):
        engine_plan(replace(shop, floors=(floor,)), "salt")

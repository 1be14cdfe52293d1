"""Stores of several floors as files and in SQL: what joins the floors, and where the plan lies."""

from pathlib import Path

import pytest

from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, GeoAnchor
from config.clock import VirtualClock
from corsia.plan_files import PlanFileError, parse_plan, read_plan, write_plan
from db import stores
from db.connect import Database

TWO_FLOORS = Path(__file__).with_name("plan_two_floors.yaml")
TEXT = TWO_FLOORS.read_text()


def faults_of(*changes: tuple[str, str]) -> list[str]:
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(PlanFileError) as caught:
        parse_plan(text.encode(), "plan.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_floors_connectors_and_the_anchor_are_read() -> None:
    (store,) = read_plan(TWO_FLOORS).stores

    assert [(floor.floor_id, floor.level) for floor in store.floors] == [
        ("ground", 0),
        ("upper", 1),
    ]
    assert store.anchor == GeoAnchor(7.6824, 45.0677, 26.5)
    assert store.connectors[0] == Connector(
        "stairs",
        ConnectorKind.STAIRS,
        (ConnectorEnd("ground", 2.0, 9.0), ConnectorEnd("upper", 2.0, 9.0)),
    )
    assert store.floor("upper") is store.floors[1]
    assert store.floor("attic") is None


def test_two_floors_go_there_and_back() -> None:
    plan = read_plan(TWO_FLOORS)
    assert parse_plan(write_plan(plan).encode(), "again.yaml") == plan


async def test_two_floors_come_back_from_the_database(
    database: Database, clock: VirtualClock
) -> None:
    (store,) = read_plan(TWO_FLOORS).stores
    async with database.begin() as tx:
        await stores.save_store(tx, store, clock.now())

    async with database.read() as tx:
        assert await stores.load_store(tx, "torino-1") == store
        assert await stores.is_placed(tx, "torino-1", "torino-1-g6")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{ floor_id: upper, x_m: 23, y_m: 9 }",
            "{ floor_id: attic, x_m: 23, y_m: 9 }",
            "connectors[1].ends[1]: Connector lift leads to floor attic, which the store lacks.",
        ),
        (
            "{ floor_id: upper, x_m: 23, y_m: 9 }",
            "{ floor_id: upper, x_m: 23, y_m: 12 }",
            "connectors[1].ends[1]: Connector lift ends outside floor upper, at (23, 12).",
        ),
        (
            "{ floor_id: upper, x_m: 23, y_m: 9 }",
            "{ floor_id: ground, x_m: 23, y_m: 8 }",
            "connectors[1]: Connector lift must have one end on each of two floors or more.",
        ),
        (
            "          - { floor_id: upper, x_m: 23, y_m: 9 }\n",
            "",
            "connectors[1]: Connector lift must have one end on each of two floors or more.",
        ),
        ("connector_id: lift", "connector_id: stairs", "connector_id: stairs is used twice, first"),
        ("kind: lift", "kind: elevator", "connectors[1].kind: must be 'stairs', 'escal"),
        ("floor_id: upper\n", "floor_id: ground\n", "floor_id: ground is used twice, first"),
        ("level: 1\n", "level: 4.5\n", "floors[1].level: must be a whole number"),
        ("level: 1\n", "level: 450\n", "floors[1].level: must be at most 50"),
        ("latitude_deg: 45.0677", "latitude_deg: 91", "anchor.latitude_deg: must be at most 85"),
        ("latitude_deg: 45.0677", "lat: 45", "anchor.lat: no such key here; known are longitude"),
        ("zone_id: shoes", "zone_id: shirts", "zone_id: shirts is used twice, first on line"),
    ],
)  # fmt: skip
def test_each_fault_between_floors_is_named_with_its_place(old: str, new: str, said: str) -> None:
    assert any(said in fault for fault in faults_of((old, new))), faults_of((old, new))


def test_a_fault_is_named_at_its_own_zone_when_an_earlier_id_is_used_twice() -> None:
    said = faults_of(
        ("zone_id: shirts", "zone_id: entrance"),
        ("[24, 0], [24, 6], [18, 6]]", "[34, 0], [24, 6], [18, 6]]"),
    )
    assert any("zones[3].polygon: Zone tills lies" in fault for fault in said), said

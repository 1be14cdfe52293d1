"""Several floors in one grid: nobody is taken for somebody below, and stairs are the way."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from beacons.cell_filter import Belief, spread
from beacons.filter_tables import Floats32
from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.grid import CELL_M, CELLS_ACROSS_ZONE, MAX_CELLS, build_grid
from beacons.presence import Heard, PresenceModel, PresenceState, estimates, step
from beacons.radio_map import FURTHER_SLAB_LOSS_DB, SLAB_LOSS_DB, STOREY_M, map_from_positions
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind
from beacons.zone_events import Entered, ZoneEvent

START_S = 1_790_000_000.0
HANDSET_M = 1.1
Place = tuple[int, float, float]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def storey(level: int, width_m: float, depth_m: float) -> FloorPlan:
    """A hall with two zones side by side and a gateway in each corner."""
    half = width_m / 2
    corners = [(1.0, 1.0), (width_m - 1, 1.0), (1.0, depth_m - 1), (width_m - 1, depth_m - 1)]
    return FloorPlan(
        floor_id=f"floor{level}",
        outline=rectangle(0, 0, width_m, depth_m),
        obstacles=(),
        zones=(
            Zone(f"{level}-west", "West", ZoneKind.AISLE, rectangle(0, 0, half, depth_m)),
            Zone(f"{level}-east", "East", ZoneKind.AISLE, rectangle(half, 0, width_m, depth_m)),
        ),
        gateways=tuple(
            GatewayPlace(f"{level}-g{i}", x, y, 3.0) for i, (x, y) in enumerate(corners)
        ),
        level=level,
    )


# Of different sizes: the narrower floor has cells beside it on which nobody walks.
FLOORS = (storey(0, 16, 9), storey(1, 12, 12))
STAIRS = Connector(
    "stairs", ConnectorKind.STAIRS, (ConnectorEnd("floor0", 15, 8), ConnectorEnd("floor1", 11, 1))
)
MODEL = PresenceModel(FLOORS, [STAIRS])
GRID = MODEL.grid


def radio(path: Callable[[float], Place], seconds: float, seed: int) -> list[Heard]:
    """A loud phone: exponent 2.5, 17 dB a slab, fading of 5 dB, one in two lost."""
    chance = random.Random(seed)
    heard = []
    for window in range(int(2 * seconds)):
        t = window / 2
        level, x, y = path(t)
        for plan in FLOORS:
            for place in plan.gateways:
                z_m = HANDSET_M + 4.2 * (level - plan.level)
                away_m = math.dist((x, y, z_m), (place.x_m, place.y_m, place.z_m))
                dbm = -62 - 25 * math.log10(max(away_m, 1)) - 17 * abs(level - plan.level)
                dbm += chance.gauss(0, 5) + 6
                if dbm > -94 and chance.random() < 0.5:
                    heard.append(Heard("d", place.gateway_id, START_S + t, 1, dbm, dbm))
    return heard


def play(heard: list[Heard], seconds: float) -> tuple[PresenceState, list[ZoneEvent]]:
    state = PresenceState(MODEL)
    events: list[ZoneEvent] = []
    for window in range(int(2 * seconds) + 1):
        now_s = START_S + window / 2
        ready = [one for one in heard if now_s - 1.0 <= one.at_s - 1e-9 < now_s - 0.5]
        events += step(MODEL, state, ready, now_s)
    return state, events


@pytest.mark.parametrize(
    ("place", "zone_id"),
    [
        ((0, 3.0, 5.0), "0-west"), ((0, 13.0, 5.0), "0-east"),
        ((1, 3.0, 6.0), "1-west"), ((1, 10.0, 6.0), "1-east"),
    ],
)  # fmt: skip
def test_a_shopper_is_named_on_their_own_floor(place: Place, zone_id: str) -> None:
    """Ten seconds each; the other floor's gateways hear them too."""
    right = other_floor = near = 0
    for seed in range(10):
        heard = radio(lambda _t: place, 10, seed)
        assert {one.gateway_id[0] for one in heard} == {"0", "1"}
        state, events = play(heard, 10)
        found = estimates(MODEL, state)["d"]
        right += found.likeliest_zone_id == zone_id
        off_m = math.hypot(found.x_m - place[1], found.y_m - place[2])
        near += found.floor_id == f"floor{place[0]}" and off_m < 3.0
        named = [event.zone_id for event in events if isinstance(event, Entered)]
        other_floor += any(name[0] != zone_id[0] for name in named)
    assert right >= 8
    assert near >= 8
    assert other_floor <= 1


def test_who_takes_the_stairs_is_followed_to_the_other_floor() -> None:
    def path(t: float) -> Place:
        """From the west to the stairs at 0.8 m/s, up in 8 s, and to the west again."""
        if t < 15:
            return (0, 3 + 0.8 * t, 5 + 0.2 * t)
        if t < 23:
            return (0, 15.0, 8.0)
        return (1, max(3.0, 11 - 0.8 * (t - 23)), min(6.0, 1 + 0.6 * (t - 23)))

    arrived = 0
    for seed in range(5):
        state, events = play(radio(path, 45, seed), 45)
        entered = [event.zone_id for event in events if isinstance(event, Entered)]
        assert entered[0][0] == "0"
        arrived += estimates(MODEL, state)["d"].zone_id == "1-west"
    assert arrived >= 4


def reached(model: PresenceModel, cell: int, ticks: int) -> Floats32:
    """Probability of each cell, so many ticks after somebody stood in one."""
    p = np.zeros((1, model.tables.cells), dtype=np.float32)
    p[0, cell] = 1.0
    belief = Belief(p, np.zeros_like(p), np.ones(1, dtype=np.float32))
    for _ in range(ticks):
        belief, _ = spread(model.tables, belief)
    return np.asarray(belief.p[0])


def test_stairs_are_the_only_way_up() -> None:
    """Besides the chance that the plan lacks a door, in every tick."""
    closed = PresenceModel(FLOORS)
    foot = int(GRID.joined[0, 0])
    upstairs = GRID.floor == 1
    by_stairs = reached(MODEL, foot, 20)[upstairs].sum()
    without = reached(closed, foot, 20)[upstairs].sum()
    assert by_stairs > 0.1
    assert without < 20 * 1e-4


def test_the_last_row_of_a_floor_is_no_neighbour_of_the_first_of_the_next() -> None:
    first = 9 * GRID.columns
    assert GRID.place[GRID.floor == 0].max() < first <= GRID.place[GRID.floor == 1].min()
    assert not GRID.down[first - GRID.columns : first].any()
    assert GRID.down[first - 2 * GRID.columns : first - GRID.columns].any()
    assert not GRID.right[first - 1]
    # Nor do rows run on at the side.
    assert not GRID.right[GRID.columns - 1 :: GRID.columns].any()


def test_each_cell_lies_in_zones_of_its_own_floor() -> None:
    shares = GRID.zone_share
    assert MODEL.zone_ids == ("0-west", "0-east", "1-west", "1-east")
    assert shares.sum(axis=1) == pytest.approx(1.0)
    for level in (0, 1):
        here = GRID.floor == level
        other = slice(2, 4) if level == 0 else slice(0, 2)
        assert shares[here, other].max() == 0.0
        assert (shares[here].max(axis=0)[2 * level : 2 * level + 2] > 0.9).all()


def test_nobody_walks_beside_the_narrower_floor() -> None:
    for index, plan in enumerate(FLOORS):
        width_m, depth_m = plan.outline[2]
        xy = GRID.xy[GRID.floor == index]
        assert (xy > 0).all()
        assert xy[:, 0].max() < width_m
        assert xy[:, 1].max() < depth_m
    assert np.bincount(GRID.floor).tolist() == [16 * 9, 12 * 12]


def test_cells_are_as_wide_as_zones_allow_and_no_narrower_than_an_aisle_needs() -> None:
    wide = storey(0, 40, 20)
    assert build_grid([wide]).cell_m == pytest.approx(20 / CELLS_ACROSS_ZONE)
    promo = Zone("promo", "Promo", ZoneKind.PROMO, rectangle(1, 1, 3, 7), priority=1)
    assert build_grid([replace(wide, zones=(*wide.zones, promo))]).cell_m == CELL_M
    # A zone that lies askew is as broad as its shorter side, not as its box.
    askew = Zone("z", "Z", ZoneKind.AISLE, ((5, 5), (15, 15), (12, 18), (2, 8)))
    cell_m = build_grid([replace(wide, zones=(askew,))]).cell_m
    assert cell_m == pytest.approx(max(CELL_M, 18**0.5 / CELLS_ACROSS_ZONE))


@pytest.mark.parametrize("storeys", [1, 3, 6])
def test_the_cells_of_all_floors_together_are_bounded(storeys: int) -> None:
    narrow = Zone("n", "N", ZoneKind.AISLE, rectangle(1, 1, 3, 20))
    floors = [
        replace(storey(level, 60, 40), zones=(replace(narrow, zone_id=f"n{level}"),))
        for level in range(storeys)
    ]
    grid = build_grid(floors)
    assert 0.8 * MAX_CELLS < len(grid.xy) <= grid.rows * grid.columns <= MAX_CELLS
    assert set(grid.floor.tolist()) == set(range(storeys))


def test_slabs_weaken_by_the_storeys_between() -> None:
    """From right above, one and three storeys: the slabs, and the way from ceiling to hand."""
    floors = [storey(level, 12, 12) for level in (0, 1, 3)]
    grid = build_grid(floors)
    radio_map = map_from_positions(floors, grid)
    gateway = 0
    corner = [
        int(np.argmin(np.where(grid.floor == f, np.hypot(*(grid.xy - (1.0, 1.0)).T), np.inf)))
        for f in range(3)
    ]
    at_dbm = radio_map.expected_dbm[gateway, corner]
    flat_m = np.hypot(*(grid.xy[corner[0]] - (1.0, 1.0)))
    for floor, storeys, slabs_db in (
        (1, 1, SLAB_LOSS_DB),
        (2, 3, SLAB_LOSS_DB + 2 * FURTHER_SLAB_LOSS_DB),
    ):
        near_m = math.hypot(flat_m, 3.0 - HANDSET_M)
        far_m = math.hypot(flat_m, 3.0 - HANDSET_M - STOREY_M * storeys)
        longer_db = 20.0 * math.log10(far_m / near_m)
        assert at_dbm[0] - at_dbm[floor] == pytest.approx(longer_db + slabs_db, abs=0.01)


def test_a_ceiling_gateway_is_louder_on_the_floor_above_than_below() -> None:
    """Its signal has a slab to pass either way; to the hand above it is 2 m, to that below 6 m."""
    floors = [storey(level, 12, 12) for level in (0, 1)]
    grid = build_grid(floors)
    expected_dbm = map_from_positions(floors, grid).expected_dbm
    gateways = len(floors[0].gateways)
    above_dbm = expected_dbm[0, grid.floor == 1].max()
    below_dbm = expected_dbm[gateways, grid.floor == 0].max()
    assert above_dbm - below_dbm > 5.0


def test_floors_of_one_level_are_a_slab_apart() -> None:
    """Two that a plan says nothing else of: as if one lay on the other, and not as one floor."""
    twins = [storey(0, 12, 12), replace(storey(1, 12, 12), level=0)]
    stacked = [storey(0, 12, 12), storey(1, 12, 12)]
    same, above = (map_from_positions(floors, build_grid(floors)) for floors in (twins, stacked))
    assert same.expected_dbm.tolist() == above.expected_dbm.tolist()

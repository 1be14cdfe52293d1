"""Presence on a small floor: two aisles, eight gateways, and radio by the log-distance law."""

import math
import random
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from beacons import filter_tables
from beacons.calibration import GatewayRadio
from beacons.cell_filter import Belief, spread
from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.heard import Refusal
from beacons.presence import Heard, PresenceModel, PresenceState, estimates, step
from beacons.zone_events import Appeared, Dwelling, Entered, Gone, Left, ZoneEvent

START_S = 1_790_000_000.0
WINDOW_S = 0.5


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


# Two aisles of 3 m on both sides of a shelf of 12 m; one walks around at its ends.
PLAN = FloorPlan(
    floor_id="ground",
    outline=rectangle(0, 0, 10, 16),
    obstacles=(rectangle(4, 2, 6, 14),),
    zones=(
        Zone("west", "West aisle", ZoneKind.AISLE, rectangle(0, 2, 5, 14)),
        Zone("east", "East aisle", ZoneKind.AISLE, rectangle(5, 2, 10, 14)),
    ),
    gateways=tuple(
        GatewayPlace(f"g{i}", x, y, 3.0)
        for i, (x, y) in enumerate((x, y) for x in (1.5, 8.5) for y in (2, 6, 10, 14))
    ),
)
MODEL = PresenceModel([PLAN])

Path = Callable[[float], tuple[float, float]]


def standing(x: float, y: float) -> Path:
    return lambda _t: (x, y)


def walking(*corners: tuple[float, float], speed_mps: float = 0.8) -> Path:
    """Along straight lines from corner to corner, then standing."""

    def place(t: float) -> tuple[float, float]:
        left_m = t * speed_mps
        for (x0, y0), (x1, y1) in pairwise(corners):
            length_m = math.hypot(x1 - x0, y1 - y0)
            if left_m < length_m:
                share = left_m / length_m
                return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            left_m -= length_m
        return corners[-1]

    return place


def radio(
    path: Path,
    seconds: float,
    *,
    device: str = "alice",
    offset_db: float = 0.0,
    dead: Iterable[str] = (),
    seed: int = 1,
    from_s: float = 0.0,
) -> Iterator[Heard]:
    """What the gateways hear of one handset: exponent 2.5, fading of 5 dB, one in two lost."""
    chance = random.Random(seed)
    for window in range(int(seconds / WINDOW_S)):
        t = from_s + window * WINDOW_S
        x, y = path(t - from_s)
        for place in PLAN.gateways:
            distance_m = math.dist((x, y, 1.2), (place.x_m, place.y_m, place.z_m))
            through_shelf = 3.0 if (x < 5) != (place.x_m < 5) else 0.0
            loudness = -62 - 25 * math.log10(max(distance_m, 1)) - through_shelf
            loudness += offset_db + chance.gauss(0, 5)
            if place.gateway_id not in dead and chance.random() < 0.5 and loudness > -100:
                yield Heard(device, place.gateway_id, START_S + t, 1, loudness, loudness)


def play(
    state: PresenceState,
    heard: Iterable[Heard],
    seconds: float,
    from_s: float = 0.0,
    model: PresenceModel = MODEL,
    listening: Collection[str] | None = None,
) -> list[ZoneEvent]:
    """Bring each sighting at the end of its window, and step every half second."""
    waiting = sorted(heard, key=lambda one: one.at_s)
    events = []
    for window in range(int(seconds / WINDOW_S) + 1):
        now_s = START_S + from_s + window * WINDOW_S
        ready = [one for one in waiting if one.at_s + WINDOW_S <= now_s]
        waiting = waiting[len(ready) :]
        events += step(model, state, ready, now_s, listening)
    return events


@pytest.mark.parametrize("offset_db", [0.0, -15.0, 8.0])
def test_a_shopper_is_found_in_the_right_aisle_within_seconds(offset_db: float) -> None:
    """However loud the handset is. One fade in twenty may lead astray for a moment, not more."""
    prompt = astray = 0
    for seed in range(20):
        for x, zone in ((2.0, "west"), (8.0, "east")):
            state = PresenceState(MODEL)
            events = play(state, radio(standing(x, 8), 8, offset_db=offset_db, seed=seed), 8)
            entered = [event for event in events if isinstance(event, Entered)]
            astray += any(event.zone_id != zone for event in entered)
            prompt += bool(entered) and entered[0].at_s - START_S <= 5.0
            assert all(START_S <= event.since_s <= event.at_s for event in entered)
            estimate = estimates(MODEL, state)["alice"]
            assert estimate.zone_id in (zone, None)
            assert estimate.likeliest_zone_id == zone
            assert math.dist((estimate.x_m, estimate.y_m), (x, 8)) < 3.5
    assert astray <= 2
    assert prompt >= 38


def test_a_walk_around_the_shelf_is_two_stays_with_one_edge_each() -> None:
    path = walking((2, 4), (2, 15), (8, 15), (8, 4))
    truly_in_s = START_S + (11 + 6 + 1) / 0.8
    late_s = []
    for seed in range(10):
        events = play(PresenceState(MODEL), radio(path, 45, seed=seed), 45)
        edges = [(type(e), e.zone_id) for e in events if isinstance(e, Entered | Left)]
        assert edges == [(Entered, "west"), (Left, "west"), (Entered, "east")]
        assert [type(event) for event in events[:1]] == [Appeared]
        second = next(e for e in events if isinstance(e, Entered) and e.zone_id == "east")
        late_s.append(second.at_s - truly_in_s)
    assert min(late_s) > 0.0
    assert np.mean(late_s) < 5.5
    assert max(late_s) < 7.0


def test_stays_are_edges_whatever_the_walk_does() -> None:
    state = PresenceState(MODEL)
    heard: list[Heard] = []
    for number in range(6):
        corners = [(random.Random(number + i).choice((2, 8)), 1 + 14 * (i % 2)) for i in range(8)]
        heard += radio(walking(*corners), 90, device=f"d{number}", seed=number)
    open_stays: dict[str, str] = {}
    last_mark: dict[str, float] = {}
    dwellings = 0
    for event in play(state, heard, 200):
        match event:
            case Entered(device, zone_id):
                assert device not in open_stays
                open_stays[device], last_mark[device] = zone_id, 0.0
            case Dwelling(device, zone_id, at_s, since_s, _, dwell_s):
                assert open_stays[device] == zone_id
                assert dwell_s > last_mark[device]
                assert at_s - since_s >= dwell_s
                last_mark[device] = dwell_s
                dwellings += 1
            case Left(device, zone_id):
                assert open_stays.pop(device) == zone_id
            case Gone(device):
                assert device not in open_stays
            case Appeared():
                pass
    assert dwellings > 12
    assert open_stays == {}
    assert len(state.rows) == 0


def test_nobody_walks_through_the_shelf() -> None:
    """Evidence that jumps through the middle of a shelf is doubted longer than on open floor."""
    model = PresenceModel([PLAN])
    tables, grid = model.tables, model.grid
    p = np.zeros((1, tables.cells), dtype=np.float32)
    beside = int(np.argmin(np.hypot(grid.xy[:, 0] - 3.5, grid.xy[:, 1] - 8)))
    p[0, beside] = 1.0
    loud = np.full_like(p, 5.0)
    belief = Belief(p, loud, np.ones(1, dtype=np.float32))
    for _ in range(8):
        belief, _ = spread(tables, belief)
    p = belief.p
    east = (grid.xy[:, 0] > 5) & (np.abs(grid.xy[:, 1] - 8) < 4)
    north = (grid.xy[:, 0] < 4) & (grid.xy[:, 1] > 10)
    assert p.sum() == pytest.approx(1.0, abs=1e-3)
    assert p[0, east].sum() < 1e-3 < p[0, north].sum()
    assert belief.offset_db == pytest.approx(5.0, abs=1e-2)


@pytest.mark.parametrize("seed", range(4))
def test_dead_gateways_lead_to_doubt_and_not_to_the_other_aisle(seed: int) -> None:
    state = PresenceState(MODEL)
    heard = [
        *radio(standing(2, 8), 10, seed=seed),
        *radio(standing(2, 8), 30, seed=seed, from_s=10, dead=("g0", "g1", "g2", "g3")),
    ]
    events = play(state, heard, 40)
    assert [e.zone_id for e in events if isinstance(e, Entered)][:1] == ["west"]
    assert all(event.zone_id == "west" for event in events if isinstance(event, Entered))


@pytest.mark.parametrize("known", [True, False], ids=["told", "by who was heard of late"])
def test_only_of_gateways_that_listen_silence_says_something(known: bool) -> None:
    """Those in the east fall silent for five seconds and come back; bob is heard by all others."""
    state = PresenceState(MODEL)
    east, everybody = {"g4", "g5", "g6", "g7"}, set(MODEL.gateway_of)
    for window in range(30):
        now_s = START_S + window * WINDOW_S
        at_work = everybody - east if 10 <= window < 20 else everybody
        heard = [Heard("bob", name, now_s - WINDOW_S, 1, -70, -70) for name in sorted(at_work)]
        step(MODEL, state, heard, now_s, at_work if known else None)
        if window in (9, 19, 29):
            hears = np.array([name in at_work for name in MODEL.gateway_of])
            expected = filter_tables.audience(MODEL.tables.heard[hears])
            assert state.audience.tolist() == expected.tolist()


@pytest.mark.parametrize("heard_by", [["g5"], []], ids=["others heard", "nobody heard"])
def test_earlier_sightings_of_a_gateway_count_less_and_less(heard_by: list[str]) -> None:
    state = PresenceState(MODEL)
    step(MODEL, state, [Heard("alice", "g1", START_S, 3, -60, -60)], START_S + 1.0)
    assert state.rows.looks[0, 1] == 3.0
    for window in range(2, 12):
        now_s = START_S + window * WINDOW_S
        heard = [Heard("bob", name, now_s - WINDOW_S, 1, -60, -60) for name in heard_by]
        step(MODEL, state, heard, now_s + WINDOW_S)
    left = math.exp(-10 * WINDOW_S / filter_tables.SAME_ERROR_S)
    assert state.rows.looks[0, 1] == pytest.approx(3.0 * left, rel=1e-3)


def test_without_sightings_a_stay_ends_in_seconds_and_a_visit_after_a_minute() -> None:
    state = PresenceState(MODEL)
    events = play(state, radio(standing(2, 8), 10), 130)
    left = next(event for event in events if isinstance(event, Left))
    gone = next(event for event in events if isinstance(event, Gone))
    assert 3.0 <= left.at_s - (START_S + 10) <= 10.0
    assert 60.0 <= gone.at_s - gone.last_heard_s <= 100.0
    assert [event for event in events if isinstance(event, Appeared | Gone)][-1] is gone
    assert estimates(MODEL, state) == {}


def test_the_order_of_arrival_within_the_lag_makes_no_difference() -> None:
    heard = list(radio(walking((2, 4), (2, 15), (8, 15), (8, 4)), 40))
    heard += radio(standing(8, 8), 40, device="bob", seed=5)
    patient = PresenceModel([PLAN], lag_s=1.0)
    expected = play(PresenceState(patient), heard, 45, model=patient)
    assert len(expected) > 8
    chance = random.Random(3)
    state = PresenceState(patient)
    events: list[ZoneEvent] = []
    arrivals = sorted((one.at_s + chance.uniform(0.5, 1.4), i) for i, one in enumerate(heard))
    for window in range(91):
        now_s = START_S + window * WINDOW_S
        ready = [heard[i] for at_s, i in arrivals if now_s - WINDOW_S < at_s <= now_s]
        chance.shuffle(ready)
        events += step(patient, state, ready, now_s)
    assert events == expected


def test_the_same_handset_is_the_same_in_any_company() -> None:
    """But for what a crowd tells of the gateways; here they are known already."""
    known = PresenceModel([PLAN], radios=[_radio(place.gateway_id) for place in PLAN.gateways])
    walk = list(radio(walking((2, 4), (2, 15), (8, 15)), 40))
    everybody = frozenset(known.gateway_of)
    alone = play(PresenceState(known), walk, 40, model=known, listening=everybody)
    crowd: list[Heard] = []
    for number in range(70):
        path = standing(1 + number % 9, 1)
        crowd += radio(path, 40, device=f"crowd{number:02}", seed=number)
    together = play(PresenceState(known), [*crowd, *walk], 40, model=known, listening=everybody)
    kept = [event for event in together if event.device == "alice"]
    assert [(type(e), e.at_s) for e in kept] == [(type(e), e.at_s) for e in alone]


def _radio(gateway_id: str) -> GatewayRadio:
    return GatewayRadio(gateway_id, 0.0, 1e-3, 0.0, 1e-3, 2.0, 0.1, 3.0, 11)


def test_late_sightings_are_used_for_a_while_and_then_counted() -> None:
    state = PresenceState(MODEL)
    play(state, radio(standing(2, 8), 10), 10)
    before = estimates(MODEL, state)["alice"].heard_s
    step(MODEL, state, [Heard("alice", "g1", START_S + 8.0, 1, -60, -60)], START_S + 12)
    assert state.refused == {}
    assert estimates(MODEL, state)["alice"].heard_s > before
    step(MODEL, state, [Heard("alice", "g1", START_S + 5.0, 1, -60, -60)], START_S + 13)
    assert state.refused == {Refusal.LATE: 1}


def test_the_number_of_tracked_handsets_has_a_ceiling() -> None:
    state = PresenceState(MODEL, ceiling=3)
    first = [Heard(f"a{i}", "g1", START_S, 1, -60, -60) for i in range(3)]
    step(MODEL, state, first, START_S + 2)
    flood = [Heard(f"b{i}", "g1", START_S + 2, 1, -60, -60) for i in range(50)]
    step(MODEL, state, flood, START_S + 4)
    assert sorted(estimates(MODEL, state)) == ["a0", "a1", "a2"]
    assert state.crowded_out == 50
    # Once they are silent, newcomers take their places, and their visits are ended.
    events = step(MODEL, state, [Heard("c", "g1", START_S + 20, 1, -60, -60)], START_S + 22)
    changes = [type(event) for event in events if isinstance(event, Gone | Appeared)]
    assert changes == [Gone, Appeared]
    assert len(estimates(MODEL, state)) == 3
    assert state.evicted == 1


def test_a_clock_set_back_a_little_waits_and_far_starts_anew() -> None:
    state = PresenceState(MODEL)
    play(state, radio(standing(2, 8), 20), 20)
    assert estimates(MODEL, state)["alice"].zone_id == "west"
    assert step(MODEL, state, [], START_S + 15) == []
    assert estimates(MODEL, state)["alice"].zone_id == "west"
    events = step(MODEL, state, [], START_S - 5_000)
    assert [type(event) for event in events] == [Left, Gone]
    assert state.stepped_back == 2
    fresh = [
        Heard(one.device, one.gateway_id, one.at_s - 5_000, 1, one.mean_rssi_dbm, 0)
        for one in radio(standing(8, 8), 10)
    ]
    play(state, fresh, 10, from_s=-5_000)
    assert estimates(MODEL, state)["alice"].likeliest_zone_id == "east"

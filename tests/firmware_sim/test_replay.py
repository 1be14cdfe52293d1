"""Recorded walks as a scene. The recording here is a small one, made up."""

import random

import numpy as np
import pytest

from firmware_sim.advertiser import Identity
from firmware_sim.persona import agreeable
from firmware_sim.plan import Browse
from firmware_sim.recording import Recording, Trace
from firmware_sim.replay import Replay, ReplayError
from firmware_sim.scene import Place, Shopper, shopper

START_S = 1_790_000_000.0
ZONES = {
    "left": ((-1.0, -1.0), (4.0, -1.0), (4.0, 6.0), (-1.0, 6.0)),
    "right": ((4.0, -1.0), (9.0, -1.0), (9.0, 6.0), (4.0, 6.0)),
}


def trace(trace_id: str, rssi_dbm: list[float]) -> Trace:
    """Heard at 0, 1, 2 ... s by the two anchors in turn; 8 s on the left, then on the right."""
    truth_t_s = np.arange(0.0, 16.5, 0.5)
    zones = tuple("left" if t < 8 else "right" for t in truth_t_s)
    return Trace(
        trace_id=trace_id,
        device="tag",
        t_s=np.arange(float(len(rssi_dbm))),
        anchor=np.arange(len(rssi_dbm)) % 2,
        rssi_dbm=np.array(rssi_dbm),
        truth_t_s=truth_t_s,
        truth_x_m=truth_t_s / 2,
        truth_y_m=np.full(len(truth_t_s), 1.0),
        truth_zone=zones,
    )


def replay() -> Replay:
    anchors = {"a": (0.0, 0.0), "b": (8.0, 7.0)}
    traces = (trace("one", [-60.0, -61.0, -62.0, -63.0]), trace("two", [-70.0, -71.0]))
    return Replay(Recording("small", anchors, ZONES, traces), seed=7)


def carrier(number: int = 0) -> Shopper:
    made = shopper(number, agreeable("android", "IT", random.Random(number)), 7)
    made.advertiser.allow(Identity(bytes([number]) * 32, "demo", bytes.fromhex("c0451a01")))
    return made


def test_gateways_hear_what_was_recorded_when_it_was_recorded() -> None:
    scene = replay()
    one = carrier()
    scene.admit(one, START_S)

    heard = scene.adverts(START_S, START_S + 10)

    assert {
        name: [(advert.at_ms - int(START_S * 1000), advert.rssi_dbm) for advert in adverts]
        for name, adverts in heard.items()
    } == {"a": [(0, -60), (2000, -62)], "b": [(1000, -61), (3000, -63)]}
    assert {advert.data for adverts in heard.values() for advert in adverts} == {
        one.advertiser.face(START_S)[1]
    }


def test_steps_neither_lose_nor_repeat_anything() -> None:
    whole, stepped = replay(), replay()
    for scene in (whole, stepped):
        scene.admit(carrier(0), START_S)
        scene.admit(carrier(1), START_S + 0.25)

    steps = [stepped.adverts(START_S + n / 4, START_S + (n + 1) / 4) for n in range(40)]

    for name, adverts in whole.adverts(START_S, START_S + 10).items():
        assert [advert for step in steps for advert in step.get(name, [])] == adverts


def test_walks_are_played_at_once_as_different_handsets() -> None:
    scene = replay()
    assert scene.capacity == 2
    scene.admit(carrier(0), START_S)
    scene.admit(carrier(1), START_S)

    heard = scene.adverts(START_S, START_S + 0.5)

    assert sorted(advert.rssi_dbm for advert in heard["a"]) == [-70, -60]
    assert len({advert.address for advert in heard["a"]}) == 2
    with pytest.raises(ReplayError, match="2 walks"):
        scene.admit(carrier(2), START_S)


def test_a_handset_that_may_not_send_is_not_heard_though_it_was_recorded() -> None:
    scene = replay()
    one = carrier()
    scene.admit(one, START_S)
    one.advertiser.forbid()

    assert scene.adverts(START_S, START_S + 1.5) == {}


def test_truth_is_the_recordings_and_unknown_where_it_is_silent() -> None:
    visit = replay().admit(carrier(), START_S)

    assert visit.place_at(START_S + 4.2) == Place(3.0, 2.0, "left")
    assert visit.place_at(START_S + 8.0) == Place(5.0, 2.0, "right")
    assert visit.place_at(START_S - 0.1) is None
    assert visit.place_at(START_S + 17.5) is None
    assert visit.leaves_at_s == START_S + 16.0


def test_the_floor_is_the_recorded_place_moved_into_its_own_corner() -> None:
    floor = replay().floor

    assert floor.size_m == (10.0, 8.0)
    assert [(g.gateway_id, g.x_m, g.y_m) for g in floor.gateways] == [("a", 1, 1), ("b", 9, 8)]
    assert floor.zones[0].polygon == ((0.0, 0.0), (5.0, 0.0), (5.0, 7.0), (0.0, 7.0))
    assert [zone.category for zone in floor.zones] == ["left", "right"]


def test_browsing_is_for_zones_in_which_the_walk_halts() -> None:
    plans = [replay().admit(carrier(number), START_S).plan for number in range(20)]

    browsed = [action for plan in plans for action in plan if isinstance(action, Browse)]
    assert {action.category for action in browsed} == {"left", "right"}
    assert all(action.at_s <= START_S + 8.0 for action in browsed)

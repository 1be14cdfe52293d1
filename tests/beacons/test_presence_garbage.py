"""Presence takes anything: what makes no sense is counted, and no NaN reaches the state."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, PlanError, Zone, ZoneKind
from beacons.heard import Refusal
from beacons.presence import Heard, PresenceModel, PresenceState, estimates, step
from beacons.zone_events import Gone

NOW_S = 1_790_000_000.0
SQUARE = ((0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (0.0, 6.0))
PLAN = FloorPlan(
    floor_id="ground",
    outline=SQUARE,
    obstacles=(),
    zones=(Zone("z", "Z", ZoneKind.PROMO, ((0, 0), (3, 0), (3, 6), (0, 6))),),
    gateways=(GatewayPlace("g1", 1, 1, 3), GatewayPlace("g2", 5, 5, 3)),
)
MODEL = PresenceModel([PLAN])

numbers = st.floats(allow_nan=True, allow_infinity=True)
near_now = st.floats(NOW_S - 30, NOW_S + 30)
heard = st.builds(
    Heard,
    device=st.sampled_from(["", "a", "b", "c", "d"]),
    gateway_id=st.sampled_from(["g1", "g2", "elsewhere", ""]),
    at_s=near_now | numbers,
    count=st.integers(-2, 10_000),
    mean_rssi_dbm=st.floats(-120, 20) | numbers,
    max_rssi_dbm=numbers,
)
steps = st.lists(st.tuples(st.lists(heard, max_size=12), near_now), max_size=12)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_nothing_that_arrives_breaks_the_state(
    arrivals: list[tuple[list[Heard], float]],
) -> None:
    state = PresenceState(MODEL, ceiling=3)
    for batch, now_s in arrivals:
        for event in step(MODEL, state, batch, now_s):
            assert math.isfinite(event.at_s)
        n = len(state.rows)
        assert n <= 3
        p = state.rows.p[:n]
        assert np.isfinite(p).all()
        assert (p >= 0).all()
        assert np.isfinite(state.rows.offset_db[:n]).all()
        assert (state.rows.offset_db2[:n] > 0).all()
        assert p.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-3)
        for estimate in estimates(MODEL, state).values():
            assert 0.0 <= estimate.confidence <= 1.0 + 1e-3
            assert 0.0 <= estimate.x_m <= 6.0
            assert 0.0 <= estimate.y_m <= 6.0


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Heard("a", "elsewhere", NOW_S, 1, -60, -60), Refusal.UNKNOWN_GATEWAY),
        (Heard("", "g1", NOW_S, 1, -60, -60), Refusal.NO_DEVICE),
        (Heard("a", "g1", NOW_S, 1, math.nan, -60), Refusal.NO_READING),
        (Heard("a", "g1", NOW_S, 1, 20, 20), Refusal.NO_READING),
        (Heard("a", "g1", NOW_S, 1, -127, -127), Refusal.NO_READING),
        (Heard("a", "g1", NOW_S, 0, -60, -60), Refusal.NO_READING),
        (Heard("a", "g1", math.nan, 1, -60, -60), Refusal.NO_TIME),
        (Heard("a", "g1", math.inf, 1, -60, -60), Refusal.NO_TIME),
        (Heard("a", "g1", NOW_S + 100, 1, -60, -60), Refusal.FUTURE),
        (Heard("a", "g1", NOW_S - 100, 1, -60, -60), Refusal.LATE),
    ],
)
def test_each_refusal_is_counted_under_its_name(one: Heard, why: Refusal) -> None:
    state = PresenceState(MODEL)
    good = Heard("b", "g1", NOW_S - 1, 1, -60, -60)
    step(MODEL, state, [one, good], NOW_S)
    step(MODEL, state, [], NOW_S + 2)
    assert state.refused == {why: 1}
    assert list(estimates(MODEL, state)) == ["b"]


@pytest.mark.parametrize("now_s", [math.nan, math.inf])
def test_time_must_be_a_number(now_s: float) -> None:
    with pytest.raises(ValueError, match="now_s"):
        step(MODEL, PresenceState(MODEL), [], now_s)


def test_what_is_passed_over_in_catching_up_is_counted_and_does_not_stay() -> None:
    state = PresenceState(MODEL)
    for minute in range(0, 60, 10):
        now_s = NOW_S + 60.0 * minute
        late = [Heard("a", "g1", now_s + 0.6, 1, -60, -60)] * 3
        step(MODEL, state, [Heard("a", "g1", now_s - 1, 1, -60, -60), *late], now_s)
    assert state.refused == {Refusal.LATE: 15}


def test_a_clock_set_far_back_ends_nothing_before_it_began() -> None:
    state = PresenceState(MODEL)
    heard = [Heard("a", "g1", NOW_S + i / 2, 1, -50, -50) for i in range(15, 20)]
    step(MODEL, state, heard, NOW_S + 10)
    back_s = NOW_S - 1_000
    events = step(MODEL, state, [Heard("b", "g1", back_s - 1, 1, -60, -60)], back_s)
    (gone,) = [event for event in events if isinstance(event, Gone)]
    assert gone.at_s >= gone.last_heard_s
    # What waited for its tick lies ahead now.
    assert (state.refused, state.stepped_back) == ({Refusal.FUTURE: 1}, 1)
    step(MODEL, state, [], back_s + 1)
    assert list(estimates(MODEL, state)) == ["b"]


def test_a_store_has_floors_and_each_gateway_once() -> None:
    with pytest.raises(PlanError, match="no floor"):
        PresenceModel([])
    with pytest.raises(PlanError, match="Gateway g1 is placed twice"):
        PresenceModel([PLAN, replace(PLAN, floor_id="upstairs", level=1)])

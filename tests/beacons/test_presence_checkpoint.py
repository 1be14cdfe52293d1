"""A checkpoint goes on where presence stopped, and bytes from elsewhere do no harm."""

import random
import struct
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from beacons.calibration import GatewayRadio
from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.presence import Heard, PresenceModel, PresenceState, estimates, step
from beacons.presence_checkpoint import (
    MAX_AGE_S,
    MAX_BYTES,
    MalformedCheckpoint,
    fingerprint,
    restore,
    save,
)
from beacons.zone_events import Appeared, Dwelling, Entered, ZoneEvent

START_S = 1_790_000_000.0
SAVED_S = START_S + 12.0
PLAN = FloorPlan(
    floor_id="ground",
    outline=((0, 0), (12, 0), (12, 6), (0, 6)),
    obstacles=(),
    zones=(
        Zone("left", "Left", ZoneKind.AISLE, ((0, 0), (6, 0), (6, 6), (0, 6))),
        Zone("right", "Right", ZoneKind.AISLE, ((6, 0), (12, 0), (12, 6), (6, 6))),
    ),
    gateways=tuple(
        GatewayPlace(f"g{i}", x, y, 3.0)
        for i, (x, y) in enumerate([(1, 1), (1, 5), (11, 1), (11, 5)])
    ),
)
MODEL = PresenceModel([PLAN])
HERE_DBM = {"left": (-60.0, -62.0, -78.0, -80.0), "right": (-79.0, -77.0, -61.0, -63.0)}
# Order of the fields of a checkpoint.
FORMAT, FINGERPRINT, NEXT_TICK, DEVICES, COLUMNS, HEARD_S, _, GATEWAY_DB, GATEWAY_DB2 = range(9)


def crowd(seconds: float, from_s: float = 0.0, devices: int = 5) -> list[Heard]:
    """Each handset changes sides every 15 s, out of step with the others."""
    chance = random.Random(int(from_s * 10) + 7)
    heard = []
    for window in range(int(seconds * 2)):
        t = from_s + window / 2
        for number in range(devices):
            side = "left" if (t + 3 * number) % 30 < 15 else "right"
            for gateway, level_dbm in enumerate(HERE_DBM[side]):
                if chance.random() < 0.6:
                    faded = level_dbm + chance.gauss(0, 3) - 2 * number
                    heard.append(Heard(f"d{number}", f"g{gateway}", START_S + t, 1, faded, faded))
    return heard


def play(
    state: PresenceState, heard: Iterable[Heard], seconds: float, from_s: float = 0.0
) -> list[ZoneEvent]:
    """A step each half second; each sighting comes at the end of its window."""
    waiting = sorted(heard, key=lambda one: one.at_s)
    events: list[ZoneEvent] = []
    for window in range(int(seconds * 2)):
        now_s = START_S + from_s + (window + 1) / 2
        ready = [one for one in waiting if one.at_s + 0.5 <= now_s]
        waiting = waiting[len(ready) :]
        events += step(MODEL, state, ready, now_s)
    return events


def outline(events: Sequence[ZoneEvent]) -> list[tuple[object, ...]]:
    """Events but for their confidence."""
    return [
        (type(event), event.device, event.at_s, getattr(event, "zone_id", None)) for event in events
    ]


@cache
def checkpoint() -> bytes:
    state = PresenceState(MODEL)
    play(state, crowd(12), 12)
    return save(MODEL, state)


def altered(field: int, value: object) -> bytes:
    fields = msgspec.msgpack.decode(checkpoint())
    fields[field] = value
    return msgspec.msgpack.encode(fields)


def with_column(name: str, fill: float) -> bytes:
    """The checkpoint with one column filled with a value."""
    fields = msgspec.msgpack.decode(checkpoint())
    kept = PresenceState(MODEL).rows
    dtype = np.dtype(np.float16) if name in ("log_p", "offset_db") else getattr(kept, name).dtype
    octets = fields[COLUMNS][name]
    fields[COLUMNS][name] = np.full(len(octets) // dtype.itemsize, fill, dtype=dtype).tobytes()
    return msgspec.msgpack.encode(fields)


def test_an_engine_that_starts_again_tells_what_the_old_one_would_have_told() -> None:
    """What waited for its tick is brought again, as a stream does with what nobody acknowledged."""
    going_on = PresenceState(MODEL)
    first, rest = crowd(12), crowd(60, from_s=12)
    play(going_on, first, 12)
    restored = restore(MODEL, save(MODEL, going_on), SAVED_S)
    assert restored.next_tick is not None
    again = [one for one in first if one.at_s >= restored.next_tick / 2]

    expected = play(going_on, rest, 60, from_s=12)
    told = play(restored, [*again, *rest], 60, from_s=12)

    assert len(expected) > 40
    assert outline(told) == outline(expected)
    assert not any(isinstance(event, Appeared) for event in told)


def test_everybody_is_where_they_were() -> None:
    going_on = PresenceState(MODEL)
    play(going_on, crowd(12), 12)
    before = estimates(MODEL, going_on)
    after = estimates(MODEL, restore(MODEL, save(MODEL, going_on), SAVED_S))
    assert before.keys() == after.keys()
    for device, was in before.items():
        now = after[device]
        assert (now.zone_id, now.likeliest_zone_id) == (was.zone_id, was.likeliest_zone_id)
        assert now.confidence == pytest.approx(was.confidence, abs=0.01)
        assert (now.x_m, now.y_m) == pytest.approx((was.x_m, was.y_m), abs=0.05)


def test_what_was_learned_of_gateways_is_kept_with_the_map_and_not_without_it() -> None:
    going_on = PresenceState(MODEL)
    play(going_on, crowd(60), 60)
    data = save(MODEL, going_on)
    learned = going_on.gateways
    assert np.abs(learned.offset_db).max() > 0.05

    same = restore(MODEL, data, START_S + 60).gateways
    assert same.offset_db.tolist() == learned.offset_db.tolist()
    assert same.offset_db2.tolist() == learned.offset_db2.tolist()

    radios = [GatewayRadio("g0", 3.0, 1.0, 0.0, 1.0, 2.0, 0.1, 3.0, 11)]
    calibrated = PresenceModel([PLAN], radios=radios)
    anew = restore(calibrated, data, START_S + 60)
    assert anew.gateways.offset_db.tolist() == [0.0] * 4
    assert anew.gateways.offset_db2.tolist() == calibrated.tables.gateway_db2.tolist()
    assert len(anew.rows) == 5


def test_time_without_an_engine_is_not_the_handsets_silence() -> None:
    state = restore(MODEL, checkpoint(), SAVED_S + 25)
    stays = {device for device, one in estimates(MODEL, state).items() if one.zone_id}
    assert stays
    events = step(MODEL, state, [], SAVED_S + 26)
    assert not any(isinstance(event, Entered) for event in events)
    assert len(state.rows) == 5


def test_restored_twice_without_a_step_between_nobody_was_heard_in_the_future() -> None:
    """As when a plan is taken up right after the engine's start."""
    later_s = SAVED_S + 20
    once = restore(MODEL, checkpoint(), later_s)
    twice = restore(MODEL, save(MODEL, once), later_s)
    assert len(twice.rows) == 5
    assert (twice.rows.last_s[:5] <= later_s).all()


def test_no_mark_is_told_again() -> None:
    state = PresenceState(MODEL)
    told: set[tuple[str, float, float]] = set()
    for part in range(4):
        for event in play(state, crowd(12, from_s=12.0 * part), 12, from_s=12.0 * part):
            if isinstance(event, Dwelling):
                mark = (event.device, event.since_s, event.dwell_s)
                assert mark not in told
                told.add(mark)
        state = restore(MODEL, save(MODEL, state), START_S + 12 * (part + 1))
    assert len(told) > 10


def test_a_store_without_handsets_has_a_checkpoint_too() -> None:
    state = restore(MODEL, save(MODEL, PresenceState(MODEL)), START_S)
    assert len(state.rows) == 0
    assert state.next_tick is None


OTHER_PLANS = {
    "a zone less": replace(PLAN, zones=PLAN.zones[:1]),
    "a zone renamed": replace(PLAN, zones=(replace(PLAN.zones[0], zone_id="x"), PLAN.zones[1])),
    "another size": replace(PLAN, outline=((0, 0), (12, 0), (12, 6.9), (0, 6.9))),
    "a shelf": replace(PLAN, obstacles=(((2, 2), (4, 2), (4, 4), (2, 4)),)),
    "gateways in another order": replace(PLAN, gateways=PLAN.gateways[::-1]),
    "another floor": replace(PLAN, floor_id="upper"),
}


@pytest.mark.parametrize("plan", OTHER_PLANS.values(), ids=OTHER_PLANS.keys())
def test_a_checkpoint_of_another_plan_is_refused(plan: FloorPlan) -> None:
    other = PresenceModel([plan])
    assert fingerprint(other) != fingerprint(MODEL)
    with pytest.raises(MalformedCheckpoint, match="another plan"):
        restore(other, checkpoint(), SAVED_S)


def test_one_that_is_too_old_or_from_the_future_is_refused() -> None:
    restore(MODEL, checkpoint(), SAVED_S + MAX_AGE_S - 2)
    with pytest.raises(MalformedCheckpoint, match="32 s ago"):
        restore(MODEL, checkpoint(), SAVED_S - 1 + MAX_AGE_S + 2)
    with pytest.raises(MalformedCheckpoint, match="future"):
        restore(MODEL, checkpoint(), SAVED_S - 60)


def test_more_handsets_than_the_ceiling_are_refused() -> None:
    assert len(restore(MODEL, checkpoint(), SAVED_S, ceiling=5).rows) == 5
    with pytest.raises(MalformedCheckpoint, match="5 handsets, 4 are possible"):
        restore(MODEL, checkpoint(), SAVED_S, ceiling=4)


@pytest.mark.parametrize(
    ("name", "fill"),
    [
        ("marks", 99), ("marks", -1), ("sure", 99), ("sure", -1), ("entered", 2), ("entered", -2),
        ("best", 3), ("likely", 3), ("likely", -2), ("offset_db2", 0.0), ("offset_db2", -1.0),
        ("offset_db2", 1e30), ("offset_db2", np.nan), ("offset_db", np.inf), ("offset_db", 6e4),
        ("log_p", 6e4), ("log_p", np.nan), ("log_p", -np.inf), ("looks", -1.0), ("looks", 1e30),
        ("last_s", np.nan), ("last_s", 1e12), ("last_s", 0.0), ("entered_s", 1e300),
        ("likely_s", np.nan), ("best_s", np.inf), ("begun_s", np.inf), ("gap_s", -1.0),
        ("gap_s", np.nan), ("likely_s", -1e300), ("entered_s", 0.0), ("begun_s", -np.inf),
    ],
)  # fmt: skip
def test_values_that_presence_cannot_have_had_are_refused(name: str, fill: float) -> None:
    with pytest.raises(MalformedCheckpoint):
        restore(MODEL, with_column(name, fill), SAVED_S)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (FORMAT, 1), (FORMAT, 2.5), (FORMAT, [2]), (FINGERPRINT, "x"), (NEXT_TICK, None),
        (NEXT_TICK, 3), (NEXT_TICK, 2**60), (NEXT_TICK, 2**63), (NEXT_TICK, -5), (DEVICES, ["d0"]),
        (DEVICES, ["d0"] * 5), (DEVICES, ["", "b", "c", "d", "e"]), (DEVICES, "five!"),
        (COLUMNS, {}), (COLUMNS, []), (HEARD_S, b""), (HEARD_S, b"\0" * 8),
        (HEARD_S, struct.pack("<4d", 0, 0, 0, float("nan"))),
        (HEARD_S, struct.pack("<4d", 0, 0, 0, 1e12)), (GATEWAY_DB, b""),
        (GATEWAY_DB, struct.pack("<4f", 1, 2, 3, float("nan"))), (GATEWAY_DB2, b"\0" * 15),
        (GATEWAY_DB2, struct.pack("<4f", 1, 2, 3, -4)),
        (GATEWAY_DB2, struct.pack("<4f", 1, 2, 3, 0)),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused(field: int, value: object) -> None:
    with pytest.raises(MalformedCheckpoint):
        restore(MODEL, altered(field, value), SAVED_S)


@pytest.mark.parametrize(
    "announced",
    [
        b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=["octets", "text", "array", "map"],
)  # fmt: skip
def test_headers_that_announce_gigabytes_allocate_nothing(announced: bytes) -> None:
    """In place of every field, and of a column: msgpack's bin32, str32, array32 and map32."""
    fields = msgspec.msgpack.decode(checkpoint())
    bombs = [
        b"\x99" + b"".join(msgspec.msgpack.encode(field) for field in fields[:place]) + announced
        for place in range(len(fields))
    ]
    before_columns = b"\x99" + b"".join(msgspec.msgpack.encode(one) for one in fields[:COLUMNS])
    bombs.append(before_columns + b"\x81" + msgspec.msgpack.encode("log_p") + announced)
    for bomb in bombs:
        tracemalloc.start()
        with pytest.raises(MalformedCheckpoint):
            restore(MODEL, bomb + b"\0" * 64, SAVED_S)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < 1_000_000


def test_bytes_that_no_store_fills_are_not_even_read() -> None:
    with pytest.raises(MalformedCheckpoint, match="more than any store fills"):
        restore(MODEL, bytes(MAX_BYTES + 1), SAVED_S)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MalformedCheckpoint):
        restore(MODEL, b"\x91" * 100_000, SAVED_S)


def _restored_or_refused(data: bytes) -> None:
    """What is accepted must work for the rest of the visit."""
    try:
        state = restore(MODEL, data, SAVED_S)
    except MalformedCheckpoint:
        return
    for _ in play(state, crowd(4, from_s=12), 4, from_s=12):
        pass
    step(MODEL, state, [], SAVED_S + 100)
    n = len(state.rows)
    assert np.isfinite(state.rows.p[:n]).all()
    assert np.isfinite(state.rows.offset_db[:n]).all()
    assert np.isfinite(state.gateways.offset_db).all()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
@example(b"PK\x03\x04")
def test_any_bytes_are_a_checkpoint_or_malformed(data: bytes) -> None:
    _restored_or_refused(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_a_truncated_checkpoint_is_malformed(cut: int) -> None:
    whole = checkpoint()
    with pytest.raises(MalformedCheckpoint):
        restore(MODEL, whole[: cut % len(whole)], SAVED_S)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_mutated_checkpoint_is_refused_or_works(
    changes: list[tuple[int, int]], in_front: bool
) -> None:
    """in_front: where the names and lengths are, which are few among the numbers."""
    data = bytearray(checkpoint())
    for place, octet in changes:
        data[place % (400 if in_front else len(data))] = octet
    _restored_or_refused(bytes(data))


_NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=16)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_column_of_arbitrary_numbers_is_refused_or_works(data: Any) -> None:
    fields = msgspec.msgpack.decode(checkpoint())
    name = data.draw(st.sampled_from(sorted(fields[COLUMNS])))
    octets = fields[COLUMNS][name]
    half = name in ("log_p", "offset_db")
    dtype = np.dtype(np.float16) if half else getattr(PresenceState(MODEL).rows, name).dtype
    column = np.frombuffer(octets, dtype=dtype).copy()
    values = data.draw(st.lists(_NUMBERS, min_size=1, max_size=8))
    if dtype.kind == "i":
        values = [int(value) if abs(value) < 1e4 else -(2**62) for value in values]
    places = data.draw(
        st.lists(st.integers(0, len(column) - 1), min_size=len(values), max_size=len(values))
    )
    column[places] = values
    fields[COLUMNS][name] = column.tobytes()
    _restored_or_refused(msgspec.msgpack.encode(fields))

"""What a crowd tells of each gateway, and what one loud phone must not."""

import random

import numpy as np
import pytest

from beacons.calibration import GatewayRadio
from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.gateway_offsets import LEAST_DB2
from beacons.presence import Heard, PresenceModel, PresenceState, step

START_S = 1_790_000_000.0
PLACES = ((2, 2), (10, 2), (18, 2), (2, 8), (10, 8), (18, 8))
PLAN = FloorPlan(
    floor_id="hall",
    outline=((0, 0), (20, 0), (20, 10), (0, 10)),
    obstacles=(),
    zones=(Zone("west", "West", ZoneKind.AISLE, ((0, 0), (10, 0), (10, 10), (0, 10))),),
    gateways=tuple(GatewayPlace(f"g{i}", x, y, 3.0) for i, (x, y) in enumerate(PLACES)),
)
MODEL = PresenceModel([PLAN])


def expected_dbm(gateway: int, cell: int) -> float:
    return float(MODEL.tables.reach.expected_db[gateway, cell]) - 75.0


def crowd(
    seed: int, *, handsets: int, seconds: int, planted_db: dict[int, float], loud_db: float = 0.0
) -> PresenceState:
    """The state after handsets stood at random places, as the map says but for what is planted.

    loud_db: what all of them are louder than common ones, who differ by 5 dB.
    """
    chance = random.Random(seed)
    state = PresenceState(MODEL)
    own = [(chance.randrange(MODEL.tables.cells), chance.gauss(-6, 5)) for _ in range(handsets)]
    for window in range(2 * seconds):
        at_s = START_S + window / 2
        heard = []
        for number, (cell, offset_db) in enumerate(own):
            if chance.random() < 0.1:
                # Somebody leaves, and somebody else comes.
                own[number] = chance.randrange(MODEL.tables.cells), chance.gauss(-6, 5)
            for gateway in range(len(PLACES)):
                level_dbm = expected_dbm(gateway, cell) + offset_db + loud_db
                level_dbm += planted_db.get(gateway, 0.0) + chance.gauss(0, 4)
                if chance.random() < 0.5 and level_dbm > -94.0:
                    name = f"d{number}-{own[number][0]}"
                    heard.append(Heard(name, f"g{gateway}", at_s, 1, level_dbm, level_dbm))
        step(MODEL, state, heard, at_s + 0.5)
    return state


@pytest.mark.parametrize("planted_db", [6.0, -6.0])
def test_a_gateway_that_hears_louder_is_found_by_the_crowd(planted_db: float) -> None:
    """Two thirds of it within a minute: the rest is taken for places that are not those, at first.

    After six minutes 5 of 6 dB are found.
    """
    state = crowd(1, handsets=30, seconds=60, planted_db={4: planted_db})
    found_db = state.gateways.offset_db
    beside_db = found_db[4] - np.delete(found_db, 4).mean()
    assert 0.6 < beside_db / planted_db < 1.1
    assert np.abs(found_db).argmax() == 4
    assert (state.gateways.offset_db2 < MODEL.tables.gateway_db2).all()


def test_a_crowd_of_loud_phones_is_not_taken_for_loud_gateways() -> None:
    usual = crowd(2, handsets=30, seconds=30, planted_db={}).gateways
    loud = crowd(2, handsets=30, seconds=30, planted_db={}, loud_db=12.0).gateways
    assert np.abs(usual.offset_db).max() < 1.5
    assert np.abs(loud.offset_db).max() < 1.5


def test_one_phone_wherever_it_stands_changes_no_gateway_much() -> None:
    state = crowd(3, handsets=1, seconds=20, planted_db={}, loud_db=15.0)
    assert np.abs(state.gateways.offset_db).max() < 1.5


@pytest.mark.parametrize("gateways", [1, 2])
def test_a_phone_at_few_gateways_tells_only_its_own_loudness(gateways: int) -> None:
    state = PresenceState(MODEL)
    for window in range(40):
        at_s = START_S + window / 2
        heard = [Heard("a", f"g{g}", at_s, 1, -40.0 - 30 * g, -40.0) for g in range(gateways)]
        step(MODEL, state, heard, at_s + 0.5)
    assert state.gateways.offset_db.tolist() == [0.0] * len(PLACES)
    assert state.gateways.offset_db2.tolist() == MODEL.tables.gateway_db2.tolist()


def test_sightings_that_share_their_errors_are_learned_from_once_in_two_seconds() -> None:
    """Every fourth tick; a handset walks two metres meanwhile."""
    state, learned_s = PresenceState(MODEL), []
    for window in range(30):
        at_s = START_S + window / 2
        before = state.gateways.offset_db.tolist()
        heard = [Heard("a", f"g{g}", at_s, 1, -60.0 - 3 * g, -60.0) for g in range(len(PLACES))]
        step(MODEL, state, heard, at_s + 0.5)
        if state.gateways.offset_db.tolist() != before:
            learned_s.append(window / 2)
    assert len(learned_s) > 5
    assert np.diff(learned_s).tolist() == [2.0] * (len(learned_s) - 1)


def test_all_of_a_large_crowd_are_learned_from() -> None:
    """Handsets are worked on some hundreds at once: those that tell something come last here."""
    state = PresenceState(MODEL)
    heard = [Heard(f"a{n:03}", "g0", START_S, 1, -60.0, -60.0) for n in range(950)]
    heard += [
        Heard(f"b{n}", f"g{g}", START_S, 1, -65.0 + 10 * (g == 4), -60.0)
        for n in range(20)
        for g in range(len(PLACES))
    ]
    step(MODEL, state, heard, START_S + 1.0)
    assert int(state.gateways.offset_db.argmax()) == 4


def test_an_offset_is_never_known_better_than_banners_allow() -> None:
    state = crowd(4, handsets=60, seconds=120, planted_db={})
    assert (state.gateways.offset_db2 >= LEAST_DB2).all()
    assert (state.gateways.slow_db2(MODEL.tables) > 0).all()


def test_what_calibration_knows_better_stays() -> None:
    radios = [GatewayRadio(f"g{i}", 0.0, 0.3, 0.0, 0.1, 2.0, 0.1, 3.0, 11) for i in range(6)]
    known = PresenceModel([PLAN], radios=radios)
    state = PresenceState(known)
    chance = random.Random(5)
    for window in range(120):
        at_s = START_S + window / 2
        heard = [
            Heard(f"d{n}", f"g{g}", at_s, 1, -70 + 6 * (g == 4) + chance.gauss(0, 4), -60)
            for n in range(20)
            for g in range(6)
        ]
        step(known, state, heard, at_s + 0.5)
    assert (state.gateways.offset_db2 <= known.tables.gateway_db2).all()
    assert np.abs(state.gateways.offset_db).max() < 3.0

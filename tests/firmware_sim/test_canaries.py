"""Canaries on the simulated air: gateways hear each other, and nothing else changes by it."""

from dataclasses import replace

import numpy as np
import pytest

from firmware_sim.air import HeardAdvert
from firmware_sim.canaries import Canaries
from firmware_sim.floor import Floor, GatewayPlace, supermarket
from firmware_sim.radio import GATEWAY_OFFSET_SD_DB, Radio
from firmware_sim.scene import shopper
from firmware_sim.world import World
from tests.firmware_sim.test_world import audible

START_S = 1_790_000_000.0
DATA = bytes.fromhex("02011a")


@pytest.fixture(scope="module")
def floor() -> Floor:
    return supermarket()


def sending(floor: Floor, seed: int = 7) -> Canaries:
    """Every gateway transmits its own number."""
    made = Canaries(floor, seed, Radio(floor, seed), START_S)
    for number, place in enumerate(floor.gateways):
        made.transmit(place.gateway_id, bytes([number]), 1.0)
    return made


def heard(canaries: Canaries, span_s: float, step_s: float) -> dict[str, list[HeardAdvert]]:
    found: dict[str, list[HeardAdvert]] = {}
    for number in range(round(span_s / step_s)):
        at_s = START_S + number * step_s
        for gateway_id, adverts in canaries.adverts(at_s, at_s + step_s).items():
            found.setdefault(gateway_id, []).extend(adverts)
    return found


def test_nobody_transmits_before_being_told(floor: Floor) -> None:
    assert Canaries(floor, 7, Radio(floor, 7), START_S).adverts(START_S, START_S + 60) == {}


def test_gateways_hear_a_third_of_their_fellows_canaries_and_never_their_own(floor: Floor) -> None:
    found = heard(sending(floor), 60, 0.5)
    for number, place in enumerate(floor.gateways):
        senders = [advert.data[0] for advert in found[place.gateway_id]]
        assert number not in senders
        assert len(set(senders)) == 11
        assert 0.25 < len(senders) / (11 * 60) < 0.42


def test_steps_of_any_length_play_the_same(floor: Floor) -> None:
    assert heard(sending(floor), 30, 0.1) == heard(sending(floor), 30, 5.0)


def test_one_that_stops_is_heard_no_more_and_may_begin_again(floor: Floor) -> None:
    canaries = sending(floor)
    first = floor.gateways[0].gateway_id
    heard(canaries, 10, 0.5)
    canaries.transmit(first, None, 0.0)
    later = canaries.adverts(START_S + 10, START_S + 20)
    assert 0 not in {advert.data[0] for adverts in later.values() for advert in adverts}
    canaries.transmit(first, DATA, 1.0)
    again = canaries.adverts(START_S + 20, START_S + 30)
    assert DATA in {advert.data for adverts in again.values() for advert in adverts}


def test_handsets_are_heard_as_if_there_were_no_canaries(floor: Floor) -> None:
    silent, loud = (World(floor, 7, START_S) for _ in range(2))
    for world in (silent, loud):
        for one in audible(4):
            world.admit(shopper(one.number, one.persona, 7), START_S)
    for place in floor.gateways:
        loud.transmit(place.gateway_id, DATA, 1.0)
    for number in range(20):
        span = START_S + number, START_S + number + 1
        before, after = silent.adverts(*span), loud.adverts(*span)
        for place in floor.gateways:
            others = [one for one in after.get(place.gateway_id, []) if one.data != DATA]
            assert others == before.get(place.gateway_id, [])
            times = [one.at_ms for one in after.get(place.gateway_id, [])]
            assert times == sorted(times)


def test_a_path_is_the_same_both_ways_but_for_what_the_ends_are(floor: Floor) -> None:
    canaries = sending(floor)
    level_dbm = canaries._level_dbm
    less_db = level_dbm - level_dbm.T
    # transmit - receive of one end less that of the other: the triangle over three gateways closes.
    assert less_db[0, 1] + less_db[1, 2] + less_db[2, 0] == pytest.approx(0.0, abs=1e-9)
    off = ~np.eye(12, dtype=bool)
    assert 0.5 < np.std(less_db[off]) < 2 * GATEWAY_OFFSET_SD_DB


def test_shelves_block_gateways_that_hang_below_their_tops(floor: Floor) -> None:
    def level_dbm(z_m: float) -> float:
        low = tuple(replace(place, z_m=z_m) for place in floor.gateways)
        canaries = sending(replace(floor, gateways=low))
        return float(np.nanmean(canaries._level_dbm))

    assert level_dbm(3.0) - level_dbm(1.0) > 3.0


def test_a_store_of_one_gateway_hears_nothing(floor: Floor) -> None:
    alone = replace(floor, gateways=(GatewayPlace("gw-01", 5.0, 5.0, 3.0),))
    assert heard(sending(alone), 20, 1.0) == {}

"""The simulated store for presence: the same for ever, true to consent and to dead gateways."""

import numpy as np
import pytest

from beacons.floor import zone_of
from benchmarks.store_walks import START_S, StoreWalks, store_walks
from corsia.bad_days import dead_gateways
from corsia.fast_store import Outage, cast
from firmware_sim.floor import supermarket
from firmware_sim.radio import PI_BUILT_IN, Radio

MINUTES = 0.5
SHOPPERS = 16
SEED = 3


@pytest.fixture(scope="module")
def walks() -> StoreWalks:
    return store_walks(SEED, MINUTES, SHOPPERS)


def test_a_seed_is_the_same_store_for_ever(walks: StoreWalks) -> None:
    again = store_walks(SEED, MINUTES, SHOPPERS)

    assert again.calls == walks.calls
    assert np.array_equal(again.truth.x_m, walks.truth.x_m)
    assert store_walks(SEED + 1, MINUTES, SHOPPERS).calls != walks.calls


def test_only_those_are_heard_who_allow_it(walks: StoreWalks) -> None:
    allowing = [
        one for one in cast(supermarket(), SHOPPERS, SEED) if one.persona.consents["location_ble"]
    ]
    heard = {one.device for call in walks.calls for one in call.heard}

    assert len(walks.devices) == len(allowing) < SHOPPERS
    assert heard == set(walks.devices)


def test_sightings_come_when_their_window_is_over_and_soon(walks: StoreWalks) -> None:
    ages_s = [call.now_s - one.at_s for call in walks.calls for one in call.heard]

    assert min(ages_s) >= 0.5
    assert max(ages_s) <= 2.1
    assert sum(len(call.heard) for call in walks.calls) == pytest.approx(walks.sightings, rel=0.01)


def test_the_truth_is_told_each_half_second_and_agrees_with_the_plan(walks: StoreWalks) -> None:
    truth = walks.truth
    zone = zone_of(walks.plan, np.column_stack([truth.x_m, truth.y_m]))

    assert np.mean(zone == truth.zone) > 0.99  # a border may go either way
    assert (truth.zone >= 0).mean() > 0.5
    for device in range(len(walks.devices)):
        own = truth.t_s[truth.device == device]
        assert np.diff(own) == pytest.approx(0.5)
        assert START_S <= own[0] < own[-1] < START_S + MINUTES * 60


def test_a_dead_gateway_is_silent_from_that_instant_on(walks: StoreWalks) -> None:
    dead = dead_gateways(supermarket(), SEED)
    half_s = START_S + MINUTES * 30
    faulty = store_walks(SEED, MINUTES, SHOPPERS, Outage(dead, half_s))

    assert len(dead) == 2
    for call, whole in zip(faulty.calls, walks.calls, strict=True):
        expected = whole.heard
        if call.now_s >= half_s:
            expected = tuple(one for one in whole.heard if one.gateway_id not in dead)
        assert call.heard == expected


def test_what_is_known_beforehand_changes_nothing_that_is_heard(walks: StoreWalks) -> None:
    known = store_walks(SEED, MINUTES, SHOPPERS, calibrated=True, survey=True)

    assert known.calls == walks.calls
    assert (walks.radios, walks.surveys) == ((), ())
    floor = supermarket()
    planted_db = Radio(floor, SEED, PI_BUILT_IN).gateway_offset_db
    error_db = [radio.offset_db for radio in known.radios] - (planted_db - planted_db.mean())
    assert np.sqrt(np.mean(error_db**2)) < 0.7 * np.std(planted_db)
    (survey,) = known.surveys
    places = {(point.x_m, point.y_m) for point in survey.points}
    assert len(places) > 150
    assert {point.gateway_id for point in survey.points} == {
        place.gateway_id for place in floor.gateways
    }


def test_who_is_dead_is_known_by_what_gateways_report() -> None:
    dead = dead_gateways(supermarket(), SEED)
    half_s = START_S + 20.0
    run = store_walks(SEED, 0.7, SHOPPERS, Outage(dead, half_s), calibrated=True)
    alive = frozenset(place.gateway_id for place in supermarket().gateways) - dead

    assert {radio.gateway_id for radio in run.radios if radio.links} == alive | dead
    at_s = {call.now_s: call.listening for call in run.calls}
    assert at_s[half_s - 0.5] == alive | dead
    assert at_s[half_s + 12] == alive

"""Planted offsets are found again, within the error that the calibration itself admits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.calibration import OFFSET_PRIOR_DB, Fit, fit
from beacons.floor import FloorPlan, GatewayPlace
from beacons.links import Link
from tests.beacons.made_links import MadeStore, made_store


def _errors_db(store: MadeStore, found: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Of the receive and the transmit offsets; both are relative to their means."""
    receive_db = np.array([radio.offset_db for radio in found.radios])
    transmit_db = np.array([radio.transmit_db for radio in found.radios])
    return (
        receive_db - (store.receive_db - store.receive_db.mean()),
        transmit_db - (store.transmit_db - store.transmit_db.mean()),
    )


@pytest.mark.parametrize("gateways", [3, 6, 12, 25])
def test_errors_are_as_large_as_the_standard_errors_say(gateways: int) -> None:
    shares = []
    for seed in range(20):
        store = made_store(seed, gateways)
        found = fit(store.floor, store.links(seed))
        receive_db, transmit_db = _errors_db(store, found)
        shares += list(receive_db / [radio.offset_se_db for radio in found.radios])
        shares += list(transmit_db / [radio.transmit_se_db for radio in found.radios])
    # With few links the prior speaks, and it is wider than these stores are.
    assert 0.4 < np.sqrt(np.mean(np.square(shares))) < 1.25
    assert np.max(np.abs(shares)) < 4.5


def test_twelve_gateways_are_known_to_a_decibel() -> None:
    errors_db = [_errors_db(s, fit(s.floor, s.links(1)))[0] for s in map(made_store, range(20))]
    assert np.sqrt(np.mean(np.square(errors_db))) < 1.2  # of 3 dB without calibration


@given(seed=st.integers(0, 10_000), loud_db=st.floats(-40, 40))
@settings(max_examples=30, deadline=None)
def test_one_outlier_link_moves_nobody(seed: int, loud_db: float) -> None:
    store = made_store(seed)
    links = store.links(seed)
    odd = seed % len(links)
    links[odd] = replace(links[odd], mean_rssi_dbm=links[odd].mean_rssi_dbm + loud_db)
    before, after = fit(store.floor, store.links(seed)), fit(store.floor, links)
    for was, now in zip(before.radios, after.radios, strict=True):
        # Its two ends share the blame for a while; the others do not.
        allowed_db = 2.5 if was.gateway_id in (links[odd].hearer_id, links[odd].heard_id) else 0.8
        assert abs(now.offset_db - was.offset_db) < allowed_db


@given(seed=st.integers(0, 10_000), gateways=st.integers(2, 15))
@settings(max_examples=30, deadline=None)
def test_offsets_are_relative_and_the_order_of_links_is_nothing(seed: int, gateways: int) -> None:
    store = made_store(seed, gateways)
    links = store.links(seed)
    found = fit(store.floor, links)
    assert abs(sum(radio.offset_db for radio in found.radios)) < 1e-6
    assert abs(sum(radio.transmit_db for radio in found.radios)) < 1e-6
    assert fit(store.floor, links[::-1]) == found


def test_a_louder_air_changes_no_offset() -> None:
    store = made_store(6)
    louder = [replace(link, mean_rssi_dbm=link.mean_rssi_dbm + 5.0) for link in store.links()]
    before, after = fit(store.floor, store.links()), fit(store.floor, louder)
    for was, now in zip(before.radios, after.radios, strict=True):
        assert now.offset_db == pytest.approx(was.offset_db, abs=0.05)
    assert after.law.level_dbm == pytest.approx(before.law.level_dbm + 5.0, abs=0.1)


def test_without_links_everything_is_common_and_nothing_is_known() -> None:
    found = fit(made_store(1, 4).floor, [])
    assert [(radio.offset_db, radio.transmit_db, radio.links) for radio in found.radios] == [
        (0.0, 0.0, 0)
    ] * 4
    assert all(radio.offset_se_db > 0.8 * OFFSET_PRIOR_DB * 0.75 for radio in found.radios)


def test_a_single_gateway_is_its_own_mean() -> None:
    (radio,) = fit(made_store(1, 1).floor, []).radios
    assert (radio.offset_db, radio.offset_se_db, radio.links) == (0.0, 0.0, 0)


def test_a_gateway_with_one_weak_look_stays_near_the_others() -> None:
    store = made_store(3)
    links = [
        link
        for link in store.links()
        if "g00" not in (link.hearer_id, link.heard_id)
        or (link.hearer_id, link.heard_id) == ("g00", "g01")
    ]
    found = fit(store.floor, links).radios
    assert found[0].links == 1
    assert found[0].offset_se_db > 2 * found[1].offset_se_db
    known_db = store.receive_db[0] - store.receive_db.mean()
    assert abs(found[0].offset_db - known_db) < 4 * found[0].offset_se_db


def test_receive_and_transmit_are_told_apart_by_the_two_directions() -> None:
    store = made_store(5)
    deaf = replace(store, receive_db=store.receive_db - 8.0 * (np.arange(12) == 2))
    before, after = (fit(one.floor, one.links()).radios[2] for one in (store, deaf))
    assert after.offset_db - before.offset_db == pytest.approx(-8.0 * 11 / 12, abs=1.0)
    assert after.transmit_db - before.transmit_db == pytest.approx(0.0, abs=1.0)


def test_links_of_other_floors_and_readings_that_are_none_are_left_out() -> None:
    store = made_store(2)
    links = store.links()
    junk = [
        Link("g00", "elsewhere", -40.0, 1.0, 100, 1, 1.0),
        Link("g00", "g00", -20.0, 1.0, 100, 1, 1.0),
        Link("g00", "g01", float("nan"), 1.0, 100, 1, 1.0),
    ]
    clean = [link for link in links if (link.hearer_id, link.heard_id) != ("g00", "g01")]
    assert fit(store.floor, [*clean, *junk]) == fit(store.floor, clean)


def test_a_link_heard_in_its_good_moments_only_says_nothing() -> None:
    store = made_store(2)
    links = store.links()
    faint = [replace(links[0], fullness=0.4), *links[1:]]
    assert fit(store.floor, faint) == fit(store.floor, links[1:])


def test_shelves_in_the_way_of_low_gateways_are_not_their_fault() -> None:
    shelf = ((9.0, -5.0), (11.0, -5.0), (11.0, 5.0), (9.0, 5.0))
    outline = ((-1.0, -10.0), (21.0, -10.0), (21.0, 10.0), (-1.0, 10.0))
    spots = [(0.0, 0.0), (0.0, 4.0), (0.0, -4.0), (20.0, 0.0), (20.0, 4.0), (20.0, -4.0)]
    places = tuple(GatewayPlace(f"g{i}", x, y, 1.0) for i, (x, y) in enumerate(spots))
    floor = FloorPlan("f", outline, (shelf,), (), places)
    links = [
        Link(one.gateway_id, other.gateway_id, _level_dbm(one, other), 1.0, 60, 1, 1.0)
        for one in places
        for other in places
        if one is not other
    ]
    with_shelf = fit(floor, links).law
    without = fit(replace(floor, obstacles=()), links).law
    assert with_shelf.exponent == pytest.approx(2.0, abs=0.1)
    assert without.exponent > with_shelf.exponent + 0.2


def _level_dbm(one: GatewayPlace, other: GatewayPlace) -> float:
    from beacons.shelves import SHELF_LOSS_DB

    away_m = float(np.hypot(one.x_m - other.x_m, one.y_m - other.y_m))
    crosses = (one.x_m < 10) != (other.x_m < 10)
    return -60.0 - 20.0 * float(np.log10(away_m)) - SHELF_LOSS_DB * crosses

"""The simulated air: each effect is there, and chance comes from the seed alone."""

import random
from dataclasses import replace

import numpy as np
import pytest

from firmware_sim.floor import Floor, GatewayPlace, Point, supermarket
from firmware_sim.radio import (
    HANDSET_HEIGHT_M,
    LOUDEST_HANDSET_DB,
    PI_BUILT_IN,
    QUIETEST_HANDSET_DB,
    Floats,
    Handsets,
    Indices,
    Radio,
    Receiver,
    drawn_offset_db,
)

# Hears everything, however weak: what is left is the air.
ALL_EARS = Receiver(listening=1.0, sensitivity_dbm=-300.0)
MIDDLE = (20.0, 20.0)


@pytest.fixture(scope="module")
def market() -> Floor:
    return supermarket()


def test_level_falls_with_distance_by_the_law() -> None:
    hall = _hall()
    # Over many places and seeds the shadowing averages out; the gateway's own offset cancels.
    differences_db = []
    for seed in range(40):
        radio = Radio(hall, seed, body_loss_db=0.0)
        level_dbm = radio.median_dbm(_ring(3.0, 64))[:, 0], radio.median_dbm(_ring(12.0, 64))[:, 0]
        differences_db.append(level_dbm[0].mean() - level_dbm[1].mean())

    assert np.mean(differences_db) == pytest.approx(10 * 1.8 * np.log10(4.0), abs=0.5)


def test_a_shelf_in_the_line_of_sight_weakens_and_one_under_it_does_not() -> None:
    shelf = ((21.5, 10.0), (22.0, 10.0), (22.0, 30.0), (21.5, 30.0))
    far = _row([23.0], [20.0])
    open_hall = _hall()
    with_shelf = replace(open_hall, shelves=(shelf,))
    low = Radio(with_shelf, 1).median_dbm(far) - Radio(open_hall, 1).median_dbm(far)
    ceiling = (GatewayPlace("gw", *MIDDLE, 30.0),)
    high = Radio(replace(with_shelf, gateways=ceiling), 1).median_dbm(far) - Radio(
        replace(open_hall, gateways=ceiling), 1
    ).median_dbm(far)

    assert low[0, 0] == pytest.approx(-6.0, abs=0.1)
    assert high[0, 0] == pytest.approx(0.0, abs=0.1)


def test_a_row_of_shelves_weakens_by_no_more_than_two() -> None:
    rows = tuple(((x, 10.0), (x + 0.5, 10.0), (x + 0.5, 30.0), (x, 30.0)) for x in (21, 23, 25, 27))
    far = _row([29.0], [20.0])

    lost_db = Radio(_hall(), 1).median_dbm(far) - Radio(
        replace(_hall(), shelves=rows), 1
    ).median_dbm(far)

    assert lost_db[0, 0] == pytest.approx(12.0, abs=0.1)


def test_the_body_is_in_the_way_when_the_gateway_is_behind() -> None:
    radio = Radio(_hall(), 1, body_loss_db=7.0)
    facing = _row([10.0, 10.0], [20.0, 20.0], heading_rad=[0.0, np.pi])

    level_dbm = radio.median_dbm(facing)[:, 0]

    assert level_dbm[0] - level_dbm[1] == pytest.approx(7.0, abs=0.1)


def test_handsets_are_louder_and_quieter_by_their_offset() -> None:
    pair = _row([10.0, 10.0], [20.0, 20.0], offset_db=[0.0, -15.0])
    chance = random.Random(1)
    drawn = [drawn_offset_db(chance) for _ in range(500)]

    level_dbm = Radio(_hall(), 1).median_dbm(pair)[:, 0]

    assert level_dbm[0] - level_dbm[1] == pytest.approx(15.0)
    assert QUIETEST_HANDSET_DB <= min(drawn) < -16
    assert 0 < max(drawn) <= LOUDEST_HANDSET_DB


def test_shadowing_is_alike_nearby_and_unlike_far_away() -> None:
    near_db, far_db = [], []
    for seed in range(60):
        radio = Radio(_hall(), seed, body_loss_db=0.0)
        # On a circle about the gateway only the shadowing differs.
        ring = radio.median_dbm(_ring(10.0, 251))[:, 0]  # 0.25 m apart
        near_db.append(np.mean((ring[1:] - ring[:-1]) ** 2) / 2)
        far_db.append(np.mean((ring[40:] - ring[:-40]) ** 2) / 2)

    assert np.sqrt(np.mean(far_db)) == pytest.approx(3.4, rel=0.1)
    assert np.mean(near_db) < 0.3 * np.mean(far_db)


def test_fading_is_rician_on_each_channel_and_gone_within_a_step() -> None:
    radio = Radio(_hall(), 5, receiver=ALL_EARS, body_loss_db=0.0)
    # Many handsets at nearly one place: each has fades of its own, the rest is common.
    one = radio.hear(1.0, _many_at(28.0))[:, 0]
    again = radio.hear(1.01, _many_at(28.0))[:, 0]
    moved = [radio.hear(1.0, _many_at(28.0 + step_m))[:, 0] for step_m in np.arange(0.1, 0.6, 0.02)]

    assert np.std(one) == pytest.approx(4.5, abs=0.3)
    assert np.mean((one - one.mean()) ** 3) < 0, "the long tail is towards the deep fades"
    # The scanner listens on one of three channels by chance, and each fades by itself.
    assert 0.25 < _correlation(one, again) < 0.45
    assert abs(np.mean([_correlation(one, each) for each in moved])) < 0.1


def test_a_handset_at_rest_keeps_its_fade_for_a_moment_and_not_for_long() -> None:
    radio = Radio(_hall(), 5, receiver=ALL_EARS)
    now, soon, later = (radio.hear(t_s, _many_at(28.0))[:, 0] for t_s in (10.0, 10.3, 40.0))

    assert _correlation(now, soon) > 0.2
    assert abs(_correlation(now, later)) < 0.1


def test_rssi_is_in_whole_dbm_or_not_there(market: Floor) -> None:
    rssi_dbm = Radio(market, 1).hear(0.0, _scattered(market, 60))
    heard = rssi_dbm[~np.isnan(rssi_dbm)]

    assert rssi_dbm.shape == (60, 12)
    assert 20 < len(heard) < 600
    assert (heard == np.rint(heard)).all()
    assert heard.min() > PI_BUILT_IN.sensitivity_dbm - 10


def test_a_strong_advert_is_heard_as_often_as_the_receiver_listens() -> None:
    radio = Radio(_hall(), 1, receiver=Receiver(listening=0.38, sensitivity_dbm=-300.0))
    instants_s = np.arange(5000, dtype=np.float64)
    rest = _row(np.full(5000, 21.0), np.full(5000, 20.0))

    share = np.mean(~np.isnan(radio.hear(instants_s, rest)))

    assert share == pytest.approx(0.38, abs=0.02)


def test_two_gateways_side_by_side_miss_different_adverts() -> None:
    twins = tuple(GatewayPlace(f"gw-{n}", 20.0 + n * 0.1, 20.0, 3.5) for n in range(2))
    radio = Radio(replace(_hall(), gateways=twins), 1)
    heard = ~np.isnan(
        radio.hear(np.arange(3000, dtype=np.float64), _row(np.full(3000, 21.0), [20.0] * 3000))
    )

    both = heard.all(axis=1).mean()

    assert both == pytest.approx(heard[:, 0].mean() * heard[:, 1].mean(), abs=0.03)


@pytest.mark.parametrize("start_s", [0.0, 1_790_000_000.0])
def test_it_does_not_matter_how_adverts_are_batched(market: Floor, start_s: float) -> None:
    radio = Radio(market, 3)
    crowd = _scattered(market, 40)
    instants_s = np.linspace(start_s, start_s + 9.75, 40)

    together = radio.hear(instants_s, crowd)
    one_by_one = [
        radio.hear(float(instants_s[n]), _only(crowd, n)) for n in reversed(range(len(instants_s)))
    ]

    np.testing.assert_array_equal(together, np.concatenate(one_by_one[::-1]))


def test_all_chance_comes_from_the_seed(market: Floor) -> None:
    crowd = _scattered(market, 40)

    first = Radio(market, 3).hear(5.0, crowd)

    np.testing.assert_array_equal(first, Radio(market, 3).hear(5.0, crowd))
    assert not np.array_equal(first, Radio(market, 4).hear(5.0, crowd), equal_nan=True)


def test_nobody_there_is_heard_by_nobody(market: Floor) -> None:
    assert Radio(market, 1).hear(0.0, _row([], [])).shape == (0, 12)


def test_at_the_edge_of_the_floor_and_beyond_the_map_still_answers(market: Floor) -> None:
    outside = _row([-2.0, 0.0, 30.0, 35.0], [-2.0, 20.0, 20.0, 25.0])

    assert np.isfinite(Radio(market, 1).median_dbm(outside)).all()


def _hall() -> Floor:
    """40 x 40 m of nothing, one gateway in the middle at the height of the handsets."""
    return replace(
        supermarket(),
        size_m=(40.0, 40.0),
        walls=(),
        shelves=(),
        fixtures=(),
        zones=(),
        gateways=(GatewayPlace("gw", *MIDDLE, HANDSET_HEIGHT_M),),
    )


def _row(
    x_m: Floats | list[float],
    y_m: Floats | list[float],
    heading_rad: list[float] | None = None,
    offset_db: list[float] | None = None,
    key: Indices | None = None,
) -> Handsets:
    count = len(x_m)
    return Handsets(
        key=np.zeros(count, dtype=np.int64) if key is None else key,
        x_m=np.array(x_m, dtype=np.float64),
        y_m=np.array(y_m, dtype=np.float64),
        heading_rad=np.zeros(count) if heading_rad is None else np.array(heading_rad),
        offset_db=np.zeros(count) if offset_db is None else np.array(offset_db),
    )


def _many_at(x_m: float, count: int = 4000) -> Handsets:
    return _row(np.full(count, x_m), np.full(count, 20.0), key=np.arange(count))


def _correlation(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def _ring(radius_m: float, count: int, centre: Point = MIDDLE) -> Handsets:
    bearing = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return _row(centre[0] + radius_m * np.cos(bearing), centre[1] + radius_m * np.sin(bearing))


def _scattered(floor: Floor, count: int) -> Handsets:
    draw = np.random.default_rng(1)
    return Handsets(
        key=np.arange(count),
        x_m=draw.uniform(0, floor.size_m[0], count),
        y_m=draw.uniform(0, floor.size_m[1], count),
        heading_rad=draw.uniform(-np.pi, np.pi, count),
        offset_db=draw.uniform(-18, 2, count),
    )


def _only(crowd: Handsets, number: int) -> Handsets:
    one = slice(number, number + 1)
    return Handsets(
        crowd.key[one],
        crowd.x_m[one],
        crowd.y_m[one],
        crowd.heading_rad[one],
        crowd.offset_db[one],
    )

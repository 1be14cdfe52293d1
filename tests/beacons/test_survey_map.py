"""A radio map refined by surveys of a made store whose true levels are known everywhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.grid import build_grid
from beacons.presence import PresenceModel
from beacons.radio_map import FAST_DB2, RadioMap, map_from_positions
from beacons.survey import Survey, SurveyPoint
from beacons.survey_map import DRIFT_DB2, FLOOR_DB2, surveyed_map

Floats = npt.NDArray[np.float64]

PLACES = ((1, 1), (15, 1), (29, 1), (1, 9), (15, 9), (29, 9), (8, 5), (22, 5))
PLAN = FloorPlan(
    floor_id="hall",
    outline=((0, 0), (30, 0), (30, 10), (0, 10)),
    obstacles=(),
    zones=(Zone("west", "West", ZoneKind.AISLE, ((0, 0), (15, 0), (15, 10), (0, 10))),),
    gateways=tuple(GatewayPlace(f"g{i}", x, y, 3.0) for i, (x, y) in enumerate(PLACES)),
)
GRID = build_grid([PLAN])
BASE = map_from_positions([PLAN], GRID)
GATEWAYS = len(PLACES)


@dataclass(frozen=True, slots=True)
class Store:
    """True levels of a common handset, (gateways, cells), and what the gateways are off by."""

    level_dbm: Floats
    offset_db: Floats


def made(
    seed: int, *, offset_db: float = 0.0, exponent: float = 0.0, shadow_db: float = 0.0
) -> Store:
    """The base map, off by so much: standard deviations, shadows fading over 4 m.

    exponent: the mean over gateways, which differ by half of it.
    """
    chance = np.random.default_rng(seed)
    own = chance.normal(0, 1, GATEWAYS)
    own -= own.mean()
    away_m = np.hypot(
        GRID.xy[None, :, 0] - np.array(PLACES)[:, None, 0],
        GRID.xy[None, :, 1] - np.array(PLACES)[:, None, 1],
    )
    fall_db = 10 * np.log10(np.maximum(np.hypot(away_m, 1.9), 1))
    steeper = chance.normal(exponent, exponent / 2, GATEWAYS)[:, None] * (fall_db - fall_db.mean())
    apart_m = np.hypot(*(GRID.xy[:, None] - GRID.xy[None]).transpose(2, 0, 1))
    factor = np.linalg.cholesky(np.exp(-apart_m / 4) + 1e-9 * np.eye(len(apart_m)))
    shadow = (factor @ chance.normal(0, shadow_db, (len(GRID.xy), GATEWAYS))).T
    return Store(BASE.expected_dbm + offset_db * own[:, None] - steeper + shadow, offset_db * own)


def walked(
    store: Store,
    seed: int,
    *,
    places: int = 60,
    loudness_db: float = 0.0,
    faintest_dbm: float = -95.0,
    dead: Collection[int] = (),
    seconds: float = 4.0,
    survey_id: str = "s",
) -> Survey:
    """A survey of random places, eight adverts each. What is fainter is not heard at all."""
    chance = np.random.default_rng(seed)
    points = []
    for cell in chance.choice(len(GRID.xy), places, replace=False).tolist():
        x, y = GRID.xy[cell].tolist()
        for gateway in range(GATEWAYS):
            noise_db = chance.normal(0, (FAST_DB2 / 8) ** 0.5)
            level_dbm = float(store.level_dbm[gateway, cell]) + loudness_db + noise_db
            if gateway not in dead and level_dbm > faintest_dbm:
                points.append(SurveyPoint("hall", x, y, f"g{gateway}", level_dbm, 3.0, 8, seconds))
    return Survey(survey_id, tuple(points))


def refined(*surveys: Survey) -> RadioMap:
    return surveyed_map(BASE, [PLAN], GRID, surveys)


def error_db(radio: RadioMap, store: Store) -> float:
    """Root mean square over gateways and cells, but for what is the same everywhere."""
    off = radio.expected_dbm - store.level_dbm
    return float((off - off.mean()).std())


def same(one: RadioMap, other: RadioMap) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in (
            (one.expected_dbm, other.expected_dbm),
            (one.slow_db2, other.slow_db2),
            (one.gateway_db2, other.gateway_db2),
        )
    )


@pytest.mark.parametrize("seed", range(3))
def test_offsets_of_gateways_are_found(seed: int) -> None:
    """Planted with a deviation of 5 dB, 12 dB at most; of that the prior keeps a sixth back."""
    store = made(seed, offset_db=5.0)
    radio = refined(walked(store, seed))
    found_db = (radio.expected_dbm - BASE.expected_dbm).mean(axis=1)
    found_db -= found_db.mean()
    assert np.abs(found_db - store.offset_db).max() < 2.5
    assert error_db(radio, store) < 0.25 * error_db(BASE, store)


@pytest.mark.parametrize("seed", range(3))
def test_exponents_are_found(seed: int) -> None:
    store = made(seed, exponent=0.6)
    radio = refined(walked(store, seed))
    assert error_db(BASE, store) > 1.0
    assert error_db(radio, store) < 0.7 * error_db(BASE, store)


def test_shadows_are_filled_in_between_the_places() -> None:
    """Nothing but shadows of 6 dB that fade over 4 m: 4 dB are left by 60 places in 300 m2."""
    before, after = [], []
    for seed in range(4):
        store = made(seed, shadow_db=6.0)
        before.append(error_db(BASE, store))
        after.append(error_db(refined(walked(store, seed + 9)), store))
    assert np.mean(before) > 5.0
    assert np.mean(after) < 0.72 * np.mean(before)


def test_more_places_make_a_better_map() -> None:
    store = made(1, offset_db=4.0, exponent=0.4, shadow_db=5.0)
    errors = [error_db(refined(walked(store, 5, places=n)), store) for n in (8, 30, 100)]
    assert error_db(BASE, store) > errors[0] > errors[1] > errors[2]


def test_the_map_knows_how_wrong_it_is() -> None:
    """Squared errors over the variance that is promised: 1 when honest, here 1.2 to 1.7."""
    ratios = []
    for seed in range(4):
        store = made(seed, offset_db=4.0, exponent=0.3, shadow_db=4.0)
        radio = refined(walked(store, seed + 10))
        off = radio.expected_dbm - store.level_dbm
        off -= off.mean()
        ratios.append(float((off**2 / radio.slow_db2).mean()))
    assert 0.5 < np.mean(ratios) < 1.8


def test_where_the_survey_was_the_map_is_surer_than_elsewhere() -> None:
    store = made(2, shadow_db=6.0)
    whole = walked(store, 3, places=100)
    west = replace(whole, points=tuple(p for p in whole.points if p.x_m < 15))
    radio = refined(west)
    surveyed = GRID.xy[:, 0] < 13
    far = GRID.xy[:, 0] > 22
    assert radio.slow_db2[:, surveyed].mean() < 0.8 * radio.slow_db2[:, far].mean()


@pytest.mark.parametrize("louder_db", [20.0, -15.0])
def test_how_loud_the_surveying_phone_is_does_not_change_the_map(louder_db: float) -> None:
    store = made(3, offset_db=4.0, exponent=0.3, shadow_db=4.0)
    usual = refined(walked(store, 4))
    louder = refined(walked(store, 4, loudness_db=louder_db, faintest_dbm=-95.0 + louder_db))
    assert louder.expected_dbm == pytest.approx(usual.expected_dbm, abs=0.05)
    assert louder.slow_db2 == pytest.approx(usual.slow_db2, abs=0.05)


def test_two_phones_on_two_days_make_one_map() -> None:
    store = made(5, offset_db=4.0, shadow_db=5.0)
    morning = walked(store, 1, places=30, survey_id="a")
    evening = walked(store, 2, places=30, loudness_db=15.0, faintest_dbm=-80.0, survey_id="b")
    both = error_db(refined(morning, evening), store)
    assert both < 0.95 * error_db(refined(morning), store)
    assert both < 0.95 * error_db(refined(evening), store)
    # Their order is nobody's business.
    turned = refined(evening, morning)
    assert turned.expected_dbm == pytest.approx(refined(morning, evening).expected_dbm, abs=1e-6)


def test_the_same_places_again_say_the_same() -> None:
    """Surveys pile up over the years; kriging takes one reading a place."""
    store = made(5, offset_db=4.0, shadow_db=5.0)
    once = walked(store, 1, survey_id="a")
    again = [replace(once, survey_id=name) for name in "bcd"]
    one, four = refined(once), refined(once, *again)
    assert np.abs(four.expected_dbm - one.expected_dbm).mean() < 1.0
    assert error_db(four, store) < error_db(one, store) + 0.3


def test_a_point_that_is_nowhere_is_passed_over() -> None:
    store = made(5, offset_db=4.0)
    survey = walked(store, 1)
    nowhere = replace(survey.points[0], x_m=float("nan"))
    assert same(refined(survey), refined(replace(survey, points=(*survey.points, nowhere))))


def test_a_gateway_that_was_dead_keeps_its_map_but_for_what_the_whole_building_shows() -> None:
    store = made(5, offset_db=4.0, shadow_db=4.0)
    radio = refined(walked(store, 3, dead=(2,)))
    moved_db = radio.expected_dbm[2] - BASE.expected_dbm[2]
    # Only the building's exponent, which turns the level about its mean.
    assert abs(moved_db.mean()) < 0.5
    assert np.abs(moved_db).max() < 6.0
    assert radio.slow_db2[2].tolist() == BASE.slow_db2[2].tolist()
    assert radio.gateway_db2[2] == BASE.gateway_db2[2]
    assert radio.gateway_db2[3] == DRIFT_DB2


def test_silence_pulls_the_level_down_where_the_law_promises_one() -> None:
    """One gateway is not heard in a patch near it, behind something that takes 40 dB."""
    store = made(0)
    hidden = store.level_dbm.copy()
    patch = (GRID.xy[:, 0] > 17) & (GRID.xy[:, 0] < 24)
    hidden[4, patch] -= 40.0
    store = replace(store, level_dbm=hidden)
    attentive = walked(store, 6, places=100)
    # As if nobody had stayed anywhere long enough for silence to count.
    hasty = walked(store, 6, places=100, seconds=0.1)
    assert not any(p.gateway_id == "g4" and 17 < p.x_m < 24 for p in attentive.points)
    pulled_db = refined(hasty).expected_dbm[4, patch] - refined(attentive).expected_dbm[4, patch]
    assert pulled_db.mean() > 2.0
    # It is known to be faint, not how faint.
    assert (refined(attentive).expected_dbm[4, patch] > hidden[4, patch]).all()


def test_no_survey_and_an_empty_one_leave_the_map_as_it_is() -> None:
    assert same(refined(), BASE)
    assert same(refined(Survey("empty", ())), BASE)


STRANGE = (
    SurveyPoint("elsewhere", 5, 5, "g0", -70.0, 2.0, 8, 4.0),
    SurveyPoint("hall", 5, 5, "sold", -30.0, 2.0, 8, 4.0),
)


def test_points_of_unknown_floors_and_gateways_are_passed_over() -> None:
    assert same(refined(Survey("strange", STRANGE)), BASE)
    survey = walked(made(1, offset_db=4.0), 2)
    stranger = replace(survey, points=survey.points + STRANGE[:1])
    assert same(refined(stranger), refined(survey))


def test_one_reading_says_next_to_nothing() -> None:
    """It may be the phone that is loud; the gateway's map is doubted as before."""
    point = SurveyPoint("hall", 5, 5, "g0", -40.0, 2.0, 8, 4.0)
    radio = refined(Survey("one", (point,)))
    assert radio.expected_dbm == pytest.approx(BASE.expected_dbm, abs=1.0)
    assert radio.slow_db2[0].min() > 0.9 * BASE.slow_db2[0].min()
    assert radio.slow_db2[1:].tolist() == BASE.slow_db2[1:].tolist()


def test_shadows_of_one_floor_are_not_those_of_the_floor_above() -> None:
    """A shadow of 15 dB around one place below; right above it the map stays as it was."""
    upper = replace(PLAN, floor_id="upper", level=1, zones=())
    upper = replace(upper, gateways=(replace(PLAN.gateways[0], gateway_id="u0"),))
    floors = [PLAN, upper]
    grid = build_grid(floors)
    base = map_from_positions(floors, grid)
    points = []
    for cell in np.flatnonzero(grid.floor == 0).tolist():
        x, y = grid.xy[cell].tolist()
        dark_db = 15.0 if np.hypot(x - 20, y - 5) < 3 else 0.0
        level_dbm = float(base.expected_dbm[0, cell]) - dark_db
        points.append(SurveyPoint("hall", x, y, "g0", level_dbm, 1.0, 8, 0.5))
    radio = surveyed_map(base, floors, grid, [Survey("s", tuple(points))])
    moved_db = radio.expected_dbm[0] - base.expected_dbm[0]
    dark = np.hypot(grid.xy[:, 0] - 20, grid.xy[:, 1] - 5) < 2
    below, above = (moved_db[dark & (grid.floor == f)].mean() for f in (0, 1))
    assert below < -6.0
    assert above > below + 5.0


_FLOATS = st.floats(-5, 35)
_POINTS = st.builds(
    SurveyPoint,
    floor_id=st.sampled_from(["hall", "elsewhere"]),
    x_m=_FLOATS,
    y_m=_FLOATS,
    gateway_id=st.sampled_from(["g0", "g1", "g2", "sold"]),
    mean_rssi_dbm=st.floats(-110, -10),
    sd_rssi_db=st.floats(0, 20),
    count=st.integers(1, 10_000),
    seconds=st.floats(0, 600),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_POINTS, max_size=12), max_size=3))
def test_any_survey_makes_a_map_of_numbers(surveys: Sequence[Sequence[SurveyPoint]]) -> None:
    radio = refined(*(Survey(f"s{i}", tuple(points)) for i, points in enumerate(surveys)))
    assert np.isfinite(radio.expected_dbm).all()
    assert np.isfinite(radio.slow_db2).all()
    assert (radio.slow_db2 >= FLOOR_DB2).all()
    assert (radio.gateway_db2 > 0).all()
    assert (radio.gateway_db2 <= radio.slow_db2.min(axis=1)).all()


def test_presence_takes_the_survey_in() -> None:
    survey = walked(made(2, offset_db=5.0), 1)
    plain, better = PresenceModel([PLAN]), PresenceModel([PLAN], surveys=[survey])
    moved_db = better.tables.reach.expected_db - plain.tables.reach.expected_db
    assert np.abs(moved_db).max() > 3.0
    assert better.tables.gateway_db2 == pytest.approx(DRIFT_DB2)

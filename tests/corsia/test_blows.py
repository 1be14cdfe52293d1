"""The timetable of a fault run."""

import pytest

from corsia.blows import CALM_AT_FIRST_S, CALM_AT_LAST_S, EVERY_S, Blow, timetable

HALF_AN_HOUR_S = 1_800.0


def test_a_seed_gives_one_timetable_and_another_seed_another() -> None:
    assert timetable(7, HALF_AN_HOUR_S) == timetable(7, HALF_AN_HOUR_S)
    assert timetable(7, HALF_AN_HOUR_S) != timetable(8, HALF_AN_HOUR_S)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 300.0, HALF_AN_HOUR_S])
def test_every_blow_falls_and_is_over_before_the_end(seconds: float) -> None:
    for seed in range(20):
        planned = timetable(seed, seconds)
        assert {one.blow for one in planned} == set(Blow)
        assert [one.at_s for one in planned] == sorted(one.at_s for one in planned)
        assert all(one.at_s > 0 and one.at_s + one.lasts_s < seconds for one in planned)
        assert all(0 <= one.draw < 1 for one in planned)


def test_half_an_hour_has_each_blow_as_often_as_it_is_meant_to_fall() -> None:
    planned = timetable(7, HALF_AN_HOUR_S)
    struck_s = HALF_AN_HOUR_S - CALM_AT_FIRST_S - CALM_AT_LAST_S

    for blow in Blow:
        times = sum(one.blow is blow for one in planned)
        assert abs(times - struck_s / EVERY_S[blow]) < 1, blow


def test_a_kind_falls_once_in_each_part_of_the_run() -> None:
    engine = [one.at_s for one in timetable(7, HALF_AN_HOUR_S) if one.blow is Blow.ENGINE]
    part_s = (HALF_AN_HOUR_S - CALM_AT_FIRST_S - CALM_AT_LAST_S) / len(engine)

    assert [int((at_s - CALM_AT_FIRST_S) // part_s) for at_s in engine] == list(range(len(engine)))

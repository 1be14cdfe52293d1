"""From facts to profiles."""

from datetime import timedelta

import pytest

from offers.baskets import MIN_BOTH, counted
from offers.known import Profile
from offers.profiling import (
    ALIKE_FROM,
    STOOD_MAX_S,
    WALKED_THROUGH_S,
    Neighbourhood,
    Remembered,
    learnt_from,
)
from tests.offers.situations import NOW

DAY = timedelta(days=1)
SHARES = {"milk": 0.5, "pasta": 0.3, "sauce": 0.2}


def _eater(*categories: str, baskets: int = 30) -> Profile:
    own = Remembered()
    for number in range(baskets):
        own.bought(categories, NOW - (baskets - number) * DAY)
    return own.profile


def test_baskets_in_any_order_make_the_same_profile() -> None:
    baskets = [({"pasta", "milk"}, NOW - n * DAY) for n in range(5)] + [({"milk"}, NOW - 9 * DAY)]
    forth, back = Remembered(), Remembered()
    for held, at in baskets:
        forth.bought(held, at)
    for held, at in reversed(baskets):
        back.bought(held, at)

    assert forth.profile.habits.keys() == {"pasta", "milk"}
    assert forth.profile.habits["milk"].times == 6
    assert forth.profile.habits["milk"].first_at == NOW - 9 * DAY
    assert forth.profile.baskets is not None
    assert back.profile.baskets is not None
    assert forth.profile.baskets.amount == pytest.approx(back.profile.baskets.amount)


@pytest.mark.parametrize(
    ("seconds", "each"),
    [
        (WALKED_THROUGH_S, None),
        (WALKED_THROUGH_S + 30.0, 15.0),
        (WALKED_THROUGH_S + STOOD_MAX_S, STOOD_MAX_S / 2),
        (3_600.0, STOOD_MAX_S / 2),
    ],
)
def test_standing_counts_and_walking_by_or_waiting_does_not(
    seconds: float, each: float | None
) -> None:
    own = Remembered()
    own.stood({"pasta", "rice"}, seconds, NOW)
    assert [tally.amount for tally in own.profile.dwelt.values()] == ([each] * 2 if each else [])


def test_stays_add_up_and_fade() -> None:
    own = Remembered()
    for days in (28, 0):
        own.stood({"pasta"}, WALKED_THROUGH_S + 60.0, NOW - days * DAY)
    assert own.profile.dwelt["pasta"].amount == pytest.approx(90.0)


def test_similar_shoppers_speak_and_nobody_is_their_own_neighbour() -> None:
    cooks = [_eater("pasta", "sauce") for _ in range(3)]
    drinkers = [_eater("milk") for _ in range(3)]
    only_pasta = _eater("pasta")
    pool = [*cooks, *drinkers]
    near = Neighbourhood(SHARES, pool, NOW)

    found = near.alike([only_pasta], [None])[0]
    assert found["sauce"] > ALIKE_FROM

    alone = Neighbourhood(SHARES, [only_pasta], NOW)
    assert alone.alike([only_pasta], [0]) == [{}]
    assert alone.alike([only_pasta], [None]) != [{}]


def test_likeness_that_changes_nothing_is_not_kept() -> None:
    everybody = [Profile()] * 5
    near = Neighbourhood(SHARES, everybody, NOW)
    assert near.alike([_eater("pasta")], [None]) == [{}]


def test_without_any_baskets_nothing_is_learnt_and_nothing_fails() -> None:
    of_all = learnt_from(counted([]), NOW)
    assert of_all.shares == {}
    assert Neighbourhood(of_all.shares, [], NOW).alike([Profile()], [None]) == [{}]


def test_all_baskets_teach_shares_and_what_goes_together() -> None:
    baskets = [{"pasta", "sauce"}] * MIN_BOTH + [{"milk"}] * 3 * MIN_BOTH
    of_all = learnt_from(counted(baskets), NOW)
    assert of_all.shares["pasta"] == pytest.approx(0.25, abs=0.01)
    assert of_all.complements["pasta"]["sauce"].lift > 1.5
    assert "milk" not in of_all.complements

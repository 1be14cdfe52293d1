"""Waits grow, stay under the cap, and start anew after a success."""

import random

from gateway.backoff import FLOOR_S, Backoff


class HighestDraw(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class LowestDraw(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(HighestDraw(), first_s=0.5, cap_s=3)

    assert [backoff.next_s() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_a_success_starts_it_anew() -> None:
    backoff = Backoff(HighestDraw(), first_s=0.5, cap_s=30)
    for _ in range(4):
        backoff.next_s()

    backoff.reset()

    assert backoff.next_s() == 0.5


def test_the_lowest_draw_does_not_spin() -> None:
    assert Backoff(LowestDraw()).next_s() == FLOOR_S


def test_the_jitter_is_full() -> None:
    draws = []
    chance = random.Random(7)
    for _ in range(500):
        backoff = Backoff(chance, first_s=10, cap_s=10)
        draws.append(backoff.next_s())

    assert min(draws) < 0.5
    assert max(draws) > 9.5

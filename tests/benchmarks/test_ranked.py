"""Recall, NDCG and their intervals, by hand."""

import math

import numpy as np
import pytest

from benchmarks.ranked import TOP, bootstrapped, ndcg, recall

LETTERS = "abcdefghijklmnop"


def test_recall_is_the_share_found_among_the_first_ten() -> None:
    assert recall(LETTERS, {"a", "j"}) == 1.0
    assert recall(LETTERS, {"a", "k"}) == 0.5  # k is the eleventh
    assert recall(LETTERS, {"z"}) == 0.0


def test_ndcg_is_one_for_the_best_ranking_there_could_be() -> None:
    assert ndcg(LETTERS, {"a", "b", "c"}) == pytest.approx(1.0)
    assert ndcg(LETTERS, set(LETTERS)) == pytest.approx(1.0)  # more than ten are relevant
    assert ndcg(LETTERS, {"k"}) == 0.0


def test_ndcg_by_hand() -> None:
    # The second and the fourth of two: 1/log2(3) + 1/log2(5), of 1 + 1/log2(3).
    gained = 1 / math.log2(3) + 1 / math.log2(5)

    assert ndcg(LETTERS, {"b", "d"}) == pytest.approx(gained / (1 + 1 / math.log2(3)))
    assert TOP == 10


def test_the_interval_is_that_of_the_mean() -> None:
    figures = np.random.default_rng(3).normal(5.0, 2.0, 400)

    found = bootstrapped(figures, seed=1)

    half = 1.96 * figures.std() / math.sqrt(400)
    assert found.value == pytest.approx(figures.mean())
    assert found.low == pytest.approx(figures.mean() - half, abs=0.05)
    assert found.high == pytest.approx(figures.mean() + half, abs=0.05)


def test_the_same_seed_draws_the_same_households() -> None:
    figures = np.arange(50.0)

    assert bootstrapped(figures, seed=2) == bootstrapped(figures, seed=2)
    assert bootstrapped(figures, seed=2) != bootstrapped(figures, seed=3)

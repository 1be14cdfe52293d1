"""What similar shoppers buy, where it can be worked out by hand."""

import math

import numpy as np
import pytest

from offers.neighbours import alike_log_odds

SHARES = np.array([0.2, 0.2, 0.2])
# Two who love the first category (one of them also the third), two who love the second.
LOVERS = np.array([[0.8, 0.1, 0.2], [0.8, 0.1, 0.5], [0.1, 0.8, 0.2], [0.1, 0.7, 0.2]])


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def test_the_nearest_shopper_says_what_to_expect() -> None:
    found = alike_log_odds(LOVERS, SHARES, neighbours=1)

    assert found[0] == pytest.approx([_log_odds(s) - _log_odds(0.2) for s in (0.8, 0.1, 0.5)])
    assert found[2] == pytest.approx([_log_odds(s) - _log_odds(0.2) for s in (0.1, 0.7, 0.2)])


def test_nobody_is_their_own_neighbour() -> None:
    twins = np.array([[0.9, 0.1, 0.2], [0.6, 0.2, 0.2]])

    found = alike_log_odds(twins, SHARES, neighbours=50)

    assert found[0] == pytest.approx([_log_odds(s) - _log_odds(0.2) for s in (0.6, 0.2, 0.2)])


def test_who_is_alone_or_like_everybody_gets_nothing() -> None:
    assert not alike_log_odds(LOVERS[:1], SHARES).any()
    assert not alike_log_odds(np.vstack([SHARES, LOVERS]), SHARES, neighbours=2)[0].any()


@pytest.mark.parametrize("row", [0, 511, 512, 1_099])
def test_blocks_of_shoppers_make_no_difference(row: int) -> None:
    many = np.random.default_rng(1).uniform(0.01, 0.99, (1_100, 3))
    leaning = np.sqrt(many) - np.sqrt(SHARES)
    cosine = leaning @ leaning[row] / np.linalg.norm(leaning, axis=1) / np.linalg.norm(leaning[row])
    cosine[row] = -1.0
    nearest = many[np.argsort(-cosine)[:5]].mean(axis=0)

    found = alike_log_odds(many, SHARES, neighbours=5)[row]

    assert found == pytest.approx([_log_odds(s) - _log_odds(0.2) for s in nearest])

"""What similar shoppers buy: worked out in batch for all of them, so with numpy.

Source of the idea: Hu, He, Gao, Zhang, "Modeling Personalized Item Frequency Information for
Next-basket Recommendation" (TIFU-KNN), SIGIR 2020: a household's own fading frequencies, and those
of its nearest neighbours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# How many similar shoppers are asked. Fewer are noise, more are everybody: 50 and 100 are alike on
# the middle weeks of `make bench-relevance`.
NEIGHBOURS: Final = 50
# Shoppers compared at a time, so that memory grows with the number of shoppers, not its square.
_BLOCK: Final = 512

Matrix = NDArray[np.float64]


def alike_log_odds(
    basket_shares: Matrix,
    shares: NDArray[np.float64],
    among: Matrix | None = None,
    own: NDArray[np.intp] | None = None,
    neighbours: int = NEIGHBOURS,
) -> Matrix:
    """For each shopper and category, the log-odds by which the nearest shoppers differ from all.

    basket_shares: shoppers x categories, each in (0, 1), as `habits.basket_share` with prior
    `shares` gives them; shares: categories, in (0, 1), of all baskets. among: those who are asked,
    as `basket_shares`; without it the shoppers themselves. own: each shopper's row in `among`, -1
    for none.
    A shopper is never their own neighbour, and one who is like everybody, or alone, gets zeros.
    """
    if among is None:
        among, own = basket_shares, np.arange(len(basket_shares))
    assert own is not None
    length, unit = _leaning(basket_shares, shares)
    _, asked = _leaning(among, shares)
    differing = np.zeros_like(basket_shares)
    of_all = _log_odds(shares)
    for start in range(0, len(unit), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(unit)))
        likeness = unit[rows] @ asked.T
        is_asked = own[rows] >= 0
        likeness[np.flatnonzero(is_asked), own[rows][is_asked]] = -np.inf
        wanted = min(neighbours, len(asked) - int(is_asked.any()))
        if wanted < 1:
            continue
        nearest = np.argpartition(-likeness, wanted - 1, axis=1)[:, :wanted]
        for row, those in zip(rows, nearest, strict=True):
            if length[row, 0] > 0:
                differing[row] = _log_odds(among[those].mean(axis=0)) - of_all
    return differing


def _leaning(basket_shares: Matrix, shares: NDArray[np.float64]) -> tuple[Matrix, Matrix]:
    """How far each shopper is from all of them, and in which direction."""
    leaning = np.sqrt(basket_shares) - np.sqrt(shares)  # the square root steadies the variance
    length = np.linalg.norm(leaning, axis=1, keepdims=True)
    return length, np.divide(leaning, length, out=np.zeros_like(leaning), where=length > 0)


def _log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log(share) - np.log1p(-share)
    return found

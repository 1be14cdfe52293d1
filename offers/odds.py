"""Shares and their log-odds: the scale on which signs add up."""

import math


def log_odds(share: float) -> float:
    """ln(p / (1 - p)). share: in (0, 1)."""
    return math.log(share) - math.log1p(-share)


def share_of(odds_ln: float) -> float:
    """The share that has these log-odds: the inverse of `log_odds`; never overflows."""
    if odds_ln >= 0:
        return 1.0 / (1.0 + math.exp(-odds_ln))
    grown = math.exp(odds_ln)
    return grown / (1.0 + grown)

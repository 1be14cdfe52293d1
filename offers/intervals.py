"""How sure a difference is: intervals for rates, means and ratios, and a check of the split.

Every interval takes `z`, the width in standard errors, so that one formula serves a single look
(`ONE_LOOK_Z`) and any number of looks (`any_look_z`).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

# 95 %, two-sided: right when looked at once.
ONE_LOOK_Z: Final = NormalDist().inv_cdf(0.975)
# The chance, two-sided, that looks before the end are ever wrong, however many.
ANY_LOOK_ALPHA: Final = 0.01
# Where the interval for any look is tightest, in effective shoppers (see `effective_size`).
# Assumed: a control group of some 500 is where a store's campaign begins to tell. It must not
# depend on the outcomes; off by ten times costs a tenth of the width.
TIGHTEST_AT: Final = 500.0
# The expansion of the t distribution is right to 0.0001 from here on.
LEAST_FREEDOM: Final = 8.0


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference, treated less control, and between what it lies."""

    difference: float
    low: float
    high: float

    def times(self, factor: float) -> "Effect":
        """The same effect counted `factor` times; factor: positive."""
        return Effect(self.difference * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a sample, its variance (of one value, not of the mean) and its size."""

    mean: float
    variance: float
    size: int


def wilson(hits: int, size: int, z: float) -> tuple[float, float]:
    """The score interval of a rate; size: 1 or more.

    Source: Wilson 1927; Newcombe 1998, Statistics in Medicine 17, 857-872, method 3.
    """
    rate = hits / size
    spread = z * math.sqrt(z * z + 4 * size * rate * (1 - rate))
    middle, whole = 2 * size * rate + z * z, 2 * (size + z * z)
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def rate_difference(hits: int, size: int, other_hits: int, other_size: int, z: float) -> Effect:
    """The difference of two rates with the hybrid score interval; sizes: 1 or more.

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    rate, other = hits / size, other_hits / other_size
    low, high = wilson(hits, size, z)
    other_low, other_high = wilson(other_hits, other_size, z)
    difference = rate - other
    return Effect(
        difference,
        difference - math.hypot(rate - low, other_high - other),
        difference + math.hypot(high - rate, other - other_low),
    )


def mean_difference(one: Mean, other: Mean, z: float) -> Effect | None:
    """The difference of two means whose variances differ; None when there are too few values.

    Source: Welch 1947, Biometrika 34, 28-35 (degrees of freedom after Satterthwaite).
    """
    if min(one.size, other.size) < 2:
        return None
    of_one, of_other = one.variance / one.size, other.variance / other.size
    squared = of_one + of_other
    difference = one.mean - other.mean
    if squared == 0:
        return Effect(difference, difference, difference)
    freedom = squared**2 / (of_one**2 / (one.size - 1) + of_other**2 / (other.size - 1))
    if freedom < LEAST_FREEDOM:
        return None
    half = _t(z, freedom) * math.sqrt(squared)
    return Effect(difference, difference - half, difference + half)


def relative_difference(one: Mean, other: Mean, z: float) -> Effect | None:
    """By which part of the other mean the one is more, 0.1 for 10 %; None when the other is not
    clearly above zero: a percentage of nearly nothing says nothing.

    Source: Fieller 1954, J. Royal Statistical Society B 16, 175-185, for independent means.
    """
    of_one, of_other = one.variance / one.size, other.variance / other.size
    a = other.mean**2 - z * z * of_other
    if other.mean <= 0 or a <= 0:
        return None
    b = one.mean * other.mean
    c = one.mean**2 - z * z * of_one
    # Not negative when a > 0; the last bit of a float may be.
    root = math.sqrt(max(0.0, b * b - a * c))
    return Effect(one.mean / other.mean - 1, (b - root) / a - 1, (b + root) / a - 1)


def effective_size(size: int, other_size: int) -> float:
    """Of two samples of one variance: the size whose mean is as sure as their difference."""
    return size * other_size / (size + other_size)


def any_look_z(effective: float, alpha: float = ANY_LOOK_ALPHA) -> float:
    """The width in standard errors that holds at every size at once, with chance 1 - alpha.

    effective: as `effective_size` has it, above 0.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024, Time-uniform central limit theory
    and asymptotic confidence sequences, Annals of Statistics 52: theorem 2.2, and rho as they
    choose it for the size where the interval is tightest.
    """
    twice = -2 * math.log(alpha)
    information = (twice + math.log1p(twice)) * effective / TIGHTEST_AT
    return math.sqrt((1 + 1 / information) * (math.log1p(information) + twice))


def split_p(control: int, treated: int, control_share: float) -> float | None:
    """How likely a split as uneven as this is by chance; None when too few to tell (fewer than
    five expected on a side).

    Source: Pearson's chi-square with one degree of freedom.
    """
    both = control + treated
    expected = both * control_share
    if min(expected, both - expected) < 5:
        return None
    chi2 = (control - expected) ** 2 / (both * control_share * (1 - control_share))
    return math.erfc(math.sqrt(chi2 / 2))


def _t(z: float, freedom: float) -> float:
    """The quantile of Student's t that leaves as much outside as z of the normal distribution.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z2 = z * z
    terms = (
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92_160,
    )
    return z * (1 + sum(term / freedom ** (n + 1) for n, term in enumerate(terms)))

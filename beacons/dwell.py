"""How much longer a shopper stays in a zone: a hazard learned from past stays.

The hazard (leavings per second among those still there) is constant within each span of time since
the stay began. It is leavings over seconds spent there, so a stay whose end nobody saw counts for
as long as it was seen. Little is known of a new zone, so it is shrunk: towards the zones of its
kind in this store, and these towards what is assumed of the kind. Each step is gamma-Poisson: with
a weight of w, events d where e were expected make a rate (w + d) / (w + e) times the expected one;
first for the zone as a whole (its stays are shorter), then for neighbouring spans together (they
are of another shape), then for each span. The weights are empirical Bayes: how much the zones
differ says how far they are pooled.
Source: Kaplan & Meier 1958 (censoring); Clayton & Kaldor, Biometrics 43, 1987 (the weights).

Stays are as presence saw them. They begin late and end late by the seconds presence needs to be
sure, one that it interrupted for a moment counts as two, and one that it never saw is missing: a
curve says how long presence will call somebody present, counted as it counts. How far that is from
the truth in the simulated store, `benchmarks.dwell` prints. Stays of SHORTEST_STAY_S or less are
mostly two zones taking turns; no decision comes so early, so all is conditional on having stayed
that long, and what ended before changes nothing.

numpy only: the engine and the tools beside it may import this, a Pi may not.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.floor import Zone, ZoneKind

Floats = npt.NDArray[np.float64]

# The first dwell mark: before it nothing is decided.
SHORTEST_STAY_S: Final = 2.0
# The dwell marks and what lies between; spans grow by a third at most, about as fast as stays get
# rarer. Hazards do not change much faster than that, and each span still gets events.
EDGES_S: Final = (
    2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.5, 16.0, 20.0, 25.0, 32.0, 40.0, 50.0, 64.0, 80.0,
    100.0, 130.0, 170.0, 220.0, 300.0,
)  # fmt: skip
# Whoever is seen for longer works there, or left the handset on a shelf.
LONGEST_STAY_S: Final = 600.0
# No offer waits longer than this, so no residual counts for more.
HORIZON_S: Final = 300.0

# Assumed until the store's own stays say better: how much longer a shopper who has been in a zone
# of this kind for 3 s stays.
ASSUMED_RESIDUAL_S: Final = {ZoneKind.AISLE: 25.0, ZoneKind.PROMO: 15.0, ZoneKind.PERIMETER: 15.0}
ASSUMED_RESIDUAL_ELSEWHERE_S: Final = 10.0
ASSUMED_AFTER_S: Final = 3.0
# Stops are short and heavy-tailed (Larson, Bradlow, Fader 2005): Lomax, so that whoever has stayed
# long stays long. With an exponent of 3 what is left grows by half of what has passed.
ASSUMED_TAIL: Final = 3.0
# What is assumed of a kind is worth so many stays: after ten the store's own count for half.
ASSUMED_WEIGHT: Final = 10.0
# Between these the weights are looked for. One event is never enough to be sure of; and 200 stays
# of a zone outweigh those of its kind however alike the others are.
_WEIGHTS: Final = 2.0 ** np.arange(0, 6.5, 0.5)

_LOWER_S: Final[Floats] = np.array(EDGES_S)
_UPPER_S: Final[Floats] = np.array([*EDGES_S[1:], np.inf])
_SPANS: Final = np.arange(len(EDGES_S))
# Which spans are looked at together, one after the other: all; each with its neighbours, which say
# half as much as itself; each alone. The second carries what is seen on into spans with few events.
_POOLS: Final[tuple[Floats, ...]] = (
    np.ones((len(EDGES_S), len(EDGES_S))),
    0.5 ** np.abs(_SPANS[:, np.newaxis] - _SPANS),
    np.eye(len(EDGES_S)),
)
_LN_2: Final = math.log(2.0)


@dataclass(frozen=True, slots=True)
class StayCount:
    """`count` past stays in a zone that lasted `duration_s`; alike ones are counted together.

    is_over: the leaving was seen. Otherwise they lasted at least that long: the handset fell
    silent, or the engine stopped.
    """

    zone_id: str
    duration_s: float
    is_over: bool
    count: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class DwellCurve:
    """How long stays in one zone last, given that they outlast SHORTEST_STAY_S.

    rate_per_s: the hazard from each of EDGES_S to the next, the last one for ever; shape (21,).
    stays: how many stays of the zone itself it rests on, those without a seen end included.
    Times are seconds, of any shape; below 0 they count as 0. All but a number raises ValueError.
    """

    rate_per_s: Floats
    stays: int = 0

    def __post_init__(self) -> None:
        rate_per_s = self.rate_per_s
        if rate_per_s.shape != _LOWER_S.shape or not (
            np.isfinite(rate_per_s).all() and (rate_per_s > 0.0).all()
        ):
            raise ValueError(f"no hazards: {rate_per_s}")

    def survival(self, in_s: npt.ArrayLike, elapsed_s: npt.ArrayLike = 0.0) -> Floats:
        """The probability that who has been there for `elapsed_s` still is `in_s` from now.

        Both are broadcast. From 1 now, never rising.
        """
        elapsed, ahead = _times(elapsed_s), _times(in_s)
        hazard = self._hazard(elapsed + ahead) - self._hazard(elapsed)
        # Rounding may leave a difference of two equal sums below zero.
        return np.exp(-np.maximum(hazard, 0.0))

    def residual_s(self, elapsed_s: npt.ArrayLike) -> Floats:
        """How much longer they are expected to stay: the mean, what exceeds HORIZON_S cut off."""
        elapsed = _times(elapsed_s)[..., np.newaxis]
        until = elapsed + HORIZON_S
        since = np.clip(elapsed, _LOWER_S, _UPPER_S)
        within_s = np.clip(until, _LOWER_S, _UPPER_S) - since
        before = np.maximum(self._hazard(since) - self._hazard(elapsed), 0.0)
        # The area under the survival curve, span by span, and before the first of them.
        spans = np.exp(-before) * -np.expm1(-self.rate_per_s * within_s) / self.rate_per_s
        sure_s = np.maximum(SHORTEST_STAY_S - elapsed[..., 0], 0.0)
        total_s: Floats = sure_s + spans.sum(axis=-1)
        return total_s

    def median_s(self) -> float:
        """What half of the stays outlast; LONGEST_STAY_S at most."""
        before = self._hazard(_LOWER_S)
        span = int(np.searchsorted(before, _LN_2, side="right")) - 1
        within_s = float((_LN_2 - before[span]) / self.rate_per_s[span])
        return min(EDGES_S[span] + within_s, LONGEST_STAY_S)

    def _hazard(self, at_s: Floats) -> Floats:
        """The hazard summed up from the beginning."""
        passed_s = np.clip(at_s[..., np.newaxis], _LOWER_S, _UPPER_S) - _LOWER_S
        return passed_s @ self.rate_per_s


def assumed_curve(kind: ZoneKind) -> DwellCurve:
    """What is assumed of a kind of zone of which no stay is known."""
    residual_s = ASSUMED_RESIDUAL_S.get(kind, ASSUMED_RESIDUAL_ELSEWHERE_S)
    scale_s = residual_s * (ASSUMED_TAIL - 1.0) - ASSUMED_AFTER_S
    ends_s = np.array([*EDGES_S, LONGEST_STAY_S])
    return DwellCurve(ASSUMED_TAIL * np.diff(np.log(scale_s + ends_s)) / np.diff(ends_s))


def dwell_curves(zones: Sequence[Zone], stays: Iterable[StayCount]) -> dict[str, DwellCurve]:
    """The curve of every zone. Stays in zones that are not among `zones` are left out.

    Raises ValueError when a stay lasts nan or less than nothing.
    """
    counts, events, exposure_s = _tables(zones, stays)
    curves = {}
    for kind in {zone.kind: None for zone in zones}:
        of_kind = [row for row, zone in enumerate(zones) if zone.kind is kind]
        pooled = _shrunk(
            assumed_curve(kind).rate_per_s,
            events[of_kind].sum(axis=0, keepdims=True),
            exposure_s[of_kind].sum(axis=0, keepdims=True),
            ASSUMED_WEIGHT,
        )
        rates = _shrunk(pooled[0], events[of_kind], exposure_s[of_kind], None)
        for row, rate_per_s in zip(of_kind, rates, strict=True):
            curves[zones[row].zone_id] = DwellCurve(rate_per_s, int(counts[row]))
    return curves


def _tables(
    zones: Sequence[Zone], stays: Iterable[StayCount]
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Stays of each zone, shape (zones,); their ends and seconds, each of shape (zones, spans)."""
    row_of = {zone.zone_id: row for row, zone in enumerate(zones)}
    known = [stay for stay in stays if stay.zone_id in row_of]
    row = np.array([row_of[stay.zone_id] for stay in known], dtype=np.intp)
    duration_s = np.array([stay.duration_s for stay in known], dtype=np.float64)
    count = np.array([stay.count for stay in known], dtype=np.int64)
    is_over = np.array([stay.is_over for stay in known], dtype=np.bool_)
    if not (duration_s >= 0.0).all() or not (count >= 0).all():
        raise ValueError("a stay lasts at least nothing, and is counted at least no times")
    is_over &= duration_s <= LONGEST_STAY_S
    duration_s = np.minimum(duration_s, LONGEST_STAY_S)
    outlasts = duration_s > SHORTEST_STAY_S
    row, duration_s, count = row[outlasts], duration_s[outlasts], count[outlasts]
    is_over = is_over[outlasts]

    stays_of = np.zeros(len(zones), dtype=np.int64)
    events = np.zeros((len(zones), len(EDGES_S)))
    exposure_s = np.zeros_like(events)
    np.add.at(stays_of, row, count)
    # What was noticed at an edge happened in the span before it.
    span = np.searchsorted(_LOWER_S, duration_s, side="left") - 1
    np.add.at(events, (row[is_over], span[is_over]), count[is_over])
    within_s = np.clip(duration_s[:, np.newaxis], _LOWER_S, _UPPER_S) - _LOWER_S
    np.add.at(exposure_s, row, count[:, np.newaxis] * within_s)
    return stays_of, events, exposure_s


def _shrunk(rate_per_s: Floats, events: Floats, exposure_s: Floats, weight: float | None) -> Floats:
    """The rates of each group between what it saw and `rate_per_s`; shape (groups, spans).

    rate_per_s: what is expected of all of them, shape (spans,). weight: what the expectation is
    worth for a group as a whole, in events; None to learn it from how much the groups differ.
    """
    rates = np.broadcast_to(rate_per_s, events.shape)
    for pool in _POOLS:
        seen, expected = events @ pool, (rates * exposure_s) @ pool
        worth = _weight(seen, expected) if weight is None or pool is not _POOLS[0] else weight
        rates = rates * (worth + seen) / (worth + expected)
    return rates


def _weight(events: Floats, expected: Floats) -> float:
    """The weight of the expectation under which these events are likeliest.

    Their number is Poisson about the expected one times a gamma variable of mean 1 and variance
    1 / weight: a negative binomial. Without events the greatest: nothing contradicts.
    """
    weight = _WEIGHTS[:, np.newaxis]
    seen, due = events.ravel(), expected.ravel()
    likelihood = (
        _log_gamma(weight + seen)
        - _log_gamma(weight)
        + weight * np.log(weight / (weight + due))
        - seen * np.log(weight + due)
    ).sum(axis=1)
    # Of equals the greatest.
    return float(_WEIGHTS[::-1][np.argmax(likelihood[::-1])])


def _times(seconds: npt.ArrayLike) -> Floats:
    times = np.asarray(seconds, dtype=np.float64)
    if not np.isfinite(times).all():
        raise ValueError(f"no time: {seconds!r}")
    return np.maximum(times, 0.0)


_log_gamma: Final = np.vectorize(math.lgamma, otypes=[np.float64])

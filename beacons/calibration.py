"""How loud each gateway sends and hears beside its fellows, from the canaries they hear.

A link from i to j at distance d is modelled as

    level + transmit_i + receive_j - 10 n_ij log10(d / pivot) - shelves in the way + shadow_ij

with n_ij the mean of the two gateways' exponents and the shadow, like the exponent, the same in
both directions: a path is. So each pair is two looks: the mean of its directions tells of level,
exponent and the sum transmit + receive of both gateways, clouded by the shadow; their difference
tells of receive - transmit and is free of it. Robust least squares (Student's t) with priors: a
gateway with few links keeps close to the store's common value.

What is identifiable: offsets are relative (their mean over the floor's gateways is 0; a common
part would look the same as the level), and hold at the pivot, the geometric mean distance. What
transfers to handsets: the receive offset, which sits in the receiver, its antenna and its box. The
exponent and the level are those from ceiling to ceiling, without bodies and mostly above the
shelves; a handset's path is another one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.floor import FloorPlan, GatewayPlace
from beacons.links import Link
from beacons.shelves import blocked_db

Floats = npt.NDArray[np.float64]

# Spread of what gateways send and hear: chip, antenna, box, bracket. Receivers in one recorded
# office differ by 3.2 dB; twice the variance leaves room for a box of metal.
OFFSET_PRIOR_DB: Final = 4.5
# From ceiling to ceiling 1.6 (a hall that guides) to 3 (partitions). One gateway's own surroundings
# move it little.
EXPONENT_PRIOR: Final = 2.2
EXPONENT_PRIOR_SD: Final = 0.5
OWN_EXPONENT_SD: Final = 0.2
# At 1 m: canaries are set to -59 dBm, and boxes and adapters take or add.
LEVEL_PRIOR_1M_DBM: Final = -60.0
LEVEL_PRIOR_SD_DB: Final = 20.0
# What a path differs from the law (beams, signs, reflections), before any is seen, and as how many
# links this opinion counts.
SHADOW_PRIOR_DB: Final = 5.0
SHADOW_PRIOR_LINKS: Final = 4.0
# Long averages of one link still wander by so much: channels in unequal shares, people, doors.
FLOOR_DB: Final = 0.7
# Windows of ten seconds share their fades in part: so many count as one look.
WINDOWS_A_LOOK: Final = 3.0
# Tails of Student's t: one link in some is not like the others (a duct, a fire door).
T_FREEDOM: Final = 4.0
# On Gaussian residuals: the scale of that t as a share of their standard deviation, and what its
# robustness costs, as variance beside that of least squares. Both are numerical integrals.
T_SCALE: Final = 0.831
T_LOSS: Final = 1.12
# A link that loses this share of the packets that the hearer's best link brings is heard in its
# good moments only, and its mean says too much.
LEAST_FULLNESS: Final = 0.6
LEAST_WINDOWS: Final = 3
NEAREST_M: Final = 1.0
_ROUNDS: Final = 30
# Level, exponent, and three of each of two gateways.
ROW_TERMS: Final = 8


@dataclass(frozen=True, slots=True)
class GatewayRadio:
    """One gateway beside its fellows.

    offset_db: how much louder it hears. transmit_db: how much louder it is heard. Both have mean 0
    over the gateways of a floor, and a standard error each. exponent: of the paths to its fellows.
    sigma_db: spread of its links about the law. links: how many told of it; 0: nothing is known,
    the values are the store's common ones.
    """

    gateway_id: str
    offset_db: float
    offset_se_db: float
    transmit_db: float
    transmit_se_db: float
    exponent: float
    exponent_se: float
    sigma_db: float
    links: int


@dataclass(frozen=True, slots=True)
class Law:
    """What is common to the links of a floor: level_dbm at pivot_m, and how it falls."""

    level_dbm: float
    pivot_m: float
    exponent: float
    sigma_db: float


@dataclass(frozen=True, slots=True)
class Fit:
    """The radios of a floor in the order of its plan, and the law they share."""

    law: Law
    radios: tuple[GatewayRadio, ...]


def fit(floor: FloorPlan, links: Iterable[Link], without: frozenset[str] = frozenset()) -> Fit:
    """The calibration of one floor; links to gateways that are not on it are left out.

    without: gateways whose links are not to be trusted (their place is wrong); they get the common
    values.
    """
    places = floor.gateways
    index = {place.gateway_id: i for i, place in enumerate(places)}
    kept = [link for link in usable(links, index.keys()) if not without & {*_ends(link)}]
    table = _Rows(places, index, kept, blocked_db(floor))
    return _solved(table, places)


def usable(links: Iterable[Link], gateways: Iterable[str]) -> list[Link]:
    """The links among these gateways that say how loud they are."""
    known = set(gateways)
    return [
        link
        for link in links
        if {*_ends(link)} <= known
        and link.hearer_id != link.heard_id
        and link.windows >= LEAST_WINDOWS
        and link.fullness >= LEAST_FULLNESS
        and np.isfinite(link.mean_rssi_dbm)
    ]


def measured_db2(link: Link) -> float:
    """Variance of a link's mean as a measurement: how far the same link would be off next time."""
    looks = max(1.0, link.windows / WINDOWS_A_LOOK)
    return link.sd_db**2 / looks + FLOOR_DB**2


class _Rows:
    """The linear system. Unknowns: level, exponent, then for each gateway half of transmit plus
    receive, receive less transmit, and its own share of the exponent.

    x: design, (rows, unknowns). y: dB. noise: variance besides the shadow; shadow: 1 where the
    shadow adds to it. pair: the gateways of each row. at, value: what of x is not 0, (rows, at most
    ROW_TERMS): a floor of 150 gateways has 450 unknowns, and each row only a few of them.
    """

    def __init__(
        self,
        places: Sequence[GatewayPlace],
        index: dict[str, int],
        links: Sequence[Link],
        blocked: Floats,
    ) -> None:
        self.count = len(places)
        self.links = np.zeros(self.count, dtype=np.intp)
        by_pair: dict[tuple[int, int], Link] = {}
        for link in links:
            hearer, heard = index[link.hearer_id], index[link.heard_id]
            by_pair[heard, hearer] = link
            self.links[[hearer, heard]] += 1
        pairs = sorted({(min(pair), max(pair)) for pair in by_pair})
        away = {pair: _distance_m(places[pair[0]], places[pair[1]]) for pair in pairs}
        self.pivot_m = float(np.exp(np.mean(np.log([*away.values()])))) if pairs else 10.0
        self.pair = np.zeros((0, 2), dtype=np.intp)
        rows: list[tuple[Floats, float, float, float]] = []
        ends: list[tuple[int, int]] = []
        for i, j in pairs:
            there, back = by_pair.get((i, j)), by_pair.get((j, i))
            fall_db = 10 * np.log10(away[i, j] / self.pivot_m)
            path = self._path(i, j, fall_db)
            lost_db = float(blocked[i, j])
            if there and back:
                noise_db2 = measured_db2(there) + measured_db2(back)
                mean_dbm = (there.mean_rssi_dbm + back.mean_rssi_dbm) / 2 + lost_db
                rows.append((path, mean_dbm, noise_db2 / 4, 1.0))
                less_db = there.mean_rssi_dbm - back.mean_rssi_dbm
                rows.append((self._difference(i, j, 1.0), less_db, noise_db2, 0.0))
                ends += [(i, j), (i, j)]
            elif one := there or back:
                sense = 0.5 if there else -0.5
                row = path + self._difference(i, j, sense)
                rows.append((row, one.mean_rssi_dbm + lost_db, measured_db2(one), 1.0))
                ends.append((i, j))
        unknowns = 2 + 3 * self.count
        self.x = np.array([row[0] for row in rows]).reshape(-1, unknowns)
        self.y = np.array([row[1] for row in rows])
        self.noise = np.array([row[2] for row in rows])
        self.shadow = np.array([row[3] for row in rows])
        self.pair = np.array(ends, dtype=np.intp).reshape(-1, 2)
        row_of, unknown = np.nonzero(self.x)
        term = np.arange(len(row_of)) - np.searchsorted(row_of, row_of)
        self.at = np.zeros((len(self.x), ROW_TERMS), dtype=np.intp)
        self.at[row_of, term] = unknown
        self.value = np.zeros((len(self.x), ROW_TERMS))
        self.value[row_of, term] = self.x[row_of, unknown]

    def normal(self, weight: Floats) -> Floats:
        """The sum of each row's outer product with itself, by weight: (unknowns, unknowns)."""
        unknowns = self.x.shape[1]
        cell = self.at[:, :, None] * unknowns + self.at[:, None, :]
        product = (self.value * weight[:, None])[:, :, None] * self.value[:, None, :]
        sums = np.bincount(cell.ravel(), product.ravel(), unknowns * unknowns)
        return sums.astype(np.float64, copy=False).reshape(unknowns, unknowns)

    def variance(self, covariance: Floats) -> Floats:
        """Of what each row says, when the unknowns vary so."""
        of = covariance[self.at[:, :, None], self.at[:, None, :]]
        found: Floats = np.maximum(np.einsum("ra,rb,rab->r", self.value, self.value, of), 0.0)
        return found

    def _path(self, i: int, j: int, fall_db: float) -> Floats:
        row = np.zeros(2 + 3 * self.count)
        row[0], row[1] = 1.0, -fall_db
        row[[2 + i, 2 + j]] = 1.0
        row[[2 + 2 * self.count + i, 2 + 2 * self.count + j]] = -fall_db / 2
        return row

    def _difference(self, i: int, j: int, sense: float) -> Floats:
        """What i's canary at j is louder than j's at i, times sense."""
        row = np.zeros(2 + 3 * self.count)
        row[2 + self.count + i], row[2 + self.count + j] = -sense, sense
        return row


def _solved(table: _Rows, places: Sequence[GatewayPlace]) -> Fit:
    count = table.count
    mean = np.zeros(2 + 3 * count)
    mean[0] = LEVEL_PRIOR_1M_DBM - 10 * EXPONENT_PRIOR * np.log10(table.pivot_m)
    mean[1] = EXPONENT_PRIOR
    # Transmit and receive offsets that vary freely by s have a half sum that varies by s / sqrt 2
    # and a difference that varies by s * sqrt 2.
    sd = np.concatenate(
        [
            [LEVEL_PRIOR_SD_DB, EXPONENT_PRIOR_SD],
            np.full(count, OFFSET_PRIOR_DB / np.sqrt(2)),
            np.full(count, OFFSET_PRIOR_DB * np.sqrt(2)),
            np.full(count, OWN_EXPONENT_SD),
        ]
    )
    # Most gateways are alike, and one is in a metal box: the priors have tails too.
    belief = np.ones(len(sd))
    shadow_db2 = SHADOW_PRIOR_DB**2
    weight = np.ones(len(table.y))
    for _ in range(_ROUNDS):
        variance = table.noise + table.shadow * shadow_db2
        counts = weight / (T_LOSS * variance)
        prior = belief / sd**2
        precision: Floats = table.normal(counts) + np.diag(prior)
        covariance = np.linalg.inv(precision).astype(np.float64, copy=False)
        found = covariance @ (table.x.T @ (counts * table.y) + prior * mean)
        far = ((found - mean) ** 2 + np.diag(covariance)) / sd**2
        belief[2:] = ((T_FREEDOM + 1) / (T_FREEDOM + far))[2:]
        off_db = table.y - table.x @ found
        # What the fit itself hides of a residual is put back.
        hidden = table.variance(covariance)
        square = off_db**2 + hidden
        weight = (T_FREEDOM + 1) / (T_FREEDOM + square / (T_SCALE**2 * variance))
        clouded = table.shadow > 0
        seen = np.sum((weight * np.maximum(square - table.noise, 0.0))[clouded]) / T_SCALE**2
        shadow_db2 = (SHADOW_PRIOR_LINKS * SHADOW_PRIOR_DB**2 + seen) / (
            SHADOW_PRIOR_LINKS + clouded.sum()
        )
    return Fit(
        Law(float(found[0]), table.pivot_m, float(found[1]), float(np.sqrt(shadow_db2))),
        _radios(table, places, found, covariance, weight * square / T_SCALE**2, float(shadow_db2)),
    )


def _radios(
    table: _Rows,
    places: Sequence[GatewayPlace],
    found: Floats,
    covariance: Floats,
    square: Floats,
    shadow_db2: float,
) -> tuple[GatewayRadio, ...]:
    count = table.count
    centre = np.eye(count) - 1.0 / max(count, 1)
    none = np.zeros((count, count))
    level = np.zeros((count, 2))
    receive = np.hstack([level, centre, centre / 2, none])
    transmit = np.hstack([level, centre, -centre / 2, none])
    own = np.hstack([level, none, none, np.eye(count)])
    own[:, 1] = 1.0

    def told(of: Floats) -> tuple[Floats, Floats]:
        return of @ found, np.sqrt(_variance(of, covariance))

    clouded = table.shadow > 0
    hit = np.zeros(count)
    for end in (0, 1):
        np.add.at(hit, table.pair[clouded, end], square[clouded])
    paths = np.bincount(table.pair[clouded].ravel(), minlength=count)
    sigma_db = np.sqrt((SHADOW_PRIOR_LINKS * shadow_db2 + hit) / (SHADOW_PRIOR_LINKS + paths))
    offset_db, offset_se_db = told(receive)
    transmit_db, transmit_se_db = told(transmit)
    exponent, exponent_se = told(own)
    return tuple(
        GatewayRadio(
            gateway_id=place.gateway_id,
            offset_db=float(offset_db[i]),
            offset_se_db=float(offset_se_db[i]),
            transmit_db=float(transmit_db[i]),
            transmit_se_db=float(transmit_se_db[i]),
            exponent=float(exponent[i]),
            exponent_se=float(exponent_se[i]),
            sigma_db=float(sigma_db[i]),
            links=int(table.links[i]),
        )
        for i, place in enumerate(places)
    )


def _variance(of: Floats, covariance: Floats) -> Floats:
    """The variance of each row's combination of the unknowns."""
    variance: Floats = np.maximum(np.sum((of @ covariance) * of, axis=1), 0.0)
    return variance


def _distance_m(one: GatewayPlace, other: GatewayPlace) -> float:
    away = np.array([one.x_m - other.x_m, one.y_m - other.y_m, one.z_m - other.z_m])
    return max(float(np.linalg.norm(away)), NEAREST_M)


def _ends(link: Link) -> tuple[str, str]:
    return link.hearer_id, link.heard_id

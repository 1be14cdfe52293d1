"""The arithmetic of presence: where handsets may be, moved and weighed, and how loud they are.

A belief is a probability for each cell of the grid and, given the cell, a Gaussian for the
handset's own offset in dB (a Rao-Blackwellised grid filter; the cells share its variance). Offset
and place are known together: who is far from everything must be loud. Arrays have the shape
(handsets, cells). What is here knows neither devices nor zones nor the clock; `beacons.presence`
does.

The sightings of a tick are Gaussian about the map, so their log likelihood is quadratic in the
offset, and its coefficients are matrix products over the gateways: a handful of calls serve all
handsets, however many sightings there are.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.grid import Grid
from beacons.radio_map import FAST_DB2, RadioMap

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

# The filter's heart beat: the gateways' window.
TICK_S: Final = 0.5

# Handsets differ by up to 20 dB, a hand or a body takes 10 more, and the law's power at 1 m is a
# guess. Most lie within 8 dB of the common one, and the hand or bag that holds one takes 6 dB.
OFFSET_MEAN_DB: Final = np.float32(-6.0)
OFFSET_DB2: Final = np.float32(64.0)
# A handset is put into a bag and taken out: its offset is known for about a minute, and wanders.
OFFSET_KEPT: Final = np.float32(np.exp(-TICK_S / 60.0))
OFFSET_WANDERS_DB2: Final = np.float32(0.05)
# Never surer than this of an offset: antennas are not round.
OFFSET_LEAST_DB2: Final = np.float32(0.3)

# The map is wrong at a place, and stays wrong while somebody stands there: ten seconds of sightings
# are not twenty independent looks. So what was learned of the place decays in this time, and
# `looks_precision` says what one more sighting adds to the earlier ones of its gateway.
FORGETS_AFTER_S: Final = 4.0
KEPT: Final = np.float32(np.exp(-TICK_S / FORGETS_AFTER_S))
# Not walkable: as good as impossible, and finite.
_NEVER: Final = -200.0
# Keeps logarithms finite on shelves.
_TINY: Final = 1e-20
# Shoppers stroll at 0.4 to 1.1 m/s and often stand. Their walk is modelled as diffusion, whose
# spread after five seconds equals that of people who walk half of the time at this speed.
WALK_MPS: Final = 0.9
# Chance that the model is wrong altogether (a jump through a door that the plan lacks), each tick.
TELEPORT: Final = 1e-4
# Of those at the foot of the stairs, the share that goes up or down in a tick: about 8 s there.
CONNECTOR_SHARE: Final = np.float32(0.06)

# A sighting this many standard deviations off the belief (a reflection, a lift door, a broken
# radio) counts less, so that its pull grows no more (Huber, 1964).
HUBER: Final = np.float32(2.0)

# Which gateways hear a handset at all says where it is, above all where gateways are sparse: of all
# that could, weighted by the chance to decode a packet this loud, it was these. Receivers decode
# half of the packets at -95 to -98 dBm (the faintest in recordings: -95 to -103); the edge is soft,
# since levels fade. Too high a value makes a quiet handset look near, and surely so.
SENSITIVITY_DBM: Final = -94.0
SENSITIVITY_EDGE_DB: Final = 5.0
# Besides: a gateway hears somebody whom the map calls out of reach, one time in so many.
HEARD_ANYWAY: Final = 1e-3
# Who heard says as much as how loud it was.
HEARING_WEIGHT: Final = np.float32(1.0)
# Offsets for which it is tabulated; between them it is interpolated.
_TABLE_STEP_DB: Final = np.float32(3.0)
_TABLE_DB: Final = np.arange(-45.0, 31.0, 3.0)

# Levels are taken relative to this, so that squares of them keep their digits in float32.
_MIDDLE_DBM: Final = -75.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How loud handsets are at some gateways, (gateways, cells).

    expected_db, expected_db2: level and its square, relative to -75 dBm. precision, pull, pull2:
    1 / variance, and it times the expected level and times its square. half_log: half of the
    logarithm of precision.
    """

    expected_db: Floats32
    expected_db2: Floats32
    precision: Floats32
    pull: Floats32
    pull2: Floats32
    half_log: Floats32

    def at(self, gateways: Ints) -> "Reach":
        """Of these gateways only."""
        if len(gateways) == len(self.precision):
            return self
        return Reach(
            self.expected_db[gateways], self.expected_db2[gateways], self.precision[gateways],
            self.pull[gateways], self.pull2[gateways], self.half_log[gateways],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tables:
    """What can be computed once for a store.

    reach: of each gateway.
    slow_db2: variance of the map's error, by gateway, mean over the cells; gateway_db2: the part of
    it that is the gateway's own offset.
    heard: chance to be heard, (gateways, offsets, cells).
    right, down: share that crosses the border of m and m + 1, of m and m + columns, in one tick.
    joined: pairs of cells at the ends of connectors.
    where: a new handset's place; landing: added in each tick, so that nothing is ever impossible;
    log_forgotten: the place's part in what is left after a tick, never on shelves; (cells,).
    """

    reach: Reach
    slow_db2: Floats32
    gateway_db2: Floats32
    heard: Floats32
    right: Floats32
    down: Floats32
    columns: int
    joined: Ints
    where: Floats32
    landing: Floats32
    log_forgotten: Floats32

    @property
    def cells(self) -> int:
        return len(self.where)


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of some handsets.

    p: of each cell, summing to 1, (handsets, cells). offset_db: how much louder the handset would
    be, if it were there, (handsets, cells); offset_db2: variance of that, (handsets,).
    """

    p: Floats32
    offset_db: Floats32
    offset_db2: Floats32


@dataclass(frozen=True, slots=True)
class Looks:
    """The sightings of a tick, (handsets, gateways).

    level_db: relative to -75 dBm; 0 where there is none. precision: 1 / dB2 that a gateway adds to
    what is kept of its earlier sightings; 0 where there is none.
    """

    level_db: Floats32
    precision: Floats32


def build_tables(grid: Grid, radio: RadioMap) -> Tables:
    """The tables of one store."""
    walkable = grid.walkable
    where = walkable / walkable.sum()
    expected_db = radio.expected_dbm - _MIDDLE_DBM
    precision = 1.0 / (radio.slow_db2 + FAST_DB2)
    loudness = radio.expected_dbm[:, None, :] + _TABLE_DB[None, :, None]
    heard = 1.0 / (1.0 + np.exp(-(loudness - SENSITIVITY_DBM) / SENSITIVITY_EDGE_DB))
    log_where = np.log(np.where(walkable, where, 1.0))
    return Tables(
        reach=Reach(
            expected_db=_f32(expected_db),
            expected_db2=_f32(expected_db**2),
            precision=_f32(precision),
            pull=_f32(precision * expected_db),
            pull2=_f32(precision * expected_db**2),
            half_log=_f32(0.5 * np.log(precision)),
        ),
        slow_db2=_f32(radio.slow_db2 @ where),
        gateway_db2=_f32(radio.gateway_db2),
        heard=_f32(heard + HEARD_ANYWAY),
        right=_moves(grid.right, grid.cell_m),
        down=_moves(grid.down, grid.cell_m),
        columns=grid.columns,
        joined=grid.joined,
        where=_f32(where),
        landing=_f32(TELEPORT * where + _TINY),
        log_forgotten=_f32(np.where(walkable, (1.0 - KEPT) * log_where, _NEVER)),
    )


def relative_db(rssi_dbm: npt.NDArray[np.float64]) -> Floats32:
    """Levels as `Looks` has them."""
    return _f32(rssi_dbm - _MIDDLE_DBM)


def looks_precision(slow_db2: Floats32, kept: Floats32, fresh: Floats32) -> Floats32:
    """What more sightings of a gateway add, in 1 / dB2.

    slow_db2: of the gateway of each. kept: effective number of earlier ones, one tick ago; fresh:
    number now. n sightings at a place
    share the map's error there, so together they are worth n / (n slow + fast).
    """
    after = kept * KEPT + fresh
    added = after / (after * slow_db2 + np.float32(FAST_DB2))
    added -= KEPT * (kept / (kept * slow_db2 + np.float32(FAST_DB2)))
    return np.asarray(np.maximum(added, np.float32(0.0)))


def audience(tables: Tables, listening: Bools) -> Floats32:
    """Log of how many of the listening gateways would hear a handset, by offset and cell.

    Flat, for `_heard_by`; a first dimension of offsets, then cells.
    """
    expected = tables.heard[listening].sum(axis=0) + np.float32(HEARD_ANYWAY)
    return np.asarray(np.log(expected).ravel())


@dataclass(frozen=True, slots=True)
class Surprise:
    """What the sightings of a tick were louder than the belief expected, by handset and gateway.

    gateways: which ones. away_db, expected_db2: the difference and its variance. weight: of the
    sighting, 0 where there is none.
    """

    gateways: Ints
    away_db: Floats32
    expected_db2: Floats32
    weight: Floats32


def advance(
    tables: Tables, belief: Belief, looks: Looks, heard_by: Floats32
) -> tuple[Belief, Surprise | None, Ints]:
    """One tick: everybody may have walked, something is forgotten, the sightings are weighed.

    belief: its arrays may be used up. heard_by: see `audience`. Returns the new belief, what was
    surprising, and the handsets whose evidence fitted nowhere and who start anew.
    """
    surprise = None
    moved = spread(tables, belief)
    log_p, faded = _forget(tables, moved)
    gateways = np.flatnonzero(looks.precision.any(axis=0))
    if len(gateways):
        # In a large store most gateways are far from most handsets.
        reach, slow_db2 = tables.reach.at(gateways), tables.slow_db2[gateways]
        here = Looks(looks.level_db[:, gateways], looks.precision[:, gateways])
        surprise = _surprise(reach, slow_db2, faded, here, gateways)
        weights = surprise.weight
        faded = _weigh(reach, log_p, faded, weights, here.level_db)
        faded = _overhear(log_p, faded, weights.sum(axis=1), heard_by)
    offset_db, offset_db2 = faded.offset_db, np.maximum(faded.offset_db2, OFFSET_LEAST_DB2)
    log_p -= log_p.max(axis=1, keepdims=True)
    p = np.exp(log_p, out=log_p)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    sound = np.isfinite(total[:, 0]) & np.isfinite(offset_db.sum(axis=1)) & (offset_db2 > 0)
    lost = np.flatnonzero(~sound)
    p[lost], offset_db[lost], offset_db2[lost] = tables.where, OFFSET_MEAN_DB, OFFSET_DB2
    return Belief(p, offset_db, offset_db2), surprise, lost


def spread(tables: Tables, belief: Belief) -> Belief:
    """Where everybody may be one tick later; offsets go with those who have them."""
    p, carried = belief.p, belief.p * belief.offset_db
    mean_db = carried.sum(axis=1, keepdims=True)
    flow = np.empty_like(p)
    for share, shift in ((tables.right, 1), (tables.down, tables.columns)):
        crossing = flow[:, :-shift]
        for mass in (p, carried):
            np.subtract(mass[:, :-shift], mass[:, shift:], out=crossing)
            crossing *= share[:-shift]
            mass[:, :-shift] -= crossing
            mass[:, shift:] += crossing
    for one, other in tables.joined.tolist():
        for mass in (p, carried):
            through = CONNECTOR_SHARE * (mass[:, one] - mass[:, other])
            mass[:, one] -= through
            mass[:, other] += through
    p += tables.landing
    carried += np.multiply(tables.landing, mean_db, out=flow)
    carried /= p
    return Belief(p, carried, belief.offset_db2 + OFFSET_WANDERS_DB2)


def _forget(tables: Tables, belief: Belief) -> tuple[Floats32, Belief]:
    """Draw the belief towards "anywhere, with the offset that it has": its logarithm, and the rest.

    The geometric mean of two Gaussians is one: its mean is weighted by precision, and it is smaller
    where the two disagree.
    """
    p, offset_db, own_db2 = belief.p, belief.offset_db, belief.offset_db2
    mean_db = np.einsum("hm,hm->h", p, offset_db)
    apart_db = offset_db - mean_db[:, None]
    all_db2 = own_db2 + np.einsum("hm,hm,hm->h", p, apart_db, apart_db)
    known = OFFSET_KEPT / all_db2
    assumed = (np.float32(1.0) - OFFSET_KEPT) / OFFSET_DB2
    left_db2 = 1.0 / (known + assumed)
    left_db = left_db2 * (known * mean_db + assumed * OFFSET_MEAN_DB)

    gone = np.float32(1.0) - KEPT
    log_p = np.log(p)
    log_p *= KEPT
    log_p += tables.log_forgotten
    away_db = np.subtract(offset_db, left_db[:, None], out=apart_db)
    kept_db2 = 1.0 / (KEPT / own_db2 + gone / left_db2)
    offset_db -= (kept_db2 * gone / left_db2)[:, None] * away_db
    away_db *= away_db
    away_db *= (0.5 * KEPT * gone / (KEPT * left_db2 + gone * own_db2))[:, None]
    log_p -= away_db
    return log_p, Belief(p, offset_db, kept_db2)


def _surprise(
    reach: Reach, slow_db2: Floats32, belief: Belief, looks: Looks, gateways: Ints
) -> Surprise:
    """How far the sightings are from what the belief expects; the farther, the less they count."""
    p, offset_db = belief.p, belief.offset_db
    spread_db2 = slow_db2 + np.float32(FAST_DB2)
    mean_db = np.einsum("hm,hm->h", p, offset_db)
    level_db = p @ reach.expected_db.T
    level_db2 = p @ reach.expected_db2.T - level_db**2
    away = looks.level_db - level_db - mean_db[:, None]
    expected_db2 = level_db2 + belief.offset_db2[:, None] + spread_db2
    np.maximum(expected_db2, spread_db2, out=expected_db2)
    far = np.abs(away) / np.sqrt(expected_db2)
    weights = looks.precision * spread_db2
    weights /= np.maximum(far / HUBER, np.float32(1.0))
    return Surprise(gateways, away, expected_db2, weights)


def _weigh(
    reach: Reach, log_p: Floats32, belief: Belief, weights: Floats32, level_db: Floats32
) -> Belief:
    """Bayes' rule for the levels; adds to log_p, and corrects the offsets (Kalman's gain)."""
    offset_db, offset_db2 = belief.offset_db, belief.offset_db2
    pulled = weights * level_db
    square = weights @ reach.precision
    linear = pulled @ reach.precision
    linear -= weights @ reach.pull
    constant = (pulled * level_db) @ reach.precision
    constant -= 2.0 * (pulled @ reach.pull)
    constant += weights @ reach.pull2
    # About the offset of each cell: constant - 2 o linear + o^2 square, and linear - o square.
    shifted = offset_db * square
    constant += offset_db * (shifted - 2.0 * linear)
    linear -= shifted
    gained = np.float32(1.0) + square * offset_db2[:, None]
    gain = offset_db2[:, None] / gained
    log_p += weights @ reach.half_log
    constant -= linear * linear * gain
    constant += np.log(gained)
    constant *= np.float32(0.5)
    log_p -= constant
    linear *= gain
    offset_db += linear
    mean_square = np.einsum("hm,hm->h", belief.p, square)
    return Belief(belief.p, offset_db, offset_db2 / (1.0 + offset_db2 * mean_square))


def _overhear(log_p: Floats32, belief: Belief, count: Floats32, heard_by: Floats32) -> Belief:
    """Bayes' rule for who heard the handset and who did not, linear about the offset of each cell.

    count: weight of the sightings of each handset.
    """
    offset_db, offset_db2 = belief.offset_db, belief.offset_db2
    cells = offset_db.shape[1]
    position = offset_db - np.float32(_TABLE_DB[0])
    position *= np.float32(1.0) / _TABLE_STEP_DB
    # What is not a number reads the first row: `advance` starts that handset anew.
    np.fmax(position, np.float32(0.0), out=position)
    np.minimum(position, np.float32(len(_TABLE_DB) - 1.001), out=position)
    below = position.astype(np.intp)
    position -= below
    below *= cells
    below += np.arange(cells)
    log_heard = heard_by.take(below)
    below += cells
    slope = heard_by.take(below)
    slope -= log_heard
    position *= slope
    log_heard += position
    slope *= (HEARING_WEIGHT * count / _TABLE_STEP_DB)[:, None]
    log_heard *= (HEARING_WEIGHT * count)[:, None]
    log_p -= log_heard
    offset_db -= offset_db2[:, None] * slope
    slope *= slope
    log_p += np.float32(0.5) * offset_db2[:, None] * slope
    return Belief(belief.p, offset_db, offset_db2)


def _moves(open_: Bools, cell_m: float) -> Floats32:
    """Share that crosses each open border in one tick."""
    # Walking half of the time for about two seconds in one direction: variance per axis grows by
    # speed^2 x 2 s x 1/2 each second, half of it per axis.
    variance_m2 = 0.5 * WALK_MPS**2 * TICK_S
    return _f32(np.where(open_, min(0.5 * variance_m2 / cell_m**2, 0.25), 0.0))


def _f32(values: npt.NDArray[np.float64]) -> Floats32:
    return np.ascontiguousarray(values, dtype=np.float32)

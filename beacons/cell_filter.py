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

from beacons.filter_tables import (
    AUDIENCE_DB,
    AUDIENCE_STEP_DB,
    KEPT,
    TICK_S,
    Floats32,
    Ints,
    Reach,
    Tables,
)  # fmt: skip
from beacons.radio_map import FAST_DB2

# Handsets differ by up to 20 dB, a hand or a body takes 10 more, and the law's power at 1 m is a
# guess. Most lie within 8 dB of the common one, and the hand or bag that holds one takes 6 dB.
OFFSET_MEAN_DB: Final = np.float32(-6.0)
OFFSET_DB2: Final = np.float32(64.0)
# What is forgotten of a handset in a tick goes back to the offset that it has, not to this prior;
# that one comes back slowly, over some ten minutes: the handset stays the same.
OFFSET_KEPT: Final = np.float32(np.exp(-TICK_S / 60.0))
OFFSET_WANDERS_DB2: Final = np.float32(0.05)
# Never surer than this of an offset: antennas are not round.
OFFSET_LEAST_DB2: Final = np.float32(0.3)

# Of those at the foot of the stairs, the share that goes up or down in a tick: about 8 s there.
CONNECTOR_SHARE: Final = np.float32(0.06)

# A sighting this many standard deviations off the belief (a reflection, a lift door, a broken
# radio) counts less, so that its pull grows no more (Huber, 1964).
HUBER: Final = np.float32(2.0)
# Who heard says as much as how loud it was.
HEARING_WEIGHT: Final = np.float32(1.0)


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


def looks_precision(slow_db2: Floats32, kept: Floats32, fresh: Floats32) -> Floats32:
    """What more sightings of a gateway add, in 1 / dB2.

    slow_db2: of the gateway of each. kept: effective number of earlier ones, one tick ago; fresh:
    number now. n sightings at a place share the map's error there, so together they are worth
    n / (n slow + fast).
    """
    after = kept * KEPT + fresh
    added = after / (after * slow_db2 + np.float32(FAST_DB2))
    added -= KEPT * (kept / (kept * slow_db2 + np.float32(FAST_DB2)))
    return np.asarray(np.maximum(added, np.float32(0.0)))


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
    position = offset_db - np.float32(AUDIENCE_DB[0])
    position *= np.float32(1.0) / AUDIENCE_STEP_DB
    # What is not a number reads the first row: `advance` starts that handset anew.
    np.fmax(position, np.float32(0.0), out=position)
    np.minimum(position, np.float32(len(AUDIENCE_DB) - 1.001), out=position)
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
    slope *= (HEARING_WEIGHT * count / AUDIENCE_STEP_DB)[:, None]
    log_heard *= (HEARING_WEIGHT * count)[:, None]
    log_p -= log_heard
    offset_db -= offset_db2[:, None] * slope
    slope *= slope
    log_p += np.float32(0.5) * offset_db2[:, None] * slope
    return Belief(belief.p, offset_db, offset_db2)

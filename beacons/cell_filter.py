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
    LOOKS_KEPT,
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
# The way a handset is held changes; the handset does not, so its loudness is not forgotten.
OFFSET_WANDERS_DB2: Final = np.float32(0.02)
# Never surer than this of an offset: antennas are not round.
OFFSET_LEAST_DB2: Final = np.float32(0.3)

# Of those at the foot of the stairs, the share that goes up or down in a tick: about 8 s there.
CONNECTOR_SHARE: Final = np.float32(0.06)

# A sighting this many standard deviations off the belief (a reflection, a lift door, a broken
# radio) counts less, so that its pull grows no more (Huber, 1964).
HUBER: Final = np.float32(2.0)


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
    after = kept * LOOKS_KEPT + fresh
    added = after / (after * slow_db2 + np.float32(FAST_DB2))
    added -= LOOKS_KEPT * (kept / (kept * slow_db2 + np.float32(FAST_DB2)))
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
    belief, mean_db = spread(tables, belief)
    # Raised to a power below 1, what was learned of the place fades.
    log_p = np.log(belief.p)
    log_p *= KEPT
    surprise = None
    gateways = np.flatnonzero(looks.precision.any(axis=0))
    if len(gateways):
        # In a large store most gateways are far from most handsets.
        reach, slow_db2 = tables.reach.at(gateways), tables.slow_db2[gateways]
        here = Looks(looks.level_db[:, gateways], looks.precision[:, gateways])
        surprise = _surprise(reach, slow_db2, belief, mean_db, here, gateways)
        belief = _weigh(reach, log_p, belief, surprise.weight, here.level_db)
        belief = _overhear(log_p, belief, surprise.weight.sum(axis=1), heard_by)
    offset_db, offset_db2 = belief.offset_db, np.maximum(belief.offset_db2, OFFSET_LEAST_DB2)
    log_p -= log_p.max(axis=1, keepdims=True)
    p = np.exp(log_p, out=log_p)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    sound = np.isfinite(total[:, 0] + offset_db.sum(axis=1)) & (offset_db2 > 0)
    lost = np.flatnonzero(~sound)
    if len(lost):
        p[lost], offset_db[lost], offset_db2[lost] = tables.where, OFFSET_MEAN_DB, OFFSET_DB2
    return Belief(p, offset_db, offset_db2), surprise, lost


def spread(tables: Tables, belief: Belief) -> tuple[Belief, Floats32]:
    """Where everybody may be one tick later, and the mean of each one's offset.

    Offsets go with those who have them.
    """
    mass = np.empty((2, *belief.p.shape), dtype=np.float32)
    p, carried = mass
    p[:] = belief.p
    np.multiply(p, belief.offset_db, out=carried)
    mean_db = carried.sum(axis=1)
    crossing = mass[..., :-1] - mass[..., 1:]
    crossing *= tables.right[:-1]
    mass[..., :-1] -= crossing
    mass[..., 1:] += crossing
    crossing = mass - mass.take(tables.below, axis=-1)
    crossing *= tables.down
    mass -= crossing
    mass += crossing.take(tables.above, axis=-1)
    for one, other in tables.joined.tolist():
        through = CONNECTOR_SHARE * (mass[..., one] - mass[..., other])
        mass[..., one] -= through
        mass[..., other] += through
    p += tables.landing
    carried += tables.landing * mean_db[:, None]
    carried /= p
    return Belief(p, carried, belief.offset_db2 + OFFSET_WANDERS_DB2), mean_db


def _surprise(
    reach: Reach,
    slow_db2: Floats32,
    belief: Belief,
    mean_db: Floats32,
    looks: Looks,
    gateways: Ints,
) -> Surprise:
    """How far the sightings are from what the belief expects; the farther, the less they count."""
    spread_db2 = slow_db2 + np.float32(FAST_DB2)
    count = len(gateways)
    expected = belief.p @ reach.levels.reshape(2 * count, -1).T
    level_db = expected[:, :count]
    away = looks.level_db - level_db - mean_db[:, None]
    expected_db2 = expected[:, count:] - level_db * level_db
    expected_db2 += spread_db2 + belief.offset_db2[:, None]
    np.maximum(expected_db2, spread_db2, out=expected_db2)
    far = np.abs(away) / np.sqrt(expected_db2)
    weights = looks.precision * spread_db2
    weights /= np.maximum(far / HUBER, np.float32(1.0))
    return Surprise(gateways, away, expected_db2, weights)


def _weigh(
    reach: Reach, log_p: Floats32, belief: Belief, weights: Floats32, level_db: Floats32
) -> Belief:
    """Bayes' rule for the levels; adds to log_p, and corrects the offsets (Kalman's gain)."""
    offset_db, offset_db2 = belief.offset_db, belief.offset_db2[:, None]
    count = weights.shape[1]
    terms = reach.terms.reshape(3 * count, -1)
    pulled = weights * level_db
    beside = np.concatenate([pulled * level_db, pulled, weights], axis=1)
    constant = beside @ terms
    square = weights @ terms[:count]
    linear = np.concatenate([pulled, np.float32(0.5) * weights], axis=1) @ terms[: 2 * count]
    mean_square = np.einsum("hm,hm->h", belief.p, square)
    # About the offset o of each cell: linear - o square, and constant - 2 o linear + o^2 square.
    shifted = offset_db * square
    linear -= shifted
    shifted += linear
    shifted += linear
    shifted *= offset_db
    constant -= shifted
    square *= offset_db2
    square += np.float32(1.0)
    constant += np.log(square)
    np.divide(offset_db2, square, out=square)
    square *= linear
    offset_db += square
    square *= linear
    constant -= square
    constant *= np.float32(0.5)
    log_p -= constant
    return Belief(belief.p, offset_db, belief.offset_db2 / (1.0 + belief.offset_db2 * mean_square))


def _overhear(log_p: Floats32, belief: Belief, count: Floats32, heard_by: Floats32) -> Belief:
    """Bayes' rule for who heard the handset and who did not, linear about the offset of each cell.

    count: weight of the sightings of each handset.
    """
    offset_db, offset_db2 = belief.offset_db, belief.offset_db2[:, None]
    cells = offset_db.shape[1]
    position = offset_db - np.float32(AUDIENCE_DB[0])
    position *= np.float32(1.0) / AUDIENCE_STEP_DB
    # What is not a number reads the first row: `advance` starts that handset anew.
    np.fmax(position, np.float32(0.0), out=position)
    np.minimum(position, np.float32(len(AUDIENCE_DB) - 1), out=position)
    at = position.astype(np.intp)
    position -= at
    at *= cells
    at += np.arange(cells)
    slope = heard_by[1].take(at)
    position *= slope
    position += heard_by[0].take(at)
    position *= count[:, None]
    log_p -= position
    slope *= (count / AUDIENCE_STEP_DB)[:, None]
    pulled = offset_db2 * slope
    offset_db -= pulled
    pulled *= slope
    pulled *= np.float32(0.5)
    log_p += pulled
    return Belief(belief.p, offset_db, belief.offset_db2)

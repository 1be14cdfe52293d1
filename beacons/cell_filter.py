"""The arithmetic of presence: probabilities of (handset offset, cell), moved and weighed.

Arrays of probabilities have the shape (handsets, offsets, cells). What is here knows neither
devices nor zones nor the clock; `beacons.presence` does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.grid import Grid
from beacons.radio_map import RadioMap

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

# The filter's heart beat: the gateways' window.
TICK_S: Final = 0.5

# Handsets differ by up to 20 dB, a hand or a body takes 10 more, and the law's power at 1 m is a
# guess. 4 dB is fine beside fading of 6 dB.
OFFSET_STEP_DB: Final = 4
OFFSETS_DB: Final = tuple(range(-28, 17, OFFSET_STEP_DB))
# Most handsets lie within 8 dB of the common one, and the hand or bag that holds one takes 6 dB.
OFFSET_PRIOR_MEAN_DB: Final = -6.0
OFFSET_PRIOR_SIGMA_DB: Final = 8.0

# The map is wrong at a place by as many dB as a sighting fades, and it stays wrong while somebody
# stands there: ten seconds of sightings are not twenty independent looks. So what was learned
# decays towards the prior in this time, and a sighting refills what its gateway's earlier one has
# lost: in the long run each gateway is one look. Without it recorded walks end in a corner, far
# from everything, with a large offset (right zone 0.42 of the time instead of 0.54).
FORGETS_AFTER_S: Final = 3.0
_KEPT: Final = np.float32(np.exp(-TICK_S / FORGETS_AFTER_S))
# What is less likely than this is as good as impossible; keeps logarithms finite.
_FLOOR: Final = np.float32(1e-20)
_NEVER: Final = -1e4
# Shoppers stroll at 0.4 to 1.1 m/s and often stand. Their walk is modelled as diffusion, whose
# spread after five seconds equals that of people who walk half of the time at this speed.
WALK_MPS: Final = 0.9
# Chance that the model is wrong altogether (a jump through a door that the plan lacks), each tick.
TELEPORT: Final = 1e-4

# Sightings are read in steps of 2 dB; outside this range they are taken as the nearest end.
_LOUDNESS_STEP_DB: Final = 2
LOUDEST_DBM: Final = -30
FAINTEST_DBM: Final = -106
_PHASES: Final = OFFSET_STEP_DB // _LOUDNESS_STEP_DB
_BASE_DBM: Final = FAINTEST_DBM - OFFSETS_DB[-1]

# One sighting in a hundred follows another law: a reflection, a lift door, a broken radio. More
# would be right for single sightings but lets the whole map be explained away.
OUTLIER_SHARE: Final = 0.01
OUTLIER_SPAN_DB: Final = 60.0

# A gateway hears 30 to 40 % of 1 Hz packets in a given second, better when near: the chance that a
# window in which someone heard this handset was heard by one gateway too, and its soft edge.
HEARD_SHARE: Final = 0.6
SENSITIVITY_DBM: Final = -90.0
SENSITIVITY_EDGE_DB: Final = 4.0


@dataclass(frozen=True, slots=True)
class Tables:
    """What can be computed once for a floor.

    loudness: log likelihood, (gateways, phases, levels, cells): see `loudness_rows`.
    silence: log chance of not being heard, (gateways, offsets x cells).
    right, down: share that crosses the border of m and m + 1, of m and m + columns, in one tick;
        `..._stay`: what is left. prior: a new handset, (offsets, cells);
        log_forgotten: its part in what is left after a tick.
    """

    loudness: Floats32
    silence: Floats32
    right: Floats32
    right_stay: Floats32
    down: Floats32
    down_stay: Floats32
    columns: int
    prior: Floats32
    log_forgotten: Floats32
    teleport: Floats32

    @property
    def offsets(self) -> int:
        return len(OFFSETS_DB)

    @property
    def cells(self) -> int:
        return int(self.prior.shape[1])


def build_tables(grid: Grid, radio: RadioMap) -> Tables:
    """The tables of one floor."""
    right, right_stay = _moves(grid.right, 1, grid.cell_m)
    down, down_stay = _moves(grid.down, grid.columns, grid.cell_m)
    where = grid.walkable / grid.walkable.sum()
    offsets = np.array(OFFSETS_DB, dtype=np.float64)
    offset = np.exp(-0.5 * ((offsets - OFFSET_PRIOR_MEAN_DB) / OFFSET_PRIOR_SIGMA_DB) ** 2)
    prior = (offset / offset.sum())[:, None] * where
    forgotten = np.where(where > 0, (1.0 - _KEPT) * np.log(np.where(where > 0, prior, 1)), _NEVER)
    return Tables(
        loudness=_loudness_table(radio),
        silence=_silence_table(radio, offsets),
        right=right,
        right_stay=right_stay,
        down=down,
        down_stay=down_stay,
        columns=grid.columns,
        prior=prior.astype(np.float32),
        log_forgotten=forgotten.astype(np.float32),
        teleport=(TELEPORT * where / len(offsets)).astype(np.float32),
    )


def loudness_rows(tables: Tables, gateway: int, rssi_dbm: float) -> Floats32:
    """Log likelihood of one sighting, shape (offsets, cells): a view, not a copy."""
    clipped_dbm = min(max(rssi_dbm, FAINTEST_DBM), LOUDEST_DBM)
    level = round((clipped_dbm - OFFSETS_DB[0] - _BASE_DBM) / _LOUDNESS_STEP_DB)
    coarse, phase = divmod(level, _PHASES)
    first = tables.loudness.shape[2] - 1 - coarse
    return tables.loudness[gateway, phase, first : first + tables.offsets]


def spread(tables: Tables, p: Floats32, rows_first: bool) -> Floats32:
    """Where everybody may be one tick later.

    rows_first: alternate it, so that no direction is preferred.
    """
    across = (tables.right, tables.right_stay, 1)
    along = (tables.down, tables.down_stay, tables.columns)
    moved = p
    scratch = np.empty_like(p)
    for share, stay, shift in (along, across) if rows_first else (across, along):
        before, moved = moved, moved * stay
        step = scratch[..., :-shift]
        np.multiply(before[..., :-shift], share[:-shift], out=step)
        moved[..., shift:] += step
        np.multiply(before[..., shift:], share[:-shift], out=step)
        moved[..., :-shift] += step
    moved += tables.teleport
    return moved


def weigh(tables: Tables, p: Floats32, log_likelihood: Floats32) -> npt.NDArray[np.bool_]:
    """Forget a little, then Bayes' rule, in place; for which handsets it failed.

    log_likelihood: the shape of p.
    """
    np.maximum(p, _FLOOR, out=p)
    np.log(p, out=p)
    p *= _KEPT
    p += tables.log_forgotten
    p += log_likelihood
    p -= p.max(axis=(1, 2), keepdims=True)
    np.exp(p, out=p)
    return normalise(tables, p)


def normalise(tables: Tables, p: Floats32) -> npt.NDArray[np.bool_]:
    """Make each handset's probabilities sum to 1; a row that cannot be saved starts anew."""
    total = p.sum(axis=(1, 2), keepdims=True)
    lost: npt.NDArray[np.bool_] = ~(np.isfinite(total) & (total > 1e-30)).ravel()
    if lost.any():
        p[lost] = tables.prior
        total[lost] = 1.0
    p /= total
    return lost


def _moves(open_: npt.NDArray[np.bool_], shift: int, cell_m: float) -> tuple[Floats32, Floats32]:
    """Share that crosses each open border in one tick, and share that stays in each cell."""
    # Walking half of the time for about two seconds in one direction: variance per axis grows by
    # speed^2 x 2 s x 1/2 each second, half of it per axis.
    variance_m2 = 0.5 * WALK_MPS**2 * TICK_S
    share = np.where(open_, min(0.5 * variance_m2 / cell_m**2, 0.3), 0.0)
    stay = 1.0 - share
    stay[shift:] -= share[:-shift]
    return share.astype(np.float32), stay.astype(np.float32)


def _loudness_table(radio: RadioMap) -> Floats32:
    """Log likelihood by residual, arranged so that all offsets of a sighting are one slice.

    Entry (g, phase, last - j, m) is for a handset that would be heard at _BASE_DBM + 4 j + 2 phase
    if its offset were 0. The next offset bin takes 4 dB from that: it follows in memory.
    """
    coarse = (LOUDEST_DBM - FAINTEST_DBM) // OFFSET_STEP_DB + len(OFFSETS_DB)
    gateways, cells = radio.expected_dbm.shape
    table = np.empty((gateways, _PHASES, coarse + 1, cells), dtype=np.float32)
    for phase in range(_PHASES):
        for j in range(coarse + 1):
            at_0_dbm = _BASE_DBM + OFFSET_STEP_DB * j + _LOUDNESS_STEP_DB * phase
            residual = (at_0_dbm - radio.expected_dbm) / radio.sigma_db
            core = np.exp(-0.5 * residual**2) / (radio.sigma_db * np.sqrt(2 * np.pi))
            mixed = (1.0 - OUTLIER_SHARE) * core + OUTLIER_SHARE / OUTLIER_SPAN_DB
            table[:, phase, coarse - j] = np.log(mixed)
    return table


def _silence_table(radio: RadioMap, offsets: npt.NDArray[np.float64]) -> Floats32:
    loudness = radio.expected_dbm[:, None, :] + offsets[None, :, None]
    heard = HEARD_SHARE / (1.0 + np.exp(-(loudness - SENSITIVITY_DBM) / SENSITIVITY_EDGE_DB))
    silence = np.log1p(-heard).astype(np.float32)
    return np.asarray(silence.reshape(len(silence), -1))

"""What presence can compute once for a store: how loud and how audible handsets are in each cell.

And how people spread from cell to cell. `beacons.cell_filter` does the rest, tick by tick.
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

# The model is never quite right, so what was learned of the place decays in this time (the belief
# is drawn towards "anywhere": its logarithm shrinks).
FORGETS_AFTER_S: Final = 5.0
KEPT: Final = np.float32(np.exp(-TICK_S / FORGETS_AFTER_S))
# The map is wrong at a place, and stays wrong while somebody stands there: ten seconds of sightings
# are not twenty independent looks. In recordings the errors of one gateway are alike for 2 m of
# walking and for as long as somebody stands. The filter's `looks_precision` says what one more
# sighting adds to the earlier ones of its gateway.
SAME_ERROR_S: Final = 5.0
LOOKS_KEPT: Final = np.float32(np.exp(-TICK_S / SAME_ERROR_S))
# Shoppers stroll at 0.4 to 1.1 m/s and often stand. Their walk is modelled as diffusion, whose
# spread after five seconds equals that of people who walk half of the time at this speed.
WALK_MPS: Final = 1.1
# Chance that the model is wrong altogether (a jump through a door that the plan lacks), each tick.
TELEPORT: Final = 1e-4
# Which gateways hear a handset at all says where it is, above all where gateways are sparse: of all
# that could, weighted by the chance to decode a packet this loud, it was these. Receivers decode
# half of the packets at -95 to -98 dBm (the faintest in recordings: -95 to -103); the edge is soft,
# since levels fade. Too high a value makes a quiet handset look near, and surely so.
SENSITIVITY_DBM: Final = -94.0
SENSITIVITY_EDGE_DB: Final = 5.0
# Besides: a gateway hears somebody whom the map calls out of reach, one time in so many.
HEARD_ANYWAY: Final = 1e-3
# Offsets for which it is tabulated; between them it is interpolated.
AUDIENCE_STEP_DB: Final = np.float32(3.0)
AUDIENCE_DB: Final = np.arange(-45.0, 31.0, 3.0)

# Levels are taken relative to this, so that squares of them keep their digits in float32.
_MIDDLE_DBM: Final = -75.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How loud handsets are at some gateways.

    levels: the expected level relative to -75 dBm, and its square; (2, gateways, cells).
    terms: of the log likelihood -1/2 precision (level - expected)^2 + 1/2 log precision, times -2,
    what stands beside level^2, level and 1; (3, gateways, cells).
    """

    levels: Floats32
    terms: Floats32

    @property
    def expected_db(self) -> Floats32:
        """Relative to -75 dBm, (gateways, cells)."""
        return np.asarray(self.levels[0])

    def at(self, gateways: Ints) -> "Reach":
        """Of these gateways only."""
        if len(gateways) == self.levels.shape[1]:
            return self
        return Reach(self.levels[:, gateways], self.terms[:, gateways])


@dataclass(frozen=True, slots=True)
class Tables:
    """What can be computed once for a store.

    reach: of each gateway.
    slow_db2: variance of the map's error, by gateway, mean over the cells; gateway_db2: the part of
    it that is the gateway's own offset.
    heard: chance to be heard, (gateways, offsets, cells). everybody: the audience when all listen.
    right, down: share that crosses the border to the next cell, and to the cell `below`, in one
    tick; (cells,). above: the other way; the last cell, where there is none.
    joined: pairs of cells at the ends of connectors.
    where: a new handset's place; landing: added in each tick, so that nothing is ever impossible;
    (cells,).
    """

    reach: Reach
    slow_db2: Floats32
    gateway_db2: Floats32
    heard: Floats32
    everybody: Floats32
    right: Floats32
    down: Floats32
    below: Ints
    above: Ints
    joined: Ints
    where: Floats32
    landing: Floats32

    @property
    def cells(self) -> int:
        return len(self.where)


def build_tables(grid: Grid, radio: RadioMap) -> Tables:
    """The tables of one store."""
    cells = len(grid.xy)
    where = np.full(cells, 1.0 / cells)
    expected_db = radio.expected_dbm - _MIDDLE_DBM
    precision = 1.0 / (radio.slow_db2 + FAST_DB2)
    constant = precision * expected_db**2 - np.log(precision)
    loudness = radio.expected_dbm[:, None, :] + AUDIENCE_DB[None, :, None]
    edge = (loudness - SENSITIVITY_DBM) / SENSITIVITY_EDGE_DB
    heard = as_float32(1.0 / (1.0 + np.exp(-edge)) + HEARD_ANYWAY)
    down = grid.down[grid.place]
    below, above = np.arange(cells), np.full(cells, cells - 1)
    below[down] = np.searchsorted(grid.place, grid.place[down] + grid.columns)
    above[below[down]] = np.flatnonzero(down)
    return Tables(
        reach=Reach(
            levels=as_float32(np.stack([expected_db, expected_db**2])),
            terms=as_float32(np.stack([precision, -2.0 * precision * expected_db, constant])),
        ),
        slow_db2=as_float32(radio.slow_db2 @ where),
        gateway_db2=as_float32(radio.gateway_db2),
        heard=heard,
        everybody=audience(heard),
        right=_moves(grid.right[grid.place], grid.cell_m),
        down=_moves(down, grid.cell_m),
        below=below,
        above=above,
        joined=grid.joined,
        where=as_float32(where),
        landing=as_float32(TELEPORT * where),
    )


def audience(heard: Floats32) -> Floats32:
    """Log of how many gateways would hear a handset; for `beacons.cell_filter`.

    heard: the rows of `Tables.heard` whose gateways listen. (2, offsets x cells): the logarithm at
    each of AUDIENCE_DB, and what the next one adds to it.
    """
    log = np.log(heard.sum(axis=0) + np.float32(HEARD_ANYWAY))
    return np.stack([log.ravel(), np.diff(log, axis=0, append=log[-1:]).ravel()])


def relative_db(rssi_dbm: npt.NDArray[np.float64]) -> Floats32:
    """Levels as the filter has them."""
    return as_float32(rssi_dbm - _MIDDLE_DBM)


def _moves(open_: Bools, cell_m: float) -> Floats32:
    """Share that crosses each open border in one tick."""
    # Walking half of the time for about two seconds in one direction: variance per axis grows by
    # speed^2 x 2 s x 1/2 each second, half of it per axis.
    variance_m2 = 0.5 * WALK_MPS**2 * TICK_S
    return as_float32(np.where(open_, min(0.5 * variance_m2 / cell_m**2, 0.25), 0.0))


def as_float32(values: npt.NDArray[np.float64]) -> Floats32:
    return np.ascontiguousarray(values, dtype=np.float32)

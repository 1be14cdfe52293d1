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

# The map is wrong at a place, and stays wrong while somebody stands there: ten seconds of sightings
# are not twenty independent looks. So what was learned of the place decays in this time, and the
# filter's `looks_precision` says what one more sighting adds to the earlier ones of its gateway.
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


def build_tables(grid: Grid, radio: RadioMap) -> Tables:
    """The tables of one store."""
    walkable = grid.walkable
    where = walkable / walkable.sum()
    expected_db = radio.expected_dbm - _MIDDLE_DBM
    precision = 1.0 / (radio.slow_db2 + FAST_DB2)
    loudness = radio.expected_dbm[:, None, :] + AUDIENCE_DB[None, :, None]
    heard = 1.0 / (1.0 + np.exp(-(loudness - SENSITIVITY_DBM) / SENSITIVITY_EDGE_DB))
    log_where = np.log(np.where(walkable, where, 1.0))
    return Tables(
        reach=Reach(
            expected_db=as_float32(expected_db),
            expected_db2=as_float32(expected_db**2),
            precision=as_float32(precision),
            pull=as_float32(precision * expected_db),
            pull2=as_float32(precision * expected_db**2),
            half_log=as_float32(0.5 * np.log(precision)),
        ),
        slow_db2=as_float32(radio.slow_db2 @ where),
        gateway_db2=as_float32(radio.gateway_db2),
        heard=as_float32(heard + HEARD_ANYWAY),
        right=_moves(grid.right, grid.cell_m),
        down=_moves(grid.down, grid.cell_m),
        columns=grid.columns,
        joined=grid.joined,
        where=as_float32(where),
        landing=as_float32(TELEPORT * where + _TINY),
        log_forgotten=as_float32(np.where(walkable, (1.0 - KEPT) * log_where, _NEVER)),
    )


def audience(tables: Tables, listening: Bools) -> Floats32:
    """Log of how many of the listening gateways would hear a handset, by offset and cell.

    Flat, for `beacons.cell_filter`; a first dimension of offsets, then cells.
    """
    expected = tables.heard[listening].sum(axis=0) + np.float32(HEARD_ANYWAY)
    return np.asarray(np.log(expected).ravel())


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

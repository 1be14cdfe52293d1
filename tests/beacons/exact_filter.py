"""The filter as one would write it down: a table of offset by cell, and no closed forms."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons import cell_filter, filter_tables
from beacons.grid import Grid
from beacons.radio_map import FAST_DB2, RadioMap

Floats = npt.NDArray[np.float64]

STEP_DB: Final = 0.5
OFFSETS_DB: Final = np.arange(-60.0, 50.0, STEP_DB)
KEPT: Final = float(filter_tables.KEPT)
OFFSET_MEAN_DB: Final = float(cell_filter.OFFSET_MEAN_DB)
OFFSET_DB2: Final = float(cell_filter.OFFSET_DB2)


@dataclass(frozen=True, slots=True)
class Look:
    """One gateway in one tick: how loud, and what that is worth in 1 / dB2."""

    gateway: int
    level_dbm: float
    precision: float


class ExactFilter:
    """joint: probability of each offset and cell, (offsets, cells)."""

    def __init__(self, grid: Grid, radio: RadioMap) -> None:
        self.grid, self.radio = grid, radio
        self.where = np.full(len(grid.xy), 1.0 / len(grid.xy))
        self.moves = _moves(grid)
        prior = _gaussian(OFFSET_MEAN_DB, OFFSET_DB2)
        self.joint = prior[:, None] * self.where[None, :]

    @property
    def p(self) -> Floats:
        return np.asarray(self.joint.sum(axis=0))

    @property
    def offset_db(self) -> float:
        return float(self.joint.sum(axis=1) @ OFFSETS_DB)

    @property
    def offset_sd_db(self) -> float:
        """Given the cell, the mean over the cells."""
        p = np.maximum(self.p, 1e-30)
        mean = OFFSETS_DB @ self.joint / p
        square = OFFSETS_DB**2 @ self.joint / p
        return float(np.sqrt(self.p @ (square - mean**2)))

    def advance(self, looks: list[Look], listening: npt.NDArray[np.bool_] | None) -> None:
        """One tick. listening: None when who hears is to say nothing."""
        self.walk()
        self._forget()
        weights = [self._weight(look) for look in looks]
        for look, weight in zip(looks, weights, strict=True):
            self._weigh(look, weight)
        if looks and listening is not None:
            self._overhear(sum(weights), listening)

    def walk(self) -> None:
        """The moves of one tick."""
        for move in self.moves:
            self.joint = self.joint @ move
        anywhere = self.joint.sum(axis=1)[:, None] * self.where[None, :]
        self.joint = self.joint + filter_tables.TELEPORT * anywhere
        # A random walk of the offset: so much to each side gives the variance of a tick.
        share = float(cell_filter.OFFSET_WANDERS_DB2) / (2 * STEP_DB**2)
        up, down = (np.roll(self.joint, side, axis=0) for side in (1, -1))
        self.joint = (1 - 2 * share) * self.joint + share * (up + down)
        self.joint /= self.joint.sum()

    def _forget(self) -> None:
        """Of the place only; how loud the handset would be there stays known."""
        faded = self.p**KEPT
        self.joint = self.joint * (faded / faded.sum() / self.p)

    def _weight(self, look: Look) -> float:
        """Of a sighting: less when it is far from what is expected (Huber)."""
        slow_db2 = float(self.radio.slow_db2[look.gateway] @ self.where)
        expected = self.radio.expected_dbm[look.gateway]
        mean_dbm = float(self.p @ expected)
        expected_db2 = float(self.p @ (expected - mean_dbm) ** 2)
        expected_db2 += self.offset_sd_db**2 + slow_db2 + FAST_DB2
        far = abs(look.level_dbm - mean_dbm - self.offset_db) / expected_db2**0.5
        pull = min(1.0, float(cell_filter.HUBER) / max(far, 1e-9))
        return float(look.precision * (slow_db2 + FAST_DB2) * pull)

    def _weigh(self, look: Look, weight: float) -> None:
        db2 = self.radio.slow_db2[look.gateway] + FAST_DB2
        expected = self.radio.expected_dbm[look.gateway][None, :] + OFFSETS_DB[:, None]
        log = -0.5 * weight * ((look.level_dbm - expected) ** 2 / db2 + np.log(db2))
        self._multiply(log)

    def _overhear(self, count: float, listening: npt.NDArray[np.bool_]) -> None:
        loudness = self.radio.expected_dbm[listening][:, None, :] + OFFSETS_DB[None, :, None]
        edge = (loudness - filter_tables.SENSITIVITY_DBM) / filter_tables.SENSITIVITY_EDGE_DB
        heard = 1 / (1 + np.exp(-edge)) + filter_tables.HEARD_ANYWAY
        everybody = heard.sum(axis=0) + filter_tables.HEARD_ANYWAY
        self._multiply(-count * np.log(everybody))

    def _multiply(self, log: Floats) -> None:
        self.joint = self.joint * np.exp(log - log.max())
        self.joint /= self.joint.sum()


def _moves(grid: Grid) -> list[Floats]:
    """Matrices that move probability, in the order in which they act: border by border."""
    variance_m2 = 0.5 * filter_tables.WALK_MPS**2 * filter_tables.TICK_S
    share = min(0.5 * variance_m2 / grid.cell_m**2, 0.25)
    cells = len(grid.xy)
    steps = []
    cell_at = {place: cell for cell, place in enumerate(grid.place.tolist())}
    for open_, shift in ((grid.right, 1), (grid.down, grid.columns)):
        move = np.eye(cells)
        for place in np.flatnonzero(open_).tolist():
            _exchange(move, cell_at[place], cell_at[place + shift], share)
        steps.append(move)
    for one, other in grid.joined.tolist():
        move = np.eye(cells)
        _exchange(move, one, other, float(cell_filter.CONNECTOR_SHARE))
        steps.append(move)
    return steps


def _exchange(move: Floats, one: int, other: int, share: float) -> None:
    move[one, one] -= share
    move[one, other] += share
    move[other, other] -= share
    move[other, one] += share


def _gaussian(mean_db: float, db2: float) -> Floats:
    density = np.exp(-0.5 * (OFFSETS_DB - mean_db) ** 2 / db2)
    return np.asarray(density / density.sum())

"""The mutable arrays of presence: one row for each tracked handset, rows 0 to n - 1 in use.

A row that ends is filled with the last one, so memory follows the number of handsets and never
passes the ceiling.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.cell_filter import OFFSET_DB2, OFFSET_MEAN_DB

_FIRST_ROWS: Final = 64
# An estimate of the handset's advert interval forgets with this share of each gap.
_GAP_SHARE: Final = 0.1
FIRST_GAP_S: Final = 1.0
_MAX_GAP_S: Final = 10.0


class Rows:
    """Arrays with one row for each device.

    p: probability of each cell; offset_db: how much louder the handset would be if there;
    offset_db2: variance of that (`beacons.cell_filter`).
    zone_p: probability of each zone, the last: of none. floor, xy: the likeliest, and where on it.
    looks: effective number of adverts that each gateway heard of it, decaying; last_s: when
    any heard it; begun_s: since when p has grown from the prior.
    gap_s: usual time between ticks in which it was heard.
    best, best_s: the likeliest zone now and since when. likely, likely_s: the same, but sticky.
    entered, entered_s: the zone of the stay (-1: none) and when it began; marks, sure: how many
    dwell marks and how many levels of certainty were told.
    """

    def __init__(self, gateways: int, zones: int, cells: int, ceiling: int) -> None:
        if ceiling < 1:
            raise ValueError(f"a ceiling of {ceiling} handsets tracks nobody")
        self.ceiling = ceiling
        self.devices: list[str] = []
        self.row_of: dict[str, int] = {}
        size = min(_FIRST_ROWS, ceiling)
        self.p = np.zeros((size, cells), dtype=np.float32)
        self.offset_db = np.zeros((size, cells), dtype=np.float32)
        self.offset_db2 = np.zeros(size, dtype=np.float32)
        self.zone_p = np.zeros((size, zones + 1), dtype=np.float64)
        self.floor = np.zeros(size, dtype=np.intp)
        self.xy = np.zeros((size, 2), dtype=np.float64)
        self.looks = np.zeros((size, gateways), dtype=np.float32)
        self.last_s = np.zeros(size, dtype=np.float64)
        self.begun_s = np.zeros(size, dtype=np.float64)
        self.gap_s = np.zeros(size, dtype=np.float64)
        self.best = np.zeros(size, dtype=np.intp)
        self.best_s = np.zeros(size, dtype=np.float64)
        self.likely = np.zeros(size, dtype=np.intp)
        self.likely_s = np.zeros(size, dtype=np.float64)
        self.entered = np.zeros(size, dtype=np.intp)
        self.entered_s = np.zeros(size, dtype=np.float64)
        self.marks = np.zeros(size, dtype=np.intp)
        self.sure = np.zeros(size, dtype=np.intp)

    def __len__(self) -> int:
        return len(self.devices)

    @property
    def is_full(self) -> bool:
        return len(self.devices) >= self.ceiling

    def add(self, device: str, prior: npt.NDArray[np.float32], at_s: float) -> int:
        """Track a device from now on; its row."""
        row = len(self.devices)
        if row == len(self.p):
            self._grow()
        self.devices.append(device)
        self.row_of[device] = row
        self.begin(row, prior, at_s)
        self.zone_p[row] = 0.0
        self.floor[row] = 0
        self.xy[row] = 0.0
        self.last_s[row] = at_s
        self.gap_s[row] = FIRST_GAP_S
        self.best[row] = self.likely[row] = self.entered[row] = -1
        self.best_s[row] = self.likely_s[row] = self.entered_s[row] = at_s
        self.marks[row] = self.sure[row] = 0
        return row

    def begin(self, row: int, prior: npt.NDArray[np.float32], at_s: float) -> None:
        """Nothing is known of where it is."""
        self.p[row] = prior
        self.offset_db[row] = OFFSET_MEAN_DB
        self.offset_db2[row] = OFFSET_DB2
        self.looks[row] = 0.0
        self.begun_s[row] = at_s

    def remove(self, row: int) -> None:
        """Stop tracking; the last row takes the place."""
        last = len(self.devices) - 1
        del self.row_of[self.devices[row]]
        if row != last:
            for array in self._arrays().values():
                array[row] = array[last]
            self.devices[row] = self.devices[last]
            self.row_of[self.devices[row]] = row
        self.devices.pop()

    def hear(self, rows: npt.NDArray[np.intp], at_s: float) -> None:
        """These rows were heard in the tick that ends now; learns their interval."""
        gap_s = np.minimum(at_s - self.last_s[rows], _MAX_GAP_S)
        new = gap_s <= 0.0
        learned = (1.0 - _GAP_SHARE) * self.gap_s[rows] + _GAP_SHARE * gap_s
        self.gap_s[rows] = np.where(new, self.gap_s[rows], learned)
        self.last_s[rows] = at_s

    def fill(self, devices: list[str], columns: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Begin with these, as they were kept; only when there are none yet.

        columns: by name, one entry for each device. Raises ValueError when one does not fit, is
        infinite or points to no zone.
        """
        count = len(devices)
        while len(self.p) < count:
            self._grow()
        for name, values in columns.items():
            array = getattr(self, name)
            if values.shape != (count, *array.shape[1:]) or not np.isfinite(values).all():
                raise ValueError(f"{name} does not fit")
            array[:count] = values
        zones = self.zone_p.shape[1]
        for name in ("best", "likely", "entered"):
            index = getattr(self, name)[:count]
            if ((index < -1) | (index >= zones)).any():
                raise ValueError(f"{name} is no zone")
        self.devices.extend(devices)
        self.row_of.update({device: row for row, device in enumerate(devices)})

    def longest_unheard(self) -> int:
        """The row to give up when there is no room."""
        return int(np.argmin(self.last_s[: len(self.devices)]))

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def _grow(self) -> None:
        size = min(2 * len(self.p), self.ceiling)
        for name, array in self._arrays().items():
            grown = np.zeros((size, *array.shape[1:]), dtype=array.dtype)
            grown[: len(array)] = array
            setattr(self, name, grown)

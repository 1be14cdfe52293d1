"""The same job as `beacons.presence`, done as one would at first: an object for each handset.

Each handset holds its own Bayes filter over (offset, cell) and is moved, weighed and judged by
itself, in plain numpy. It is here to measure what doing all handsets at once is worth, so it is
as lean as the straightforward way allows: Gaussian likelihoods without tables, cut off against
outliers; the law from positions without shelves; forgetting, walls, zones, hysteresis and dwell
marks as a shop needs them; no lag, no checks of its input.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon

from beacons.filter_tables import KEPT
from beacons.floor import FloorPlan, walkable, zone_of
from beacons.grid import CELL_M
from beacons.heard import Heard
from beacons.presence import GONE_AFTER_S
from beacons.radio_map import EXPONENT, POWER_AT_1M_DBM
from beacons.zone_events import Appeared, Dwelling, Entered, Gone, Left, ZoneEvent
from beacons.zone_judge import DWELL_MARKS_S, ENTER_AT, LEAVE_AT

Floats = npt.NDArray[np.float32]

# Where it can be, the filter's own figures are used, so that both do the same job.
OFFSETS_DB: Final = tuple(range(-28, 17, 4))
HEIGHT_M: Final = 1.4  # of the gateways above a handset
SIGMA_DB: Final = 6.0
CUT_OFF: Final = 4.5  # of a log likelihood: three sigma
MOVES: Final = 0.25  # share that crosses to each free neighbour in a tick
LEAST: Final = 1e-20


class Floor:
    """What all handsets share: cells, neighbours, zones, expected loudness."""

    def __init__(self, plan: FloorPlan) -> None:
        x_min, y_min, x_max, y_max = Polygon(plan.outline).bounds
        x = np.arange(x_min + CELL_M / 2, x_max, CELL_M)
        y = np.arange(y_min + CELL_M / 2, y_max, CELL_M)
        xy = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        self.shape = (len(y), len(x))
        self.free = np.asarray(shapely.contains_xy(walkable(plan), xy)).reshape(self.shape)
        self.prior = np.broadcast_to(
            self.free / (self.free.sum() * len(OFFSETS_DB)), (len(OFFSETS_DB), *self.shape)
        ).astype(np.float32)
        self.log_prior = np.log(np.maximum(self.prior, LEAST))
        self.zone_ids = [zone.zone_id for zone in plan.zones]
        zone = zone_of(plan, xy)
        self.zone_share = (zone[:, None] == [*range(len(plan.zones)), -1]).astype(np.float32)
        self.right = (MOVES * (self.free[:, 1:] & self.free[:, :-1])).astype(np.float32)
        self.down = (MOVES * (self.free[1:] & self.free[:-1])).astype(np.float32)
        offsets_db = np.array(OFFSETS_DB, dtype=np.float32)[:, None]
        self.expected_dbm: dict[str, Floats] = {}
        for place in plan.gateways:
            distance_m = np.hypot(np.hypot(*(xy - (place.x_m, place.y_m)).T), HEIGHT_M)
            law_dbm = POWER_AT_1M_DBM - 10 * EXPONENT * np.log10(distance_m)
            expected = (law_dbm + offsets_db).reshape(len(OFFSETS_DB), *self.shape)
            self.expected_dbm[place.gateway_id] = expected.astype(np.float32)


class Handset:
    """One handset: where it may be, and the stay that was told."""

    def __init__(self, floor: Floor, device: str, at_s: float) -> None:
        self._floor = floor
        self._device = device
        self._p = floor.prior.copy()
        self._zone: int | None = None
        self._since_s = at_s
        self._marks = 0
        self.heard_s = at_s

    def tick(self, heard: Sequence[Heard], at_s: float) -> list[ZoneEvent]:
        """Move, weigh what was heard, tell what changed. at_s: the end of the half second."""
        if heard:
            self.heard_s = at_s
        self._move()
        self._weigh(heard)
        zone_p = self._p.sum(axis=0).ravel() @ self._floor.zone_share
        return self._judge(zone_p, at_s)

    def gone(self, at_s: float) -> list[ZoneEvent]:
        """The visit is over."""
        return [*self._leave(at_s, 0.0), Gone(self._device, at_s, self.heard_s)]

    def _move(self) -> None:
        p, floor = self._p, self._floor
        across = (p[:, :, :-1] - p[:, :, 1:]) * floor.right
        along = (p[:, :-1] - p[:, 1:]) * floor.down
        p[:, :, :-1] -= across
        p[:, :, 1:] += across
        p[:, :-1] -= along
        p[:, 1:] += along

    def _weigh(self, heard: Sequence[Heard]) -> None:
        logs = KEPT * np.log(np.maximum(self._p, LEAST)) + (1 - KEPT) * self._floor.log_prior
        for one in heard:
            residual = (one.mean_rssi_dbm - self._floor.expected_dbm[one.gateway_id]) / SIGMA_DB
            logs -= np.minimum(0.5 * residual * residual, CUT_OFF)
        self._p = np.exp(logs - logs.max())
        self._p /= self._p.sum()

    def _judge(self, zone_p: npt.NDArray[np.float32], at_s: float) -> list[ZoneEvent]:
        events: list[ZoneEvent] = []
        best = int(zone_p.argmax())
        present = self._zone
        if present not in (None, best) and (zone_p[present] < LEAVE_AT or zone_p[best] >= ENTER_AT):
            events += self._leave(at_s, float(zone_p[present]))
        if self._zone is None and best < len(self._floor.zone_ids) and zone_p[best] >= ENTER_AT:
            self._zone, self._since_s, self._marks = best, at_s, 0
            zone_id = self._floor.zone_ids[best]
            events.append(Entered(self._device, zone_id, at_s, at_s, float(zone_p[best])))
        stay_s = at_s - self._since_s
        if self._zone is not None and self._marks < len(DWELL_MARKS_S):
            mark_s = DWELL_MARKS_S[self._marks]
            if stay_s >= mark_s:
                self._marks += 1
                zone_id, confidence = self._floor.zone_ids[self._zone], float(zone_p[self._zone])
                events.append(
                    Dwelling(self._device, zone_id, at_s, self._since_s, confidence, mark_s)
                )
        return events

    def _leave(self, at_s: float, confidence: float) -> list[ZoneEvent]:
        if self._zone is None:
            return []
        zone_id, self._zone = self._floor.zone_ids[self._zone], None
        return [Left(self._device, zone_id, at_s, self._since_s, confidence)]


class ObjectLoop:
    """All handsets of a store, one after the other."""

    def __init__(self, plan: FloorPlan) -> None:
        self._floor = Floor(plan)
        self._handsets: dict[str, Handset] = {}

    def step(self, heard: Sequence[Heard], now_s: float) -> list[ZoneEvent]:
        """Take in the half second that ends now."""
        by_device: defaultdict[str, list[Heard]] = defaultdict(list)
        for one in heard:
            by_device[one.device].append(one)
        events: list[ZoneEvent] = []
        for device in by_device.keys() - self._handsets.keys():
            self._handsets[device] = Handset(self._floor, device, now_s)
            events.append(Appeared(device, now_s))
        for device, handset in list(self._handsets.items()):
            if now_s - handset.heard_s > GONE_AFTER_S and device not in by_device:
                events += handset.gone(now_s)
                del self._handsets[device]
            else:
                events += handset.tick(by_device.get(device, ()), now_s)
        return events

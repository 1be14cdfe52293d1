"""Adapter of the production filter to the zone scorer on recorded walks.

Run from the root of the repository:
    python ../shared/eval/zone_eval.py ../shared/data/rssi benchmarks.zones:CorsiaEstimator
"""

from collections.abc import Mapping
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from beacons.filter_tables import TICK_S
from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.heard import Heard
from beacons.presence import PresenceModel, PresenceState, estimates, step
from beacons.survey import Survey, SurveyPoint

# The recordings do not say how high the radios hang; a receiver on a wall or desk edge is about
# as far above a handset as this.
ANCHOR_HEIGHT_M: Final = 2.5
# Gaps between zones drawn side by side are closed up to this width; wider ones are shelves.
JOIN_M: Final = 0.1
_DEVICE: Final = "walker"
# A recording starts at 0; unix seconds keep the arithmetic at the size that it has in a store.
_EPOCH_S: Final = 1_790_000_000.0
# A sighting at the very end of a tick belongs to it.
_EDGE_S: Final = 1e-3


class CorsiaEstimator:
    """One device on one floor; the zone that the production code would name."""

    def __init__(
        self,
        anchors: Mapping[str, tuple[float, float]],
        zones: Mapping[str, BaseGeometry],
        survey: Any = None,
    ) -> None:
        """survey: data frame of x, y, anchor_id, rssi_mean, rssi_std, n, seconds; None: none."""
        plan = _plan(anchors, zones)
        surveys = [] if survey is None else [_survey(plan.floor_id, survey)]
        # The scorer tells no walls: where nobody walks, nothing is known to weaken a signal.
        self._model = PresenceModel([plan], surveys=surveys, lag_s=0.0, shelf_loss_db=0.0)
        self._anchors = frozenset(anchors)
        self._state = PresenceState(self._model, ceiling=1)
        self._waiting: list[Heard] = []
        self._offset_s: float | None = None
        self._asked_s: float | None = None

    def reset(self) -> None:
        """Forget the device; what was learned of the gateways stays, as in a store."""
        learned = self._state.gateways
        self._state = PresenceState(self._model, ceiling=1)
        self._state.gateways = learned
        self._waiting = []
        self._offset_s = self._asked_s = None

    def feed(self, t: float, anchor_id: str, rssi: float) -> None:
        self._waiting.append(Heard(_DEVICE, anchor_id, t, 1, rssi, rssi))

    def zone(self, t: float) -> str | None:
        self._advance(t)
        found = estimates(self._model, self._state).get(_DEVICE)
        return None if found is None else found.likeliest_zone_id

    def position(self, t: float) -> tuple[float, float] | None:
        self._advance(t)
        found = estimates(self._model, self._state).get(_DEVICE)
        return None if found is None else (found.x_m, found.y_m)

    def _advance(self, t: float) -> None:
        """Ticks are laid so that they end when the scorer asks, which it does twice."""
        if t == self._asked_s:
            return
        self._asked_s = t
        if self._offset_s is None:
            self._offset_s = _EPOCH_S - t % TICK_S
        heard = [
            Heard(
                one.device,
                one.gateway_id,
                one.at_s + self._offset_s - _EDGE_S,
                1,
                one.mean_rssi_dbm,
                one.max_rssi_dbm,
            )
            for one in self._waiting
        ]
        self._waiting = []
        # All anchors are at work: the recordings have no other device that would show it.
        step(self._model, self._state, heard, t + self._offset_s + _EDGE_S, self._anchors)


def _survey(floor_id: str, rows: Any) -> Survey:
    return Survey(
        "installer",
        tuple(
            SurveyPoint(floor_id, x, y, anchor_id, mean, sd, n, seconds)
            for x, y, anchor_id, mean, sd, n, seconds in zip(
                rows.x, rows.y, rows.anchor_id, rows.rssi_mean, rows.rssi_std, rows.n,
                rows.seconds, strict=True,
            )
        ),
    )  # fmt: skip


def _plan(
    anchors: Mapping[str, tuple[float, float]], zones: Mapping[str, BaseGeometry]
) -> FloorPlan:
    """A floor on which one can walk in the zones and nowhere else."""
    free = shapely.union_all(list(zones.values())).buffer(JOIN_M).buffer(-JOIN_M / 2)
    frame = shapely.box(*free.bounds)
    return FloorPlan(
        floor_id="recording",
        outline=_corners(frame),
        obstacles=tuple(_corners(piece) for piece in _without_holes(frame.difference(free))),
        zones=tuple(
            Zone(zone_id, zone_id, ZoneKind.AISLE, _corners(shape))
            for zone_id, shape in zones.items()
        ),
        gateways=tuple(
            GatewayPlace(anchor_id, x, y, ANCHOR_HEIGHT_M) for anchor_id, (x, y) in anchors.items()
        ),
    )


def _without_holes(shape: BaseGeometry) -> list[BaseGeometry]:
    """The polygons of a shape, cut where one has a hole."""
    pieces = [piece for piece in shapely.get_parts(shape) if piece.area > 0.0]
    whole = [piece for piece in pieces if not piece.interiors]
    for piece in pieces:
        if piece.interiors:
            x_min, y_min, x_max, y_max = piece.bounds
            x = piece.interiors[0].centroid.x
            for half in (shapely.box(x_min, y_min, x, y_max), shapely.box(x, y_min, x_max, y_max)):
                whole += _without_holes(piece.intersection(half))
    return whole


def _corners(shape: BaseGeometry) -> Polygon:
    ring = shapely.get_coordinates(shapely.get_exterior_ring(shape))
    return tuple((float(x), float(y)) for x, y in ring[:-1])

"""What open systems do today, written plainly, to measure Corsia against.

Both answer with the zone of one gateway: the zone in which it hangs, or the nearest one. They have
the interface that the scorer of recorded walks asks for (see `benchmarks.zones_table`).
"""

import math
from collections import deque
from collections.abc import Mapping
from statistics import fmean
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

# Long enough for a mean, short enough to follow a walk; between barnacles' 2 s and 8 s.
STRONGEST_OVER_S: Final = 3.0

# Habluetooth smooths RSSI so, for each gateway. Source: habluetooth, manager.
SMOOTHING: Final = 0.3
# Bermuda changes the room when another gateway is nearer by 30 % of the mean of both distances; at
# its exponent of 3 that is 3.9 dB. It counts gateways that heard the device within 10 s.
# Source: agittins/bermuda, const.py and coordinator.py.
CLEARLY_LOUDER_DB: Final = 30 * math.log10(1.15 / 0.85)
STALE_AFTER_S: Final = 10.0


class StrongestGateway:
    """The gateway with the loudest mean over the last seconds; no memory, no hysteresis."""

    def __init__(
        self,
        anchors: Mapping[str, tuple[float, float]],
        zones: Mapping[str, BaseGeometry],
    ) -> None:
        self._places = dict(anchors)
        self._zone_of = zone_of_each(anchors, zones)
        self.reset()

    def reset(self) -> None:
        """Forget the device."""
        self._heard: deque[tuple[float, str, float]] = deque()

    def feed(self, t: float, anchor_id: str, rssi: float) -> None:
        self._heard.append((t, anchor_id, rssi))

    def zone(self, t: float) -> str | None:
        strongest = self._strongest(t)
        return None if strongest is None else self._zone_of[strongest]

    def position(self, t: float) -> tuple[float, float] | None:
        strongest = self._strongest(t)
        return None if strongest is None else self._places[strongest]

    def _strongest(self, t: float) -> str | None:
        while self._heard and self._heard[0][0] < t - STRONGEST_OVER_S:
            self._heard.popleft()
        readings: dict[str, list[float]] = {}
        for _, anchor_id, rssi in self._heard:
            readings.setdefault(anchor_id, []).append(rssi)
        return max(readings, key=lambda each: fmean(readings[each]), default=None)


class NearestWithHysteresis:
    """The gateway with the loudest smoothed RSSI; another must be clearly louder to take over."""

    def __init__(
        self,
        anchors: Mapping[str, tuple[float, float]],
        zones: Mapping[str, BaseGeometry],
    ) -> None:
        self._places = dict(anchors)
        self._zone_of = zone_of_each(anchors, zones)
        self.reset()

    def reset(self) -> None:
        """Forget the device."""
        self._smoothed: dict[str, tuple[float, float]] = {}  # when last heard, dBm
        self._nearest: str | None = None

    def feed(self, t: float, anchor_id: str, rssi: float) -> None:
        heard_s, smooth_dbm = self._smoothed.get(anchor_id, (-math.inf, rssi))
        if t - heard_s > STALE_AFTER_S:
            smooth_dbm = rssi
        self._smoothed[anchor_id] = (t, smooth_dbm + SMOOTHING * (rssi - smooth_dbm))

    def zone(self, t: float) -> str | None:
        self._challenge(t)
        return None if self._nearest is None else self._zone_of[self._nearest]

    def position(self, t: float) -> tuple[float, float] | None:
        self._challenge(t)
        return None if self._nearest is None else self._places[self._nearest]

    def _challenge(self, t: float) -> None:
        """Let the loudest gateway take over if it may. Unheard of for long: the last answer."""
        loudness = {
            anchor_id: smooth_dbm
            for anchor_id, (heard_s, smooth_dbm) in self._smoothed.items()
            if t - heard_s <= STALE_AFTER_S
        }
        if not loudness:
            return
        loudest = max(loudness, key=lambda each: loudness[each])
        present = self._nearest
        if (
            present is None
            or present not in loudness
            or loudness[loudest] >= loudness[present] + CLEARLY_LOUDER_DB
        ):
            self._nearest = loudest


def zone_of_each(
    anchors: Mapping[str, tuple[float, float]], zones: Mapping[str, BaseGeometry]
) -> dict[str, str]:
    """The zone of each gateway: the one it hangs in, else the nearest."""
    return {
        anchor_id: min(zones, key=lambda zone_id: zones[zone_id].distance(shapely.Point(place)))
        for anchor_id, place in anchors.items()
    }

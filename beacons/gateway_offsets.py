"""What each gateway hears louder than its fellows, learned from the crowd as it passes.

A Kalman filter for each gateway: what the sightings of all handsets are louder than expected, less
what they are louder at all gateways alike (that is the handset). Where gateways were calibrated or
a survey was walked, little is left to learn.
"""

from typing import Final

import numpy as np

from beacons.cell_filter import Surprise
from beacons.filter_tables import Floats32, Tables

# One handset at few gateways tells its own loudness, not theirs.
LEAST_GATEWAYS: Final = 3
# Somebody hangs a banner: an offset is never known better than this.
LEAST_DB2: Final = np.float32(1.0)
# Sightings of one crowd share errors of the map; the filter believes them less than their number.
TRUST: Final = np.float32(0.4)


class GatewayOffsets:
    """offset_db, offset_db2: what was learned of each gateway, and its variance, (gateways,)."""

    def __init__(self, tables: Tables) -> None:
        self.offset_db = np.zeros(len(tables.slow_db2), dtype=np.float32)
        self.offset_db2 = tables.gateway_db2.copy()

    def slow_db2(self, tables: Tables) -> Floats32:
        """Variance of the map's error by gateway, now that its offset is better known."""
        return np.asarray(tables.slow_db2 - tables.gateway_db2 + self.offset_db2)

    def learn(self, surprise: Surprise) -> None:
        """Take in the surprises of a tick."""
        weight = surprise.weight
        total = weight.sum(axis=1, keepdims=True)
        enough = (weight > 0).sum(axis=1) >= LEAST_GATEWAYS
        if not enough.any():
            return
        weight, total = weight[enough], total[enough]
        away_db = surprise.away_db[enough]
        own_db = away_db - (weight * away_db).sum(axis=1, keepdims=True) / total
        known = TRUST * weight / surprise.expected_db2[enough]
        at = surprise.gateways
        precision = 1.0 / self.offset_db2[at] + known.sum(axis=0)
        self.offset_db[at] += (known * own_db).sum(axis=0) / precision
        least_db2 = np.minimum(LEAST_DB2, self.offset_db2[at])
        self.offset_db2[at] = np.maximum(1.0 / precision, least_db2)

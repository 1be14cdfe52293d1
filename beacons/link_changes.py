"""What has become of a floor's links since the calibration before.

Shadows stay where they are, so a change stands out far more clearly than an oddity.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from beacons.calibration import usable
from beacons.floor import FloorPlan
from beacons.links import Link

# A pallet, a banner or a closed metal door takes 6 to 20 dB, both ways; a changed antenna too.
COVERED_DB: Final = 5.0
# Spread of a gateway's changes that a fixed path does not show: its shadow stays.
CHANGED_SPREAD_DB: Final = 3.0
# When the links of most have changed, the store was refitted, and nobody can say who stayed.
CHANGED_SPREAD_TIMES: Final = 2.5
LEAST_LINKS_TO_COMPARE: Final = 3
_POLISHES: Final = 10


class FlagKind(enum.Enum):
    """What a person should look at."""

    NEW = "new"
    DIED = "died"
    ALONE = "alone"
    DEAF = "deaf"
    MUTE = "mute"
    MOVED = "moved"
    COVERED = "covered"


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing about one gateway, said in words."""

    gateway_id: str
    kind: FlagKind
    sentence: str


class Changes:
    """What has become of the links since the calibration before.

    A change is split into a part of the sender, a part of the hearer and what neither explains.
    spread_out: gateways whose links changed each in its own way, as when one is moved.
    """

    def __init__(self, floor: FloorPlan, now: Sequence[Link], then: Sequence[Link]) -> None:
        ids = [place.gateway_id for place in floor.gateways]
        index = {gateway_id: i for i, gateway_id in enumerate(ids)}
        was = {(link.hearer_id, link.heard_id): link for link in usable(then, ids)}
        off_db = np.full((len(ids), len(ids)), np.nan)  # [heard, hearer]
        for link in usable(now, ids):
            earlier = was.get((link.hearer_id, link.heard_id))
            if earlier is not None:
                change_db = link.mean_rssi_dbm - earlier.mean_rssi_dbm
                off_db[index[link.heard_id], index[link.hearer_id]] = change_db
        self._ids = ids
        self._sent_db, self._heard_db = np.zeros(len(ids)), np.zeros(len(ids))
        self._compared = np.minimum(
            np.isfinite(off_db).sum(axis=0), np.isfinite(off_db).sum(axis=1)
        )
        for _ in range(_POLISHES):
            for part, axis in ((self._sent_db, 1), (self._heard_db, 0)):
                for i in range(len(ids)):
                    line = off_db[i] if axis else off_db[:, i]
                    if np.isfinite(line).any():
                        shift_db = float(np.nanmedian(line))
                        part[i] += shift_db
                        line -= shift_db
            for part in (self._sent_db, self._heard_db):
                # What all share is the air's, not a gateway's.
                np.subtract(part, np.median(part) if ids else 0.0, out=part)
        self._spread_db = {
            gateway_id: float(np.nanmedian(np.abs(np.concatenate([off_db[i], off_db[:, i]]))))
            for i, gateway_id in enumerate(ids)
            if self._compared[i] >= LEAST_LINKS_TO_COMPARE
        }
        usual_db = float(np.median([*self._spread_db.values()])) if self._spread_db else 0.0
        least_db = max(CHANGED_SPREAD_DB, CHANGED_SPREAD_TIMES * usual_db)
        self.spread_out = frozenset(
            one for one, spread_db in self._spread_db.items() if spread_db >= least_db
        )

    def elsewhere(self, gateway_id: str) -> Flag | None:
        """That it was moved, as far as changes alone tell; None when they do not."""
        if gateway_id not in self.spread_out:
            return None
        return Flag(
            gateway_id,
            FlagKind.MOVED,
            f"has moved or was turned: its links have changed, each its own way, by about"
            f" {self._spread_db[gateway_id]:.0f} dB; where to cannot be told",
        )

    def covered(self) -> list[Flag]:
        """The gateways all of whose links have become weaker, both ways."""
        return [
            Flag(
                gateway_id,
                FlagKind.COVERED,
                f"is heard {-sent_db:.0f} dB and hears {-heard_db:.0f} dB more weakly than before:"
                " something covers it, or its antenna is loose",
            )
            for gateway_id, sent_db, heard_db, compared in zip(
                self._ids, self._sent_db, self._heard_db, self._compared, strict=True
            )
            if compared >= LEAST_LINKS_TO_COMPARE and max(sent_db, heard_db) <= -COVERED_DB
        ]

"""When the API took in what was heard of each handset: from then on it is up to us.

Kept by the half second in which it was heard, so that a decision can say when the last sighting
that it rests on had come, and not when some later one did.
"""

import math
from typing import Final

from beacons.filter_tables import TICK_S

# Of one handset; what came before is kept as one time. Presence decides within a second or two.
TICKS_KEPT: Final = 16


class Acceptance:
    """For each handset when its sightings were accepted; times are unix seconds."""

    def __init__(self) -> None:
        # handset -> tick -> the latest acceptance of a sighting of that tick.
        self._ticks: dict[str, dict[int, float]] = {}

    def note(self, handset_id: str, at_s: float, accepted_s: float) -> None:
        """A sighting was accepted then. at_s: the start of its window."""
        ticks = self._ticks.setdefault(handset_id, {})
        tick = math.floor(at_s / TICK_S)
        ticks[tick] = max(accepted_s, ticks.get(tick, accepted_s))
        if len(ticks) > TICKS_KEPT:
            first, second, *_ = sorted(ticks)
            ticks[second] = max(ticks[second], ticks.pop(first))

    def last_s(self, handset_id: str, until_s: float) -> float | None:
        """When the last sighting of a window that had ended by then was accepted; None: no such."""
        tick = math.floor(until_s / TICK_S)
        ticks = self._ticks.get(handset_id, {})
        return max((at for one, at in ticks.items() if one < tick), default=None)

    def forget(self, handset_id: str) -> None:
        """The handset is gone."""
        self._ticks.pop(handset_id, None)

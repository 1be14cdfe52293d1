"""Which gateways are at work: by what they report and by who hears them, not by shoppers' silence.

A gateway that hears its fellows' canaries reports something every few seconds in an empty store
too. Times are those of the sightings, not of their arrival: a spool that is sent late says nothing
about now.
"""

import enum
from collections.abc import Iterable
from typing import Final

from beacons.canary import WINDOW_MS

# A canary's window is ten seconds, told when it is over, and one may be lost. Fellows do not share
# the phase of their windows, so a gateway with several is known to be dead sooner than this.
LISTENS_WITHIN_S: Final = 2.5 * WINDOW_MS / 1_000
# Fellows tell of a window after its end, so the last one heard is up to two windows old.
SENDS_WITHIN_S: Final = 3.5 * WINDOW_MS / 1_000


class Life(enum.Enum):
    """How a gateway is doing."""

    LISTENING = "listening"  # reports what it hears: its silence about a handset says something
    DEAF = "deaf"  # its fellows hear it, nothing comes from it: receiver or network is broken
    DEAD = "dead"  # neither
    UNKNOWN = "unknown"  # it was never heard of, and there was no time to be


class Liveness:
    """When each gateway of a store last reported something, and was last heard by a fellow."""

    def __init__(self, gateway_ids: Iterable[str], began_s: float) -> None:
        """began_s: unix, since when reports are taken in."""
        self._began_s = began_s
        self._reported_s: dict[str, float | None] = dict.fromkeys(gateway_ids)
        self._heard_s: dict[str, float | None] = dict.fromkeys(self._reported_s)

    def reported(self, gateway_id: str, at_s: float) -> None:
        """It heard somebody, anybody, until then."""
        _later(self._reported_s, gateway_id, at_s)

    def was_heard(self, gateway_id: str, at_s: float) -> None:
        """A fellow heard its canary until then."""
        _later(self._heard_s, gateway_id, at_s)

    def life(self, gateway_id: str, now_s: float) -> Life:
        """How it is doing; UNKNOWN too for a gateway of another store."""
        if gateway_id not in self._reported_s:
            return Life.UNKNOWN
        if _is_fresh(self._reported_s[gateway_id], now_s, LISTENS_WITHIN_S):
            return Life.LISTENING
        if _is_fresh(self._heard_s[gateway_id], now_s, SENDS_WITHIN_S):
            return Life.DEAF
        return Life.UNKNOWN if now_s - self._began_s < SENDS_WITHIN_S else Life.DEAD

    def listening(self, now_s: float) -> frozenset[str]:
        """The gateways whose silence about a handset is evidence."""
        return frozenset(one for one in self._reported_s if self.life(one, now_s) is Life.LISTENING)


def _later(times_s: dict[str, float | None], gateway_id: str, at_s: float) -> None:
    if gateway_id in times_s:
        before_s = times_s[gateway_id]
        times_s[gateway_id] = at_s if before_s is None else max(at_s, before_s)


def _is_fresh(at_s: float | None, now_s: float, within_s: float) -> bool:
    # A clock that was set back leaves times ahead of now: they count until it has caught up.
    return at_s is not None and now_s - at_s <= within_s

"""Which gateways are at work: by what they report and by who hears them, not by shoppers' silence.

A gateway that hears its fellows' canaries reports something every few seconds in an empty store
too. Times are those of the sightings, not of their arrival: a spool that is sent late says nothing
about now.
"""

import enum
from collections.abc import Iterable
from typing import Final

from beacons.canary import WINDOW_MS

# A canary's window is ten seconds, told when it is over, and one may be lost. So long does a
# gateway with one fellow and no shoppers seem to listen when it does not any more.
LISTENS_WITHIN_S: Final = 2.5 * WINDOW_MS / 1_000
# Fellows do not share the phase of their windows, so a gateway with eleven reports each second and
# is known to be silent sooner: after so many of its usual gaps, 1 in 150 by chance, and after what
# a report may take to us: a window's closing, a second of batching, the network.
GAPS: Final = 5.0
REPORTS_TAKE_S: Final = 2.5
# The usual gap forgets with this share of each gap: with the last ten.
_GAP_SHARE: Final = 0.1
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
        self._began_s = dict.fromkeys(gateway_ids, began_s)
        self._reported_s: dict[str, float | None] = dict.fromkeys(self._began_s)
        self._heard_s: dict[str, float | None] = dict.fromkeys(self._reported_s)
        self._gap_s: dict[str, float] = {}

    def follow(self, gateway_ids: Iterable[str], now_s: float) -> None:
        """The store has these gateways from now on (unix); of those that stay, all is known."""
        began_s = {one: self._began_s.get(one, now_s) for one in gateway_ids}
        self._began_s = began_s
        self._reported_s = {one: self._reported_s.get(one) for one in began_s}
        self._heard_s = {one: self._heard_s.get(one) for one in began_s}
        self._gap_s = {one: gap_s for one, gap_s in self._gap_s.items() if one in began_s}

    def reported(self, gateway_id: str, at_s: float) -> None:
        """It heard somebody, anybody, until then."""
        last_s = self._reported_s.get(gateway_id)
        if last_s is not None and at_s > last_s:
            gap_s = min(at_s - last_s, LISTENS_WITHIN_S)
            usual_s = self._gap_s.get(gateway_id, gap_s)
            self._gap_s[gateway_id] = usual_s + _GAP_SHARE * (gap_s - usual_s)
        _later(self._reported_s, gateway_id, at_s)

    def was_heard(self, gateway_id: str, at_s: float) -> None:
        """A fellow heard its canary until then."""
        _later(self._heard_s, gateway_id, at_s)

    def life(self, gateway_id: str, now_s: float) -> Life:
        """How it is doing; UNKNOWN too for a gateway of another store."""
        if gateway_id not in self._reported_s:
            return Life.UNKNOWN
        if _is_fresh(self._reported_s[gateway_id], now_s, self._listens_within_s(gateway_id)):
            return Life.LISTENING
        if _is_fresh(self._heard_s[gateway_id], now_s, SENDS_WITHIN_S):
            return Life.DEAF
        return Life.UNKNOWN if now_s - self._began_s[gateway_id] < SENDS_WITHIN_S else Life.DEAD

    def listening(self, now_s: float) -> frozenset[str]:
        """The gateways whose silence about a handset is evidence."""
        return frozenset(one for one in self._reported_s if self.life(one, now_s) is Life.LISTENING)

    def _listens_within_s(self, gateway_id: str) -> float:
        gap_s = self._gap_s.get(gateway_id, LISTENS_WITHIN_S)
        return min(LISTENS_WITHIN_S, REPORTS_TAKE_S + GAPS * gap_s)


def _later(times_s: dict[str, float | None], gateway_id: str, at_s: float) -> None:
    if gateway_id in times_s:
        before_s = times_s[gateway_id]
        times_s[gateway_id] = at_s if before_s is None else max(at_s, before_s)


def _is_fresh(at_s: float | None, now_s: float, within_s: float) -> bool:
    # A clock that was set back leaves times ahead of now: they count until it has caught up.
    return at_s is not None and now_s - at_s <= within_s

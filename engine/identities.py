"""Whose identifier is this: one dictionary look-up a sighting.

Secrets of consenting handsets are held here, in memory, with their identifiers for the window
before, this one and the next. What does not resolve is nobody: it is dropped and never stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from beacons.ceid import eids, window

# A handset's clock may be a window behind or ahead (DESIGN 4).
WINDOWS_EITHER_SIDE: Final = 1
EID_HEX: Final = 20  # the first 10 octets of a sighting's identifier


@dataclass(frozen=True, slots=True)
class Owner:
    """Who carries a handset."""

    handset_id: str
    shopper_id: str


class Identities:
    """Identifiers on air -> handsets, for the three windows around now."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._secrets: dict[str, bytes] = {}
        self._owners: dict[str, Owner] = {}
        self._by_eid: dict[str, str | None] = {}  # None: two handsets claim it, so nobody has it
        self._eids_of: dict[str, list[str]] = {}
        self._window = -1

    def __len__(self) -> int:
        return len(self._secrets)

    def learn(self, owner: Owner, secret: bytes | None) -> None:
        """The handset's secret is this now; None: its owner no longer allows being recognised."""
        if secret is not None and self._secrets.get(owner.handset_id) == secret:
            return
        self._forget_eids(owner.handset_id)
        if secret is None:
            self._secrets.pop(owner.handset_id, None)
            self._owners.pop(owner.handset_id, None)
            return
        self._secrets[owner.handset_id] = secret
        self._owners[owner.handset_id] = owner
        if self._window >= 0:
            self._add_eids(owner.handset_id)

    def keep_only(self, handset_ids: Iterable[str]) -> None:
        """Forget every handset that is not among these: it has been erased."""
        for handset_id in self._secrets.keys() - set(handset_ids):
            self.learn(Owner(handset_id, ""), None)

    def turn_to(self, unix_s: float) -> None:
        """Compute anew what is on air around this time, when the window has changed."""
        now = window(unix_s)
        if now == self._window:
            return
        self._window = now
        self._by_eid.clear()
        self._eids_of.clear()
        for handset_id in self._secrets:
            self._add_eids(handset_id)

    def owner(self, identifier: str) -> Owner | None:
        """Who sent this CEID (12 octets in hex); None when nobody we know did."""
        handset_id = self._by_eid.get(identifier[:EID_HEX])
        return None if handset_id is None else self._owners.get(handset_id)

    def _add_eids(self, handset_id: str) -> None:
        around = range(self._window - WINDOWS_EITHER_SIDE, self._window + WINDOWS_EITHER_SIDE + 1)
        mine = [eid.hex() for eid in eids(self._secrets[handset_id], self._tenant, around)]
        self._eids_of[handset_id] = mine
        for eid in mine:
            self._by_eid[eid] = None if eid in self._by_eid else handset_id

    def _forget_eids(self, handset_id: str) -> None:
        for eid in self._eids_of.pop(handset_id, ()):
            if self._by_eid.get(eid) == handset_id:
                del self._by_eid[eid]

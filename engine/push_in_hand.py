"""The pushes that this process has claimed and not settled, and what to write should it end now.

A lease that is handed back is claimed by the next worker at once; one that runs out half a minute
later has cost the offer its moment, and nobody knows whether the push went out.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from db.outbox import Again, Claimed, End

STOPPED: Final = "the worker was stopped"


class InHand:
    """What is in hand."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str, str], tuple[Claimed, End | Again]] = {}

    def claimed(self, claimed: Iterable[Claimed], now: datetime) -> None:
        """These were claimed; nothing has been sent."""
        for one in claimed:
            self.known(one, Again(now, STOPPED, maybe_sent=False))

    def begun(self, claimed: Claimed, now: datetime) -> None:
        """This one is being sent: FCM may have taken it before its answer is here."""
        self.known(claimed, Again(now, STOPPED, maybe_sent=True, was_tried=True))

    def known(self, claimed: Claimed, end: End | Again) -> None:
        """This has come of it."""
        self._ends[_key(claimed)] = claimed, end

    def settled(self, claimed: Claimed) -> None:
        """Others see to it that what came of it is written."""
        self._ends.pop(_key(claimed), None)

    def left(self) -> Sequence[tuple[Claimed, End | Again]]:
        """What is to be written of those that are still in hand."""
        return list(self._ends.values())


def _key(claimed: Claimed) -> tuple[str, str, str]:
    return claimed.decision_id, claimed.handset_id, claimed.lease

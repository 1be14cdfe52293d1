"""What would have been sent: stored moments, decided again with other campaigns.

Each world keeps its own count of what it sent, so that caps and budgets hold in it as they would
have held. What was truly sent before the replay began counts in every world.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heappop, heappush

from offers.catalogue import Catalogue
from offers.pressure import LOOKS_BACK, Cap, Message, Pressure


@dataclass(frozen=True, slots=True)
class Fate:
    """What truly became of a send. released_at: when it was found to have reached nobody; None: it
    was not. answered_at: when it was opened or used."""

    message: Message
    released_at: datetime | None = None
    answered_at: datetime | None = None


class World:
    """One way it could have gone: campaigns, and what they sent. Ask it in the order of time.

    fates: what was truly sent, by decision. What is sent here and was sent there too has the same
    fate; what only this world sends is taken to be delivered and not ignored.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        before: Iterable[tuple[str, Fate]],
        fates: Mapping[str, Fate],
        began: datetime,
    ) -> None:
        """began: when the replay does. before: shopper and fate of what was sent before, oldest
        first.

        catalogue: with the sends that counted then, those that came to nothing later too.
        """
        self.catalogue = catalogue
        self._fates = fates
        self._began = began
        self._sent: defaultdict[str, list[Fate]] = defaultdict(list)
        # When what has been sent comes to nothing, and of which campaign: its budget grows again.
        self._to_release: list[tuple[datetime, str]] = []
        for shopper_id, fate in before:
            self._keep(shopper_id, fate)

    def turn(self, now: datetime) -> None:
        """It is that late by now: what came to nothing meanwhile counts in no budget any more."""
        while self._to_release and self._to_release[0][0] <= now:
            self.catalogue.unsent(heappop(self._to_release)[1])

    def pressure(
        self, shopper_id: str, visit_id: str, own: tuple[Cap, ...], now: datetime
    ) -> Pressure:
        """What was sent to the shopper here by then. own: what they allowed."""
        kept = [one for one in self._sent[shopper_id] if one.message.at > now - LOOKS_BACK]
        self._sent[shopper_id] = kept
        return Pressure(
            messages=tuple(
                replace(
                    one.message, is_answered=one.answered_at is not None and one.answered_at <= now
                )
                for one in kept
                if one.released_at is None or one.released_at > now
            ),
            campaigns_this_visit=frozenset(
                one.message.campaign_id for one in kept if one.message.visit_id == visit_id
            ),
            own=own,
        )

    def sent(self, shopper_id: str, message: Message) -> None:
        """This world sends that."""
        self.catalogue.sent(message.campaign_id)
        true = self._fates.get(message.message_id)
        if true is None or true.message.campaign_id != message.campaign_id:
            true = Fate(message, answered_at=message.at)
        self._keep(shopper_id, true)

    def happened(self, shopper_id: str, decision_id: str) -> None:
        """That moment went by as it truly did, because it cannot be decided again."""
        true = self._fates.get(decision_id)
        if true is not None:
            self.sent(shopper_id, true.message)

    def _keep(self, shopper_id: str, fate: Fate) -> None:
        self._sent[shopper_id].append(fate)
        if fate.released_at is not None and fate.released_at >= self._began:
            heappush(self._to_release, (fate.released_at, fate.message.campaign_id))

"""The kill switches: what an operator has stopped is not sent, whatever else speaks for it."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a kill switch stops. The names are stored."""

    EVERYTHING = "everything"
    STORE = "store"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True)
class Stops:
    """What is stopped now."""

    everything: bool = False
    store_ids: frozenset[str] = frozenset()
    campaign_ids: frozenset[str] = frozenset()

    def silences(self, store_id: str) -> bool:
        """Whether nothing at all is sent in this store."""
        return self.everything or store_id in self.store_ids

"""Where adverts come from: a radio, a recording or a simulated store, all one kind."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert as heard. `data` holds its AD structures; `address` never leaves memory."""

    at_ms: int  # unix milliseconds, this machine's clock
    address: str
    rssi_dbm: int
    data: bytes


class AdvertSource(Protocol):
    """A stream of adverts. Ends when the recording does; a radio's never ends."""

    def adverts(self) -> AsyncIterator[Advert]:
        """The adverts in the order in which they were heard."""

"""Where adverts come from: a radio, a recording or a simulated store, all one kind."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

# "Not available" in an HCI report, and in every advert of ours that came without a reading.
# Source: Bluetooth Core 5.4, volume 4 part E, 7.7.65.2.
RSSI_UNAVAILABLE_DBM: Final = 127

SourceState = Literal["starting", "listening", "waiting", "ended"]


class SourceError(Exception):
    """A source that can never give an advert; the message says why, for the person at the Pi."""


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert as heard. `data` holds its AD structures; `address` never leaves memory."""

    at_ms: int  # unix milliseconds, this machine's clock
    address: str
    rssi_dbm: int  # RSSI_UNAVAILABLE_DBM when the radio gave none
    data: bytes


@dataclass(slots=True)
class SourceHealth:
    """What a source says of itself; it alone writes here, the status file reads."""

    kind: str
    state: SourceState = "starting"
    adverts: int = 0
    discarded: int = 0  # lines that are none, adverts pushed out of a full ring
    restarts: int = 0  # scans or connections begun again
    recoveries: int = 0  # radio resets asked for
    trouble: str | None = None  # the last thing that went wrong, None once it works


class AdvertSource(Protocol):
    """A stream of adverts. Ends when the recording does; a radio's never ends."""

    @property
    def health(self) -> SourceHealth:
        """Its state and counts, as they are now."""

    def adverts(self) -> AsyncGenerator[Advert, None]:
        """The adverts in the order in which they were heard. Raises SourceError."""

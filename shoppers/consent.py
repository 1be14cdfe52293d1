"""What a shopper allows: an append-only ledger, and what stands in it today."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """What a consent is for. Each is asked and withdrawn on its own; the default is no."""

    LOCATION_BLE = "location_ble"
    PROFILING = "profiling"
    PUSH_MARKETING = "push_marketing"


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of the ledger: the answer to one question, and the proof of what was asked."""

    purpose: Purpose
    granted: bool
    text_version: str
    locale: str
    at: datetime


# A push in the aisle both follows the handset and advertises to it.
NEEDED_IN_AISLE: Final = frozenset({Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING})


def standing(ledger: Iterable[Grant]) -> frozenset[Purpose]:
    """The purposes that are allowed now: the last word on each. ledger: in the order given."""
    last: dict[Purpose, bool] = {}
    for grant in ledger:
        last[grant.purpose] = grant.granted
    return frozenset(purpose for purpose, granted in last.items() if granted)

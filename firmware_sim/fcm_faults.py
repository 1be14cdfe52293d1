"""Which of the fake FCM's answers are to be wrong: for a target, for the next few, or by chance."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random


class Trouble(Enum):
    """Each documented way for a send to fail, and four of the network's own."""

    BAD_REQUEST = "400 BadRequest, no FcmError"
    INVALID_TARGET = "400 FcmError INVALID_ARGUMENT"
    APNS_GONE = "400 with ApnsError 410"
    UNAUTHENTICATED = "401 our access token is refused"
    THIRD_PARTY_AUTH = "401 THIRD_PARTY_AUTH_ERROR"
    APNS_AUTH_OF_OLD = "401 APNS_AUTH_ERROR under the old type name"
    SENDER_ID_MISMATCH = "403 SENDER_ID_MISMATCH"
    PERMISSION_DENIED = "403 without FcmError"
    UNREGISTERED = "404 UNREGISTERED"
    QUOTA_EXCEEDED = "429 QUOTA_EXCEEDED"
    INTERNAL = "500 INTERNAL"
    UNAVAILABLE = "503 UNAVAILABLE"
    HTML_BAD_GATEWAY = "502 with a page in HTML"
    SLOW = "accepted, and the answer comes late"
    CUT_AFTER_ACCEPTING = "accepted, and the answer never comes"
    CUT_BEFORE_ACCEPTING = "the connection ends before the message is taken"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble and its particulars.

    retry_after_s: for 429 and 503; None leaves the header out.
    delay_s: for SLOW, by the clock of the fake.
    """

    trouble: Trouble
    retry_after_s: int | None = None
    retry_after_is_date: bool = False
    delay_s: float = 10.0


class FaultPlan:
    """What is to go wrong. A target's own fault comes first, then the queue, then the mix."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._by_target: dict[str, Fault] = {}
        self._next: deque[Fault] = deque()
        self._mix: dict[Fault, float] = {}

    def for_target(self, value: str, fault: Fault | None) -> None:
        """Every send to this target meets the fault; None makes it well again."""
        if fault is None:
            self._by_target.pop(value, None)
        else:
            self._by_target[value] = fault

    def for_next(self, fault: Fault, times: int = 1) -> None:
        """The next `times` sends meet the fault, whoever they are for."""
        self._next.extend([fault] * times)

    def mix(self, shares: Mapping[Fault, float]) -> None:
        """Of all other sends, these shares (0..1 each, at most 1 together) meet these faults."""
        if any(share < 0 for share in shares.values()) or sum(shares.values()) > 1:
            raise ValueError("shares of faults are each 0 or more, and together at most 1")
        self._mix = dict(shares)

    @contextmanager
    def all(self, fault: Fault) -> Iterator[None]:
        """Within this block every send without a fault of its own meets this one."""
        before = self._mix
        self._mix = {fault: 1.0}
        try:
            yield
        finally:
            self._mix = before

    def clear(self) -> None:
        """From here on everything works."""
        self._by_target.clear()
        self._next.clear()
        self._mix.clear()

    def pick(self, value: str) -> Fault | None:
        """The fault that a send to this target meets now; takes it off the queue."""
        own = self._by_target.get(value)
        if own is not None:
            return own
        if self._next:
            return self._next.popleft()
        if not self._mix:
            return None
        draw = self._chance.random()
        for fault, share in self._mix.items():
            draw -= share
            if draw < 0:
                return fault
        return None

"""Which of the fake FCM's answers are to be wrong: for a target, for the next few, for a platform,
or by chance."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

from firmware_sim.fcm_delivery import Platform


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

    def can_meet(self, platform: Platform | None) -> bool:
        """Whether a send to this platform can fail so: Android asks no push service but FCM."""
        return platform != "android" or self.trouble not in OF_OTHERS


# APNs and the web push services answer so, FCM hands it on.
OF_OTHERS: Final = frozenset(
    {Trouble.APNS_GONE, Trouble.APNS_AUTH_OF_OLD, Trouble.THIRD_PARTY_AUTH}
)
# Every trouble, and those that ask to wait in each form that a wait is asked for in: none, seconds,
# a date; short enough for an offer to outlive, and too long.
EVERY_FAULT: Final = (
    *(
        Fault(trouble)
        for trouble in Trouble
        if trouble not in {Trouble.SLOW, Trouble.QUOTA_EXCEEDED, Trouble.UNAVAILABLE}
    ),
    # In time, and later than anybody waits for.
    Fault(Trouble.SLOW, delay_s=2.0),
    Fault(Trouble.SLOW, delay_s=15.0),
    Fault(Trouble.QUOTA_EXCEEDED),
    Fault(Trouble.QUOTA_EXCEEDED, retry_after_s=3),
    Fault(Trouble.QUOTA_EXCEEDED, retry_after_s=300, retry_after_is_date=True),
    Fault(Trouble.UNAVAILABLE),
    Fault(Trouble.UNAVAILABLE, retry_after_s=2),
    Fault(Trouble.UNAVAILABLE, retry_after_s=4, retry_after_is_date=True),
)


class FaultPlan:
    """What is to go wrong.

    A target's own fault comes first, then the queue, the platform's, the mix, and what is dealt.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._by_target: dict[str, Fault] = {}
        self._next: deque[Fault] = deque()
        self._by_platform: dict[Platform, Fault] = {}
        self._mix: dict[Fault, float] = {}
        self._dealt_share = 0.0
        self._deck: list[Fault] = []

    def for_target(self, value: str, fault: Fault | None) -> None:
        """Every send to this target meets the fault; None makes it well again."""
        if fault is None:
            self._by_target.pop(value, None)
        else:
            self._by_target[value] = fault

    def for_next(self, fault: Fault, times: int = 1) -> None:
        """The next `times` sends meet the fault, whoever they are for."""
        self._next.extend([fault] * times)

    def for_platform(self, platform: Platform, fault: Fault | None) -> None:
        """Every send to this platform meets the fault; None makes it well again."""
        if fault is None:
            self._by_platform.pop(platform, None)
        else:
            self._by_platform[platform] = fault

    def deal(self, share: float) -> None:
        """Of all other sends, this share (0..1) meets one of EVERY_FAULT, none of them a second
        time before all have been met that the platforms allow."""
        if not 0 <= share <= 1:
            raise ValueError("a share is from 0 to 1")
        self._dealt_share = share

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
        self._by_platform.clear()
        self._mix.clear()
        self._dealt_share = 0.0

    def pick(self, value: str, platform: Platform | None = None) -> Fault | None:
        """The fault that a send to this target meets now; takes it off the queue.

        platform: the target's; None where it has none.
        """
        own = self._by_target.get(value)
        if own is not None:
            return own
        if self._next:
            return self._next.popleft()
        if platform is not None and platform in self._by_platform:
            return self._by_platform[platform]
        if self._mix:
            draw = self._chance.random()
            for fault, share in self._mix.items():
                draw -= share
                if draw < 0:
                    return fault
        if self._dealt_share and self._chance.random() < self._dealt_share:
            return self._dealt(platform)
        return None

    def _dealt(self, platform: Platform | None) -> Fault:
        """The next card of the deck that fits; where none does, a new deck is shuffled."""
        while True:
            for place, fault in enumerate(self._deck):
                if fault.can_meet(platform):
                    return self._deck.pop(place)
            self._deck = self._chance.sample(EVERY_FAULT, len(EVERY_FAULT))

"""Lanes of pushes, one a platform: each with its breaker and its limit, so that none holds another.

A bad APNs key is no reason for Android to wait, and a web push service that hangs must not take
the room of all.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum
from typing import Final

from config.clock import Clock
from db.outbox import Claimed
from engine.fcm_answers import Delivered, Outcome, Refused, Stops, TargetGone, Why
from engine.push_limit import Limit, Sign

log = logging.getLogger(__name__)

PLATFORMS: Final = ("android", "ios", "web")
# Somebody must look at a key; a minute is soon enough to notice that they have.
LANE_STOPS_FOR_S: Final = 60.0
# A handset whose app was built for another project comes up now and then, five in a row do not.
ALARMS_MAX: Final = 5
LANE_STOPS_AT_MOST_S: Final = 600.0
# Below it a lane is fed again: 50 ms of a lane at full speed, several times what a claim takes.
LOW: Final = 200
# What is under way while the next ones are checked: three quarters of the limit.
SHARE_OF_A_TURN: Final = 4
# A lane that hangs holds up the feeding of the others for this long, no more.
FEED_WAIT_S: Final = 0.1
# Errors of the server are counted as load: Mozilla's push service found throttling behind 90 % of
# the 5xx that FCM gave it.
LOAD: Final = frozenset({Why.QUOTA, Why.UNAVAILABLE, Why.INTERNAL, Why.TIMEOUT})
# These ended before FCM saw them, or broke off on the way.
SAYS_NOTHING: Final = frozenset(
    {Why.UNREACHABLE, Why.NO_CREDENTIAL, Why.CONNECTION_CUT, Why.OFFER_ENDED, Why.UNSENDABLE}
)


class BreakerState(Enum):
    """Whether pushes pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # one push is under way to find out


class Breaker:
    """Stops a platform whose key is bad, and lets one push at a time find out whether it still is.

    Each probe that fails doubles the stop, up to LANE_STOPS_AT_MOST_S. Times are of a clock that
    is never set: a wall clock that is put right would open it at once, or not for hours.
    """

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self._probe_at_s = float("-inf")
        self._stops_for_s = LANE_STOPS_FOR_S

    def admits(self, now_s: float) -> bool:
        """Whether a push may go now; of a stop that is over, the first one to ask is the probe."""
        if self.state is BreakerState.CLOSED:
            return True
        if now_s < self._probe_at_s:
            return False
        self.state = BreakerState.HALF_OPEN
        # Should nothing ever be heard of it, another one tries.
        self._probe_at_s = now_s + LANE_STOPS_FOR_S
        return True

    def stop(self, now_s: float) -> None:
        """The key was refused."""
        if self.state is BreakerState.HALF_OPEN:
            self._stops_for_s = min(2 * self._stops_for_s, LANE_STOPS_AT_MOST_S)
        elif self.state is BreakerState.CLOSED:
            self._stops_for_s = LANE_STOPS_FOR_S
        self.state = BreakerState.OPEN
        self._probe_at_s = now_s + self._stops_for_s

    def passed(self, *, proves_key: bool, now_s: float) -> None:
        """A push ended otherwise. proves_key: FCM's answer shows that the key is good."""
        if self.state is not BreakerState.HALF_OPEN:
            return
        if proves_key:
            self.state = BreakerState.CLOSED
        else:  # it never got as far as the key: the next push is the probe
            self.state, self._probe_at_s = BreakerState.OPEN, now_s


class Lane:
    """One platform's pushes: those that wait, and how many may be under way."""

    def __init__(self, platform: str, ceiling: int, taken: asyncio.Event) -> None:
        self.platform = platform
        self._taken = taken
        self.breaker = Breaker()
        self.limit = Limit(ceiling)
        self._waiting: deque[Claimed] = deque()
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many pushes wait here."""
        return len(self._waiting)

    def put(self, claimed: Claimed) -> None:
        """Let a push wait here."""
        self._waiting.append(claimed)
        self._changed.set()

    async def take(self, most: int, clock: Clock) -> list[Claimed]:
        """Pushes that there is room for, the oldest first, and the room; waits until there is one.

        `ended` gives the room back, or `dropped`. A full lane waits for room for several: to
        check one costs as much as to check many.
        """
        while not self._waiting or self.limit.room < self._worth_a_turn(most):
            self._changed.clear()
            await self._changed.wait()
        count = min(most, self.limit.room, len(self._waiting))
        self._taken.set()
        for _ in range(count):
            self.limit.begin(clock.monotonic_s())
        return [self._waiting.popleft() for _ in range(count)]

    def _worth_a_turn(self, most: int) -> int:
        share = max(1, self.limit.allowed // SHARE_OF_A_TURN)
        return min(most, len(self._waiting), share)

    def dropped(self, clock: Clock) -> None:
        """A push that was taken is not sent after all."""
        now_s = clock.monotonic_s()
        self.limit.end(Sign.NONE, now_s, now_s)
        self._changed.set()

    def ended(self, outcome: Outcome, began_s: float, clock: Clock) -> None:
        """A push of this lane has come to that."""
        self.limit.end(_sign(outcome), began_s, clock.monotonic_s())
        self._changed.set()


class Lanes:
    """Every platform's lane. ceiling: the most pushes under way on one of them."""

    def __init__(self, ceiling: int) -> None:
        self._alarms = 0  # answers in a row that say the target is another sender's
        self._taken = asyncio.Event()
        self._lanes = {platform: Lane(platform, ceiling, self._taken) for platform in PLATFORMS}

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def of(self, platform: str | None) -> Lane:
        """The lane of a platform. One that is not known, or no target at all, goes by Android's:
        it is told what is wrong when its turn comes."""
        return self._lanes.get(platform or "", self._lanes["android"])

    async def fed(self) -> frozenset[str]:
        """The platforms that have enough waiting for now; when any has, after FEED_WAIT_S at most.

        The others can be fed meanwhile.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(FEED_WAIT_S):
                while self._full():
                    self._taken.clear()
                    await self._taken.wait()
        return self._full()

    def _full(self) -> frozenset[str]:
        return frozenset(lane.platform for lane in self if lane.waiting > LOW)

    def note(self, lane: Lane, outcome: Outcome, now_s: float) -> None:
        """Stop what an outcome says must stop, and let go on what it shows to be well.

        now_s: of the monotonic clock.
        """
        if isinstance(outcome, TargetGone) and outcome.alarm:
            # One is another sender's; one after another, it is we who have the wrong key, and
            # every target there is would be retired.
            self._alarms += 1
            if self._alarms >= ALARMS_MAX:
                self._stop(self, outcome.why, now_s)
            else:  # FCM did not get as far as the platform's own key
                lane.breaker.passed(proves_key=False, now_s=now_s)
            return
        if isinstance(outcome, Delivered | TargetGone):
            # The target was ours, be it there or not. Of a push that failed otherwise nobody knows.
            self._alarms = 0
        if not isinstance(outcome, Refused) or outcome.stops is Stops.NOTHING:
            proves_key = _why(outcome) not in SAYS_NOTHING | LOAD
            lane.breaker.passed(proves_key=proves_key, now_s=now_s)
            return
        self._stop(self if outcome.stops is Stops.EVERYTHING else (lane,), outcome.why, now_s)

    def _stop(self, lanes: Iterable[Lane], why: Why, now_s: float) -> None:
        for one in lanes:
            one.breaker.stop(now_s)
        log.error(
            "push lane stopped",
            extra={"platforms": [one.platform for one in lanes], "why": why.value},
        )

    def told(self) -> dict[str, object]:
        """The state of every lane, for a log line."""
        return {
            lane.platform: {
                "breaker": lane.breaker.state.value,
                "waiting": lane.waiting,
                "in_flight": lane.limit.in_flight,
                "limit": lane.limit.allowed,
                "cuts": lane.limit.cuts,
            }
            for lane in self
        }


def _why(outcome: Outcome) -> Why | None:
    return None if isinstance(outcome, Delivered) else outcome.why


def _sign(outcome: Outcome) -> Sign:
    why = _why(outcome)
    if why in LOAD:
        return Sign.TOO_MUCH
    return Sign.NONE if why in SAYS_NOTHING else Sign.TAKEN

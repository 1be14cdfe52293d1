"""How many pushes may be under way at once: found by trying, as TCP finds its window.

Additive increase, multiplicative decrease: FCM tells too much by a yes or no (429, 503), and for
such a signal this is the rule by which workers who do not know of each other come to share one
project's quota fairly. A gradient of latency would take the noise of a distant server for load;
latency counts here only when it is a multiple of what is usual.
Source: Chiu and Jain 1989; FCM, "Best practices when sending FCM messages at scale".
"""

from enum import Enum
from typing import Final

# At 50 ms an answer these are 400 pushes a second: more than the shoppers of a hundred stores
# cause, so that an offer in an aisle never waits for the ramp.
START: Final = 20
# While it ramps up, the limit doubles in 0.7 s: 20 become 300 in three seconds. FCM asks for a
# minute from nothing to the peak of a bulk campaign; an offer in an aisle lives half of that, and
# what is left to ramp here is the backlog of an outage.
RAMP_S: Final = 1.0
# The time between two answers that counts for the ramp; a lane that had nothing to do has not
# proved more than one that had.
RAMP_STEP_S: Final = 0.1
# After this long without a push the limit proves nothing any more.
IDLE_S: Final = 60.0
CUT: Final = 0.7  # what is left of the limit when FCM has had too much
# Recent answers are too slow when they take three times what was usual lately, and this much
# longer: a busy loop of ours adds tens of milliseconds.
SLOW_TIMES: Final = 3.0
SLOW_BY_S: Final = 0.2
# The usual latency is the least of one to two such spans: a server that has become slower for
# good is soon the usual one.
USUAL_SPAN_S: Final = 30.0
RECENT_WEIGHT: Final = 0.05  # of one answer in the recent latency: it follows within 20 answers


class Sign(Enum):
    """What the end of a push says of FCM's load."""

    TAKEN = "answered as usual"
    TOO_MUCH = "429, 503 or no answer in time"
    NONE = "it never reached FCM"


class Limit:
    """The limit of one lane and how much of it is used. ceiling: never more than that."""

    def __init__(self, ceiling: int) -> None:
        self.in_flight = 0
        self.cuts = 0
        self._ceiling = ceiling
        self._allowed = float(min(START, ceiling))
        # Below it the limit ramps up, above it each full round adds one.
        self._ramp_until = float(ceiling)
        self._grown_at_s = 0.0
        self._cut_at_s = float("-inf")
        self._used_at_s = float("-inf")
        self._recent_s: float | None = None
        self._least_s = float("inf")
        self._least_before_s = float("inf")
        self._span_began_s = float("-inf")

    @property
    def allowed(self) -> int:
        """How many may be under way now, at least one."""
        return int(self._allowed)

    @property
    def room(self) -> int:
        """How many more may begin now."""
        return max(self.allowed - self.in_flight, 0)

    def begin(self, now_s: float) -> None:
        """A push begins."""
        if self.in_flight == 0 and now_s - self._used_at_s > IDLE_S:
            self._allowed = min(self._allowed, float(START))
            self._ramp_until = float(self._ceiling)
        self.in_flight += 1
        self._used_at_s = now_s

    def end(self, sign: Sign, began_s: float, now_s: float) -> None:
        """A push that began then has ended."""
        # A limit that is not used proves nothing, and does not grow.
        is_used = 2 * self.in_flight >= self.allowed
        self.in_flight -= 1
        self._used_at_s = now_s
        if sign is Sign.TOO_MUCH:
            self._cut(began_s, now_s, least=1.0)
        elif sign is Sign.TAKEN and self._is_slow(began_s, now_s):
            # Slow may be how it is from now on: fewer than START at a time proves nothing more.
            self._cut(began_s, now_s, least=min(float(START), self._allowed))
        elif sign is Sign.TAKEN and is_used:
            self._grow(now_s)

    def _grow(self, now_s: float) -> None:
        if self._allowed < self._ramp_until:
            passed_s = min(now_s - self._grown_at_s, RAMP_STEP_S)
            more = self._allowed * passed_s / RAMP_S
        else:
            more = 1.0 / self._allowed
        self._grown_at_s = now_s
        self._allowed = min(self._allowed + more, float(self._ceiling))

    def _cut(self, began_s: float, now_s: float, least: float) -> None:
        if began_s <= self._cut_at_s:
            return  # it was under way when the limit was cut: that one cut answers for it
        self._cut_at_s = now_s
        self._allowed = max(least, self._allowed * CUT)
        self._ramp_until = self._allowed
        self._recent_s = None
        self.cuts += 1

    def _is_slow(self, began_s: float, now_s: float) -> bool:
        took_s = now_s - began_s
        if now_s - self._span_began_s > USUAL_SPAN_S:
            self._span_began_s = now_s
            self._least_before_s, self._least_s = self._least_s, took_s
        self._least_s = min(self._least_s, took_s)
        if self._recent_s is None:
            self._recent_s = took_s
        self._recent_s += RECENT_WEIGHT * (took_s - self._recent_s)
        usual_s = min(self._least_s, self._least_before_s)
        return self._recent_s > max(SLOW_TIMES * usual_s, usual_s + SLOW_BY_S)

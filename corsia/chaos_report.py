"""What a fault run came to: recoveries after blows, ends nobody had meant, and what never happened.

Pure: the run is corsia.chaos, its tables are corsia.chaos_views. Times are unix seconds.
"""

import math
import signal
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from corsia.audit import HELD, Audit
from corsia.blows import Blow
from corsia.children import Ended
from corsia.striking import Struck

# Without these nothing starts. A process that is started while one is away says so, ends, and is
# started again: that is no crash, unless it had been up before.
NEEDED_TO_START: Final = frozenset({Blow.SQL_LOCKED, Blow.SQL_GONE, Blow.REDIS})
# A Python on a busy machine, and a busy timeout of SQLite. Longer than that, and it was up.
STARTS_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a kind of blow, from its end, until there was the next decision and the next
    push that FCM took; the longest and the median of all of that kind.

    landed: how many of `times` hit something. never: how many had nothing after them; with one, the
    longest is None, and with half of all so is the median.
    """

    blow: Blow
    times: int
    landed: int
    decision_longest_s: float | None
    decision_median_s: float | None
    decision_never: int
    push_longest_s: float | None
    push_median_s: float | None
    push_never: int


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """What a fault run came to.

    accepted: pushes that FCM took; shown: those that a handset showed. starts: how often each
    process of the backend was started; fell: how often one ended without having been killed, which
    its log explains; kept_out: how often one could not start because SQL or Redis was away.
    failed_calls: what handsets asked of the API and did not get in half a minute of tries.
    sightings_lost: spooled by gateways and never consumed; a Redis that is emptied takes with it
    what was not read yet.
    """

    audit: Audit
    recoveries: Sequence[Recovery]
    troubles: Mapping[str, int]
    accepted: int
    shown: int
    starts: Mapping[str, int]
    fell: Mapping[str, int]
    kept_out: Mapping[str, int]
    failed_calls: Sequence[str]
    shoppers: int
    seconds: float
    sightings_lost: int


def shortfalls(report: ChaosReport) -> list[str]:
    """Why the run proves nothing or shows a crash, a sentence each; none when it is a proof.

    A broken promise is not told here: the audit has it.
    """
    outcomes = report.audit.outcomes
    found = []
    if not sum(outcomes.values()) - outcomes.get(HELD, 0):
        found.append("no decision was to send")
    if not report.accepted:
        found.append("FCM took no push")
    if not report.shown:
        found.append("no handset showed a push")
    found += [
        f"{name} ended {times} times without having been killed: its log says why"
        for name, times in report.fell.items()
    ]
    landed = {one.blow: one.landed for one in report.recoveries}
    found += [f"{blow}: it never hit anything" for blow in Blow if not landed.get(blow)]
    return found


def recoveries(
    struck: Sequence[Struck], decided_s: Sequence[float], accepted_s: Sequence[float]
) -> list[Recovery]:
    """The recoveries by kind of blow. decided_s, accepted_s: unix seconds, in order of time."""
    found = []
    for blow in Blow:
        of_kind = [one for one in struck if one.blow is blow]
        if not of_kind:
            continue
        over_s = [one.over_s for one in of_kind]
        found.append(
            Recovery(
                blow,
                len(of_kind),
                sum(one.has_landed for one in of_kind),
                *_waits(over_s, decided_s),
                *_waits(over_s, accepted_s),
            )
        )
    return found


def unmeant_ends(
    ends: Mapping[str, Sequence[Ended]], struck: Iterable[Struck]
) -> tuple[dict[str, int], dict[str, int]]:
    """How often each process ended without having been killed by us: while it was up, and while it
    could not start for want of a server."""
    struck = list(struck)
    killed = Counter(name for one in struck for name in one.killed)
    away = [one for one in struck if one.blow in NEEDED_TO_START]
    fell: Counter[str] = Counter()
    kept_out: Counter[str] = Counter()
    for name, of_process in ends.items():
        for one in of_process:
            if one.exit_code == -signal.SIGKILL and killed[name]:
                killed[name] -= 1
            elif one.at_s - one.began_s <= STARTS_WITHIN_S and any(
                blow.began_s <= one.at_s and one.began_s <= blow.over_s for blow in away
            ):
                kept_out[name] += 1
            else:
                fell[name] += 1
    return dict(fell), dict(kept_out)


def _waits(
    over_s: Sequence[float], happened_s: Sequence[float]
) -> tuple[float | None, float | None, int]:
    """From each end to what happened next: the longest, the median, and how many had nothing."""
    waits = []
    for one_s in over_s:
        place = bisect_right(happened_s, one_s)
        waits.append(happened_s[place] - one_s if place < len(happened_s) else math.inf)
    return _finite(max(waits)), _finite(median(waits)), waits.count(math.inf)


def _finite(wait_s: float) -> float | None:
    return wait_s if math.isfinite(wait_s) else None

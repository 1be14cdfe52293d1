"""What goes wrong in a fault run and when: a timetable that follows from the seed alone."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Nothing is learned from a system that has not yet decided anything, nor from one that nobody
# watches getting up again.
CALM_AT_FIRST_S: Final = 20.0
CALM_AT_LAST_S: Final = 60.0
# Of a short run: what is left between the two.
STRUCK_SHARE_AT_LEAST: Final = 0.5


class Blow(StrEnum):
    """One way for the world to be unkind."""

    ENGINE = "engine killed"
    PUSH = "push killed"
    SENDING = "both pushes killed while sending"
    API = "API killed"
    GATEWAY = "gateway killed"
    CUT = "gateway cut off"
    REDIS = "Redis killed and emptied"
    SQL_LOCKED = "SQL locked"
    SQL_GONE = "SQL gone"
    KEY = "APNs key refused"


# Once in so many seconds each. Engine and push are what the run is about; after each the system
# has half a minute or more of its own, and now and then it has two troubles at once.
EVERY_S: Final = {
    Blow.ENGINE: 120.0,
    Blow.PUSH: 240.0,
    Blow.SENDING: 240.0,
    Blow.API: 240.0,
    Blow.GATEWAY: 240.0,
    Blow.CUT: 300.0,
    Blow.REDIS: 300.0,
    Blow.SQL_LOCKED: 420.0,
    Blow.SQL_GONE: 420.0,
    Blow.KEY: 420.0,
}
# A killed process is started again at once; the others last. Longer than a busy timeout and a
# retry, shorter than a lease; a refused key stops its lane for a minute.
LASTS_S: Final = {Blow.SQL_LOCKED: 20.0, Blow.SQL_GONE: 20.0, Blow.CUT: 20.0, Blow.KEY: 60.0}


@dataclass(frozen=True, slots=True)
class Planned:
    """A blow to come. at_s: from the opening. draw: 0..1, says which of several it hits."""

    at_s: float
    blow: Blow
    lasts_s: float
    draw: float


def timetable(seed: int, seconds: float) -> tuple[Planned, ...]:
    """The blows of a run of that length, in order of time; each kind falls at least once.

    A kind's time is divided into equal parts, and it falls once in each, at random.
    """
    first_s = min(CALM_AT_FIRST_S, seconds * (1 - STRUCK_SHARE_AT_LEAST) / 2)
    last_s = max(seconds - CALM_AT_LAST_S, first_s + seconds * STRUCK_SHARE_AT_LEAST)
    planned = []
    for blow in Blow:
        chance = random.Random(f"{blow.name} {seed}")
        lasts_s = min(LASTS_S.get(blow, 0.0), (last_s - first_s) / 2)
        open_s = last_s - lasts_s - first_s
        parts = max(1, round(open_s / EVERY_S[blow]))
        for part in range(parts):
            at_s = first_s + open_s * (part + chance.random()) / parts
            planned.append(Planned(at_s, blow, lasts_s, chance.random()))
    return tuple(sorted(planned, key=lambda one: one.at_s))

"""What presence tells the rest: a device appeared, entered, dwells, left, is gone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Appeared:
    """The first sign of life of a device in this store."""

    device: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Entered:
    """A device is in a zone now. There is one for each stay, and a Left before the next.

    at_s: the end of the half second that decided it, unix.
    since_s: when the stay began, as far as is known: when the zone became the likeliest.
    confidence: the probability that the device is in this zone.
    """

    device: str
    zone_id: str
    at_s: float
    since_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Dwelling:
    """The stay has lasted for `dwell_s` and goes on: a dwell mark, or it has just become surer."""

    device: str
    zone_id: str
    at_s: float
    since_s: float
    confidence: float
    dwell_s: float


@dataclass(frozen=True, slots=True)
class Left:
    """The stay is over: another zone is likelier, or nobody can say any more."""

    device: str
    zone_id: str
    at_s: float
    since_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing was heard for so long that the visit is over."""

    device: str
    at_s: float
    last_heard_s: float


ZoneEvent = Appeared | Entered | Dwelling | Left | Gone

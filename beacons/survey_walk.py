"""A walk with tapped places, and what gateways heard meanwhile, as a survey.

Between two taps the walk went straight at a constant speed, or round what stood between. Ways that
cannot have been so are left out, each with a sentence. What was heard on the rest is pooled into
places of about a metre.
"""

import enum
import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from beacons.floor import PlanError, check_plan
from beacons.heard import LOUDEST_DBM, QUIETEST_DBM, Heard
from beacons.store_plan import StorePlan
from beacons.survey import Survey, SurveyPoint
from beacons.survey_path import Point, Ways, along, length_m

# Staff hurry at 2 m/s; what is faster is a tap at a wrong place or time.
FASTEST_M_PER_S: Final = 2.5
# After a minute without a tap nobody can say that the walk went on at a constant speed.
LONGEST_LEG_S: Final = 60.0
# Fading of radio is gone after half a wavelength (6 cm), shadowing lives for a metre or two: places
# of a metre average the one and keep the other.
PLACE_M: Final = 1.0
# Two passes of one aisle are one place where they come this near to each other.
SAME_PLACE_M: Final = 0.5
# Metres from the origin of a plan that no store reaches: a number of another field.
FAR_M: Final = 100_000.0
# A handset advertises several times a second: nobody hears it for so long only when it is silent.
SILENT_S: Final = 5.0
# A sighting stands for a window of half a second from its time on.
_WINDOW_MIDDLE_S: Final = 0.25


class TapKind(enum.Enum):
    """What a tap says besides "I am here now"."""

    HERE = "here"  # and I walk on
    PAUSE = "pause"  # and until the next tap nothing counts
    END = "end"  # and that was all: no later tap counts


@dataclass(frozen=True, slots=True)
class Tap:
    """ "I am here now", said by whoever carries the handset. at_s: unix."""

    at_s: float
    floor_id: str
    x_m: float
    y_m: float
    kind: TapKind = TapKind.HERE


class Unused(enum.Enum):
    """Why a sighting of the handset is in no place."""

    OFF_THE_WALK = "heard outside the ways that count"
    UNKNOWN_GATEWAY = "of a gateway that the plan does not have"
    NO_READING = "without a reading that makes sense"


@dataclass(frozen=True, slots=True)
class SurveyedWalk:
    """What came of a walk. left_out: a sentence for every tap and way that does not count."""

    survey: Survey
    places: int
    walked_m: float
    seconds: float
    left_out: tuple[str, ...]
    unused: dict[Unused, int]


class TapChecker:
    """Where one can stand in a store."""

    def __init__(self, plan: StorePlan) -> None:
        """plan: one in whose floors `check_plan` finds no fault."""
        self._floors = {floor.floor_id: floor for floor in plan.floors}
        self._ways: dict[str, Ways] = {}

    def ways(self, floor_id: str) -> Ways:
        """Where one can walk on a floor; found when it is first asked for, in milliseconds.

        Raises KeyError when the store has no such floor.
        """
        if floor_id not in self._ways:
            self._ways[floor_id] = Ways(self._floors[floor_id])
        return self._ways[floor_id]

    def fault(self, tap: Tap) -> str | None:
        """What is wrong with a tap, as a part of a sentence; None when it can be used."""
        if not all(map(math.isfinite, (tap.at_s, tap.x_m, tap.y_m))):
            return "its time or place is not a number"
        if max(abs(tap.x_m), abs(tap.y_m)) > FAR_M:
            return f"({tap.x_m:.1e}, {tap.y_m:.1e}) is no place in metres"
        if tap.floor_id not in self._floors:
            return f"there is no floor {tap.floor_id}, only {', '.join(self._floors)}"
        ways = self.ways(tap.floor_id)
        place = (tap.x_m, tap.y_m)
        if ways.nearest(place) is not None:
            return None
        if (outside_m := ways.outside_m(place)) > 0.0:
            return f"({tap.x_m:.1f}, {tap.y_m:.1f}) lies {outside_m:.1f} m outside the floor"
        return f"({tap.x_m:.1f}, {tap.y_m:.1f}) lies deep inside a shelf or a wall"


def survey_of_walk(
    survey_id: str,
    plan: StorePlan,
    taps: Iterable[Tap],
    heard: Iterable[Heard],
    *,
    since_s: float = -math.inf,
    until_s: float = math.inf,
) -> SurveyedWalk:
    """What the gateways measured along the walk.

    heard: of the surveying handset alone. since_s, until_s: unix; between them it was recorded
    what gateways heard, so that only there silence means anything.
    Raises PlanError when the plan has faults.
    """
    for floor in plan.floors:
        if faults := check_plan(floor):
            raise PlanError(floor.floor_id, faults)
    walk = _Walk(TapChecker(plan))
    gateways = {place.gateway_id for floor in plan.floors for place in floor.gateways}
    unused: Counter[Unused] = Counter()
    sound = [one for one in heard if _is_sound(one, gateways, unused)]
    walk.follow(taps, since_s, until_s)
    walk.place(sound, unused)
    return SurveyedWalk(
        survey=Survey(survey_id, tuple(walk.points())),
        places=len(walk.places),
        walked_m=sum(length_m(leg.way) for leg in walk.legs),
        seconds=sum(leg.until_s - leg.from_s for leg in walk.legs),
        left_out=tuple(walk.left_out),
        unused=dict(unused),
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    """From one tap to the next. label: the taps, for sentences."""

    label: str
    floor_id: str
    from_s: float
    until_s: float
    way: tuple[Point, ...]

    @property
    def pieces(self) -> int:
        return max(1, round(length_m(self.way) / PLACE_M))


@dataclass(slots=True)
class _Place:
    """About a metre of floor. anchor: the middle of the first piece of a way through it."""

    floor_id: str
    anchor: Point
    seconds: float = 0.0
    x_m_s: float = 0.0
    y_m_s: float = 0.0
    readings: defaultdict[str, list[tuple[float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )


class _Walk:
    """The ways that count, and the places on them."""

    def __init__(self, checker: TapChecker) -> None:
        self.checker = checker
        self.legs: list[_Leg] = []
        self.left_out: list[str] = []
        self.places: list[_Place] = []
        self._near: defaultdict[tuple[str, int, int], list[_Place]] = defaultdict(list)

    def follow(self, taps: Iterable[Tap], since_s: float, until_s: float) -> None:
        """Find the ways between the taps."""
        # Those without a time are told of, and take part in no order.
        in_order = sorted(taps, key=lambda tap: tap.at_s if math.isfinite(tap.at_s) else math.inf)
        numbered = list(enumerate(in_order, start=1))
        last = min((n for n, tap in numbered if tap.kind is TapKind.END), default=len(numbered))
        numbered = [(n, tap) for n, tap in numbered if n <= last or not math.isfinite(tap.at_s)]
        wrong = set()
        for number, tap in numbered:
            if (fault := self.checker.fault(tap)) is not None:
                wrong.add(number)
                self.left_out.append(f"Tap {number}, and the ways to and from it: {fault}.")
        if later := len(in_order) - len(numbered):
            self.left_out.append(
                f"{later} tap{'s' * (later > 1)} after tap {last}, which said that it was the end."
            )
        for (number, tap), (_, following) in pairwise(numbered):
            if tap.kind is not TapKind.HERE or wrong & {number, number + 1}:
                continue
            label = f"taps {number} and {number + 1}"
            leg = self._leg(label, tap, following)
            if leg is None:
                continue
            if leg.from_s < since_s or leg.until_s > until_s:
                self.left_out.append(f"The way between {label}: not all of it was recorded.")
                continue
            self.legs.append(leg)

    def place(self, heard: Sequence[Heard], unused: Counter[Unused]) -> None:
        """Divide the ways into places and put there what was heard."""
        of_leg: defaultdict[int, list[tuple[float, Heard]]] = defaultdict(list)
        for one in heard:
            at_s = one.at_s + _WINDOW_MIDDLE_S
            index = bisect_right(self.legs, at_s, key=lambda leg: leg.from_s) - 1
            if index < 0 or at_s >= self.legs[index].until_s:
                unused[Unused.OFF_THE_WALK] += 1
                continue
            leg = self.legs[index]
            of_leg[index].append(((at_s - leg.from_s) / (leg.until_s - leg.from_s), one))
        kept = []
        for index, leg in enumerate(self.legs):
            lasts_s = leg.until_s - leg.from_s
            if index not in of_leg and lasts_s >= SILENT_S:
                self.left_out.append(
                    f"The way between {leg.label}: no gateway heard the handset in these"
                    f" {lasts_s:.0f} s; is its Bluetooth on?"
                )
                continue
            kept.append(leg)
            self._divide(leg, of_leg[index])
        self.legs = kept

    def points(self) -> Iterable[SurveyPoint]:
        """All places, gateway by gateway."""
        for place in self.places:
            for gateway_id, readings in sorted(place.readings.items()):
                count = sum(count for _, count in readings)
                mean_dbm = math.fsum(dbm * count for dbm, count in readings) / count
                squares = math.fsum((dbm - mean_dbm) ** 2 * count for dbm, count in readings)
                yield SurveyPoint(
                    floor_id=place.floor_id,
                    x_m=place.x_m_s / place.seconds,
                    y_m=place.y_m_s / place.seconds,
                    gateway_id=gateway_id,
                    mean_rssi_dbm=mean_dbm,
                    sd_rssi_db=math.sqrt(squares / count),
                    count=count,
                    seconds=place.seconds,
                )

    def _leg(self, label: str, tap: Tap, following: Tap) -> _Leg | None:
        """The way between two good taps; None, and a sentence, when it cannot have been so."""
        took_s = following.at_s - tap.at_s
        fault = None
        way: tuple[Point, ...] | None = None
        if tap.floor_id != following.floor_id:
            fault = f"they are on the floors {tap.floor_id} and {following.floor_id}"
        elif took_s > LONGEST_LEG_S:
            fault = f"{took_s:.0f} s are too long to know the way; tap at least once a minute"
        else:
            ways = self.checker.ways(tap.floor_id)
            start = ways.nearest((tap.x_m, tap.y_m))
            end = ways.nearest((following.x_m, following.y_m))
            assert start is not None, "checked before"
            assert end is not None, "checked before"
            way = ways.way(start, end)
            if way is None:
                fault = "nobody can walk from one to the other"
            elif length_m(way) > FASTEST_M_PER_S * took_s:
                fault = (
                    f"{length_m(way):.1f} m in {took_s:.1f} s is faster than anybody walks;"
                    " one of them has a wrong place or time"
                )
        if fault is not None:
            self.left_out.append(f"The way between {label}: {fault}.")
            return None
        if way is None or took_s <= 0.0:
            return None  # tapped twice
        return _Leg(label, tap.floor_id, tap.at_s, following.at_s, way)

    def _divide(self, leg: _Leg, measured: Sequence[tuple[float, Heard]]) -> None:
        """Add a leg to the places. measured: each sighting with the share of the leg then done."""
        pieces, metres = leg.pieces, length_m(leg.way)
        seconds = (leg.until_s - leg.from_s) / pieces
        places = []
        for piece in range(pieces):
            middle = along(leg.way, metres * (piece + 0.5) / pieces)
            place = self._place_at(leg.floor_id, middle)
            place.seconds += seconds
            place.x_m_s += middle[0] * seconds
            place.y_m_s += middle[1] * seconds
            places.append(place)
        for share, one in measured:
            place = places[min(int(share * pieces), pieces - 1)]
            place.readings[one.gateway_id].append((one.mean_rssi_dbm, one.count))

    def _place_at(self, floor_id: str, middle: Point) -> _Place:
        """The place that has this point, a new one if there is none."""
        column, row = int(middle[0] // PLACE_M), int(middle[1] // PLACE_M)
        ways = self.checker.ways(floor_id)
        around = [
            place
            for x in (column - 1, column, column + 1)
            for y in (row - 1, row, row + 1)
            for place in self._near.get((floor_id, x, y), ())
        ]
        for place in sorted(around, key=lambda place: math.dist(place.anchor, middle)):
            if math.dist(place.anchor, middle) > SAME_PLACE_M:
                break
            if ways.is_straight(place.anchor, middle):
                return place
        place = _Place(floor_id, middle)
        self.places.append(place)
        self._near[floor_id, column, row].append(place)
        return place


def _is_sound(one: Heard, gateways: set[str], unused: Counter[Unused]) -> bool:
    # Comparisons with NaN are false, so these refuse it too.
    if one.count < 1 or not QUIETEST_DBM <= one.mean_rssi_dbm <= LOUDEST_DBM:
        unused[Unused.NO_READING] += 1
    elif not math.isfinite(one.at_s):
        unused[Unused.OFF_THE_WALK] += 1
    elif one.gateway_id not in gateways:
        unused[Unused.UNKNOWN_GATEWAY] += 1
    else:
        return True
    return False

"""Where staff walk to survey a store: round it, through every aisle, to the tills, and all back.

They tap where they turn. A thumb does not hit the plan to the centimetre, nor the second.
"""

import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware_sim.excursion import Ground
from firmware_sim.floor import Floor, Point
from firmware_sim.track import Step, Track
from firmware_sim.walk import Walk, WalkLog
from firmware_sim.walker import WalkError

# Somebody on an errand, with a phone before them. Assumed.
PACE_M_PER_S: Final = 1.3
# Nobody taps twice within two steps; a corner so near to the last tap is cut.
TAPS_APART_M: Final = 2.0
# A thumb on a plan of 30 m that fills a phone: 2 mm are half a metre, seldom more. Assumed.
TAP_ERROR_M: Final = 0.3
# A tap comes while turning, not at the instant of it. Assumed.
TAP_ERROR_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class RouteTap:
    """A tap: when it is made, where it says, and whether it is the last."""

    at_s: float
    x_m: float
    y_m: float
    is_end: bool


@dataclass(frozen=True, slots=True)
class SurveyRoute:
    """A walk and its taps; times count from the first step."""

    walk: Walk
    taps: tuple[RouteTap, ...]


def survey_route(floor: Floor, chance: random.Random) -> SurveyRoute:
    """One survey. Raises WalkError where the racetrack, or a way from it, is too narrow."""
    ground = Ground(floor)
    track = Track(floor.racetrack)
    if not ground.is_passable(track):
        raise WalkError(f"The floor '{floor.store_id}' cannot be walked along its racetrack.")
    there = _turns(floor, ground, track)
    turns = [*there, *reversed(there[:-1])]
    log = WalkLog(turns[0], 0.0, ground.solid)
    taps = [_tap(turns[0], 0.0, chance, is_end=False)]
    at_s = untapped_m = 0.0
    for number, (before, turn) in enumerate(pairwise(turns), start=2):
        log.take(Step(turn, PACE_M_PER_S))
        way_m = math.dist(before, turn)
        at_s += way_m / PACE_M_PER_S
        untapped_m += way_m
        is_end = number == len(turns)
        if untapped_m >= TAPS_APART_M or is_end:
            taps.append(_tap(turn, at_s, chance, is_end=is_end))
            untapped_m = 0.0
    return SurveyRoute(log.walk(), tuple(taps))


def _turns(floor: Floor, ground: Ground, track: Track) -> list[Point]:
    """The corners of the way there: along the racetrack, then aisle by aisle, in by the nearer
    end and out by the other; last the tills."""
    way = _Way(track)
    way.follow(track.length_m)
    # From the end of the racetrack back: the aisle that one stands before comes first.
    for aisle in sorted(
        ground.axes.values(), key=lambda axis: -max(track.arc_m(axis.start), track.arc_m(axis.end))
    ):
        ends = sorted((aisle.start, aisle.end), key=lambda end: math.dist(end, way.corners[-1]))
        if not ground.is_free(*ends):
            # Something stands in it: in and out again as far as one gets, from both sides.
            ends = [end for end in ends if ground.is_free(track.nearest(end), end)]
            for end in ends:
                way.visit(end)
            continue
        way.follow(track.arc_m(ends[0]))
        way.go(*ends)
        way.go(track.nearest(ends[1]))
    for till in sorted(floor.tills, key=track.arc_m):
        way.visit(till)
    return way.corners


class _Way:
    """Corners, one after the other, from the start of a racetrack."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self.corners: list[Point] = [track.place(0.0)]

    def go(self, *places: Point) -> None:
        """Straight on to each."""
        for place in places:
            if math.dist(place, self.corners[-1]) > 0.0:
                self.corners.append(place)

    def follow(self, arc_m: float) -> None:
        """Along the racetrack."""
        here_m = self._track.arc_m(self.corners[-1])
        self.go(*(step.to for step in self._track.steps(here_m, arc_m, PACE_M_PER_S)))

    def visit(self, place: Point) -> None:
        """From the racetrack to a place beside it, and back."""
        self.follow(self._track.arc_m(place))
        beside = self.corners[-1]
        self.go(place, beside)


def _tap(place: Point, at_s: float, chance: random.Random, *, is_end: bool) -> RouteTap:
    return RouteTap(
        at_s=max(0.0, at_s + chance.gauss(0.0, TAP_ERROR_S)),
        x_m=place[0] + chance.gauss(0.0, TAP_ERROR_M),
        y_m=place[1] + chance.gauss(0.0, TAP_ERROR_M),
        is_end=is_end,
    )

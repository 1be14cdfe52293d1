"""What truly happened: where each handset was, and what its owner had allowed at each moment.

The scorecard judges against this; nothing here comes from the engine. Times are seconds on one
axis (`t_s`), the same for every record of a run: unix time, or the time of a recording.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from shoppers.consent import Purpose

SAMPLE_S: Final = 0.5
# One sample may come late or not at all on a busy machine; after two of them the place is unknown,
# and unknown counts as "in no zone".
HOLD_S: Final = 1.0
# Out of the zone for this long and back is the same stay: a person on an edge, or one odd sample.
# Cutting the stay there would start the stopwatch of entry_to_push_s anew, and flatter it.
STAY_BREAK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class TruthSample:
    """Where a handset truly was; one each SAMPLE_S for as long as it is in the store."""

    t_s: float
    handset_id: str
    zone_id: str | None  # None: in the store, in no zone


@dataclass(frozen=True, slots=True)
class Stay:
    """One unbroken time in one zone."""

    handset_id: str
    zone_id: str
    entered_s: float
    left_s: float
    visit: int  # which of the handset's true visits it belongs to, from 0

    def covers(self, t_s: float, slack_s: float = 0.0) -> bool:
        return self.entered_s - slack_s <= t_s < self.left_s + slack_s


@dataclass(frozen=True, slots=True)
class Walk:
    """All that is known of one handset's way: samples, stays in order, starts of its visits."""

    handset_id: str
    times_s: tuple[float, ...]
    until_s: tuple[float, ...]  # how long each sample holds
    zone_ids: tuple[str | None, ...]
    stays: tuple[Stay, ...]
    visit_starts_s: tuple[float, ...]

    @property
    def present_s(self) -> float:
        return sum(until - since for since, until in zip(self.times_s, self.until_s, strict=True))

    def zone_at(self, t_s: float) -> str | None:
        """The zone at that moment; None when in none, and when nothing is known."""
        place = bisect_right(self.times_s, t_s) - 1
        return self.zone_ids[place] if place >= 0 and t_s < self.until_s[place] else None

    def stay_at(self, zone_id: str, t_s: float, slack_s: float = 0.0) -> Stay | None:
        """The stay in that zone that covers the moment, give or take `slack_s`."""
        for stay in self.stays:
            if stay.zone_id == zone_id and stay.covers(t_s, slack_s):
                return stay
        return None

    def visit_at(self, t_s: float) -> int | None:
        """The visit under way, or the last one before; None before the first."""
        place = bisect_right(self.visit_starts_s, t_s) - 1
        return place if place >= 0 else None


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A handset asked for these purposes to stand from now on, all others withdrawn.

    asked_s: the request left the handset; acked_s: its answer arrived, None when none ever did.
    Registration is the first change.
    """

    handset_id: str
    shopper_id: str
    asked_s: float
    acked_s: float | None
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Consents:
    """The changes of one handset in the order asked."""

    changes: tuple[ConsentChange, ...]

    def might_allow(self, t_s: float, needed: frozenset[Purpose]) -> bool:
        """Whether it may be held, at that moment, that all of `needed` is allowed.

        Between the request and its answer nobody can know which of the two states stands, so
        either one excuses; from the answer on only the answered one does.
        """
        return any(needed <= purposes for purposes in self._possible(t_s))

    def surely_allow(self, t_s: float, needed: frozenset[Purpose]) -> bool:
        """Whether all of `needed` is allowed beyond doubt at that moment."""
        return all(needed <= purposes for purposes in self._possible(t_s))

    def sure_spans(
        self, since_s: float, until_s: float, needed: frozenset[Purpose]
    ) -> list[tuple[float, float]]:
        """The parts of a time in which all of `needed` was allowed beyond doubt."""
        turns = {since_s, until_s}
        for change in self.changes:
            turns.update(
                t
                for t in (change.asked_s, change.acked_s)
                if t is not None and since_s < t < until_s
            )
        spans: list[tuple[float, float]] = []
        for since, until in pairwise(sorted(turns)):
            if not self.surely_allow(since, needed):
                continue
            unbroken = bool(spans) and spans[-1][1] == since
            spans.append((spans.pop()[0] if unbroken else since, until))
        return spans

    def _possible(self, t_s: float) -> list[frozenset[Purpose]]:
        possible: list[frozenset[Purpose]] = []
        for change in reversed(self.changes):
            if change.asked_s > t_s:
                continue
            possible.append(change.purposes)
            if change.acked_s is not None and change.acked_s <= t_s:
                return possible
        return [*possible, frozenset()]  # before any answer: the default is no


NO_CONSENT: Final = Consents(())


def walks(samples: Iterable[TruthSample], visit_break_s: float) -> dict[str, Walk]:
    """Each handset's walk. visit_break_s: absent for longer than this, it begins a new visit."""
    of: defaultdict[str, list[TruthSample]] = defaultdict(list)
    for sample in samples:
        of[sample.handset_id].append(sample)
    return {
        handset_id: _walk(handset_id, sorted(own, key=lambda s: s.t_s), visit_break_s)
        for handset_id, own in of.items()
    }


def consents(changes: Iterable[ConsentChange]) -> Mapping[str, Consents]:
    """Each handset's consents."""
    of: defaultdict[str, list[ConsentChange]] = defaultdict(list)
    for change in changes:
        of[change.handset_id].append(change)
    return {
        handset_id: Consents(tuple(sorted(own, key=lambda c: c.asked_s)))
        for handset_id, own in of.items()
    }


def _walk(handset_id: str, samples: list[TruthSample], visit_break_s: float) -> Walk:
    times = [sample.t_s for sample in samples]
    until = [_held_until(t, after) for t, after in pairwise([*times, float("inf")])]
    visits: list[float] = []
    visit_of: list[int] = []
    for place, t in enumerate(times):
        if place == 0 or t - until[place - 1] > visit_break_s:
            visits.append(t)
        visit_of.append(len(visits) - 1)
    return Walk(
        handset_id,
        tuple(times),
        tuple(until),
        tuple(sample.zone_id for sample in samples),
        _stays(samples, until, visit_of),
        tuple(visits),
    )


def _held_until(t_s: float, next_s: float) -> float:
    return next_s if next_s - t_s <= HOLD_S else t_s + SAMPLE_S


def _stays(samples: list[TruthSample], until: list[float], visit_of: list[int]) -> tuple[Stay, ...]:
    stays: list[Stay] = []
    places = [place for place, sample in enumerate(samples) if sample.zone_id is not None]
    by_zone = sorted(places, key=lambda place: (str(samples[place].zone_id), place))
    for zone_id, own in groupby(by_zone, key=lambda place: samples[place].zone_id):
        assert zone_id is not None
        open_stay: Stay | None = None
        for place in own:
            sample, visit = samples[place], visit_of[place]
            since = sample.t_s
            if open_stay is not None:
                if since - open_stay.left_s <= STAY_BREAK_S and visit == open_stay.visit:
                    since = open_stay.entered_s
                else:
                    stays.append(open_stay)
            open_stay = Stay(sample.handset_id, zone_id, since, until[place], visit)
        if open_stay is not None:
            stays.append(open_stay)
    return tuple(sorted(stays, key=lambda stay: (stay.entered_s, stay.zone_id)))

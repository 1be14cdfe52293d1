"""Presence in the simulated store, judged by the truth at the moment at which it speaks.

What presence says at `now_s` is compared with where the handset is at `now_s`: the second or two
that batching and order cost are part of the error, as they are for a shopper. Samples after a
handset's last true one (it has left, may not be located any more, or the store has closed) count
for nothing; a stay told then is a flap.

right, wrong,     Of the time in which a handset is in a zone: the told zone is that one, is
unknown           another one, none is told. They sum to 1.
nowhere_named     Of the time in which a handset is in no zone: a zone is told.
moments           What a decision waits for: a stay of MOMENT_DWELL_S in a zone that sells was
                  told. precision: share that find the handset in that zone. recall: share of true
                  stays of STAY_WORTH_S or more in such zones that hold a right one. Neither
                  consents nor caps make them fewer, so there are more than pushes in a rehearsal.
flaps_per_min     Stays told in a zone where the handset was not within FLAP_SLACK_S of their
                  beginning, per minute in the store: as `corsia.scorecard` has it.
answer_s          From the true entry to the first answer that names the zone; stays of MIN_STAY_S
                  or more. missed: share of them whose zone is never named.
moment_s          From the true entry to a right moment.
claims            Each half second the told zone, or else the likeliest (which may be none), the
                  probability that presence gives it, and whether it is so.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from beacons.presence import Estimate, PresenceModel, PresenceState, estimates, step
from beacons.zone_events import Dwelling, Entered, ZoneEvent
from benchmarks.store_walks import START_S, StoreWalks
from corsia.scorecard import FLAP_SLACK_S, STAY_WORTH_S
from corsia.truth import Stay, TruthSample, Walk, walks
from engine.plan import QUIET_KINDS
from firmware_sim.truth import TRUTH_PERIOD_S

MOMENT_DWELL_S: Final = 2.0
# As the scorer of recorded walks: a shorter stay clips a corner.
MIN_STAY_S: Final = 3.0
# To wait, after those two seconds, until presence is so sure.
SURE: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class Claim:
    """What was said with how much confidence, and whether it was so."""

    confidence: float
    is_right: bool


@dataclass(slots=True)
class Moments:
    """Moments for a decision, when it waits for one degree of certainty."""

    made: int = 0
    right: int = 0
    delays_s: list[float] = field(default_factory=list)
    stays: int = 0  # true ones of STAY_WORTH_S or more that got a right moment


@dataclass(slots=True)
class StoreScore:
    """The counts of one run, or of several added up; the module says what each means."""

    right: int = 0
    wrong: int = 0
    unknown: int = 0
    nowhere: int = 0
    nowhere_named: int = 0
    stays_told: int = 0
    flaps: int = 0
    answer_s: list[float] = field(default_factory=list)
    stays_answerable: int = 0
    stays_worth: int = 0
    claims: list[Claim] = field(default_factory=list)
    moments: dict[float, Moments] = field(
        default_factory=lambda: {sure: Moments() for sure in SURE}
    )

    def add(self, other: "StoreScore") -> None:
        """Count another run in."""
        for name in (
            "right", "wrong", "unknown", "nowhere", "nowhere_named", "stays_told", "flaps",
            "stays_answerable", "stays_worth",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.answer_s += other.answer_s
        self.claims += other.claims
        for sure, theirs in other.moments.items():
            own = self.moments[sure]
            own.made += theirs.made
            own.right += theirs.right
            own.stays += theirs.stays
            own.delays_s += theirs.delays_s

    @property
    def present_min(self) -> float:
        return (self.right + self.wrong + self.unknown + self.nowhere) * TRUTH_PERIOD_S / 60


def store_score(run: StoreWalks) -> StoreScore:
    """Let presence hear the run, and judge what it says."""
    model = PresenceModel([run.plan], radios=run.radios, surveys=run.surveys)
    state = PresenceState(model)
    judge = Judge(run)
    for call in run.calls:
        events = step(model, state, call.heard, call.now_s, call.listening)
        judge.take(events, estimates(model, state), call.now_s)
    return judge.done()


class Judge:
    """The truth of a run, and what was said so far."""

    def __init__(self, run: StoreWalks) -> None:
        self._score = StoreScore()
        self._zone_ids = [zone.zone_id for zone in run.plan.zones]
        self._selling = {zone.zone_id for zone in run.plan.zones if zone.kind not in QUIET_KINDS}
        self._walks = _walks(run, self._zone_ids)
        self._zone_at: dict[str, dict[int, int]] = {device: {} for device in run.devices}
        for device, t_s, zone in zip(
            run.truth.device.tolist(), run.truth.t_s.tolist(), run.truth.zone.tolist(), strict=True
        ):
            self._zone_at[run.devices[device]][_sample(t_s)] = zone
        self._first_named_s: dict[Stay, float] = {}
        self._served: defaultdict[float, set[Stay]] = defaultdict(set)
        self._waiting: dict[str, list[float]] = {}  # SURE still to come

    def take(self, events: list[ZoneEvent], said: dict[str, Estimate], now_s: float) -> None:
        """Judge one call of `step`."""
        for event in events:
            match event:
                case Entered():
                    self._waiting.pop(event.device, None)
                    self._score.stays_told += 1
                    walk = self._walks.get(event.device)
                    if walk is None or not walk.stay_at(event.zone_id, event.since_s, FLAP_SLACK_S):
                        self._score.flaps += 1
                case Dwelling():  # the first is at MOMENT_DWELL_S or later
                    if event.zone_id in self._selling:
                        self._waiting.setdefault(event.device, list(SURE))
                case _:
                    pass
        for device, zones in self._zone_at.items():
            truly = zones.get(_sample(now_s))
            if truly is not None:
                self._sample(device, said.get(device), truly, now_s)

    def done(self) -> StoreScore:
        """The counts, after the last call."""
        score = self._score
        for sure, stays in self._served.items():
            score.moments[sure].stays = len(stays)
        for walk in self._walks.values():
            for stay in walk.stays:
                score.stays_worth += _is_worth(stay) and stay.zone_id in self._selling
                if stay.left_s - stay.entered_s >= MIN_STAY_S:
                    score.stays_answerable += 1
                    if stay in self._first_named_s:
                        score.answer_s.append(self._first_named_s[stay] - stay.entered_s)
        return score

    def _sample(self, device: str, said: Estimate | None, truly: int, now_s: float) -> None:
        score = self._score
        told = None if said is None else said.zone_id
        true_id = None if truly == _NOWHERE else self._zone_ids[truly]
        if true_id is None:
            score.nowhere += 1
            score.nowhere_named += told is not None
        elif told is None:
            score.unknown += 1
        elif told == true_id:
            score.right += 1
            stay = self._walks[device].stay_at(true_id, now_s)
            if stay is not None:
                self._first_named_s.setdefault(stay, now_s)
        else:
            score.wrong += 1
        if said is None or said.confidence == 0.0:
            return  # it claims nothing
        claimed = told if told is not None else said.likeliest_zone_id
        score.claims.append(Claim(said.confidence, claimed == true_id))
        if told is None:
            self._waiting.pop(device, None)
        for sure in [each for each in self._waiting.get(device, ()) if said.confidence >= each]:
            self._waiting[device].remove(sure)
            self._moment(sure, device, told, true_id, now_s)

    def _moment(
        self, sure: float, device: str, told: str | None, true_id: str | None, now_s: float
    ) -> None:
        moments = self._score.moments[sure]
        moments.made += 1
        if told is None or told != true_id:
            return
        moments.right += 1
        stay = self._walks[device].stay_at(told, now_s)
        if stay is not None:
            moments.delays_s.append(now_s - stay.entered_s)
            if _is_worth(stay):
                self._served[sure].add(stay)


def _is_worth(stay: Stay) -> bool:
    return stay.left_s - stay.entered_s >= STAY_WORTH_S


def _walks(run: StoreWalks, zone_ids: list[str]) -> dict[str, Walk]:
    truth = run.truth
    samples = (
        TruthSample(t_s, run.devices[device], None if zone == _NOWHERE else zone_ids[zone])
        for device, t_s, zone in zip(
            truth.device.tolist(), truth.t_s.tolist(), truth.zone.tolist(), strict=True
        )
    )
    return walks(samples, visit_break_s=float("inf"))


def _sample(at_s: float) -> int:
    """The number of the truth sample at that instant."""
    return round((at_s - START_S) / TRUTH_PERIOD_S)

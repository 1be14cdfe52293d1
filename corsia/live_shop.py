"""The simulated store as a spectator sees it: who is where, and what their handsets were shown.

From the truth, so nothing here is known to the backend. Handsets that left long ago are forgotten
whole: a demonstration may run for days.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from corsia.run_report import RULES
from corsia.truth import SAMPLE_S, TruthSample, walks
from db.live import Here
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    HandsetEvent,
    PushReceived,
    ReceiptSent,
    Redeemed,
    Registered,
    TruthPoint,
)
from shoppers.consent import Purpose

# The truth is written each half second and flushed each second: who is missing from the last
# points for longer than this has left.
GONE_AFTER_S: Final = 1.5
# Without any new point for so long the simulator is down, and nobody is known to be there.
STALE_AFTER_S: Final = 5.0
# A push is pointed out on the map for so long.
FLASH_S: Final = 4.0
# The running scorecard is that of the handsets seen within this time, each with its whole visit,
# so every figure is exact for them: no stay is cut and no cap counted short.
KEPT_S: Final = 900.0
PUSHES_KEPT: Final = 60


class Belief(Enum):
    """What the engine makes of one shopper, held against the truth."""

    RIGHT = "right zone"
    UNSURE = "not sure"
    WRONG = "wrong zone"
    UNLOCATED = "not located: no consent"


class Reaction(Enum):
    """How far a push has come."""

    SHOWN = "shown"
    OPENED = "opened"
    REDEEMED = "redeemed"


@dataclass(frozen=True, slots=True)
class Dot:
    """One shopper on the floor. is_flashing: a push has just been shown to them."""

    x_m: float
    y_m: float
    belief: Belief
    is_flashing: bool


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """How many shoppers stand in a zone, and how many the engine believes to."""

    zone_id: str
    truly: int
    believed: int


@dataclass(frozen=True, slots=True)
class ShownPush:
    """A push that a handset has shown.

    after_s: since the shopper entered the zone of the offer; None when they were not there.
    title: what it said; the handset does not know which campaign it is of.
    """

    at_s: float
    handset_id: str
    decision_id: str
    zone_id: str | None
    shown_zone: str | None
    after_s: float | None
    reaction: Reaction = Reaction.SHOWN
    title: str = ""


@dataclass(slots=True)
class _Known:
    """What happened to one handset so far."""

    samples: list[TruthSample] = field(default_factory=list)
    events: list[HandsetEvent] = field(default_factory=list)
    last: TruthPoint | None = None
    shopper_id: str | None = None
    may_locate: bool = False
    seen_s: float = 0.0
    flash_until_s: float = 0.0


class Shop:
    """Everybody of the last KEPT_S."""

    def __init__(self) -> None:
        self.came = 0
        self.shown = 0
        self.first_shown_s: float | None = None
        self._known: dict[str, _Known] = {}
        self._pushes: dict[tuple[str, str], ShownPush] = {}
        self._newest_s = 0.0

    def take(self, points: Iterable[TruthPoint], events: Iterable[HandsetEvent]) -> None:
        """Note what is new in the run's logs."""
        for point in points:
            known = self._known.setdefault(point.handset_id, _Known())
            known.samples.append(TruthSample(point.at_s, point.handset_id, point.zone))
            known.last = point
            known.seen_s = self._newest_s = max(self._newest_s, point.at_s)
        for event in events:
            if event.handset_id is None:
                continue  # it failed to register: there is no handset
            known = self._known.setdefault(event.handset_id, _Known())
            known.events.append(event)
            known.seen_s = max(known.seen_s, event.at_s)
            self._note(known, event)

    def forget(self, now_s: float) -> None:
        """Drop the handsets that nothing was heard of for KEPT_S."""
        gone = [name for name, known in self._known.items() if now_s - known.seen_s > KEPT_S]
        for name in gone:
            del self._known[name]

    def dots(self, here: Mapping[str, Here], now_s: float) -> tuple[Dot, ...]:
        """Everybody who is in the store. here: where the engine believes them to be."""
        return tuple(
            Dot(
                known.last.x_m,
                known.last.y_m,
                _belief(known, here.get(name)),
                now_s < known.flash_until_s,
            )
            for name, known in self._present(now_s).items()
            if known.last is not None
        )

    def zone_counts(
        self, zone_ids: Iterable[str], here: Mapping[str, Here], now_s: float
    ) -> tuple[ZoneCount, ...]:
        """Each zone's shoppers, true and believed."""
        present = self._present(now_s).values()
        truly = Counter(known.last.zone for known in present if known.last is not None)
        believed = Counter(place.zone_id for place in here.values())
        return tuple(ZoneCount(each, truly[each], believed[each]) for each in zone_ids)

    def shopper_ids(self, now_s: float) -> frozenset[str]:
        """Who is in the store."""
        present = self._present(now_s).values()
        return frozenset(known.shopper_id for known in present if known.shopper_id is not None)

    def pushes(self) -> tuple[ShownPush, ...]:
        """The last pushes shown, newest first."""
        return tuple(reversed(self._pushes.values()))

    def untitled(self) -> frozenset[str]:
        """The decisions of the pushes whose words are not known yet."""
        return frozenset(push.decision_id for push in self._pushes.values() if not push.title)

    def entitle(self, titles: Mapping[str, str]) -> None:
        """Note what the pushes of these decisions said."""
        for key, push in self._pushes.items():
            if push.decision_id in titles:
                self._pushes[key] = replace(push, title=titles[push.decision_id])

    def to_score(self) -> tuple[frozenset[str], list[TruthSample], list[HandsetEvent]]:
        """The handsets that are known, and all that happened to them."""
        everybody = self._known.values()
        return (
            frozenset(self._known),
            [sample for known in everybody for sample in known.samples],
            [event for known in everybody for event in known.events],
        )

    def _present(self, now_s: float) -> dict[str, _Known]:
        if now_s - self._newest_s > STALE_AFTER_S:
            return {}
        since_s = self._newest_s - GONE_AFTER_S
        return {
            name: known
            for name, known in self._known.items()
            if known.last is not None and known.last.at_s >= since_s
        }

    def _note(self, known: _Known, event: HandsetEvent) -> None:
        match event:
            case Registered():
                known.shopper_id = event.shopper_id
                known.may_locate = event.consents.get(Purpose.LOCATION_BLE, False)
            case ConsentChanged():
                known.may_locate = event.consents.get(Purpose.LOCATION_BLE, False)
            case EnteredStore():
                self.came += 1
            case PushReceived(shown_at=float() as shown_s):
                self._note_push(known, event, shown_s)
            case ReceiptSent(receipt=Reaction.OPENED.value):
                self._note_reaction(event.decision_id, event.handset_id, Reaction.OPENED)
            case Redeemed():
                self._note_reaction(event.decision_id, event.handset_id, Reaction.REDEEMED)
            case _:
                pass

    def _note_push(self, known: _Known, event: PushReceived, shown_s: float) -> None:
        self.shown += 1
        if self.first_shown_s is None:
            self.first_shown_s = shown_s
        known.flash_until_s = shown_s + FLASH_S
        self._pushes[event.handset_id, event.decision_id] = ShownPush(
            at_s=shown_s,
            handset_id=event.handset_id,
            decision_id=event.decision_id,
            zone_id=event.zone_id,
            shown_zone=event.shown_zone,
            after_s=_after_entry_s(known.samples, event, shown_s),
        )
        while len(self._pushes) > PUSHES_KEPT:
            del self._pushes[next(iter(self._pushes))]

    def _note_reaction(self, decision_id: str, handset_id: str, reaction: Reaction) -> None:
        push = self._pushes.get((handset_id, decision_id))
        if push is not None and push.reaction is not Reaction.REDEEMED:
            self._pushes[handset_id, decision_id] = replace(push, reaction=reaction)


def _belief(known: _Known, place: Here | None) -> Belief:
    if not known.may_locate:
        return Belief.UNLOCATED
    if place is None or place.zone_id is None:
        return Belief.UNSURE
    is_right = known.last is not None and known.last.zone == place.zone_id
    return Belief.RIGHT if is_right else Belief.WRONG


def _after_entry_s(
    samples: Collection[TruthSample], event: PushReceived, shown_s: float
) -> float | None:
    """As the scorecard counts it: from the start of the true stay in the zone of the offer."""
    if event.zone_id is None or event.shown_zone != event.zone_id:
        return None
    walk = walks(samples, RULES.visit_break_s).get(event.handset_id)
    stay = walk.stay_at(event.zone_id, shown_s, SAMPLE_S) if walk is not None else None
    return shown_s - stay.entered_s if stay is not None else None

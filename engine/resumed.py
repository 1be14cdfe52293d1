"""Visits and stays that SQL has as open when an engine begins, or begins anew after a new plan.

Presence knows nothing of them until their handsets are heard: then it goes on with them, or tells
of another zone, or of none. What nobody tells of is ended here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from beacons.presence import Estimate
from beacons.zone_events import Dwelling, Entered, Gone, Left, ZoneEvent
from db.visits import Visit

# A shopper whose engine was restarted goes on with the same visit.
RESUME_WITHIN: Final = timedelta(minutes=5)
# Presence names the zone of most stays within four seconds (`make bench-zones`). One that it has
# not named after three times as long ended while nobody looked.
NAMED_WITHIN_S: Final = 12.0


class Resumed:
    """What was open and is not settled yet."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        # handset -> its zone as SQL has it (None: in none), while presence has not told the same.
        self._stays: dict[str, str | None] = {}
        self._began_s = 0.0
        self._heard_s: dict[str, float] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is anything."""
        return bool(self._visits or self._stays)

    def wait_for(self, visits: Iterable[Visit], stays: Mapping[str, str], now_s: float) -> None:
        """These visits are open, and these stays (handset -> zone). now_s: unix, when we began."""
        self._visits = {visit.handset_id: visit for visit in visits}
        known = {**self._stays, **stays}
        self._stays = {one: zone for one, zone in known.items() if one in self._visits}
        self._heard_s = {}
        self._began_s = now_s

    def restored(self, said: Mapping[str, Estimate], now_s: float) -> None:
        """Presence goes on from a checkpoint, and says this. SQL may know of later events."""
        for device, one in said.items():
            self._visits.pop(device, None)
            stay = self._stays.pop(device, None)
            if one.zone_id != stay:
                self._stays[device] = stay
                self._heard_s[device] = now_s

    def caught_up(self, events: Iterable[ZoneEvent], now_s: float) -> list[ZoneEvent]:
        """The same as `settle` for the time in which nobody listened: who may have walked on by
        then may as well be where they were."""
        news: list[ZoneEvent] = []
        for event in events:
            if isinstance(event, Left):
                self._stays.setdefault(event.device, event.zone_id)
                self._heard_s[event.device] = now_s
            elif not isinstance(event, Dwelling):
                news.append(event)
        return self.settle(news)

    def settle(self, events: Iterable[ZoneEvent]) -> list[ZoneEvent]:
        """Presence tells of these; those of stays that SQL had ended before are left out."""
        news: list[ZoneEvent] = []
        for event in events:
            device = event.device
            self._visits.pop(device, None)
            if device in self._stays:
                if isinstance(event, Left | Dwelling) and event.zone_id != self._stays[device]:
                    continue
                if isinstance(event, Entered | Left | Gone):
                    self._settled(device)
            news.append(event)
        return news

    def over(self, said: Mapping[str, Estimate], now: datetime) -> list[ZoneEvent]:
        """The ends of what nobody goes on with. said: where presence believes everybody to be."""
        return [*self._stays_over(said, now.timestamp()), *self._visits_over(now)]

    def _stays_over(self, said: Mapping[str, Estimate], now_s: float) -> list[ZoneEvent]:
        over: list[ZoneEvent] = []
        for device, zone_id in list(self._stays.items()):
            one = said.get(device)
            if one is None or now_s - self._heard_s.setdefault(device, now_s) <= NAMED_WITHIN_S:
                continue
            self._settled(device)
            if zone_id is not None:
                over.append(Left(device, zone_id, self._began_s, self._began_s, 0.0))
            if one.zone_id is not None:
                over.append(Entered(device, one.zone_id, now_s, now_s, one.confidence))
        return over

    def _settled(self, device: str) -> None:
        del self._stays[device]
        self._heard_s.pop(device, None)

    def _visits_over(self, now: datetime) -> list[ZoneEvent]:
        """Of handsets that presence never saw: it cannot tell of them."""
        over = [one for one in self._visits.values() if now - one.last_heard_at > RESUME_WITHIN]
        for visit in over:
            del self._visits[visit.handset_id]
            self._stays.pop(visit.handset_id, None)
        return [
            Gone(visit.handset_id, now.timestamp(), visit.last_heard_at.timestamp())
            for visit in over
        ]

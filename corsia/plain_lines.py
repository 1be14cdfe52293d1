"""A demonstration where there is no terminal: one line for each thing that happens."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from corsia.floor_map import short_name
from corsia.live_panels import local_time, seconds, share
from corsia.live_picture import Picture
from corsia.live_shop import Belief, ShownPush
from firmware_sim.floor import Floor

SUMMARY_PERIOD_S: Final = 10.0


class PlainLines:
    """Turns pictures, one after the other, into what is new."""

    def __init__(self, floor: Floor) -> None:
        self._zone_names = {zone.zone_id: short_name(zone) for zone in floor.zones}
        self._gateways_up = 0
        self._came = 0
        self._shown = 0
        self._restarts: dict[str, int] = {}
        self._next_summary_s = SUMMARY_PERIOD_S

    def news(self, picture: Picture) -> list[str]:
        """The lines for what has happened since the last picture."""
        now = _time(picture.at)
        return (
            [f"{now} {line}" for line in self._since_last(picture)]
            + list(self._pushes(picture))
            + [f"{now} {line}" for line in self._summary(picture)]
        )

    def _since_last(self, picture: Picture) -> Iterator[str]:
        if picture.gateways_up != self._gateways_up:
            self._gateways_up = picture.gateways_up
            yield f"gateways up: {picture.gateways_up} of {picture.gateways}"
        if picture.came != self._came:
            came = picture.came - self._came
            self._came = picture.came
            yield "a shopper came in" if came == 1 else f"{came} shoppers came in"
        for process in picture.processes:
            if process.restarts != self._restarts.get(process.name, 0):
                self._restarts[process.name] = process.restarts
                yield f"{process.name} ended and is started again (restarts: {process.restarts})"

    def _pushes(self, picture: Picture) -> Iterator[str]:
        new = picture.pushes_shown - self._shown
        is_first = self._shown == 0
        self._shown = picture.pushes_shown
        for push in reversed(picture.pushes[:new]):
            yield f"{local_time(push.at_s)} push: {self._push(push)}"
        if new and is_first and picture.first_push_s is not None:
            yield f"{_time(picture.at)} first push {picture.first_push_s:.0f} s after the start"

    def _push(self, push: ShownPush) -> str:
        zone = self._zone_name(push.zone_id)
        if push.after_s is not None:
            after = seconds(push.after_s)
            return f"'{push.title}' shown in {zone}, {after} after the shopper entered it"
        where = self._zone_name(push.shown_zone)
        return f"'{push.title}' for {zone} shown in {where}: too late, or wrong"

    def _zone_name(self, zone_id: str | None) -> str:
        return "no zone" if zone_id is None else self._zone_names.get(zone_id, zone_id)

    def _summary(self, picture: Picture) -> Iterator[str]:
        if picture.up_s < self._next_summary_s:
            return
        self._next_summary_s = picture.up_s + SUMMARY_PERIOD_S
        beliefs = Counter(dot.belief for dot in picture.dots)
        shown = ", ".join(
            f"{beliefs[belief]} {belief.value}" for belief in Belief if beliefs[belief]
        )
        line = f"in the store: {len(picture.dots)}"
        line += f" ({shown})" if shown else ""
        line += f"; pushes shown: {picture.pushes_shown}"
        if picture.running is not None and picture.running.card.pushes:
            card = picture.running.card
            line += (
                f", {share(card.aisle_precision)} decided in the right aisle, "
                f"half within {seconds(card.entry_to_push_s.p50)} of entering"
            )
        yield line


def _time(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")

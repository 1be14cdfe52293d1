"""The fake FCM's way to the handsets: who is registered and reachable, and how long it takes."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from config.clock import Clock
from firmware_sim.fcm_delivery import (
    Delivery,
    DeviceTargetKind,
    Envelope,
    Mailbox,
    Platform,
    sealed,
)
from firmware_sim.fcm_targets import is_plausible
from firmware_sim.fcm_validation import Message


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a push takes from FCM to a handset in use: log-normal.

    median_s: assumed; a few tenths of a second on a phone with a live connection.
    spread: the standard deviation of the logarithm; at 0.5 one in twenty takes 2.3 medians.
    """

    median_s: float = 0.3
    spread: float = 0.5

    def draw_s(self, chance: Random) -> float:
        return self.median_s * math.exp(self.spread * chance.gauss(0.0, 1.0))


class Courier:
    """Registered targets and the messages under way to them. It works while `run` runs.

    on_delivery: called once for each message that reaches a handset; an error in it ends `run`.
    """

    def __init__(
        self,
        clock: Clock,
        chance: Random,
        latency: Latency,
        on_delivery: Callable[[Delivery], None],
        counts: Counter[str],
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._latency = latency
        self._on_delivery = on_delivery
        self._counts = counts
        self._mailboxes: dict[tuple[DeviceTargetKind, str], Mailbox] = {}
        self._under_way = asyncio.TaskGroup()

    async def run(self, started: asyncio.Event) -> None:
        """Carry messages until cancelled; those under way are then lost."""
        async with self._under_way:
            started.set()
            await asyncio.Event().wait()

    def register(self, kind: DeviceTargetKind, value: str, platform: Platform) -> None:
        """From now on the target exists. Raises ValueError when Firebase could not mint it."""
        if not is_plausible(kind, value):
            raise ValueError(f"no {kind} has this form; make one with mint_target()")
        self._mailboxes[kind, value] = Mailbox(platform)

    def unregister(self, kind: DeviceTargetKind, value: str) -> None:
        """The app was removed: the target is gone, and what waited for it."""
        self._mailboxes.pop((kind, value), None)

    def knows(self, kind: DeviceTargetKind, value: str) -> bool:
        return (kind, value) in self._mailboxes

    def platform_of(self, kinds: Iterable[DeviceTargetKind], value: str) -> Platform | None:
        """The platform of the target that has this value; None when there is none."""
        boxes = (self._mailboxes.get((kind, value)) for kind in kinds)
        return next((box.platform for box in boxes if box is not None), None)

    def set_online(self, kind: DeviceTargetKind, value: str, *, is_online: bool) -> None:
        """Whether the handset can be reached; on its return it is sent what waited."""
        mailbox = self._mailboxes[kind, value]
        mailbox.is_online = is_online
        if is_online:
            for envelope in mailbox.take_all():
                self._set_off(kind, value, envelope)

    def send(self, kind: DeviceTargetKind, value: str, message: Message, message_name: str) -> None:
        """Take on an accepted message for a known target."""
        mailbox = self._mailboxes[kind, value]
        envelope = sealed(message, message_name, mailbox.platform, self._clock.now())
        if not envelope.is_alive(self._clock.now()):
            self._counts["expired"] += 1
        elif mailbox.is_online:
            self._set_off(kind, value, envelope)
        else:
            self._counts["given_up"] += len(mailbox.keep(envelope))

    def _set_off(self, kind: DeviceTargetKind, value: str, envelope: Envelope) -> None:
        takes_s = self._latency.draw_s(self._chance)
        self._under_way.create_task(
            self._deliver(kind, value, envelope, takes_s), name="fake-fcm-delivery"
        )

    async def _deliver(
        self, kind: DeviceTargetKind, value: str, envelope: Envelope, takes_s: float
    ) -> None:
        await self._clock.sleep(takes_s)
        now = self._clock.now()
        mailbox = self._mailboxes.get((kind, value))
        if mailbox is None:
            self._counts["given_up"] += 1
        elif not envelope.is_alive(now):
            self._counts["expired"] += 1
        elif not mailbox.is_online:  # it left while the message was under way
            self._counts["given_up"] += len(mailbox.keep(envelope))
        else:
            self._counts["delivered"] += 1
            self._on_delivery(envelope.opened(kind, value, now))

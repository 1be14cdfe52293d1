"""This gateway's canary: what it transmits so that its fellows, and iPhones' apps, hear it.

A radio sends it by itself once it is told to (`gateway.bluez_canary`); a simulated store is told
in a line on its socket. A recording has no air to send into.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from beacons import advert, canary, ibeacon
from beacons.ibeacon import IBeacon
from config.clock import Clock
from gateway.lines_source import transmit_line
from gateway.settings import GatewayConfig

CanaryState = Literal["off", "starting", "sending", "waiting"]


@dataclass(slots=True)
class CanaryHealth:
    """What the canary says of itself; it alone writes here, the status file reads."""

    state: CanaryState = "off"
    restarts: int = 0
    trouble: str | None = None


class CanarySender(Protocol):
    """Something that keeps the canary on air."""

    @property
    def health(self) -> CanaryHealth:
        """Its state, as it is now."""

    async def run(self) -> None:
        """Transmit until cancelled. Failures are told in `health` and tried again."""


class NoCanary:
    """Nothing for us to send: turned off, a recording, or a simulated store that does it."""

    def __init__(self, state: CanaryState = "off") -> None:
        self.health: Final = CanaryHealth(state)

    async def run(self) -> None:
        """Wait to be cancelled."""
        await asyncio.Event().wait()


def own_canary(config: GatewayConfig, namespace: bytes, gateway_id: str) -> IBeacon | None:
    """The frame to transmit; None when this gateway is not to, or has nothing to do it with."""
    if not config.canary or config.is_recording:
        return None
    return canary.canary(namespace, gateway_id, config.canary_power_1m_dbm)


def announcement(frame: IBeacon | None) -> bytes | None:
    """What a simulated store is told on connecting, so that its air carries the canary."""
    if frame is None:
        return None
    return transmit_line(advert.build([ibeacon.encode(frame)]), canary.INTERVAL_S)


def open_canary(
    config: GatewayConfig, frame: IBeacon | None, clock: Clock, chance: random.Random
) -> CanarySender:
    """The sender that suits the source of adverts."""
    if frame is None:
        return NoCanary()
    if config.source.startswith("unix:"):
        return NoCanary("sending")
    # Only a machine with a radio has dbus-fast, which comes with bleak: the gateway extra.
    from gateway.bluez_canary import BluezCanary

    return BluezCanary(frame, clock, chance, config.adapter)

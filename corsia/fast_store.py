"""The store of a run in virtual time: who comes, what is on air, and gateways without a Pi.

`corsia rehearse --fast` plays it against the whole backend, the benchmarks against presence alone.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from beacons import canary, ibeacon
from beacons.advert import build
from beacons.sighting import MAX_SIGHTINGS, Batch, Sighting, encode_batch
from db.live import StreamEntry
from firmware_sim.air import HeardAdvert
from firmware_sim.floor import Floor
from firmware_sim.persona import personas
from firmware_sim.scene import Scene, Shopper, Visit, shopper
from firmware_sim.world import arrivals_s
from gateway.aggregate import Aggregator
from gateway.known_beacons import KnownBeacons
from gateway.source import Advert

STEP_S: Final = 0.5
# A gateway sends once a second.
FLUSH_EVERY_STEPS: Final = 2
# From the last advert to the last answer.
DRAIN_S: Final = 15.0
BOOT: Final = "0" * 16


@dataclass(frozen=True, slots=True)
class Outage:
    """These gateways say nothing from that instant (unix) on, not even what they have heard."""

    gateway_ids: frozenset[str]
    from_s: float = 0.0


NO_OUTAGE: Final = Outage(frozenset())


class FastGateway:
    """What is left of a gateway without radio, spool and uplink."""

    def __init__(self, gateway_id: str, namespace: bytes) -> None:
        self.gateway_id = gateway_id
        self.sightings = 0
        self.canary = build([ibeacon.encode(canary.canary(namespace, gateway_id))])
        self._aggregator = Aggregator(namespace, KnownBeacons.named(()))
        self._seq = 0

    def hear(self, adverts: Iterable[HeardAdvert]) -> None:
        """Take in what its radio decoded."""
        for advert in adverts:
            self._aggregator.add(Advert(advert.at_ms, advert.address, advert.rssi_dbm, advert.data))

    def closed(self, now_s: float) -> list[Sighting]:
        """The sightings of the windows that have closed; each is given once."""
        closed = self._aggregator.closed(round(now_s * 1_000))
        self.sightings += len(closed)
        return closed

    def entries(self, now_s: float) -> list[StreamEntry]:
        """The same as batches."""
        closed = self.closed(now_s)
        return [
            self._entry(tuple(closed[first : first + MAX_SIGHTINGS]))
            for first in range(0, len(closed), MAX_SIGHTINGS)
        ]

    def _entry(self, sightings: tuple[Sighting, ...]) -> StreamEntry:
        self._seq += 1
        batch = Batch(1, BOOT, self._seq, sightings)
        return StreamEntry(str(self._seq), self.gateway_id, encode_batch(batch))


class FastGateways:
    """The gateways of a floor."""

    def __init__(self, floor: Floor, namespace: bytes, outage: Outage = NO_OUTAGE) -> None:
        self._gateways = [FastGateway(place.gateway_id, namespace) for place in floor.gateways]
        self._outage = outage

    @property
    def sightings(self) -> int:
        """How many they have given out."""
        return sum(gateway.sightings for gateway in self._gateways)

    def hear(self, adverts: Mapping[str, Iterable[HeardAdvert]], now_s: float) -> None:
        """Take in what each one's radio decoded until now."""
        for gateway in self.alive(now_s):
            gateway.hear(adverts.get(gateway.gateway_id, ()))

    def transmit(self, scene: Scene, now_s: float) -> None:
        """Let the scene's air carry the canaries of those that are not dead."""
        alive = {gateway.gateway_id for gateway in self.alive(now_s)}
        for gateway in self._gateways:
            data = gateway.canary if gateway.gateway_id in alive else None
            scene.transmit(gateway.gateway_id, data, canary.INTERVAL_S)

    def alive(self, now_s: float) -> list[FastGateway]:
        """Those that are not dead by now."""
        return [
            gateway
            for gateway in self._gateways
            if now_s < self._outage.from_s or gateway.gateway_id not in self._outage.gateway_ids
        ]


def cast(floor: Floor, shoppers: int, seed: int) -> list[Shopper]:
    """The shoppers of a run, in the order in which they are let in."""
    chance = random.Random(f"cast {seed}")
    return [
        shopper(number, persona, seed)
        for number, persona in enumerate(personas(shoppers, floor.country, chance))
    ]


def admit(
    scene: Scene, shoppers: Iterable[Shopper], minutes: float, seed: int, start_s: float
) -> list[Visit]:
    """Let them all in, over the first half of the run. start_s: when the store opens, unix."""
    shoppers = list(shoppers)
    arrivals = arrivals_s(len(shoppers), minutes * 60, random.Random(f"arrivals {seed}"))
    return [
        scene.admit(one, start_s + after_s) for one, after_s in zip(shoppers, arrivals, strict=True)
    ]

"""What gateways hear of one handset, picked out of a store's batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from beacons.heard import Heard
from beacons.sighting import Batch, MalformedBatch, decode_batch
from db.live import StreamEntry
from engine.identities import Identities, Owner

# Four hours of a handset that twelve gateways hear twice a second, and as much again.
MAX_SIGHTINGS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Faults:
    """What of the stream was not seen. missing: batches that the engine was faster with, or that
    never came; malformed: entries that are no batch; over: sightings beyond MAX_SIGHTINGS."""

    missing: int = 0
    malformed: int = 0
    over: int = 0


class SurveyRecorder:
    """The sightings of one handset, in the order in which they came."""

    def __init__(self, owner: Owner, secret: bytes, tenant: str) -> None:
        self.heard: list[Heard] = []
        self._identities = Identities(tenant)
        self._identities.learn(owner, secret)
        self._last_seq: dict[tuple[str, str], int] = {}
        self._missing = 0
        self._malformed = 0
        self._over = 0

    @property
    def faults(self) -> Faults:
        """What was not seen so far."""
        return Faults(self._missing, self._malformed, self._over)

    def take(self, entries: Iterable[StreamEntry], now_s: float) -> int:
        """Look through batches as the engine would; how many sightings were the handset's."""
        self._identities.turn_to(now_s)
        before = len(self.heard)
        for entry in entries:
            try:
                batch = decode_batch(entry.data)
            except MalformedBatch:
                self._malformed += 1
                continue
            if self._is_new(entry.gateway_id, batch):
                self._pick(entry.gateway_id, batch)
        return len(self.heard) - before

    def _is_new(self, gateway_id: str, batch: Batch) -> bool:
        spool = (gateway_id, batch.boot)
        last = self._last_seq.get(spool)
        if last is not None and batch.seq <= last:
            return False
        if last is not None:
            self._missing += batch.seq - last - 1
        self._last_seq[spool] = batch.seq
        return True

    def _pick(self, gateway_id: str, batch: Batch) -> None:
        for sighting in batch.sightings:
            if sighting.kind != "ceid" or self._identities.owner(sighting.identifier) is None:
                continue
            if len(self.heard) >= MAX_SIGHTINGS:
                self._over += 1
                continue
            self.heard.append(
                Heard(
                    device="",  # whose it is, is the recorder's to know
                    gateway_id=gateway_id,
                    at_s=sighting.at_ms / 1_000,
                    count=sighting.count,
                    mean_rssi_dbm=sighting.mean_rssi_dbm,
                    max_rssi_dbm=float(sighting.max_rssi_dbm),
                )
            )

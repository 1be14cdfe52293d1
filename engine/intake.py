"""Batches off a store's stream, each taken once: whose sightings they hold, and what canaries."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from beacons.presence import Heard
from beacons.sighting import WINDOW_MS, Batch, MalformedBatch, Sighting, decode_batch
from db.gateways import Progress
from db.live import StreamEntry
from engine.acceptance import Acceptance
from engine.canaries import Canaries
from engine.identities import Identities, Owner

log = logging.getLogger(__name__)

# Older sightings (a gateway that was cut off) may not cause a push (DESIGN 4).
FRESH_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Used:
    """A batch that has been taken in and must be noted in SQL."""

    gateway_id: str
    batch: Batch


class Intake:
    """The way in of one store.

    owners: of the handsets that were heard or have an open visit. surveying: handsets that staff
    walk a survey with: nobody hears them. accepted: when the API took in what was heard.
    """

    def __init__(
        self,
        identities: Identities,
        canaries: Canaries,
        progress: Iterable[Progress],
        counts: Counter[str],
    ) -> None:
        self.owners: dict[str, Owner] = {}
        self.accepted: Final = Acceptance()
        self.surveying: frozenset[str] = frozenset()
        self._identities = identities
        self._canaries = canaries
        self._counts = counts
        self._last_seq = {(one.gateway_id, one.boot): one.last_seq for one in progress}

    def take(self, entries: Sequence[StreamEntry], now_s: float) -> tuple[list[Heard], list[Used]]:
        """What was heard of handsets that we know, and the batches that it was in."""
        self._identities.turn_to(now_s)
        heard: list[Heard] = []
        used: list[Used] = []
        for entry in entries:
            batch = self._fresh_batch(entry)
            if batch is not None:
                used.append(Used(entry.gateway_id, batch))
                rest = self._canaries.take(entry.gateway_id, batch.sightings, now_s)
                self._counts["canary_sightings"] += len(batch.sightings) - len(rest)
                heard += self._heard(entry, rest, now_s)
        return heard, used

    def forget(self, handset_id: str) -> None:
        """The handset is gone from the store."""
        self.owners.pop(handset_id, None)
        self.accepted.forget(handset_id)

    def _fresh_batch(self, entry: StreamEntry) -> Batch | None:
        try:
            batch = decode_batch(entry.data)
        except MalformedBatch:
            # The API decoded it before: only a writer that is not ours could have put it here.
            self._counts["malformed_batches"] += 1
            log.warning("stream entry is no batch", extra={"gateway": entry.gateway_id})
            return None
        spool = (entry.gateway_id, batch.boot)
        last = self._last_seq.get(spool, 0)
        if batch.seq <= last:
            self._counts["repeated_batches"] += 1
            return None
        self._counts["missing_batches"] += batch.seq - last - 1
        self._last_seq[spool] = batch.seq
        return batch

    def _heard(
        self, entry: StreamEntry, sightings: Sequence[Sighting], now_s: float
    ) -> list[Heard]:
        heard = []
        accepted_s = _accepted_s(entry)
        for sighting in sightings:
            end_s = (sighting.at_ms + WINDOW_MS) / 1_000
            if now_s - end_s > FRESH_S:
                self._counts["late_sightings"] += 1
                continue
            owner = (
                self._identities.owner(sighting.identifier) if (sighting.kind == "ceid") else None
            )
            if owner is None:
                self._counts["unknown_sightings"] += 1
                continue
            if owner.handset_id in self.surveying:
                self._counts["survey_sightings"] += 1
                continue
            self.owners[owner.handset_id] = owner
            if accepted_s is not None:
                self.accepted.note(owner.handset_id, sighting.at_ms / 1_000, accepted_s)
            heard.append(
                Heard(
                    device=owner.handset_id,
                    gateway_id=entry.gateway_id,
                    at_s=sighting.at_ms / 1_000,
                    count=sighting.count,
                    mean_rssi_dbm=sighting.mean_rssi_dbm,
                    max_rssi_dbm=float(sighting.max_rssi_dbm),
                )
            )
        self._counts["resolved_sightings"] += len(heard)
        return heard


def _accepted_s(entry: StreamEntry) -> float | None:
    """When the API appended a batch, unix, by the clock of Redis; None when no Redis named it.

    Source: Redis streams, the first part of an entry's id is the milliseconds of its adding.
    """
    at_ms, dash, _ = entry.entry_id.partition("-")
    return int(at_ms) / 1_000 if dash else None

"""What a gateway says of itself: the file that `corsia gateway status` and rehearsals read."""

from datetime import datetime
from pathlib import Path

import msgspec

from gateway.aggregate import AdvertCounts
from gateway.canary import CanaryHealth
from gateway.files import replace_file
from gateway.flush import FlushHealth
from gateway.source import SourceHealth
from gateway.spool_file import SpoolCounts
from gateway.uplink import UplinkHealth


class Status(msgspec.Struct, frozen=True):
    """One gateway at one instant. Counts of adverts and batches are since its start."""

    at: datetime
    started_at: datetime
    gateway_id: str
    store_id: str
    boot: str
    clock_offset_s: float
    source: SourceHealth
    canary: CanaryHealth
    adverts: AdvertCounts
    flush: FlushHealth
    spool: SpoolCounts
    uplink: UplinkHealth


def write_status(path: Path, status: Status) -> None:
    """The file at `path` says `status`, whole."""
    replace_file(path, msgspec.json.encode(status), durable=False)


def read_status(path: Path) -> Status | None:
    """The last status that was written, None when there is no readable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None

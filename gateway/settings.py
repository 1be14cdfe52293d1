"""What one gateway is told: plain values, checked where they are read (config.settings)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from beacons.canary import POWER_1M_DBM

# About a month of a quiet shop, a week of a busy one; a twentieth of the smallest SD card we use.
SPOOL_MAX_BYTES: Final = 256 * 2**20

SPOOL_FILE: Final = "spool.sqlite3"
STATUS_FILE: Final = "status.json"


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Where to listen, what for, where to keep it and whom to tell."""

    api_url: str
    data_dir: Path
    source: str = "bleak"  # bleak | bleak-passive | lines:PATH | lines:- | unix:PATH
    namespace: bytes | None = None  # 4 octets; none: the one that enrolment gave
    beacon_uuids: tuple[str, ...] = ()  # fixed beacons worth reporting (gateway.aggregate)
    spool_max_bytes: int = SPOOL_MAX_BYTES
    flush_s: float = 1.0
    adapter: str | None = None  # "hci1"; none: the default one
    canary: bool = True  # whether fellow gateways and apps can hear this one
    canary_power_1m_dbm: int = POWER_1M_DBM  # what a phone hears of it one metre away

    @property
    def is_recording(self) -> bool:
        """Whether the adverts carry the time of a recording, which no clock of ours corrects."""
        return self.source.startswith("lines:")

    @property
    def spool_path(self) -> Path:
        """The spool's database."""
        return self.data_dir / SPOOL_FILE

    @property
    def status_path(self) -> Path:
        """What `corsia gateway status` reads."""
        return self.data_dir / STATUS_FILE

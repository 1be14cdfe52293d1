"""The source that a gateway's settings name."""

import random
from functools import partial

from config.clock import Clock
from gateway.known_beacons import KnownBeacons
from gateway.lines_source import LinesSource
from gateway.radio_recovery import recover_radio
from gateway.server_time import ServerTime, unix_ms
from gateway.settings import GatewayConfig
from gateway.source import AdvertSource, SourceError


def open_source(
    config: GatewayConfig,
    namespace: bytes,
    clock: Clock,
    time: ServerTime,
    chance: random.Random,
    announcement: bytes | None = None,
) -> AdvertSource:
    """The source, not yet listening. Raises SourceError or BeaconNameError.

    announcement: what a simulated store is told on connecting.
    """

    def now_ms() -> int:
        return unix_ms(clock.now())

    known = KnownBeacons.named(config.beacon_uuids)
    if config.is_recording:
        return LinesSource(config.source, time.now_ms, clock, chance)
    if config.source.startswith("unix:"):
        return LinesSource(config.source, now_ms, clock, chance, announcement)
    if config.source not in {"bleak", "bleak-passive"}:
        raise SourceError(f"{config.source!r} is no source of adverts")
    try:
        # Only a machine with a radio has bleak: the gateway extra.
        from gateway.bleak_source import BleakSource
    except ImportError as error:
        raise SourceError(f"{error.name} is missing: install corsia[gateway]") from error
    return BleakSource(
        namespace,
        known,
        now_ms,
        clock,
        chance,
        partial(recover_radio, config.adapter),
        is_passive=config.source == "bleak-passive",
        adapter=config.adapter,
    )

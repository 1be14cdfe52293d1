"""The gateway process: listen, flush, send, and say how it goes."""

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
import msgspec

from beacons.sighting import MAX_SIGHTINGS
from config.clock import Clock
from gateway.aggregate import Aggregator
from gateway.canary import CanarySender, announcement, open_canary, own_canary
from gateway.flush import Flusher
from gateway.identity import Identity, IdentityError, load_identity
from gateway.known_beacons import BeaconNameError, KnownBeacons
from gateway.server_time import ServerTime, unix_ms
from gateway.settings import GatewayConfig
from gateway.source import AdvertSource, SourceError
from gateway.sources import open_source
from gateway.spool import Spool, SpoolError
from gateway.status import Status, write_status
from gateway.threads import to_its_end
from gateway.uplink import Sent, SetAside, Uplink

# Of sysexits.h: the recording cannot be read, not all could be sent yet, the set-up is wrong.
EXIT_NO_INPUT: Final = 66
EXIT_NOT_ALL_SENT: Final = 75
EXIT_SET_UP: Final = 78
# What an ended recording may wait for the server; the rest stays in the spool.
LAST_SENDS_S: Final = 60.0
# What a gateway that is told to stop may take to send what it has: whoever stops it waits little
# longer before it kills.
STOP_SENDS_S: Final = 1.5
STATUS_EVERY_S: Final = 2.0
HEALTH_EVERY_S: Final = 60.0

log = logging.getLogger(__name__)


async def run_gateway(config: GatewayConfig, clock: Clock) -> int:
    """The exit code, once the recording has ended; a radio's gateway runs until cancelled."""
    try:
        identity = load_identity(config.data_dir)
        if identity is None:
            log.error("this gateway is not enrolled: run `corsia gateway enrol CODE`")
            return EXIT_SET_UP
        chance = random.Random()
        namespace = config.namespace or identity.namespace
        time = ServerTime(clock)
        frame = own_canary(config, namespace, identity.gateway_id)
        source = open_source(config, namespace, clock, time, chance, announcement(frame))
        canary = open_canary(config, frame, clock, chance)
        aggregator = Aggregator(namespace, KnownBeacons.named(config.beacon_uuids))
        spool = await Spool.open(config.spool_path, config.spool_max_bytes)
    except (IdentityError, BeaconNameError, SourceError, SpoolError) as error:
        log.error("the gateway cannot start", extra={"why": str(error)})  # noqa: TRY400
        return EXIT_SET_UP
    try:
        async with _session() as session:
            uplink = Uplink(session, config.api_url, identity, spool, clock, time, chance)
            flusher = Flusher(aggregator, spool, clock, time, is_recording=config.is_recording)
            gateway = Gateway(
                config,
                clock,
                identity,
                source,
                canary,
                aggregator,
                flusher,
                spool,
                uplink,
                time,
                clock.now(),
            )
            return await gateway.run()
    finally:
        await spool.close()


@dataclass(slots=True)
class Gateway:
    """The parts of one gateway, and the loops that move them."""

    config: GatewayConfig
    clock: Clock
    identity: Identity
    source: AdvertSource
    canary: CanarySender
    aggregator: Aggregator
    flusher: Flusher
    spool: Spool
    uplink: Uplink
    time: ServerTime
    started_at: datetime

    async def run(self) -> int:
        """The exit code, once the source has ended. Whatever ends it, what was heard is on disk."""
        log.info(
            "gateway listens",
            extra={"gateway": self.identity.gateway_id, "source": self.source.health.kind},
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(self._flush_regularly(), name="flush"),
                    tasks.create_task(self.uplink.run(), name="uplink"),
                    tasks.create_task(self.canary.run(), name="canary"),
                    tasks.create_task(self._tell_status(), name="status"),
                    tasks.create_task(self._tell_health(), name="health"),
                ]
                listening = tasks.create_task(self._listen(), name="listen")
                exit_code = await listening
                await self.flusher.flush(None)
                has_sent_all = await self._sent_all()
                for loop in loops:
                    loop.cancel()
        except asyncio.CancelledError:
            await self.flusher.flush(None)
            await self._send_at_once()
            raise
        finally:
            await self.flusher.flush(None)
            await self._write_status()
        return exit_code if exit_code or has_sent_all else EXIT_NOT_ALL_SENT

    async def _listen(self) -> int:
        try:
            async with contextlib.aclosing(self.source.adverts()) as adverts:
                async for advert in adverts:
                    self.aggregator.add(advert)
                    if self.aggregator.open_sightings >= MAX_SIGHTINGS:
                        await self.flusher.flush(advert.at_ms)
        except SourceError as error:
            log.error("the source cannot be read", extra={"why": str(error)})  # noqa: TRY400
            return EXIT_NO_INPUT
        return 0

    async def _flush_regularly(self) -> None:
        before_ms: int | None = None
        while True:
            await self.clock.sleep(self.config.flush_s)
            now_ms: int | None = unix_ms(self.clock.now())
            if self.config.is_recording:
                # Its own time decides, so that no window is torn apart; once nothing comes any
                # more (a pipe that pauses), what is open goes too.
                newest_ms = self.aggregator.newest_ms
                now_ms = None if newest_ms == before_ms else newest_ms
                before_ms = newest_ms
            await self.flusher.flush(now_ms)

    async def _sent_all(self) -> bool:
        try:
            async with asyncio.timeout(LAST_SENDS_S):
                await self.uplink.run_until_empty()
        except TimeoutError:
            log.warning("not all could be sent: the rest stays in the spool")
            return False
        return True

    async def _send_at_once(self) -> None:
        """Send what the server takes without being asked twice; the rest stays in the spool."""
        try:
            async with asyncio.timeout(STOP_SENDS_S):
                while isinstance(await self.uplink.send_due(), Sent | SetAside):
                    pass
        except TimeoutError:
            log.info("stopped before all was sent: the rest stays in the spool")

    async def _tell_status(self) -> None:
        while True:
            await self._write_status()
            await self.clock.sleep(STATUS_EVERY_S)

    async def _tell_health(self) -> None:
        while True:
            await self.clock.sleep(HEALTH_EVERY_S)
            status = await self._read_status()
            if status is not None:
                log.info("gateway health", extra=msgspec.to_builtins(status))

    async def _write_status(self) -> None:
        status = await self._read_status()
        if status is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await to_its_end(
                loop.run_in_executor(None, write_status, self.config.status_path, status)
            )
        except OSError as error:
            # A full disk stops the status, not the gateway.
            log.warning("status not written", extra={"why": str(error)})

    async def _read_status(self) -> Status | None:
        try:
            return await self._status()
        except SpoolError as error:
            log.warning("spool not readable", extra={"why": str(error)})
            return None

    async def _status(self) -> Status:
        return Status(
            at=self.time.now(),
            started_at=self.started_at,
            gateway_id=self.identity.gateway_id,
            store_id=self.identity.store_id,
            boot=self.spool.boot,
            clock_offset_s=self.time.offset_s,
            source=self.source.health,
            canary=self.canary.health,
            adverts=self.aggregator.counts,
            flush=self.flusher.health,
            spool=await self.spool.counts(),
            uplink=self.uplink.health,
        )


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # Each request sits in a timeout of its own.
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
    )

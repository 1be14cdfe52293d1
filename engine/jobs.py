"""What is done by the clock rather than by an event: erasing what has been kept long enough,
calibrating gateways, learning at night, and what campaigns are worth."""

import asyncio
import logging
from typing import Final

from config.clock import Clock
from config.settings import Settings
from db import gateway_links, gateway_radios
from db.connect import DATABASE_ERRORS, Database, open_database
from db.personal import erase_due
from engine.calibrate import calibrate_due
from engine.learn import learn_if_due
from engine.worth import measure_if_due

log = logging.getLogger(__name__)

EVERY_S: Final = 3_600.0
# A new store is calibrated minutes after its gateways began to hear each other; otherwise one look
# at each store's last calibration.
CALIBRATE_EVERY_S: Final = 60.0
# A look at when it was done last; a new system learns with its first purchases, within a day.
LEARN_EVERY_S: Final = 600.0
# A look at whether today's figures are there; a pass over a year of a chain takes minutes.
WORTH_EVERY_S: Final = 3_600.0
# Nobody waits for a job, and a sum over a year of a chain may take minutes; a server that went
# silent must not hold it for ever.
STATEMENT_LIMIT_S: Final = 600.0
# SQLite lets in whoever asks next, and others ask again within 0.1 s.
BETWEEN_S: Final = 0.2


async def run_jobs(settings: Settings, clock: Clock) -> None:
    """Do what is due, now and from time to time, until cancelled."""
    opened = open_database(settings.sql_url, statement_limit_s=STATEMENT_LIMIT_S)
    async with opened as database, asyncio.TaskGroup() as tasks:
        tasks.create_task(_erase(database, clock), name="retention")
        tasks.create_task(_calibrate(database, clock), name="calibration")
        tasks.create_task(_measure(database, clock), name="worth")
        tasks.create_task(_learn(database, clock), name="learning")


async def _erase(database: Database, clock: Clock) -> None:
    while True:
        try:
            gone = await erase_all(database, clock)
            async with database.begin() as tx:
                await gateway_links.prune(tx, clock.now())
                await gateway_radios.prune(tx, clock.now())
            log.info("retention applied", extra={"shoppers_erased": gone})
        except DATABASE_ERRORS as error:
            log.warning("retention not applied", extra={"why": type(error).__name__})
        await clock.sleep(EVERY_S)


async def erase_all(database: Database, clock: Clock) -> int:
    """Erase what is due, a little at a time; how many shoppers went."""
    now, gone = clock.now(), 0
    while True:
        async with database.begin() as tx:
            erased = await erase_due(tx, now)
        gone += erased.shoppers
        if erased.is_all:
            return gone
        await clock.sleep(BETWEEN_S)


async def _measure(database: Database, clock: Clock) -> None:
    while True:
        try:
            await measure_if_due(database, clock)
        except DATABASE_ERRORS as error:
            log.warning("worth not measured", extra={"why": type(error).__name__})
        await clock.sleep(WORTH_EVERY_S)


async def _calibrate(database: Database, clock: Clock) -> None:
    while True:
        try:
            await calibrate_due(database, clock.now())
        except DATABASE_ERRORS as error:
            log.warning("stores not calibrated", extra={"why": type(error).__name__})
        await clock.sleep(CALIBRATE_EVERY_S)


async def _learn(database: Database, clock: Clock) -> None:
    while True:
        try:
            await learn_if_due(database, clock)
        except DATABASE_ERRORS as error:
            log.warning("not learnt", extra={"why": type(error).__name__})
        await clock.sleep(LEARN_EVERY_S)

"""What is done by the clock rather than by an event: erasing what has been kept long enough."""

import logging
from typing import Final

from config.clock import Clock
from config.settings import Settings
from db.connect import DATABASE_ERRORS, open_database
from db.personal import erase_due

log = logging.getLogger(__name__)

EVERY_S: Final = 3_600.0


async def run_jobs(settings: Settings, clock: Clock) -> None:
    """Erase what is due, now and each hour, until cancelled."""
    async with open_database(settings.sql_url) as database:
        while True:
            try:
                async with database.begin() as tx:
                    gone = await erase_due(tx, clock.now())
                log.info("retention applied", extra={"shoppers_erased": gone})
            except DATABASE_ERRORS as error:
                log.warning("retention not applied", extra={"why": type(error).__name__})
            await clock.sleep(EVERY_S)

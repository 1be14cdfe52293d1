"""A survey in the simulator process, before the shoppers come: the walk, played into the air."""

import asyncio
import logging
import random

import aiohttp

from config.clock import Clock
from firmware_sim.air import Air
from firmware_sim.client import ApiClient, ApiError
from firmware_sim.floor import Floor
from firmware_sim.surveyor import Surveyor, SurveyRefusedError

log = logging.getLogger(__name__)

# A tenth of the gateways' window, so no advert misses its window.
STEP_S = 0.1


def new_surveyor(
    floor: Floor, api_url: str, session: aiohttp.ClientSession, clock: Clock, seed: int
) -> Surveyor:
    """A staff member who has not registered yet. Raises WalkError."""
    chance = random.Random(f"survey client {seed}")
    return Surveyor(floor, ApiClient(session, api_url, clock, chance), clock, seed)


async def play_survey(surveyor: Surveyor, air: Air, clock: Clock) -> str | None:
    """Walk the survey that somebody opens; why it came to nothing, None when it did not."""
    async with asyncio.TaskGroup() as tasks:
        radio = tasks.create_task(_carry(surveyor, air, clock), name="air of the survey")
        why = await _walked(surveyor)
        radio.cancel()
    return why


async def _walked(surveyor: Surveyor) -> str | None:
    try:
        await surveyor.walk()
    except (ApiError, SurveyRefusedError) as error:
        return str(error)
    return None


async def _carry(surveyor: Surveyor, air: Air, clock: Clock) -> None:
    played_s = clock.now().timestamp()
    while True:
        await clock.sleep(STEP_S)
        now_s = clock.now().timestamp()
        if now_s > played_s:  # the machine's clock may be set back
            air.carry(surveyor.adverts(played_s, now_s))
            played_s = now_s

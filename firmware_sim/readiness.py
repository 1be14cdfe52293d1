"""Waiting for those whom the simulated store needs: the API, and gateways at its sockets."""

import asyncio
import logging
from typing import Final

import aiohttp

from config.clock import Clock
from firmware_sim.air import Air

log = logging.getLogger(__name__)

# Database migrations of a cold start included.
READY_WITHIN_S: Final = 60.0
READY_POLL_S: Final = 0.5
READY_CALL_TIMEOUT_S: Final = 5.0
# The doors open when every gateway listens, or after this long: one may be meant to be dead.
LISTENING_WITHIN_S: Final = 15.0


class NotReadyError(Exception):
    """The API cannot be used; the message says what was seen last."""


async def wait_for_api(api_url: str, session: aiohttp.ClientSession, clock: Clock) -> None:
    """Return once the API says that it is ready. Raises NotReadyError."""
    end_s = clock.monotonic_s() + READY_WITHIN_S
    while True:
        try:
            async with (
                asyncio.timeout(READY_CALL_TIMEOUT_S),
                session.get(f"{api_url.rstrip('/')}/readyz") as response,
            ):
                if response.ok:
                    return
                seen = f"it answered {response.status}: {(await response.text())[:200]}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            seen = f"no answer ({type(error).__name__})"
        if clock.monotonic_s() + READY_POLL_S > end_s:
            raise NotReadyError(
                f"the API at {api_url} was not ready within {READY_WITHIN_S:.0f} s; {seen}"
            )
        await clock.sleep(READY_POLL_S)


async def wait_for_gateways(gateway_ids: list[str], air: Air, clock: Clock) -> None:
    """Return once somebody listens at every socket, or soon anyhow."""
    end_s = clock.monotonic_s() + LISTENING_WITHIN_S
    while deaf := [one for one in gateway_ids if not air.listeners(one)]:
        if clock.monotonic_s() > end_s:
            log.warning("store opens without some gateways", extra={"gateways": deaf})
            return
        await clock.sleep(READY_POLL_S)

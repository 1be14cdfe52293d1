"""What shoppers set for themselves: how many pushes a week they allow."""

from typing import Final

from aiohttp import web

from db.pressure import own_cap, set_own_cap
from mobile_api.gate import caller, locked_caller
from mobile_api.models import PreferenceChange, Preferences
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB


async def get_preferences(request: web.Request) -> Preferences:
    """What this shopper has set for themselves"""
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        return Preferences(pushes_per_week=await own_cap(tx, handset.shopper_id))


async def put_preferences(request: web.Request, body: PreferenceChange) -> None:
    """Set how many pushes in seven days this shopper allows

    It holds from the next decision on, for messages of every kind and whatever the retailer allows
    itself; those of the last seven days count. 0 is a pause, until something else is set; null
    leaves it to the retailer.
    """
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        now = request.app[CLOCK].now()
        await set_own_cap(tx, handset.shopper_id, body.pushes_per_week, now)


_PATH: Final = "/v1/me/preferences"
OPERATIONS: Final = (
    operation("GET", _PATH, get_preferences, tag="preferences", security=Security.HANDSET),
    operation(
        "PUT", _PATH, put_preferences, tag="preferences", security=Security.HANDSET, status=204
    ),
)

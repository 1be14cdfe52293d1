"""The shopper's own rights: everything held about them, and its end."""

import logging
from typing import Final

from aiohttp import web

from config.log import short
from db.handsets import erase_shopper
from db.personal import export_shopper
from mobile_api.gate import caller
from mobile_api.models import Export
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB, LIVE
from mobile_api.problems import AWAY

log = logging.getLogger(__name__)


async def erase_me(request: web.Request) -> None:
    """Erase this shopper

    Profile, handsets, secrets, push targets, events and visits are deleted at once. The proof of
    consent is kept under an id that leads nowhere.
    """
    async with request.app[DB].begin() as tx:
        handset = await caller(tx, request)
        await erase_shopper(tx, handset.shopper_id)
    try:
        await request.app[LIVE].forget_shopper(handset.shopper_id)
    except AWAY as error:
        # What Redis holds of a shopper expires within days and names nobody any more.
        log.warning("live counters left to expire", extra={"error": type(error).__name__})
    log.info("shopper erased", extra={"shopper": short(handset.shopper_id)})


async def export_me(request: web.Request) -> Export:
    """Everything held about this shopper"""
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        held = await export_shopper(tx, handset.shopper_id)
    return Export(exported_at=request.app[CLOCK].now(), held=held)


OPERATIONS: Final = (
    operation(
        "DELETE", "/v1/me", erase_me, tag="personal data", security=Security.HANDSET, status=204
    ),
    operation("GET", "/v1/me/export", export_me, tag="personal data", security=Security.HANDSET),
)

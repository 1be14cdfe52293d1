"""What shoppers look at in the app, and what became of pushes on their handsets."""

from datetime import datetime
from typing import Final

from aiohttp import web

from db.browsing import BrowsingEvent, add_browsing
from db.consents import standing_consents
from db.receipts import Receipt, add_receipts, sent_offer
from mobile_api.gate import locked_caller
from mobile_api.models import BrowsingEvents, Receipts, Stored
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB
from mobile_api.problems import UNKNOWN_DECISION, RefusedError
from shoppers.consent import Purpose


async def add_events(request: web.Request, body: BrowsingEvents) -> Stored:
    """Report what was looked at in the app

    Repeats by event_id are harmless. Without consent to profiling nothing is stored.
    """
    now = request.app[CLOCK].now()
    events = [
        BrowsingEvent(e.event_id, e.kind, e.category, e.product, _not_after(e.at, now))
        for e in body.events
    ]
    async with request.app[DB].begin() as tx:
        # Locked before the consents are read: they are not withdrawn before this is stored.
        shopper_id = (await locked_caller(tx, request)).shopper_id
        if Purpose.PROFILING not in await standing_consents(tx, shopper_id):
            return Stored(stored=0)
        return Stored(stored=await add_browsing(tx, shopper_id, events, now))


async def add_push_receipts(request: web.Request, body: Receipts) -> Stored:
    """Report what became of pushes

    Repeats are harmless: for each decision one of a kind is stored. One decision that is not this
    shopper's refuses them all.
    """
    now = request.app[CLOCK].now()
    receipts = [
        Receipt(r.receipt_id, r.decision_id, r.kind, _not_after(r.at, now)) for r in body.receipts
    ]
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        for decision_id in {receipt.decision_id for receipt in receipts}:
            if await sent_offer(tx, decision_id, handset.shopper_id) is None:
                raise RefusedError(UNKNOWN_DECISION)
        return Stored(stored=await add_receipts(tx, handset.handset_id, receipts))


def _not_after(at: datetime, now: datetime) -> datetime:
    # A handset's clock may be ahead; a fact from the future would stay "recent" until then.
    return min(at, now)


OPERATIONS: Final = (
    operation(
        "POST",
        "/v1/me/events",
        add_events,
        tag="events",
        security=Security.HANDSET,
        status=202,
    ),
    operation(
        "POST",
        "/v1/me/receipts",
        add_push_receipts,
        tag="events",
        security=Security.HANDSET,
        status=202,
        problems=(UNKNOWN_DECISION,),
    ),
)

"""Redemption: an offer is used once, however often the request is sent."""

from typing import Final

from aiohttp import web

from db.campaigns import load_campaign
from db.purchases import new_code
from db.receipts import Redemption, redeem, redemption_of, sent_offer
from mobile_api.feed import is_over
from mobile_api.gate import locked_caller
from mobile_api.models import Redeemed, RedemptionHeaders, RedemptionRequest
from mobile_api.operations import Answer, Security, operation
from mobile_api.parts import CLOCK, DB
from mobile_api.problems import ALREADY_REDEEMED, OFFER_OVER, UNKNOWN_DECISION, RefusedError


async def redeem_offer(
    request: web.Request, body: RedemptionRequest, headers: RedemptionHeaders
) -> Answer[Redeemed]:
    """Redeem an offer

    The same Idempotency-Key again gives the same answer, with 200; another key is refused once the
    offer has been used. An offer whose push reached no handset is over: what it had reserved of its
    campaign's budget went to others.
    """
    now, key = request.app[CLOCK].now(), headers.idempotency_key
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        offer = await sent_offer(tx, body.decision_id, handset.shopper_id)
        if offer is None:
            raise RefusedError(UNKNOWN_DECISION)
        before = await redemption_of(tx, body.decision_id)
        if before is not None:
            return Answer(_own(before, key), status=200)
        campaign = await load_campaign(tx, offer.campaign_id)
        if campaign is None or offer.came_to_nothing or is_over(campaign, now):
            raise RefusedError(OFFER_OVER)
        # Two requests may both have seen none: the unique key decides, and the later one gets the
        # answer of the earlier.
        return Answer(_own(await redeem(tx, offer, key, new_code(), now), key), status=201)


def _own(redemption: Redemption, idempotency_key: str) -> Redeemed:
    if redemption.idempotency_key != idempotency_key:
        raise RefusedError(ALREADY_REDEEMED)
    return Redeemed(
        redemption_id=redemption.redemption_id,
        decision_id=redemption.decision_id,
        campaign_id=redemption.campaign_id,
        code=redemption.code,
        redeemed_at=redemption.at,
    )


OPERATIONS: Final = (
    operation(
        "POST",
        "/v1/me/redemptions",
        redeem_offer,
        tag="offers",
        security=Security.HANDSET,
        status=201,
        also=(200,),
        problems=(UNKNOWN_DECISION, ALREADY_REDEEMED, OFFER_OVER),
    ),
)

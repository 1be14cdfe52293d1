"""The in-app feed, and the answer to "why did I get this?": both from stored decisions alone."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from db import stops
from db.campaigns import load_campaigns
from db.decisions import StoredDecision, decisions_of, load_decision
from db.explained import consents_at, told_to_shopper
from db.receipts import released_sends, sent_offer
from mobile_api.gate import caller
from mobile_api.models import ConsentThen, DecisionExplained, DecisionPath, Feed, FeedOffer
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB
from mobile_api.problems import UNKNOWN_DECISION, RefusedError
from offers.campaign import Campaign, Status
from offers.creative import creative_for
from offers.filters import CAP_REASONS
from offers.situation import Reason
from offers.stops import Stops

# What was decided on this shopping trip and the one before; older places mean nothing any more.
FEED_SPAN: Final = timedelta(days=7)
FEED_DECISIONS: Final = 200
FEED_MAX: Final = 20
# The reason for silence where it was decided to send, and no handset could be reached in time.
NOT_DELIVERED: Final = "not_delivered"
# Reasons that concern only the moment or the number of messages: in the app, where nobody is
# interrupted, such an offer may still be shown. Every other reason keeps it out of the feed too;
# first of all the control group and the hold-out, whom the feed must not tell what they are not to
# know.
_SHOWN_IN_APP: Final = frozenset(
    {
        Reason.NO_PUSH_TARGET,
        Reason.QUIET_ZONE,
        Reason.UNSURE_PLACE,
        Reason.VISIT_TOO_YOUNG,
        Reason.LEAVING_SOON,
        *CAP_REASONS,
        Reason.CAMPAIGN_SEEN,
        Reason.FATIGUED,
        Reason.OUTRANKED,
        Reason.CAP_RACE,
    }
)
_SHOWN_REASONS: Final = frozenset(reason.value for reason in _SHOWN_IN_APP)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One campaign to show: as it was sent, or as it lost."""

    campaign: Campaign
    decision_id: str | None
    zone_id: str
    reasons: tuple[str, ...]


def feed_items(
    decisions: Iterable[StoredDecision],
    released: AbstractSet[str],
    campaigns: Mapping[str, Campaign],
    halted: Stops,
    now: datetime,
) -> list[FeedItem]:
    """What the feed shows, each campaign once: what was sent first, then what nearly was.

    decisions: newest first. released: those whose sends reached nobody, and so were not sent.
    halted: what stands still; who was sent it keeps it.
    """
    sent: dict[str, FeedItem] = {}
    nearly: dict[str, FeedItem] = {}
    for decision in decisions:
        was_sent = decision.outcome == "send" and decision.decision_id not in released
        for weighed in decision.weighed:
            campaign = campaigns.get(weighed["campaign_id"])
            if campaign is None or is_over(campaign, now):
                continue
            reasons = tuple(weighed["relevance"])
            if was_sent and decision.campaign_id == campaign.campaign_id:
                item = FeedItem(campaign, decision.decision_id, decision.zone_id, reasons)
                sent.setdefault(campaign.campaign_id, item)
            elif _is_on(campaign, decision, halted) and set(weighed["against"]) <= _SHOWN_REASONS:
                item = FeedItem(campaign, None, decision.zone_id, reasons)
                nearly.setdefault(campaign.campaign_id, item)
    unsent = [item for campaign_id, item in nearly.items() if campaign_id not in sent]
    return [*sent.values(), *unsent][:FEED_MAX]


def _is_on(campaign: Campaign, decision: StoredDecision, halted: Stops) -> bool:
    """Whether it would be sent where that was decided."""
    is_halted = (
        halted.silences(decision.seen.get("moment", {}).get("store_id", ""))
        or campaign.campaign_id in halted.campaign_ids
    )
    return campaign.status is Status.LIVE and not is_halted


def is_over(campaign: Campaign, now: datetime) -> bool:
    """Whether the offer can no longer be used. A paused campaign still honours what it sent."""
    return now >= campaign.valid_until or campaign.status is Status.ENDED


async def offer_feed(request: web.Request) -> Feed:
    """Offers to show in the app

    What was sent to this shopper and still holds, then what nearly was; in the language of the
    handset where the offer has it.
    """
    now = request.app[CLOCK].now()
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        taken = await decisions_of(tx, handset.shopper_id, now - FEED_SPAN, FEED_DECISIONS)
        released = await released_sends(tx, handset.shopper_id, now - FEED_SPAN)
        named = {weighed["campaign_id"] for decision in taken for weighed in decision.weighed}
        halted = await stops.standing(tx)
        campaigns = {c.campaign_id: c for c in await load_campaigns(tx, named)} if named else {}
    items = feed_items(taken, released, campaigns, halted, now)
    return Feed(offers=[_shown(item, handset.locale) for item in items])


def _shown(item: FeedItem, locale: str) -> FeedOffer:
    """The item in the language of the handset."""
    creative = creative_for(item.campaign.offer, locale)
    return FeedOffer(
        decision_id=item.decision_id,
        campaign_id=item.campaign.campaign_id,
        title=creative.title,
        body=creative.body,
        zone_id=item.zone_id,
        valid_until=item.campaign.valid_until,
        reasons=list(item.reasons),
    )


async def explain_decision(request: web.Request, path: DecisionPath) -> DecisionExplained:
    """Why this was sent, or why nothing was

    With what would have changed it, the data it looked at and the consents that stood then. Whoever
    is in an experiment's group without offers is told so here, and only here.
    """
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        decision = await load_decision(tx, path.decision_id)
        offer = await sent_offer(tx, path.decision_id, handset.shopper_id)
        # Another shopper's decision is as unknown as one that never was.
        if decision is None or decision.shopper_id != handset.shopper_id:
            raise RefusedError(UNKNOWN_DECISION)
        standing = await consents_at(tx, handset.shopper_id, decision.at)
    said = told_to_shopper(decision)
    came_to_nothing = offer is not None and offer.came_to_nothing
    if came_to_nothing:
        reasons, why = [NOT_DELIVERED], ["It was to be sent, and reached no phone in time."]
    else:
        why = list(said.why)
        reasons = why if decision.outcome == "send" else decision.reasons
    return DecisionExplained(
        decision_id=decision.decision_id,
        sent=offer is not None and not came_to_nothing,
        campaign_id=decision.campaign_id,
        zone_id=decision.zone_id,
        at=decision.at,
        reasons=reasons,
        why=why,
        otherwise=None if came_to_nothing else said.otherwise,
        data_used=list(said.data_used),
        consents=[
            ConsentThen(
                purpose=one.purpose,
                granted=one.granted,
                text_version=one.text_version,
                locale=one.locale,
                at=one.at,
            )
            for one in standing
        ],
    )


OPERATIONS: Final = (
    operation("GET", "/v1/me/feed", offer_feed, tag="offers", security=Security.HANDSET),
    operation(
        "GET",
        "/v1/me/decisions/{decision_id}",
        explain_decision,
        tag="offers",
        security=Security.HANDSET,
        problems=(UNKNOWN_DECISION,),
    ),
)

"""A situation in which an offer is sent, to be changed one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from offers.audience_fields import Facts
from offers.campaign import Campaign, Offer, Status, Tier
from offers.pressure import DEFAULT_POLICY, Message, Pressure
from offers.situation import Candidate, Moment, ShopperView, Situation, ZoneRole
from offers.stops import Stops
from shoppers.consent import Purpose

# The retailer's usual caps; shopper-1 is not to be held out by a salt.
NOBODY_HELD_OUT = replace(DEFAULT_POLICY, hold_out_share=0.0)
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)  # a Saturday; 11:00 in Rome


def a_campaign(campaign_id: str = "pasta", **changes: Any) -> Campaign:
    """A live campaign that is well worth sending, to everybody."""
    campaign = Campaign(
        campaign_id=campaign_id,
        name="Pasta week",
        offer=Offer("Pasta, 2 for 1", "Aisle 7", margin_cents=500, cost_cents=100),
        zone_ids=frozenset({"aisle-7"}),
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=1),
        categories=frozenset({"pasta"}),
        tier=Tier.GENERIC,
        status=Status.LIVE,
        control_share=0.0,
    )
    return replace(campaign, **changes)


def a_message(number: int = 1, *, ago: timedelta = timedelta(hours=1), **changes: Any) -> Message:
    """A promotion that was sent to the shopper, in another visit unless told otherwise."""
    message = Message(
        message_id=f"message-{number}",
        at=NOW - ago,
        campaign_id="another",
        visit_id="visit-0",
        zone_id="aisle-7",
        store_id="store-1",
    )
    return replace(message, **changes)


def a_situation(*campaigns: Campaign, **changes: Any) -> Situation:
    """A consenting shopper who has stopped in an aisle, and one campaign unless given others."""
    situation = Situation(
        shopper=ShopperView("shopper-1", "IT", frozenset(Purpose), has_push_target=True),
        facts=Facts(),
        moment=Moment(
            store_id="store-1",
            visit_id="visit-1",
            zone_id="aisle-7",
            role=ZoneRole.SELLING,
            confidence=0.9,
            visit_age_s=120.0,
            zone_dwell_s=5.0,
            residual_dwell_s=25.0,
            still_here_p=0.8,
        ),
        browsed=(),
        pressure=Pressure(),
        candidates=tuple(Candidate(one, sends=0) for one in campaigns or (a_campaign(),)),
        stops=Stops(),
        policy=NOBODY_HELD_OUT,
        now=NOW,
        local=NOW.astimezone(ZoneInfo("Europe/Rome")),
        is_holiday=False,
        control_salt="salt",
    )
    return replace(situation, **changes)

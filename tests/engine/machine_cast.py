"""Who and what is in the tests of sequences: two shops, four shoppers, four campaigns."""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from offers.campaign import Campaign, CampaignLimits, Offer, Tier
from offers.pressure import Cap, Policy, Scope
from tests.conftest import START
from tests.engine.shop import for_aisle_a

SHOPS: Final = ("north", "south")
AISLES: Final = ("aisle-a", "aisle-b")
ROME: Final = ZoneInfo("Europe/Rome")
# Under this salt shopper-2 is held out of half and of no less, shopper-3 is in the control group of
# pasta and shopper-1 in that of rice. shopper-4 carries two handsets.
SALT: Final = "salt"
SHOPPERS: Final = ("shopper-1", "shopper-2", "shopper-3", "shopper-4")
HANDSETS: Final = {
    "shopper-1": ("phone-1",),
    "shopper-2": ("phone-2",),
    "shopper-3": ("phone-3",),
    "shopper-4": ("phone-4", "tablet-4"),
}
OPEN_POLICY: Final = Policy(caps=(Cap(Scope.SHOPPER, 50),), first_after_s=0.0, hold_out_share=0.0)
# Longer than any sequence takes.
KEPT: Final = timedelta(days=3_000)


def the_campaigns() -> dict[str, Campaign]:
    """Four that compete for two aisles: by money, by number, by a limit of its own, by no cap.

    Each is worth so much that no weariness of the shopper's outweighs it.
    """
    all_along = {"valid_until": START + KEPT, "zone_ids": frozenset(AISLES)}
    offer = Offer("Pasta, 2 for 1", "Aisle A", margin_cents=50_000, cost_cents=100)
    found = [
        for_aisle_a("pasta", offer=offer, budget_sends=4, control_share=0.1, **all_along),
        for_aisle_a(
            "rice",
            offer=offer,
            budget_cents=350,
            control_share=0.1,
            categories=frozenset({"pasta", "rice"}),
            **all_along,
        ),
        for_aisle_a(
            "wine",
            offer=replace(offer, cost_cents=70),
            categories=frozenset({"wine"}),
            limits=CampaignLimits(per_shopper=1, per_days=2),
            **all_along,
        ),
        for_aisle_a("care", offer=offer, tier=Tier.SERVICE, budget_sends=3, **all_along),
    ]
    return {one.campaign_id: one for one in found}


def shopper_of(handset_id: str) -> str:
    """Who carries it."""
    return f"shopper-{handset_id[-1]}"

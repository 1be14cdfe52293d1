"""The demonstration: a store plan and campaigns made from the simulator's floor."""

from datetime import datetime, timedelta
from typing import Final

from beacons import floor as plans
from beacons.store_plan import StorePlan
from firmware_sim.floor import Floor, ZoneKind
from offers.campaign import Campaign, Offer, Status, Tier

# What the supermarket's shelves have to say, by category: title, body, cents earned if it works.
# Margins above a euro and a half are worth saying out of the blue; the rest only to those who
# have looked in the app.
OFFERS: Final[dict[str, tuple[str, str, int]]] = {
    "produce": ("Strawberries 2 for 3 euro", "In the fruit corner, today only.", 120),
    "seasonal": ("Panettone at half price", "The classic one, on the season's island.", 320),
    "bakery": ("Warm focaccia: 20 % off", "Out of the oven until noon and at five.", 110),
    "meat": ("Salmon fillet 15 % off", "At the fish counter, while it lasts.", 260),
    "dairy": ("Parmigiano 24 months", "Two euro off the 400 g piece.", 240),
    "frozen": ("Second pizza half price", "All brands in the freezer aisle.", 180),
    "offers": ("This week's basket", "Three items of the island for 5 euro.", 200),
    "drinks": ("Six bottles, pay five", "Still or sparkling, your choice.", 130),
    "breakfast": ("Coffee: the third is free", "All 250 g packs in aisle 1.", 280),
    "pasta": ("Pasta 2 for 1", "Every shape of the store's brand.", 190),
    "sauces": ("Pesto with your pasta", "One euro off any jar in aisle 3.", 210),
    "sweets": ("Biscuits: 3 for 2", "Mix them as you like.", 170),
    "wine": ("A white for the fish", "20 % off six bottles from the lake.", 400),
    "household": ("Refill and save 30 %", "Detergent refills in aisle 6.", 230),
}
GENERIC: Final = ("A good price on this shelf", "Look for the yellow label beside you.", 200)
COST_SHARE: Final = 0.2
VALID_FOR: Final = timedelta(days=30)
SELLING: Final = frozenset({ZoneKind.AISLE, ZoneKind.PROMO, ZoneKind.PERIMETER})


def store_plan(floor: Floor) -> StorePlan:
    """The floor as the backend knows it: the same polygons, none of the simulator's secrets."""
    width_m, depth_m = floor.size_m
    return StorePlan(
        store_id=floor.store_id,
        name=floor.name,
        tz=floor.tz,
        country=floor.country,
        floors=(
            plans.FloorPlan(
                floor_id="ground",
                outline=((0.0, 0.0), (width_m, 0.0), (width_m, depth_m), (0.0, depth_m)),
                obstacles=floor.obstacles,
                zones=tuple(
                    plans.Zone(zone.zone_id, zone.name, plans.ZoneKind(zone.kind), zone.polygon)
                    for zone in floor.zones
                ),
                gateways=tuple(
                    plans.GatewayPlace(place.gateway_id, place.x_m, place.y_m, place.z_m)
                    for place in floor.gateways
                ),
            ),
        ),
    )


def campaigns(floor: Floor, now: datetime) -> list[Campaign]:
    """A live campaign for every zone that sells something."""
    return [
        _campaign(zone.zone_id, zone.name, zone.category or zone.zone_id, now)
        for zone in floor.zones
        if zone.kind in SELLING
    ]


def _campaign(zone_id: str, zone_name: str, category: str, now: datetime) -> Campaign:
    title, body, margin_cents = OFFERS.get(category, GENERIC)
    return Campaign(
        campaign_id=f"demo-{zone_id}".lower(),
        name=f"Demo: {zone_name}",
        offer=Offer(
            title=title,
            body=body,
            margin_cents=margin_cents,
            cost_cents=round(COST_SHARE * margin_cents),
        ),
        zone_ids=frozenset({zone_id}),
        categories=frozenset({category}),
        valid_from=now - timedelta(minutes=1),
        valid_until=now + VALID_FOR,
        tier=Tier.GENERIC,
        status=Status.LIVE,
    )

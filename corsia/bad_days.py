"""What can go wrong in a rehearsal, on purpose."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from firmware_sim.floor import Floor
from offers.campaign import Campaign, CampaignLimits, Tier
from offers.pressure import WEEK, Cap, Policy, Scope

# Of twelve in the supermarket: more than that and somebody is sent to look.
DEAD_GATEWAYS: Final = 2
# Forty shoppers spend it within some minutes at a shelf where many stop.
SMALL_BUDGET_SENDS: Final = 5
# Which of the campaigns have which other terms: among the first, so that a small store has them.
IN_CENTS: Final = 0
ONCE_EACH: Final = 2
SERVICE: Final = 4
SHARED_CATEGORY: Final = "bad-day"
# Two a visit and three a day, two minutes apart: with the default of two a week and twenty minutes
# hardly any other cap would ever be tried in half an hour. More are held out for the same reason.
HARD_POLICY: Final = Policy(
    caps=(
        Cap(Scope.VISIT, 2),
        Cap(Scope.ZONE_VISIT, 1),
        Cap(Scope.SHOPPER, 3, days=1),
        Cap(Scope.SHOPPER, 1, within=timedelta(minutes=2)),
        Cap(Scope.CATEGORY, 2, within=WEEK),
    ),
    first_after_s=10.0,
    hold_out_share=0.1,
)
# Of the shoppers: the most restrictive of all caps is their own.
OWN_CAPS_SHARE: Final = 0.2


class Fault(StrEnum):
    """The bad day that is played.

    CUT: one gateway loses its network for a while, and is killed meanwhile. DEAD: two gateways
    say nothing, from the start to the end. CHAOS: everything that can fail does, again and again
    (corsia.blows).
    """

    CUT = "cut"
    DEAD = "dead"
    CHAOS = "chaos"


def dead_gateways(floor: Floor, seed: int) -> frozenset[str]:
    """The gateways that are dead on this seed's bad day; one at least is left alive."""
    gateway_ids = [place.gateway_id for place in floor.gateways]
    dead = min(DEAD_GATEWAYS, len(gateway_ids) - 1)
    return frozenset(random.Random(f"dead {seed}").sample(gateway_ids, dead))


def hard_terms(campaigns: Sequence[Campaign], quiet_zone_ids: frozenset[str]) -> list[Campaign]:
    """The campaigns with every kind of limit among them.

    Every other one has money for a few sends only; of the others one counts its money in cents, one
    goes to each shopper once, and one is a service message, which no cap of the retailer's holds
    back and which is for quiet zones too. Every third one shares a category.
    """
    hard = []
    for place, campaign in enumerate(campaigns):
        terms = campaign
        if place % 2:
            terms = replace(terms, budget_sends=SMALL_BUDGET_SENDS)
        elif place == IN_CENTS:
            cents = SMALL_BUDGET_SENDS * terms.offer.cost_cents
            terms = replace(terms, budget_cents=cents)
        elif place == ONCE_EACH:
            terms = replace(terms, limits=CampaignLimits(per_shopper=1))
        elif place == SERVICE:
            zone_ids = terms.zone_ids | quiet_zone_ids
            terms = replace(terms, tier=Tier.SERVICE, zone_ids=zone_ids)
        if place % 3 == 0:
            terms = replace(terms, categories=terms.categories | {SHARED_CATEGORY})
        hard.append(terms)
    return hard

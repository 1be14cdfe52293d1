"""What can go wrong in a rehearsal, on purpose."""

import random
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from firmware_sim.floor import Floor
from offers.campaign import Campaign

# Of twelve in the supermarket: more than that and somebody is sent to look.
DEAD_GATEWAYS: Final = 2
# Forty shoppers spend it within some minutes at a shelf where many stop.
SMALL_BUDGET_SENDS: Final = 5


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


def small_budgets(campaigns: Sequence[Campaign]) -> list[Campaign]:
    """The campaigns, every other one with money for a few sends only."""
    return [
        replace(campaign, budget_sends=SMALL_BUDGET_SENDS) if place % 2 else campaign
        for place, campaign in enumerate(campaigns)
    ]

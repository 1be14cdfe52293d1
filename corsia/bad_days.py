"""What can go wrong in a rehearsal, on purpose."""

import random
from enum import StrEnum
from typing import Final

from firmware_sim.floor import Floor

# Of twelve in the supermarket: more than that and somebody is sent to look.
DEAD_GATEWAYS: Final = 2


class Fault(StrEnum):
    """The bad day that is played.

    CUT: one gateway loses its network for a while, and is killed meanwhile. DEAD: two gateways
    say nothing, from the start to the end.
    """

    CUT = "cut"
    DEAD = "dead"


def dead_gateways(floor: Floor, seed: int) -> frozenset[str]:
    """The gateways that are dead on this seed's bad day; one at least is left alive."""
    gateway_ids = [place.gateway_id for place in floor.gateways]
    dead = min(DEAD_GATEWAYS, len(gateway_ids) - 1)
    return frozenset(random.Random(f"dead {seed}").sample(gateway_ids, dead))

"""How long to wait after a failure: exponential, capped, with full jitter."""

import random
from typing import Final

FIRST_S: Final = 0.5
# A shop's network that comes back should not wait long for its gateways; a thousand gateways that
# lost the same server then make some 70 requests a second.
CAP_S: Final = 30.0
# Full jitter may draw nearly nothing; a failure that returns at once must not spin.
FLOOR_S: Final = 0.05


class Backoff:
    """Waits that grow with each failure in a row.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), "full jitter".
    """

    def __init__(
        self, chance: random.Random, *, first_s: float = FIRST_S, cap_s: float = CAP_S
    ) -> None:
        self._chance = chance
        self._first_s = first_s
        self._cap_s = cap_s
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        wait_s = max(FLOOR_S, self._chance.uniform(0, self._ceiling_s))
        self._ceiling_s = min(self._cap_s, 2 * self._ceiling_s)
        return wait_s

    def reset(self) -> None:
        """Begin anew after a success."""
        self._ceiling_s = self._first_s

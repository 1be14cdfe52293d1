"""How often a shopper is spoken to: the limits, and their arithmetic."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on promotional pushes to one shopper, and when a visit is too young for one."""

    per_visit: int
    per_7_days: int
    cool_down_s: float
    first_after_s: float


# DESIGN 7: two or more messages a visit drive people to delete the app; the first seconds of a
# visit belong to the shopper (a push at the door says "we watch you").
DEFAULT_LIMITS: Final = Limits(per_visit=1, per_7_days=2, cool_down_s=1_200.0, first_after_s=10.0)
WEEK_S: Final = 7 * 86_400

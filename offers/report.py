"""What is reported of a day: each campaign's worth, and what all of them missed."""

from dataclasses import dataclass
from datetime import datetime

from offers.ledger import Line
from offers.missed import Missed
from offers.worth import Finding


@dataclass(frozen=True, slots=True)
class CampaignWorth:
    """A campaign as of a day.

    finding: None where no trial has begun. before: of the trial before that one. is_settled:
    nothing more will be known of it, and this stands whatever is erased later.
    """

    campaign_id: str
    as_of: datetime
    line: Line
    finding: Finding | None
    is_settled: bool
    before: Finding | None = None


@dataclass(frozen=True, slots=True)
class AllWorth:
    """All campaigns as of a day.

    redeemed_*: as the tills say, summed apart from the campaigns; counted_*: the campaigns' lines
    and what is unmatched, which must be the same. missed: of the last week. hold_out: against
    those who never get any campaign, in this quarter; hold_out_before: in the one before.
    lost_coupons: used up, and on no line that is stored; there must be none.
    """

    as_of: datetime
    redeemed_lines: int
    redeemed_discount_cents: int
    counted_lines: int
    counted_discount_cents: int
    unmatched_lines: int
    unmatched_discount_cents: int
    missed: tuple[Missed, ...]
    hold_out: Finding | None
    hold_out_before: Finding | None = None
    lost_coupons: int = 0

    @property
    def reconciles(self) -> bool:
        """Whether every redeemed line is counted once, to the cent, and every coupon has one."""
        return self.lost_coupons == 0 and (self.redeemed_lines, self.redeemed_discount_cents) == (
            self.counted_lines,
            self.counted_discount_cents,
        )

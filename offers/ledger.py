"""What campaigns cost and earned, in whole cents that add up to what the tills redeemed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from offers.assignment import Arm
from offers.attribution import (
    Bought,
    Moment,
    Outcome,
    Target,
    Window,
    full_credit,
    one_per_window,
    single_credit,
)
from offers.worth import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Cents:
    """An amount and between what it lies, in cents."""

    amount: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Line:
    """One campaign in the ledger.

    sends: decisions to send. shown: those that a handset showed. redeemed_lines: lines of receipts
    with a coupon of the campaign; redeemed_cents: their margin before the discount. credited_cents:
    margin without coupon in the same visit as a push that was shown, credited to the last push
    only; some of it would have come without. incremental: what would not have come, discounts off;
    None while its trial has nothing to say. full_credit_cents: as credited, but to every
    push in whose window it lies: not to be added up over campaigns. unpriced_lines: redeemed lines
    whose margin the till did not know; none is counted for them.
    """

    campaign_id: str
    sends: int
    shown: int
    redeemed_lines: int
    redeemed_cents: int
    discount_cents: int
    credited_cents: int
    incremental: Cents | None
    full_credit_cents: int = 0
    unpriced_lines: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """All campaigns by id; and what was redeemed with coupons of sends that were not given."""

    lines: tuple[Line, ...]
    unmatched_lines: int
    unmatched_cents: int
    unmatched_discount_cents: int


@dataclass(slots=True)
class _Counts:
    sends: int = 0
    shown: int = 0
    windows: Counter[Window] = field(default_factory=Counter)
    redeemed_lines: int = 0
    redeemed_cents: int = 0
    discount_cents: int = 0
    credited_cents: int = 0
    full_credit_cents: int = 0
    unpriced_lines: int = 0


class Tally:
    """What adds up over shoppers: a ledger is counted in parts, each shopper wholly in one."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        """targets: by campaign; a campaign without one is credited with its coupons only."""
        self._targets = targets
        self._of: defaultdict[str, _Counts] = defaultdict(_Counts)
        self._unmatched = _Counts()

    def add(self, moments: Iterable[Moment], outcomes: Iterable[Outcome]) -> None:
        """Count these shoppers in; ghosts are passed over."""
        sends = {one.moment_id: one for one in moments if one.arm is Arm.TREATED}
        bought = {one.outcome_id: one for one in outcomes if isinstance(one, Bought)}
        for sent in sends.values():
            counts = self._of[sent.campaign_id]
            counts.sends += 1
            counts.shown += sent.shown_at is not None
        for goal in Window:
            for moment in one_per_window(sends.values(), goal):
                self._of[moment.campaign_id].windows[goal] += 1
        for one in bought.values():
            if one.redeems is not None:
                redeemed = sends.get(one.redeems)
                counts = self._unmatched if redeemed is None else self._of[redeemed.campaign_id]
                counts.redeemed_lines += 1
                counts.redeemed_cents += one.margin_cents
                counts.discount_cents += one.discount_cents
                counts.unpriced_lines += not one.is_priced
        for credit in single_credit(sends.values(), bought.values(), self._targets):
            if credit.window is not None:
                cents = bought[credit.outcome_id].margin_cents
                self._of[credit.campaign_id].credited_cents += cents
        # An outcome counts once a campaign, however often the campaign was sent.
        full = full_credit(sends.values(), bought.values(), self._targets)
        pairs = {(one.campaign_id, one.outcome_id) for one in full if one.window is not None}
        for campaign_id, outcome_id in pairs:
            self._of[campaign_id].full_credit_cents += bought[outcome_id].margin_cents

    def ledger(self, findings: Mapping[str, Finding]) -> Ledger:
        """The ledger so far. findings: by campaign, where there is one."""
        return Ledger(
            lines=tuple(
                Line(
                    campaign_id=campaign_id,
                    sends=counts.sends,
                    shown=counts.shown,
                    redeemed_lines=counts.redeemed_lines,
                    redeemed_cents=counts.redeemed_cents,
                    discount_cents=counts.discount_cents,
                    credited_cents=counts.credited_cents,
                    incremental=_incremental(findings.get(campaign_id), counts),
                    full_credit_cents=counts.full_credit_cents,
                    unpriced_lines=counts.unpriced_lines,
                )
                for campaign_id, counts in sorted(self._of.items())
            ),
            unmatched_lines=self._unmatched.redeemed_lines,
            unmatched_cents=self._unmatched.redeemed_cents,
            unmatched_discount_cents=self._unmatched.discount_cents,
        )


def ledger(
    moments: Iterable[Moment],
    outcomes: Iterable[Outcome],
    targets: Mapping[str, Target],
    findings: Mapping[str, Finding],
) -> Ledger:
    """The ledger of every campaign with a send among the moments; ghosts are passed over.

    Lines and what is unmatched together are every redeemed line once.
    targets, findings: by campaign; one may lack either.
    """
    tally = Tally(targets)
    tally.add(moments, outcomes)
    return tally.ledger(findings)


def moment_price_cents(line: Line) -> float | None:
    """What one send of the campaign earned, discounts off; None while nobody knows."""
    return None if line.incremental is None else line.incremental.amount / line.sends


def _incremental(finding: Finding | None, counts: _Counts) -> Cents | None:
    """The trial's margin per shopper, discounts off, times the sends, one a window."""
    if finding is None or finding.margin_cents is None:
        return None
    if finding.verdict in {Verdict.TOO_EARLY, Verdict.BROKEN_SPLIT}:
        return None
    effect = finding.margin_cents.times(counts.windows[finding.trial.goal])
    return Cents(round(effect.difference), round(effect.low), round(effect.high))

"""What campaigns cost and earned, in whole cents that add up to what the tills redeemed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from offers.assignment import Arm
from offers.attribution import Bought, Moment, Outcome, Target, one_per_window, single_credit
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
    with a coupon of the campaign; redeemed_cents: their margin before the discount.
    credited_cents: margin without coupon in the same visit as a push that was shown, credited to
    the last push only; some of it would have come without. incremental: what would not have come,
    less the discounts; None while its trial has nothing to say.
    """

    campaign_id: str
    sends: int
    shown: int
    redeemed_lines: int
    redeemed_cents: int
    discount_cents: int
    credited_cents: int
    incremental: Cents | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All campaigns by id; and what was redeemed with coupons of sends that were not given."""

    lines: tuple[Line, ...]
    unmatched_lines: int
    unmatched_cents: int
    unmatched_discount_cents: int


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
    sends = {one.moment_id: one for one in moments if one.arm is Arm.TREATED}
    bought = {one.outcome_id: one for one in outcomes if isinstance(one, Bought)}
    redeemed: defaultdict[str | None, list[Bought]] = defaultdict(list)
    for one in bought.values():
        if one.redeems is not None:
            sent = sends.get(one.redeems)
            redeemed[None if sent is None else sent.campaign_id].append(one)
    credited: Counter[str] = Counter()
    for credit in single_credit(sends.values(), bought.values(), targets):
        if credit.window is not None:
            credited[credit.campaign_id] += bought[credit.outcome_id].margin_cents
    of_campaign: defaultdict[str, list[Moment]] = defaultdict(list)
    for one_sent in sends.values():
        of_campaign[one_sent.campaign_id].append(one_sent)
    lines = []
    for campaign_id, theirs in sorted(of_campaign.items()):
        coupons = redeemed[campaign_id]
        discount_cents = sum(one.discount_cents for one in coupons)
        lines.append(
            Line(
                campaign_id=campaign_id,
                sends=len(theirs),
                shown=sum(one.shown_at is not None for one in theirs),
                redeemed_lines=len(coupons),
                redeemed_cents=sum(one.margin_cents for one in coupons),
                discount_cents=discount_cents,
                credited_cents=credited[campaign_id],
                incremental=_incremental(findings.get(campaign_id), theirs, discount_cents),
            )
        )
    return Ledger(
        lines=tuple(lines),
        unmatched_lines=len(redeemed[None]),
        unmatched_cents=sum(one.margin_cents for one in redeemed[None]),
        unmatched_discount_cents=sum(one.discount_cents for one in redeemed[None]),
    )


def moment_price_cents(line: Line) -> float | None:
    """What one send of the campaign earned, discounts off; None while nobody knows."""
    return None if line.incremental is None else line.incremental.amount / line.sends


def _incremental(finding: Finding | None, sends: list[Moment], discount_cents: int) -> Cents | None:
    """The trial's margin per shopper times the sends, one a window; less the discounts."""
    if finding is None or finding.margin_cents is None:
        return None
    if finding.verdict in {Verdict.TOO_EARLY, Verdict.BROKEN_SPLIT}:
        return None
    effect = finding.margin_cents.times(len(one_per_window(sends, finding.trial.goal)))
    return Cents(
        round(effect.difference) - discount_cents,
        round(effect.low) - discount_cents,
        round(effect.high) - discount_cents,
    )

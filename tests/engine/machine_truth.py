"""What must be true of sends whatever happens, told in plain Python from what was accepted.

Nothing here asks the code under test: windows, days, draws and budgets are counted anew, from the
words of DESIGN 7 and the docstrings of `offers.pressure`.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from offers.campaign import Campaign, Tier
from offers.pressure import Cap, Policy, Scope
from offers.stops import Scope as StopScope
from shoppers.consent import Purpose

NEEDED = frozenset({Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING})
MONTH = timedelta(days=30)


@dataclass
class Rules:
    """What holds now. own: shopper -> messages in seven days. stopped: scope and target."""

    salt: str
    tz: ZoneInfo
    policy: Policy
    campaigns: dict[str, Campaign]
    consents: dict[str, set[Purpose]]
    own: dict[str, int] = field(default_factory=dict)
    stopped: set[tuple[StopScope, str]] = field(default_factory=set)

    def may_push(self, shopper_id: str, campaign_id: str, store_id: str) -> list[str]:
        """What forbids that a push goes out now, whenever it was decided; empty: nothing."""
        wrong = []
        if not self.consents[shopper_id] >= NEEDED:
            wrong.append("without consent")
        halts = {
            (StopScope.EVERYTHING, ""),
            (StopScope.STORE, store_id),
            (StopScope.CAMPAIGN, campaign_id),
        }
        if halts & self.stopped:
            wrong.append("after the kill switch")
        if self.campaigns[campaign_id].status.value != "live":
            wrong.append("of a campaign that is not live")
        return wrong


@dataclass(frozen=True)
class Sent:
    """A send as SQL has it, with the rules that held when it was decided."""

    decision_id: str
    shopper_id: str
    campaign_id: str
    visit_id: str
    zone_id: str
    store_id: str
    at: datetime
    campaign: Campaign
    caps: tuple[Cap, ...]
    own: int | None
    hold_out_share: float

    @property
    def is_promotion(self) -> bool:
        return self.campaign.tier in {Tier.PERSONAL, Tier.GENERIC}


def best_order(
    new: Sequence[Sent], before: Sequence[Sent], given_back: frozenset[str], rules: Rules
) -> tuple[list[str], Sequence[Sent]]:
    """What is wrong with sends that were decided at once, in the order that explains them best;
    and that order.

    before: all sends earlier. given_back: the ids of those among them that came to nothing.
    """
    judged = []
    for order in itertools.permutations(new):
        found: list[str] = []
        for place, one in enumerate(order):
            found += faults(one, [*before, *order[:place]], given_back, rules)
        if not found:
            return [], order
        judged.append((found, order))
    return min(judged, key=lambda one: len(one[0]))


def faults(
    sent: Sent, before: Sequence[Sent], given_back: frozenset[str], rules: Rules
) -> list[str]:
    """What is wrong with one send, given all that were decided before it."""
    who, what = sent.shopper_id, sent.campaign
    found = []
    if any(
        (one.shopper_id, one.campaign_id, one.visit_id) == (who, sent.campaign_id, sent.visit_id)
        for one in before
    ):
        found.append(f"{who} twice of {sent.campaign_id} in visit {sent.visit_id}")
    if _draw(f"{rules.salt}|{sent.campaign_id}|{who}", b"") < what.control_share:
        found.append(f"{who} is in the control group of {sent.campaign_id}")
    held_out = _draw(f"{rules.salt}|{who}", b"corsia/hold-out") < sent.hold_out_share
    if sent.is_promotion and held_out:
        found.append(f"{who} is held out")
    standing = [one for one in before if one.decision_id not in given_back]
    found += over_caps(sent, standing, rules.tz)
    same = [one for one in standing if one.campaign_id == sent.campaign_id]
    if what.budget_sends is not None and len(same) + 1 > what.budget_sends:
        found.append(f"{sent.campaign_id} sent {len(same) + 1} of {what.budget_sends}")
    cents = sum(one.campaign.offer.cost_cents for one in same) + what.offer.cost_cents
    if what.budget_cents is not None and cents > what.budget_cents:
        found.append(f"{sent.campaign_id} spent {cents} of {what.budget_cents} cents")
    return found


def over_caps(sent: Sent, standing: Iterable[Sent], tz: ZoneInfo) -> list[str]:
    """The caps that a send went over. standing: what counts of all that was sent before it."""
    theirs = [one for one in standing if one.shopper_id == sent.shopper_id]
    found = []
    if sent.own is not None:
        week = [one for one in theirs if one.at > sent.at - timedelta(days=7)]
        if len(week) >= sent.own:
            found.append(f"{sent.shopper_id} allows {sent.own} a week and got {len(week) + 1}")
    if not sent.is_promotion:
        return found
    caps = list(sent.caps)
    limits = sent.campaign.limits
    if limits.per_shopper is not None:
        days = timedelta(days=limits.per_days)
        caps.append(Cap(Scope.CAMPAIGN, limits.per_shopper, within=days))
    for cap in caps:
        counted = [one for one in theirs if _is_in(cap, one, sent, tz)]
        if len(counted) >= cap.most:
            found.append(f"{sent.shopper_id} got {len(counted) + 1} under {cap}")
    return found


def _is_in(cap: Cap, one: Sent, sent: Sent, tz: ZoneInfo) -> bool:
    """Whether an earlier send counts under a cap beside the one that goes out."""
    if cap.days is not None:
        today = sent.at.astimezone(tz).date()
        if one.at.astimezone(tz).date() <= today - timedelta(days=cap.days):
            return False
    elif one.at <= sent.at - (cap.within or MONTH):
        return False
    same_visit = one.visit_id == sent.visit_id
    return {
        Scope.SHOPPER: True,
        Scope.VISIT: same_visit,
        Scope.ZONE_VISIT: same_visit and one.zone_id == sent.zone_id,
        Scope.CAMPAIGN: one.campaign_id == sent.campaign_id,
        Scope.CATEGORY: bool(one.campaign.categories & sent.campaign.categories),
        Scope.CHANNEL: True,
        Scope.STORE: one.store_id == sent.store_id,
    }[cap.scope]


def _draw(text: str, person: bytes) -> float:
    """A number from 0 to 1 that hangs on the text alone."""
    octets = blake2b(text.encode(), digest_size=8, person=person).digest()
    return int.from_bytes(octets, "big") / 2**64

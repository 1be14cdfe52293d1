"""Which trial is asked of a campaign: as its author fixed it, before the answer is known.

A trial holds one question. Where the goal, the share or the salt changes under it, it is cut there
and another begins: what was counted under two rules would answer neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from offers.assignment import Salts
from offers.attribution import RETURN_WITHIN, SHELF_WITHIN, Target, Window
from offers.campaign import Campaign
from offers.trial import Trial

# All campaigns together are asked about by the quarter (UTC): seasons differ, and a quarter has
# shoppers enough where a week has not.
_QUARTER_MONTHS: Final = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What a trial asks, wherever it begins. campaign_id: None asks it of all together."""

    campaign_id: str | None
    goal: Window
    since: datetime
    until: datetime
    control_share: float
    return_within: timedelta = RETURN_WITHIN


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be written down. cut_at: where the trial that runs ends too early; begins: the
    one after it. None: nothing."""

    cut_at: datetime | None = None
    begins: Trial | None = None


def question_of(campaign: Campaign) -> Question:
    """What a campaign's document asks."""
    within = campaign.goal_within_min
    is_return = campaign.goal is Window.RETURN and within is not None
    return Question(
        campaign.campaign_id,
        campaign.goal,
        campaign.valid_from,
        campaign.valid_until,
        campaign.control_share,
        timedelta(minutes=within) if is_return and within is not None else RETURN_WITHIN,
    )


def question_of_all(share: float, now: datetime) -> Question:
    """What is asked of all campaigns in this quarter. share: 0..1, of the hold-out."""
    local = now.astimezone(UTC)
    first = (local.month - 1) // _QUARTER_MONTHS * _QUARTER_MONTHS + 1
    since = datetime(local.year, first, 1, tzinfo=UTC)
    month = first + _QUARTER_MONTHS
    until = datetime(local.year + month // 13, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    return Question(None, Window.BASKET, since, until, share)


def asked(
    question: Question, last: Trial | None, salts: Salts, changed_at: datetime, now: datetime
) -> Asked:
    """What changes of the trials of a campaign now.

    last: its latest trial that was not cut; changed_at: when its question was last changed.
    """
    if not 0 < question.control_share < 1:
        running = last is not None and now < last.until
        return Asked(cut_at=changed_at if running else None)
    since = max(question.since, salts.history[0].since)
    cut_at = None
    if last is not None:
        dealt = _dealt_anew(salts, last, now)
        if dealt is not None:
            since = cut_at = dealt
        elif now >= last.until or question.since >= last.until:
            since = max(since, last.until)
        elif (last.goal, last.control_share) != (question.goal, question.control_share):
            since = cut_at = max(changed_at, last.since)
        else:
            return Asked()
    since = max((since, *(salt.since for salt in salts.history if since < salt.since <= now)))
    if since >= question.until or (cut_at is None and since > now):
        return Asked(cut_at)
    begins = Trial(
        question.campaign_id,
        question.goal,
        since,
        question.until,
        question.control_share,
        question.return_within,
    )
    return Asked(cut_at, begins)


def target_of(campaign: Campaign, tagged: Mapping[str, frozenset[str]]) -> Target:
    """What a campaign is after. tagged: tag -> the zones that bear it."""
    within = None
    if campaign.goal_within_min is not None:
        within = timedelta(minutes=campaign.goal_within_min)
    by_tag = (tagged.get(tag, frozenset()) for tag in campaign.zone_tags)
    return Target(
        campaign.campaign_id,
        campaign.zone_ids.union(*by_tag),
        campaign.offer.product_ids,
        campaign.categories,
        shelf_within=within if within and campaign.goal is Window.SHELF else SHELF_WITHIN,
        basket_within=within if campaign.goal is Window.BASKET else None,
        return_within=within if within and campaign.goal is Window.RETURN else RETURN_WITHIN,
    )


def _dealt_anew(salts: Salts, last: Trial, now: datetime) -> datetime | None:
    """When a salt was changed under a trial; None when it was not."""
    until = min(now, last.until)
    if not salts.change_between(last.since, until):
        return None
    return next(salt.since for salt in salts.history if last.since < salt.since)

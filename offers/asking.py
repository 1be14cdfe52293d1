"""Which trial is asked of a campaign: as its author fixed it, before the answer is known.

A trial holds one question. Where the goal, its time, the share or the salt changes under it, it is
cut there and another begins: what was counted under two rules would answer neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    """What a trial asks, wherever it begins. campaign_id: None asks it of all together; within: as
    in `Trial`."""

    campaign_id: str | None
    goal: Window
    since: datetime
    until: datetime
    control_share: float
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A question, and from when on it was the one."""

    at: datetime
    question: Question


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a trial, told by its campaign and its beginning, ends too early."""

    campaign_id: str | None
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be written down. cut_at: where the trial that runs ends too early; begins: the
    one after it. None: nothing."""

    cut_at: datetime | None = None
    begins: Trial | None = None


def question_of(campaign: Campaign) -> Question:
    """What a campaign's document asks."""
    return Question(
        campaign.campaign_id,
        campaign.goal,
        campaign.valid_from,
        campaign.valid_until,
        campaign.control_share,
        _within(campaign),
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
        elif (last.goal, last.control_share, last.within) != (
            question.goal,
            question.control_share,
            question.within,
        ):
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
        question.within,
    )
    return Asked(cut_at, begins)


def asked_since(
    steps: Sequence[Step], last: Trial | None, salts: Salts, now: datetime, *, is_cut: bool
) -> tuple[list[Trial], list[Cut]]:
    """What is to be written down of the trials of a campaign: those that begin, and those that are
    cut, which may be among the former.

    steps: the question as of `seen_until(last)`, and every change after it, oldest first; one that
    was changed and changed back has left its mark. last: the latest trial, is_cut: whether it was.
    """
    begins: list[Trial] = []
    cuts: list[Cut] = []
    unasked_until = last.until if last is not None and is_cut else None
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        until = now if following is None else following.at
        seen = step.at if last is None else max(step.at, last.until if is_cut else last.since)
        for look in sorted({seen, max(seen, until)}):
            question = step.question
            if unasked_until is not None:
                # What was sent while nothing was asked answers no question.
                since = max(question.since, unasked_until, step.at)
                question = replace(question, since=since)
            done = asked(question, None if is_cut else last, salts, step.at, look)
            if done.cut_at is not None and last is not None:
                last = replace(last, until=max(done.cut_at, last.since))
                cuts.append(Cut(last.campaign_id, last.since, last.until))
                is_cut, unasked_until = True, last.until
            if done.begins is not None and (last is None or done.begins.since > last.since):
                last, is_cut, unasked_until = done.begins, False, None
                begins.append(last)
        if last is None and not 0 < step.question.control_share < 1:
            unasked_until = until
    return begins, cuts


def seen_until(last: Trial | None, *, is_cut: bool) -> datetime | None:
    """Until when the question was looked at before; None when it never was."""
    if last is None:
        return None
    return last.until if is_cut else last.since


def target_of(
    campaign: Campaign,
    by_zone: Mapping[str, frozenset[tuple[str, str]]],
    by_tag: Mapping[str, frozenset[tuple[str, str]]],
) -> Target:
    """What a campaign is after. by_zone, by_tag: the places (store, zone) of that id, or tag."""
    named = [by_zone.get(zone_id, frozenset()) for zone_id in campaign.zone_ids]
    tagged = [by_tag.get(tag, frozenset()) for tag in campaign.zone_tags]
    target = Target(
        campaign.campaign_id,
        frozenset(
            (store_id, zone_id)
            for store_id, zone_id in frozenset[tuple[str, str]]().union(*named, *tagged)
            if not campaign.store_ids or store_id in campaign.store_ids
        ),
        campaign.offer.product_ids,
        campaign.categories,
    )
    return _timed(target, campaign.goal, _within(campaign))


def target_as_asked(target: Target, trial: Trial) -> Target:
    """What the campaign is after, with the time that its trial allows."""
    return _timed(target, trial.goal, trial.within)


def _within(campaign: Campaign) -> timedelta | None:
    within_min = campaign.goal_within_min
    return None if within_min is None else timedelta(minutes=within_min)


def _timed(target: Target, goal: Window, within: timedelta | None) -> Target:
    return replace(
        target,
        shelf_within=within if within and goal is Window.SHELF else SHELF_WITHIN,
        basket_within=within if goal is Window.BASKET else None,
        return_within=within if within and goal is Window.RETURN else RETURN_WITHIN,
    )


def _dealt_anew(salts: Salts, last: Trial, now: datetime) -> datetime | None:
    """When a salt was changed under a trial; None when it was not."""
    until = min(now, last.until)
    if not salts.change_between(last.since, until):
        return None
    return next(salt.since for salt in salts.history if last.since < salt.since)

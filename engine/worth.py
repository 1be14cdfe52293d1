"""What campaigns are worth, worked out once a day from what is stored.

A pass reads a group of shoppers at a time, each wholly in one group, so that memory does not grow
with them; what is known of a group is added up and forgotten. It writes once, at the end: one that
was interrupted is simply made again.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from config.clock import Clock
from db import pressure, salts, trials, worth
from db.campaigns import load_campaigns
from db.connect import Database
from offers.asking import asked, question_of, question_of_all, target_of
from offers.attribution import Bought, Moment, Outcome, Target
from offers.campaign import Campaign
from offers.ledger import Ledger, Line, Tally, moment_price_cents
from offers.missed import Missed, merged, missed_moments
from offers.report import AllWorth, CampaignWorth
from offers.trial import NOBODY, SETTLED_AFTER, Sample, Trial, sample, subjects
from offers.worth import Finding, judge

log = logging.getLogger(__name__)

GROUP: Final = 200
# What is under way when a pass begins is in the next one: no request to store a receipt takes as
# long, so that two sums of what was stored before are of the same lines.
SETTLING: Final = timedelta(minutes=1)
MISSED_OF: Final = timedelta(days=7)
# Receipts come up to a week late. Afterwards nothing new is learnt of a trial that is over.
LATE: Final = timedelta(days=7)
LOG_EVERY: Final = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What a pass found."""

    campaigns: tuple[CampaignWorth, ...]
    whole: AllWorth


@dataclass(frozen=True, slots=True)
class _Asked:
    """A trial with what has been added up of it."""

    trial: Trial
    is_cut: bool
    control: Sample = NOBODY
    treated: Sample = NOBODY

    def finding(self, now: datetime) -> Finding:
        """One that was cut ended because of what somebody saw or changed: it is judged by the
        interval that is right at any look."""
        is_final = self.trial.is_over(now) and not self.is_cut
        return judge(self.trial, self.control, self.treated, is_final=is_final)


async def measure_if_due(database: Database, clock: Clock) -> bool:
    """Work out and keep the figures of today (UTC) unless they are there; whether it was done."""
    now = clock.now()
    async with database.read() as tx:
        last = await worth.last_day(tx)
    if last is not None and last >= now.astimezone(UTC).date():
        return False
    await ask_questions(database, now)
    measured = await measure(database, now)
    async with database.begin() as tx:
        await worth.save_worth(tx, measured.campaigns, measured.whole)
    if not measured.whole.reconciles:
        log.error("campaigns do not account for every redeemed line")
    log.info("worth measured", extra={"campaigns": len(measured.campaigns)})
    return True


async def ask_questions(database: Database, now: datetime) -> None:
    """Write down the trials that begin, and cut those whose question has changed."""
    async with database.begin() as tx:
        history = await salts.load(tx)
        if history is None:
            return  # nobody has been dealt into arms yet
        known = await trials.last_trials(tx)
        _, policy = await pressure.policy(tx)
        questions = [(question_of(one.campaign), one.changed_at) for one in await worth.asking(tx)]
        of_all = question_of_all(policy.hold_out_share, now)
        for question, changed_at in (*questions, (of_all, now)):
            last, is_cut = known.get(question.campaign_id, (None, False))
            if is_cut:
                # Nothing was asked for a while: what was sent then answers no question.
                again = replace(question, since=max(question.since, changed_at))
                done = asked(again, None, history, changed_at, now)
            else:
                done = asked(question, last, history, changed_at, now)
            if done.cut_at is not None:
                await trials.cut(tx, question.campaign_id, done.cut_at)
            if done.begins is not None and (last is None or done.begins.since > last.since):
                await trials.ask(tx, done.begins)


async def measure(database: Database, now: datetime, since: datetime | None = None) -> Measured:
    """The figures as of a moment ago.

    since: the ledger counts only sends and purchases from then on, and a coupon of an earlier send
    is unmatched; trials are as they were asked.
    """
    until = now - SETTLING
    async with database.read() as tx:
        known = {one.campaign_id: one for one in await load_campaigns(tx)}
        tagged = await worth.zones_by_tag(tx)
        asked_of = await trials.last_trials(tx)
        concerned = await worth.shoppers_concerned(tx, until)
        redeemed_lines, redeemed_discount_cents = await worth.redeemed_in_all(tx, since, until)
    targets = {name: target_of(campaign, tagged) for name, campaign in known.items()}
    running = {
        name: _Asked(_as_its_campaign(trial, targets), cut)
        for name, (trial, cut) in asked_of.items()
    }
    tally = Tally(targets)
    for number, group in enumerate(_groups(concerned)):
        async with database.read() as tx:
            moments = await worth.moments_of(tx, group, until)
            outcomes = await worth.outcomes_of(tx, group, until)
        _count(running, moments, outcomes, targets, until)
        tally.add(_later(moments, since), _later_bought(outcomes, since))
        if number % LOG_EVERY == 0:
            log.info("measuring worth", extra={"of": len(concerned), "done": number * GROUP})
    findings = {campaign_id: one.finding(until) for campaign_id, one in running.items()}
    ledger = tally.ledger({name: one for name, one in findings.items() if name is not None})
    lines = {line.campaign_id: line for line in ledger.lines}
    named = sorted(lines.keys() | {name for name in findings if name is not None})
    whole = AllWorth(
        as_of=until,
        redeemed_lines=redeemed_lines,
        redeemed_discount_cents=redeemed_discount_cents,
        counted_lines=sum(one.redeemed_lines for one in ledger.lines) + ledger.unmatched_lines,
        counted_discount_cents=sum(one.discount_cents for one in ledger.lines)
        + ledger.unmatched_discount_cents,
        unmatched_lines=ledger.unmatched_lines,
        unmatched_discount_cents=ledger.unmatched_discount_cents,
        missed=await _missed(database, ledger, until),
        hold_out=findings.get(None),
    )
    return Measured(
        tuple(
            CampaignWorth(
                name,
                until,
                lines.get(name) or Line(name, 0, 0, 0, 0, 0, 0, None),
                findings.get(name),
                is_settled=_is_settled(known.get(name), running.get(name), until),
            )
            for name in named
        ),
        whole,
    )


def _as_its_campaign(trial: Trial, targets: Mapping[str, Target]) -> Trial:
    """The trial with the time that its campaign allows for a return."""
    target = None if trial.campaign_id is None else targets.get(trial.campaign_id)
    return trial if target is None else replace(trial, return_within=target.return_within)


def _count(
    running: dict[str | None, _Asked],
    moments: Sequence[Moment],
    outcomes: Sequence[Outcome],
    targets: Mapping[str, Target],
    now: datetime,
) -> None:
    """Add a group of shoppers to the trials that they are in."""
    theirs: defaultdict[str | None, list[Moment]] = defaultdict(list)
    for moment in moments:
        if moment.campaign_id in targets:
            theirs[moment.campaign_id].append(moment)
            theirs[None].append(moment)
    of_shopper: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        of_shopper[outcome.shopper_id].append(outcome)
    for campaign_id in theirs.keys() & running.keys():
        one, mine = running[campaign_id], theirs[campaign_id]
        who = {moment.shopper_id for moment in mine}
        followed = [outcome for shopper_id in who for outcome in of_shopper[shopper_id]]
        known = subjects(one.trial, mine, followed, targets, now)
        running[campaign_id] = replace(
            one,
            control=one.control.plus(sample(each for each in known if each.is_control)),
            treated=one.treated.plus(sample(each for each in known if not each.is_control)),
        )


async def _missed(database: Database, ledger: Ledger, until: datetime) -> tuple[Missed, ...]:
    """What was missed in the last week, priced by what a moment is measured to earn."""
    prices = {line.campaign_id: moment_price_cents(line) for line in ledger.lines}
    known = {name: price for name, price in prices.items() if price is not None}
    since = until - MISSED_OF
    async with database.read() as tx:
        everybody = await worth.visitors(tx, since, until)
    parts: list[Missed] = []
    for group in _groups(everybody):
        async with database.read() as tx:
            unsent, spoken_to = await worth.unsent_of(tx, group, since, until)
        parts += missed_moments(unsent, spoken_to, known)
    return merged(parts)


def _is_settled(campaign: Campaign | None, one: _Asked | None, now: datetime) -> bool:
    """Whether nothing more will be learnt of a campaign."""
    ends = [] if campaign is None else [campaign.valid_until + SETTLED_AFTER]
    if one is not None:
        ends.append(one.trial.until + one.trial.settled_after)
    return bool(ends) and now >= max(ends) + LATE


def _later(moments: Sequence[Moment], since: datetime | None) -> list[Moment]:
    return [one for one in moments if since is None or one.at >= since]


def _later_bought(outcomes: Sequence[Outcome], since: datetime | None) -> list[Outcome]:
    return [
        one for one in outcomes if isinstance(one, Bought) and (since is None or one.at >= since)
    ]


def _groups(shopper_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(shopper_ids), GROUP):
        yield shopper_ids[start : start + GROUP]

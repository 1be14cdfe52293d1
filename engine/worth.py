"""What campaigns are worth, worked out once a day from what is stored.

A pass reads a group of shoppers at a time, each wholly in one group, so that memory does not grow
with them; what is known of a group is added up and forgotten. It writes once, at the end: one that
was interrupted is simply made again.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from config.clock import Clock
from db import asked, trials, worth
from db.campaigns import load_campaigns
from db.connect import Database
from db.trials import Stored
from engine.asking import ask_questions
from engine.in_groups import GROUP, in_groups
from offers.asking import target_as_asked, target_of
from offers.attribution import Bought, Moment, Outcome, Target
from offers.campaign import Campaign
from offers.ledger import Ledger, Line, Tally, moment_price_cents
from offers.missed import Missed, merged, missed_moments
from offers.report import AllWorth, CampaignWorth
from offers.trial import NOBODY, SETTLED_AFTER, Sample, Trial, sample, subjects
from offers.worth import Finding, Verdict, judge

log = logging.getLogger(__name__)

# What is under way when a pass begins is in the next one: no request to store a receipt takes as
# long, so that two sums of what was stored before are of the same lines.
SETTLING: Final = timedelta(minutes=1)
MISSED_OF: Final = timedelta(days=7)
# Receipts come up to a week late. Afterwards nothing new is learnt of a trial that is over.
LATE: Final = timedelta(days=7)
LOG_EVERY: Final = 100
# A pass during which somebody was erased may not add up: it is made again.
PASSES_MAX: Final = 3
# Lines and coupons are erased after a year, not quite at once: a fault shows long before.
COUPONS_WATCHED: Final = timedelta(days=300)
# Of what campaigns had earned on a day a season is kept: it is for whoever looks back.
DAYS_KEPT: Final = timedelta(days=92)
DELETED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What a pass found. answers: of trials of which nothing more will be learnt."""

    campaigns: tuple[CampaignWorth, ...]
    whole: AllWorth
    answers: tuple[Finding, ...]


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


@dataclass(frozen=True, slots=True)
class _Found:
    """What the last two trials of a campaign say."""

    finding: Finding | None = None
    before: Finding | None = None

    @property
    def telling(self) -> Finding | None:
        """The later one that has anything to say."""
        is_early = self.finding is not None and self.finding.verdict is Verdict.TOO_EARLY
        return self.before if is_early and self.before is not None else self.finding


async def measure_if_due(database: Database, clock: Clock) -> bool:
    """Work out and keep the figures of today (UTC) unless they are there; whether it was done."""
    now = clock.now()
    async with database.read() as tx:
        last = await worth.last_day(tx)
    if last is not None and last >= now.astimezone(UTC).date():
        return False
    await ask_questions(database, now)
    measured = await measure(database, now)
    await _keep(database, measured)
    if not measured.whole.reconciles:
        log.error("campaigns do not account for every redeemed line")
    log.info("worth measured", extra={"campaigns": len(measured.campaigns)})
    return True


async def measure(database: Database, now: datetime, since: datetime | None = None) -> Measured:
    """The figures as of a moment ago.

    since: the ledger counts only sends and purchases from then on, and a coupon of an earlier send
    is unmatched; trials are as they were asked.
    """
    until = now - SETTLING
    for left in reversed(range(PASSES_MAX)):
        redeemed = await _redeemed(database, since, until)
        measured = await _measured_once(database, until, since, redeemed)
        if measured.whole.reconciles or not left:
            break
        after = await _redeemed(database, since, until)
        if after == redeemed:
            break
        # Somebody was erased meanwhile. They may be out of every group, or only of some.
        lines, discount_cents = after
        whole = replace(
            measured.whole, redeemed_lines=lines, redeemed_discount_cents=discount_cents
        )
        if whole.reconciles:
            return replace(measured, whole=whole)
    return measured


async def _redeemed(database: Database, since: datetime | None, until: datetime) -> tuple[int, int]:
    async with database.read() as tx:
        return await worth.redeemed_in_all(tx, since, until)


async def _measured_once(
    database: Database, until: datetime, since: datetime | None, redeemed: tuple[int, int]
) -> Measured:
    async with database.read() as tx:
        known = {one.campaign_id: one for one in await load_campaigns(tx)}
        places = await asked.places(tx)
        asked_of = await trials.all_trials(tx)
        concerned = await worth.shoppers_concerned(tx, until)
        lost_coupons = await worth.lost_coupons(tx, until - COUPONS_WATCHED)
    targets = {
        name: target_of(campaign, places.by_zone, places.by_tag) for name, campaign in known.items()
    }
    # A campaign that cannot be read today may be tomorrow: its trials wait.
    running = {
        name: [_Asked(one.trial, one.is_cut) for one in stored if one.document is None]
        for name, stored in asked_of.items()
        if name is None or name in targets
    }
    tally = Tally(targets)
    for number, group in enumerate(in_groups(concerned)):
        async with database.read() as tx:
            moments = await worth.moments_of(tx, group, until)
            outcomes = await worth.outcomes_of(tx, group, until)
        _count(running, moments, outcomes, targets, until)
        tally.add(_later(moments, since), _later_bought(outcomes, since))
        if number % LOG_EVERY == 0:
            log.info("measuring worth", extra={"of": len(concerned), "done": number * GROUP})
    found = {
        name: _found(stored, running.get(name, ()), until) for name, stored in asked_of.items()
    }
    telling = {name: one.telling for name, one in found.items()}
    ledger = tally.ledger({name: one for name, one in telling.items() if name and one is not None})
    lines = {line.campaign_id: line for line in ledger.lines}
    named = sorted(lines.keys() | {name for name, one in found.items() if name and one.finding})
    of_all = found.get(None, _Found())
    redeemed_lines, redeemed_discount_cents = redeemed
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
        hold_out=of_all.finding,
        hold_out_before=of_all.before,
        lost_coupons=lost_coupons,
    )
    return Measured(
        tuple(
            CampaignWorth(
                name,
                until,
                lines.get(name) or Line(name, 0, 0, 0, 0, 0, 0, None),
                found.get(name, _Found()).finding,
                is_settled=_is_settled(known.get(name), asked_of.get(name, ()), until),
                before=found.get(name, _Found()).before,
            )
            for name in named
        ),
        whole,
        tuple(
            one.finding(until)
            for several in running.values()
            for one in several
            if until >= one.trial.until + one.trial.settled_after + LATE
        ),
    )


async def _keep(database: Database, measured: Measured) -> None:
    """Keep the figures of a day, a little at a time; it is done when those of all are there."""
    day = measured.whole.as_of.astimezone(UTC).date()
    async with database.read() as tx:
        settled = await worth.settled(tx, day)
    async with database.begin() as tx:
        await worth.begin_day(tx, day)
    gone = DELETED_AT_ONCE
    while gone == DELETED_AT_ONCE:
        async with database.begin() as tx:
            gone = await worth.forget_day(tx, day, DELETED_AT_ONCE)
    # What is settled stands; one that runs again is not settled any more.
    moved = [
        one for one in measured.campaigns if not (one.is_settled and one.campaign_id in settled)
    ]
    for group in in_groups(moved):
        async with database.begin() as tx:
            await worth.save_campaigns(tx, group, day)
    for answers in in_groups(measured.answers):
        async with database.begin() as tx:
            await trials.settle(tx, answers)
    async with database.begin() as tx:
        await worth.save_whole(tx, measured.whole, day)
    gone = DELETED_AT_ONCE
    while gone == DELETED_AT_ONCE:
        async with database.begin() as tx:
            gone = await worth.prune(tx, day - DAYS_KEPT, DELETED_AT_ONCE)


def _found(stored: Sequence[Stored], running: Sequence[_Asked], until: datetime) -> _Found:
    """The findings of a campaign's last two trials."""
    measured = {one.trial.since: one.finding(until) for one in running}
    said = [one.answer or measured.get(one.trial.since) for one in stored[-2:]]
    return _Found(said[-1], said[0] if len(said) > 1 else None)


def _count(
    running: dict[str | None, list[_Asked]],
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
        mine = theirs[campaign_id]
        who = {moment.shopper_id for moment in mine}
        followed = [outcome for shopper_id in who for outcome in of_shopper[shopper_id]]
        running[campaign_id] = [
            _with(one, mine, followed, targets, now) for one in running[campaign_id]
        ]


def _with(
    one: _Asked,
    moments: Sequence[Moment],
    outcomes: Sequence[Outcome],
    targets: Mapping[str, Target],
    now: datetime,
) -> _Asked:
    """A trial with these shoppers too."""
    name = one.trial.campaign_id
    if name is not None:
        targets = {name: target_as_asked(targets[name], one.trial)}
    known = subjects(one.trial, moments, outcomes, targets, now)
    return replace(
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
    for group in in_groups(everybody):
        async with database.read() as tx:
            unsent, spoken_to = await worth.unsent_of(tx, group, since, until)
        parts += missed_moments(unsent, spoken_to, known)
    return merged(parts)


def _is_settled(campaign: Campaign | None, stored: Sequence[Stored], now: datetime) -> bool:
    """Whether nothing more will be learnt of a campaign."""
    ends = [] if campaign is None else [campaign.valid_until + SETTLED_AFTER]
    ends += [one.trial.until + one.trial.settled_after for one in stored]
    return bool(ends) and now >= max(ends) + LATE


def _later(moments: Sequence[Moment], since: datetime | None) -> list[Moment]:
    return [one for one in moments if since is None or one.at >= since]


def _later_bought(outcomes: Sequence[Outcome], since: datetime | None) -> list[Outcome]:
    return [
        one for one in outcomes if isinstance(one, Bought) and (since is None or one.at >= since)
    ]

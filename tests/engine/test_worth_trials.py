"""Trials over time: each is answered once and for all, and every change of a question counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import VirtualClock
from db import campaign_versions, campaigns, pressure, trials, worth
from db.connect import Database
from db.handsets import erase_shopper
from db.tables import campaigns as campaigns_table
from db.tables import redemptions
from db.worth_tables import campaign_worth, purchases
from engine.asking import ask_questions
from engine.worth import DAYS_KEPT, measure, measure_if_due
from offers.attribution import Window
from offers.campaign import Campaign
from offers.pressure import DEFAULT_POLICY
from offers.report import AllWorth, CampaignWorth
from offers.versions import Act, Deed, Life, step
from offers.worth import Verdict
from tests.engine.month import DAY, Planted, a_month
from tests.offers.situations import a_campaign

PLANTED = Planted()
HOUR = timedelta(hours=1)


async def worked_out(database: Database, clock: VirtualClock) -> tuple[CampaignWorth, AllWorth]:
    """The report of the day: of pasta, and of all."""
    assert await measure_if_due(database, clock)
    async with database.read() as tx:
        (pasta,), whole = await worth.load_worth(tx)
    assert whole is not None
    return pasta, whole


async def change(database: Database, at: datetime, **changes: object) -> None:
    async with database.begin() as tx:
        campaign = await campaigns.load_campaign(tx, "pasta")
        assert campaign is not None
        changed = replace(campaign, **changes)  # type: ignore[arg-type]
        await campaigns.save_campaign(tx, changed, at)


async def publish(database: Database, campaign: Campaign, at: datetime) -> None:
    name = campaign.campaign_id
    async with database.begin() as tx:
        life = (await campaign_versions.lives(tx, [name], to_change=True)).get(name, Life(name))
        steps = []
        for deed in (Deed.WRITE, Deed.SUBMIT, Deed.REVIEW, Deed.PUBLISH):
            by = "bruno" if deed is Deed.REVIEW else "anna"
            wrote = campaign if deed is Deed.WRITE else None
            steps.append(step(life, Act(deed, by, at, campaign=wrote)))
            life = steps[-1].life
        await campaign_versions.save_steps(tx, steps)


async def stored(database: Database, campaign_id: str | None) -> list[tuple[object, ...]]:
    """since, until, share, whether it was cut"""
    async with database.read() as tx:
        known = (await trials.all_trials(tx))[campaign_id]
    return [(one.trial.since, one.trial.until, one.trial.control_share, one.is_cut)
            for one in known]  # fmt: skip


async def test_the_quarter_is_answered_in_the_next_one_and_stays_so(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, share=0.05, hold_out=0.3), seed=4)
    async with sqlite_database.begin() as tx:
        await pressure.save_policy(tx, replace(DEFAULT_POLICY, hold_out_share=0.3), "Ann", start)
    await ask_questions(sqlite_database, start)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    await clock.advance((new_year + 3 * DAY - start).total_seconds())
    _, whole = await worked_out(sqlite_database, clock)
    assert whole.hold_out is not None
    assert whole.hold_out.trial.since == new_year
    answer = whole.hold_out_before
    assert answer is not None
    assert (answer.is_final, answer.verdict) == (True, Verdict.BETTER)
    assert answer.trial.until == new_year

    await clock.advance(30 * DAY.total_seconds())
    await worked_out(sqlite_database, clock)
    async with sqlite_database.begin() as tx:
        for n in range(PLANTED.shoppers):
            await erase_shopper(tx, f"s{n}")
    await clock.advance(DAY.total_seconds())
    _, whole = await worked_out(sqlite_database, clock)
    assert whole.hold_out_before == answer


async def test_a_campaign_that_goes_on_keeps_its_first_answer(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, PLANTED, seed=4)
    await ask_questions(sqlite_database, start)
    await clock.advance(20 * DAY.total_seconds())
    await change(sqlite_database, clock.now(), valid_until=start + 90 * DAY)
    await clock.advance(10 * DAY.total_seconds())
    pasta, _ = await worked_out(sqlite_database, clock)
    assert pasta.finding is not None
    assert (pasta.finding.trial.since, pasta.finding.verdict) == (
        start + 28 * DAY,
        Verdict.TOO_EARLY,
    )
    assert pasta.before is not None
    assert (pasta.before.is_final, pasta.before.verdict) == (True, Verdict.BETTER)
    assert pasta.line.incremental is not None
    assert not pasta.is_settled


async def test_a_settled_campaign_that_runs_again_has_figures_again(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=50), seed=4)
    await clock.advance(40 * DAY.total_seconds())
    first, _ = await worked_out(sqlite_database, clock)
    assert first.is_settled
    await change(sqlite_database, clock.now(), valid_until=start + 90 * DAY)
    await clock.advance(DAY.total_seconds())
    again, _ = await worked_out(sqlite_database, clock)
    assert not again.is_settled
    assert again.as_of > first.as_of
    assert again.before == first.finding
    await clock.advance(70 * DAY.total_seconds())
    last, _ = await worked_out(sqlite_database, clock)
    assert last.is_settled


async def test_a_change_and_its_undoing_between_two_looks_cut_twice(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(database, start, replace(PLANTED, shoppers=10), seed=4)
    first = a_campaign("deal", valid_from=start, valid_until=start + 28 * DAY, control_share=0.5)
    await publish(database, first, start)
    await ask_questions(database, start + HOUR)
    await publish(database, replace(first, control_share=0.2), start + 2 * HOUR)
    await publish(database, replace(first, control_share=0.2, name="New"), start + 3 * HOUR)
    await publish(database, first, start + 4 * HOUR)
    until = start + 28 * DAY
    for at in (start + DAY, start + 2 * DAY):
        await ask_questions(database, at)
        assert await stored(database, "deal") == [
            (start, start + 2 * HOUR, 0.5, True),
            (start + 2 * HOUR, start + 4 * HOUR, 0.2, True),
            (start + 4 * HOUR, until, 0.5, False),
        ]


async def test_a_changed_hold_out_cuts_the_quarter_when_it_was_changed(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(database, start, replace(PLANTED, shoppers=10), seed=4)
    await ask_questions(database, start)
    for after, share in ((1, 0.2), (2, 0.1)):
        async with database.begin() as tx:
            policy = replace(DEFAULT_POLICY, hold_out_share=share)
            await pressure.save_policy(tx, policy, "Ann", start + after * HOUR)
    quarter, year = datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    await ask_questions(database, year + HOUR)
    assert await stored(database, None) == [
        (quarter, start + HOUR, DEFAULT_POLICY.hold_out_share, True),
        (start + HOUR, start + 2 * HOUR, 0.2, True),
        (start + 2 * HOUR, year, 0.1, False),
        (year, datetime(2027, 4, 1, tzinfo=UTC), 0.1, False),
    ]


async def test_a_hold_out_changed_in_a_quarter_that_nobody_looked_at_yet_cuts_it_too(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=10), seed=4)
    await ask_questions(sqlite_database, start)
    year = datetime(2027, 1, 1, tzinfo=UTC)
    async with sqlite_database.begin() as tx:
        policy = replace(DEFAULT_POLICY, hold_out_share=0.2)
        await pressure.save_policy(tx, policy, "Ann", year + 10 * HOUR)
    await ask_questions(sqlite_database, year + DAY)
    april = datetime(2027, 4, 1, tzinfo=UTC)
    assert await stored(sqlite_database, None) == [
        (datetime(2026, 10, 1, tzinfo=UTC), year, DEFAULT_POLICY.hold_out_share, False),
        (year, year + 10 * HOUR, DEFAULT_POLICY.hold_out_share, True),
        (year + 10 * HOUR, april, 0.2, False),
    ]


async def test_another_time_for_the_goal_is_another_question(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=10), seed=4)
    await ask_questions(sqlite_database, start)
    await change(sqlite_database, start + HOUR, goal_within_min=15)
    await ask_questions(sqlite_database, start + DAY)
    async with sqlite_database.read() as tx:
        known = (await trials.all_trials(tx))["pasta"]
    assert [(one.trial.goal, one.trial.within, one.is_cut) for one in known] == [
        (Window.BASKET, None, True),
        (Window.BASKET, timedelta(minutes=15), False),
    ]


async def test_a_campaign_that_cannot_be_read_ends_no_pass_and_settles_nothing(
    sqlite_database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=50), seed=4)
    await ask_questions(sqlite_database, start)
    async with sqlite_database.begin() as tx:
        await tx.execute(update(campaigns_table).values(document={"goal": "fame"}))
    await clock.advance(60 * DAY.total_seconds())
    pasta, whole = await worked_out(sqlite_database, clock)
    assert whole.reconciles
    assert pasta.finding is None
    assert "campaign cannot be read and is left out" in caplog.text
    async with sqlite_database.read() as tx:
        assert (await trials.all_trials(tx))["pasta"][-1].answer is None


class Failing(Database):
    """A database that is away after the first transaction that writes."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.engine)
        self._has_written = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if self._has_written:
            raise OSError
        self._has_written = True
        async with super().begin() as tx:
            yield tx


async def test_a_look_that_is_interrupted_leaves_no_trial_uncut(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=10), seed=4)
    await ask_questions(sqlite_database, start)
    await change(sqlite_database, start + HOUR, control_share=0.2)
    with suppress(OSError):
        await ask_questions(Failing(sqlite_database), start + DAY)
    await ask_questions(sqlite_database, start + 2 * DAY)
    assert await stored(sqlite_database, "pasta") == [
        (start, start + HOUR, 0.5, True),
        (start + HOUR, start + 28 * DAY, 0.2, False),
    ]


class Forgetful(Database):
    """A database out of which shoppers are erased while somebody reads it."""

    def __init__(self, database: Database, erased: dict[int, list[str]]) -> None:
        """erased: before which read of the database, counted from 1, who goes."""
        super().__init__(database.engine)
        self._erased = erased
        self._reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self._reads += 1
        if self._reads in self._erased:
            async with self.begin() as tx:
                for shopper_id in self._erased[self._reads]:
                    await erase_shopper(tx, shopper_id)
        async with super().read() as tx:
            yield tx


async def test_an_erasure_during_a_pass_is_no_fault(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, PLANTED, seed=4)
    await ask_questions(sqlite_database, start)
    everybody = sorted(f"s{n}" for n in range(PLANTED.shoppers))
    # Of the first group and of the last, when the first has been counted.
    erased = [*everybody[:100], *everybody[-100:]]
    found = await measure(Forgetful(sqlite_database, {4: erased}), start + 30 * DAY)
    assert found.whole.reconciles
    assert found.whole == (await measure(sqlite_database, start + 30 * DAY)).whole


async def test_a_coupon_that_was_used_up_and_is_on_no_line_does_not_add_up(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=100), seed=4)
    assert (await measure(sqlite_database, start + 30 * DAY)).whole.reconciles
    async with sqlite_database.begin() as tx:
        await tx.execute(redemptions.update().values(used_at=start))
        with_coupon = select(purchases.c.id).where(purchases.c.decision_id.is_not(None))
        await tx.execute(
            purchases.delete().where(purchases.c.id.in_(with_coupon.limit(1).scalar_subquery()))
        )
    whole = (await measure(sqlite_database, start + 30 * DAY)).whole
    assert (whole.lost_coupons, whole.reconciles) == (1, False)


async def test_old_days_go_and_what_is_settled_stays(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=20), seed=4)
    for _ in range(3):
        await clock.advance(DAY.total_seconds())
        await worked_out(sqlite_database, clock)
    await clock.advance(40 * DAY.total_seconds())
    await worked_out(sqlite_database, clock)
    await clock.advance((DAYS_KEPT + DAY).total_seconds())
    await worked_out(sqlite_database, clock)
    async with sqlite_database.read() as tx:
        rows = (await tx.execute(select(campaign_worth.c.is_settled))).all()
        assert await tx.scalar(select(func.max(campaign_worth.c.day))) is not None
    assert [row.is_settled for row in rows] == [True]

"""A month from SQL to the report: the planted effect is found, and the money adds up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from config.clock import VirtualClock
from db import campaigns, salts, worth
from db import trials as asked
from db.connect import Database
from db.handsets import erase_shopper
from db.tables import decisions, receipts, visits
from db.worth_tables import campaign_worth, purchases, trials
from engine.asking import ask_questions
from engine.worth import measure, measure_if_due
from offers.assignment import Arm
from offers.attribution import Window
from offers.report import AllWorth, CampaignWorth
from offers.worth import Verdict, sentence
from tests.engine.month import DAY, DISCOUNT_CENTS, MARGIN_CENTS, MINUTE, Planted, a_month

PLANTED = Planted()


async def measured(
    database: Database, clock: VirtualClock, after: timedelta
) -> tuple[CampaignWorth, AllWorth]:
    """The report of the month so long after its beginning: of pasta, and of all."""
    await clock.advance(after.total_seconds())
    assert await measure_if_due(database, clock)
    async with database.read() as tx:
        (pasta,), whole = await worth.load_worth(tx)
    assert whole is not None
    return pasta, whole


async def test_the_report_of_a_month_recovers_the_planted_effect(
    database: Database, clock: VirtualClock
) -> None:
    await a_month(database, clock.now(), PLANTED, seed=4)

    pasta, whole = await measured(database, clock, 30 * DAY)

    finding = pasta.finding
    assert finding is not None
    assert finding.is_final
    assert finding.verdict is Verdict.BETTER
    assert finding.response is not None
    assert finding.response.low <= PLANTED.gain <= finding.response.high
    assert finding.margin_cents is not None
    # Half of those who buy use the coupon.
    given_cents = (PLANTED.base + PLANTED.gain) / 2 * DISCOUNT_CENTS
    expected_cents = PLANTED.gain * MARGIN_CENTS - given_cents
    assert finding.margin_cents.low <= expected_cents <= finding.margin_cents.high
    assert finding.control.shoppers + finding.treated.shoppers == PLANTED.shoppers
    assert sentence(finding).startswith("It works: ")
    assert whole.reconciles
    assert whole.redeemed_lines == pasta.line.redeemed_lines > 0
    assert whole.redeemed_discount_cents == DISCOUNT_CENTS * pasta.line.redeemed_lines
    assert pasta.line.sends == finding.treated.shoppers
    assert 0 < pasta.line.shown < pasta.line.sends
    incremental = pasta.line.incremental
    assert incremental is not None
    truth = round(expected_cents * pasta.line.sends)
    assert incremental.low <= truth <= incremental.high


async def test_where_nothing_was_planted_nothing_is_found(
    database: Database, clock: VirtualClock
) -> None:
    await a_month(database, clock.now(), replace(PLANTED, gain=0.0), seed=4)
    pasta, _ = await measured(database, clock, 30 * DAY)
    assert pasta.finding is not None
    assert pasta.finding.verdict is Verdict.NO_DIFFERENCE_SEEN


async def test_the_hold_out_is_compared_with_all_others(
    database: Database, clock: VirtualClock
) -> None:
    planted = replace(PLANTED, shoppers=4_000, hold_out=0.05)
    await a_month(database, clock.now(), planted, seed=4)
    pasta, whole = await measured(database, clock, 30 * DAY)
    held_out, own = whole.hold_out, pasta.finding
    assert held_out is not None
    assert own is not None
    assert 150 < held_out.control.shoppers < 250
    # Of all others some are in the control group of this campaign: half of its effect is seen.
    assert held_out.control.shoppers + held_out.treated.shoppers == planted.shoppers
    assert own.control.shoppers + own.treated.shoppers == held_out.treated.shoppers
    assert held_out.split_p is not None
    assert held_out.split_p > 0.001


async def test_the_same_day_is_worked_out_once_and_the_next_day_again(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_month(sqlite_database, clock.now(), replace(PLANTED, shoppers=50), seed=4)
    await clock.advance(DAY.total_seconds())
    assert await measure_if_due(sqlite_database, clock)
    assert not await measure_if_due(sqlite_database, clock)
    await clock.advance(DAY.total_seconds())
    assert await measure_if_due(sqlite_database, clock)
    async with sqlite_database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(campaign_worth)) == 2


async def test_a_coupon_of_a_send_that_is_gone_is_unmatched_and_still_counted(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_month(sqlite_database, clock.now(), PLANTED, seed=4)
    async with sqlite_database.begin() as tx:
        some = select(purchases.c.id).where(purchases.c.decision_id.is_not(None)).limit(3)
        await tx.execute(
            update(purchases).where(purchases.c.id.in_(some)).values(decision_id="erased")
        )
    pasta, whole = await measured(sqlite_database, clock, 30 * DAY)
    assert whole.reconciles
    assert whole.unmatched_lines == 3
    assert whole.redeemed_lines == pasta.line.redeemed_lines + 3
    assert whole.redeemed_discount_cents == pasta.line.discount_cents + 3 * DISCOUNT_CENTS


async def test_what_only_a_coupon_tells_is_money_and_no_evidence(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    """The control group has no coupons: counted, they would make an effect of nothing."""
    await a_month(sqlite_database, clock.now(), replace(PLANTED, gain=0.0), seed=4)
    async with sqlite_database.begin() as tx:
        # Nobody shows a code; coupons alone make shoppers known.
        await tx.execute(update(purchases).values(is_member=False))
    pasta, whole = await measured(sqlite_database, clock, 30 * DAY)
    assert pasta.finding is not None
    assert pasta.finding.treated.responders == pasta.finding.control.responders == 0
    assert pasta.finding.verdict is Verdict.TOO_EARLY
    assert pasta.line.redeemed_cents == MARGIN_CENTS * pasta.line.redeemed_lines > 0
    assert whole.reconciles


async def test_a_margin_that_the_till_does_not_know_is_none_and_told(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_month(sqlite_database, clock.now(), PLANTED, seed=4)
    async with sqlite_database.begin() as tx:
        await tx.execute(update(purchases).values(margin_cents=None))
    pasta, _ = await measured(sqlite_database, clock, 30 * DAY)
    assert pasta.line.unpriced_lines == pasta.line.redeemed_lines > 0
    assert (pasta.line.redeemed_cents, pasta.line.incremental) == (0, None)
    assert pasta.finding is not None
    assert pasta.finding.verdict is Verdict.BETTER  # who bought is known all the same


async def test_what_is_settled_stands_whatever_is_erased(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_month(sqlite_database, clock.now(), replace(PLANTED, shoppers=300), seed=4)
    before, _ = await measured(sqlite_database, clock, 40 * DAY)
    assert before.is_settled
    async with sqlite_database.begin() as tx:
        for n in range(100):
            await erase_shopper(tx, f"s{n}")
    after, whole = await measured(sqlite_database, clock, DAY)
    assert after == before
    assert whole.as_of > before.as_of
    assert whole.reconciles


async def test_a_trial_is_cut_when_its_question_or_its_salt_changes(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(database, start, replace(PLANTED, shoppers=20), seed=4)
    await ask_questions(database, start)
    await clock.advance(DAY.total_seconds())
    async with database.begin() as tx:
        campaign = await campaigns.load_campaign(tx, "pasta")
        assert campaign is not None
        # Another title asks nothing new.
        await campaigns.save_campaign(tx, replace(campaign, name="Pasta!"), clock.now())
    await ask_questions(database, clock.now())
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, replace(campaign, control_share=0.2), clock.now())
    await ask_questions(database, clock.now() + MINUTE)
    async with database.begin() as tx:
        await salts.deal_anew(tx, "a leak", start + 2 * DAY)
    await ask_questions(database, start + 3 * DAY)
    await ask_questions(database, start + 4 * DAY)

    async with database.read() as tx:
        rows = (
            await tx.execute(
                select(trials).where(trials.c.campaign_id == "pasta").order_by(trials.c.since)
            )
        ).all()
        known = await asked.all_trials(tx)
    assert [(row.since, row.cut_at, row.control_share) for row in rows] == [
        (start, start + DAY, 0.5),
        (start + DAY, start + 2 * DAY, 0.2),
        (start + 2 * DAY, None, 0.2),
    ]
    assert {row.until for row in rows} == {campaign.valid_until}
    last = known["pasta"][-1]
    assert (last.trial.goal, last.trial.since, last.is_cut) == (
        Window.BASKET,
        start + 2 * DAY,
        False,
    )


async def test_moments_know_their_arm_and_when_they_were_shown(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(database, start, replace(PLANTED, shoppers=60, hold_out=0.2), seed=4)
    async with database.begin() as tx:
        # As decisions were stored before arms were.
        old = select(decisions.c.id).where(decisions.c.ghost).limit(1)
        (old_id,) = await tx.scalars(old)
        await tx.execute(update(decisions).where(decisions.c.id == old_id).values(seen={}))
        ids = [f"s{n}" for n in range(60)]
        moments = await worth.moments_of(tx, ids, start + 30 * DAY)
        shown = await tx.scalar(select(func.count()).select_from(receipts))
        assert await worth.moments_of(tx, ids, start) == []
    assert len(moments) == 60
    assert {one.arm for one in moments} == set(Arm)
    assert next(one.arm for one in moments if one.moment_id == old_id) is Arm.CONTROL
    assert sum(one.shown_at is not None for one in moments) == shown
    assert all(one.arm is Arm.TREATED for one in moments if one.shown_at is not None)


async def test_missed_moments_are_priced_by_what_a_moment_earned(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, PLANTED, seed=4)
    last = start + 29 * DAY
    weighed = [{"campaign_id": "pasta", "score": 1.0, "against": ["visit_cap"], "relevance": []}]
    kept = {"erase_after": last + 365 * DAY}
    async with sqlite_database.begin() as tx:
        for n in range(5):
            await tx.execute(
                visits.insert().values(
                    id=f"late-{n}", shopper_id=f"s{n}", store_id="store-1", handset_id=f"h{n}",
                    entered_at=last, last_heard_at=last, left_at=last, **kept,
                )
            )  # fmt: skip
            await tx.execute(
                decisions.insert().values(
                    id=f"missed-{n}", visit_id=f"late-{n}", shopper_id=f"s{n}", zone_id="aisle-7",
                    outcome="hold", campaign_id="pasta", ghost=False, reasons=["visit_cap"],
                    weighed=weighed, seen={}, heard_at=last, at=last, **kept,
                )
            )  # fmt: skip
    pasta, whole = await measured(sqlite_database, clock, 30 * DAY)
    assert pasta.line.incremental is not None
    (row,) = whole.missed
    assert [reason.value for reason in row.reasons] == ["visit_cap"]
    assert row.moments == 5
    price_cents = pasta.line.incremental.amount / pasta.line.sends
    assert row.cents == pytest.approx(5 * price_cents, abs=0.5)


async def test_since_counts_what_came_later_and_still_every_line(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, PLANTED, seed=4)
    now = start + 30 * DAY
    await ask_questions(sqlite_database, now)
    whole = await measure(sqlite_database, now)
    later = await measure(sqlite_database, now, since=start + 14 * DAY)
    assert 0 < later.campaigns[0].line.sends < whole.campaigns[0].line.sends
    assert later.campaigns[0].finding == whole.campaigns[0].finding
    assert later.whole.reconciles
    assert 0 < later.whole.redeemed_lines < whole.whole.redeemed_lines


async def test_a_trial_of_returns_takes_the_time_that_its_campaign_allows(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=40), seed=4)
    async with sqlite_database.begin() as tx:
        campaign = await campaigns.load_campaign(tx, "pasta")
        assert campaign is not None
        fortnight = replace(campaign, goal=Window.RETURN, goal_within_min=14 * 24 * 60)
        await campaigns.save_campaign(tx, fortnight, start)
    for days, is_final in ((38, False), (44, True)):
        now = start + days * DAY
        await ask_questions(sqlite_database, now)
        finding = (await measure(sqlite_database, now)).campaigns[0].finding
        assert finding is not None
        assert finding.is_final is is_final


async def test_what_was_sent_while_nothing_was_asked_is_in_no_trial(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await a_month(sqlite_database, start, replace(PLANTED, shoppers=20), seed=4)
    await ask_questions(sqlite_database, start)
    for days, share in ((1, 0.0), (3, 0.5)):
        at = start + days * DAY
        async with sqlite_database.begin() as tx:
            campaign = await campaigns.load_campaign(tx, "pasta")
            assert campaign is not None
            await campaigns.save_campaign(tx, replace(campaign, control_share=share), at)
        await ask_questions(sqlite_database, at + MINUTE)
    async with sqlite_database.read() as tx:
        rows = (
            await tx.execute(
                select(trials).where(trials.c.campaign_id == "pasta").order_by(trials.c.since)
            )
        ).all()
    assert [(row.since, row.cut_at) for row in rows] == [
        (start, start + DAY),
        (start + 3 * DAY, None),
    ]

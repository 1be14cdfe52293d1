"""What campaigns are judged by, read for a group of shoppers at a time; and what was found."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Subquery,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import delete_some
from db.tables import decisions, receipts, redemptions, visits, zone_visits
from db.worth_tables import campaign_worth, purchases, worth_days
from offers.assignment import Arm
from offers.attribution import Bought, Dwelt, Moment, Outcome, Returned
from offers.missed import Unsent
from offers.report import AllWorth, CampaignWorth
from offers.situation import Reason

# As the partial index has it, or it is not used.
_IS_MOMENT: Final = text("(outcome = 'send' or ghost)")


async def shoppers_concerned(tx: AsyncConnection, until: datetime) -> list[str]:
    """Everybody with a moment, or with a coupon redeemed, before then."""
    in_moments = select(decisions.c.shopper_id).where(_IS_MOMENT, decisions.c.at < until)
    in_tills = select(purchases.c.shopper_id).where(
        purchases.c.decision_id.is_not(None), purchases.c.stored_at < until
    )
    return sorted((await tx.scalars(union(in_moments, in_tills))).all())


async def visitors(tx: AsyncConnection, since: datetime, until: datetime) -> list[str]:
    """Everybody with a visit that began in that time."""
    found = select(visits.c.shopper_id).where(
        visits.c.entered_at >= since, visits.c.entered_at < until
    )
    return sorted((await tx.scalars(found.distinct())).all())


async def moments_of(
    tx: AsyncConnection, shopper_ids: Collection[str], until: datetime
) -> list[Moment]:
    """Sends and ghost moments of these shoppers before then."""
    shown_at = (
        select(func.min(receipts.c.at))
        .where(
            receipts.c.decision_id == decisions.c.id,
            receipts.c.kind.in_(("displayed", "opened")),
        )
        .scalar_subquery()
    )
    rows = await tx.execute(
        select(
            decisions.c.id,
            decisions.c.shopper_id,
            decisions.c.campaign_id,
            decisions.c.visit_id,
            decisions.c.outcome,
            decisions.c.seen["arm"].as_string().label("arm"),
            decisions.c.at,
            shown_at.label("shown_at"),
        ).where(_IS_MOMENT, decisions.c.shopper_id.in_(shopper_ids), decisions.c.at < until)
    )
    return [
        Moment(
            row.id,
            row.shopper_id,
            row.campaign_id,
            row.visit_id,
            # Ghosts of before arms were stored are all of control groups.
            Arm.TREATED if row.outcome == "send" else Arm(row.arm or Arm.CONTROL),
            row.at,
            row.shown_at,
        )
        for row in rows
    ]


async def outcomes_of(
    tx: AsyncConnection, shopper_ids: Collection[str], until: datetime
) -> list[Outcome]:
    """What they did: stays that are over, purchases told by then, beginnings of visits."""
    found: list[Outcome] = []
    stays = await tx.execute(
        select(
            zone_visits.c.id,
            visits.c.shopper_id,
            visits.c.store_id,
            zone_visits.c.zone_id,
            zone_visits.c.entered_at,
            zone_visits.c.left_at,
        )
        .join(visits, visits.c.id == zone_visits.c.visit_id)
        .where(visits.c.shopper_id.in_(shopper_ids), zone_visits.c.left_at < until)
    )
    found += [
        Dwelt(
            f"stay {row.id}", row.shopper_id, row.store_id, row.zone_id, row.entered_at, row.left_at
        )
        for row in stays
    ]
    begun = await tx.execute(
        select(visits.c.id, visits.c.shopper_id, visits.c.entered_at).where(
            visits.c.shopper_id.in_(shopper_ids), visits.c.entered_at < until
        )
    )
    found += [Returned(f"visit {row.id}", row.shopper_id, row.id, row.entered_at) for row in begun]
    bought = await tx.execute(
        select(purchases).where(
            purchases.c.shopper_id.in_(shopper_ids), purchases.c.stored_at < until
        )
    )
    found += [_bought(row) for row in bought]
    return found


async def unsent_of(
    tx: AsyncConnection, shopper_ids: Collection[str], since: datetime, until: datetime
) -> tuple[list[Unsent], set[tuple[str, str]]]:
    """What was weighed for these shoppers and not sent; and the (shopper, visit) in which
    something was, or in which the experiment had its moment."""
    rows = await tx.execute(
        select(
            decisions.c.id,
            decisions.c.shopper_id,
            decisions.c.visit_id,
            decisions.c.outcome,
            decisions.c.ghost,
            decisions.c.weighed,
            decisions.c.at,
        ).where(
            decisions.c.shopper_id.in_(shopper_ids),
            decisions.c.at >= since,
            decisions.c.at < until,
        )
    )
    unsent: list[Unsent] = []
    spoken_to: set[tuple[str, str]] = set()
    for row in rows:
        if row.outcome == "send" or row.ghost:
            spoken_to.add((row.shopper_id, row.visit_id))
            continue
        unsent += [
            Unsent(
                row.id,
                row.shopper_id,
                row.visit_id,
                one["campaign_id"],
                row.at,
                frozenset(Reason(reason) for reason in one["against"]),
                one["score"],
            )
            for one in row.weighed
        ]
    return unsent, spoken_to


async def redeemed_in_all(
    tx: AsyncConnection, since: datetime | None, until: datetime
) -> tuple[int, int]:
    """Lines with a redeemed coupon that tills told before `until`, and their discounts in cents.

    since: of purchases from then on; None: of all.
    """
    wanted = select(func.count(), func.coalesce(func.sum(purchases.c.discount_cents), 0)).where(
        purchases.c.decision_id.is_not(None), purchases.c.stored_at < until
    )
    if since is not None:
        wanted = wanted.where(purchases.c.at >= since)
    row = (await tx.execute(wanted)).one()
    return row[0], int(row[1])


async def lost_coupons(tx: AsyncConnection, since: datetime) -> int:
    """Coupons that a till used up from then on and of which no line is stored."""
    # A line with a coupon is its owner's: purchases are found by their shopper.
    line = exists().where(
        purchases.c.shopper_id == redemptions.c.shopper_id,
        purchases.c.decision_id == redemptions.c.decision_id,
    )
    found = select(func.count()).where(redemptions.c.used_at >= since, ~line)
    return (await tx.execute(found)).scalar_one()


async def settled(tx: AsyncConnection, day: date) -> set[str]:
    """The campaigns whose figures before that day were the last of them."""
    last = _last_days(day)
    found = select(campaign_worth.c.campaign_id).join(last, _is_of(last))
    return set(await tx.scalars(found.where(campaign_worth.c.is_settled)))


async def begin_day(tx: AsyncConnection, day: date) -> None:
    """The figures of a day are incomplete until those of all are there."""
    await tx.execute(delete(worth_days).where(worth_days.c.day == day))


async def forget_day(tx: AsyncConnection, day: date, most: int) -> int:
    """Delete what was worked out of campaigns on that day before; how many rows, `most` at once."""
    key = tuple(campaign_worth.primary_key)
    return await delete_some(tx, key, campaign_worth.c.day == day, most)


async def save_campaigns(tx: AsyncConnection, found: Sequence[CampaignWorth], day: date) -> None:
    """The figures of campaigns on a day."""
    if found:
        await tx.execute(insert(campaign_worth), [_row(one, day) for one in found])


async def save_whole(tx: AsyncConnection, whole: AllWorth, day: date) -> None:
    """The figures of a day are complete. Call it last."""
    document = msgspec.to_builtins(whole)
    await tx.execute(worth_days.insert().values(day=day, as_of=whole.as_of, document=document))


async def prune(tx: AsyncConnection, before: date, most: int) -> int:
    """Delete days before that one, of campaigns that have later ones; how many rows, `most` at
    once. What is settled stays."""
    later = campaign_worth.alias()
    is_followed = exists().where(
        later.c.campaign_id == campaign_worth.c.campaign_id, later.c.day > campaign_worth.c.day
    )
    old = and_(campaign_worth.c.day < before, ~campaign_worth.c.is_settled, is_followed)
    return await delete_some(tx, tuple(campaign_worth.primary_key), old, most)


async def last_day(tx: AsyncConnection) -> date | None:
    """The last day of which there are figures."""
    found: date | None = await tx.scalar(select(func.max(worth_days.c.day)))
    return found


async def load_worth(tx: AsyncConnection) -> tuple[list[CampaignWorth], AllWorth | None]:
    """The latest figures of each campaign, by id, and of all together; None before the first."""
    last = _last_days(None)
    rows = await tx.scalars(
        select(campaign_worth.c.document)
        .join(last, _is_of(last))
        .order_by(campaign_worth.c.campaign_id)
    )
    found = [msgspec.convert(document, CampaignWorth) for document in rows]
    whole: Mapping[str, Any] | None = await tx.scalar(
        select(worth_days.c.document).order_by(worth_days.c.day.desc()).limit(1)
    )
    return found, None if whole is None else msgspec.convert(whole, AllWorth)


def _last_days(before: date | None) -> Subquery:
    """The last day of each campaign, before that one."""
    days = select(campaign_worth.c.campaign_id, func.max(campaign_worth.c.day).label("day"))
    if before is not None:
        days = days.where(campaign_worth.c.day < before)
    return days.group_by(campaign_worth.c.campaign_id).subquery()


def _is_of(last: Subquery) -> ColumnElement[bool]:
    return and_(
        last.c.campaign_id == campaign_worth.c.campaign_id, last.c.day == campaign_worth.c.day
    )


def _row(one: CampaignWorth, day: date) -> dict[str, Any]:
    return {
        "campaign_id": one.campaign_id,
        "day": day,
        "as_of": one.as_of,
        "verdict": None if one.finding is None else one.finding.verdict.value,
        "is_settled": one.is_settled,
        "document": msgspec.to_builtins(one),
    }


def _bought(row: Any) -> Bought:
    return Bought(
        row.id,
        row.shopper_id,
        row.visit_id,
        row.at,
        row.product_id,
        row.category,
        row.margin_cents or 0,
        row.discount_cents,
        row.decision_id,
        is_priced=row.margin_cents is not None,
        is_compared=row.is_member,
    )

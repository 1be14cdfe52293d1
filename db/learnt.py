"""What all shoppers together have taught, version by version, and what campaigns are counted by."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, case, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.learnt_tables import campaign_odds, categories, learnt, shelves
from db.learnt_tables import products as products_table
from db.profiles import REPLAYED
from db.tables import campaigns, decisions, redemptions, sends, stores, visits
from db.worth_tables import purchases
from offers.known import Learnt
from offers.learning import Learning, Tried, Warmth

# Responses older than this tell of another season's prices.
COUNTED: Final = timedelta(days=90)
# Whoever means to respond has paid by then: nobody who still may is counted as one who did not.
SETTLED: Final = timedelta(days=1)


async def newest(tx: AsyncConnection) -> datetime | None:
    """Since when the newest version holds, or will; None when nothing was ever learnt."""
    found: datetime | None = await tx.scalar(select(func.max(learnt.c.since)))
    return found


async def load(tx: AsyncConnection, since: datetime) -> tuple[Learnt, Learning]:
    """One version; an empty one when it is not there any more."""
    document = await tx.scalar(select(learnt.c.document).where(learnt.c.since == since))
    rows = await tx.execute(select(campaign_odds).where(campaign_odds.c.since == since))
    learning: defaultdict[str, dict[str, Tried]] = defaultdict(dict)
    for row in rows:
        learning[row.campaign_id][row.context] = Tried(row.shown, row.responded)
    of_all = Learnt() if document is None else msgspec.convert(document, Learnt)
    return of_all, dict(learning)


async def keep(
    tx: AsyncConnection, of_all: Learnt, learning: Learning, since: datetime, now: datetime
) -> None:
    """One more version, to hold from `since` on; what no replay asks for any more goes."""
    await tx.execute(learnt.insert().values(since=since, document=msgspec.to_builtins(of_all)))
    rows = [
        {
            "since": since,
            "campaign_id": campaign_id,
            "context": context,
            "shown": tried.shown,
            "responded": tried.responded,
        }
        for campaign_id, contexts in learning.items()
        for context, tried in contexts.items()
    ]
    if rows:
        await tx.execute(campaign_odds.insert(), rows)
    replayed_from = select(func.max(learnt.c.since)).where(learnt.c.since <= now - REPLAYED)
    oldest: datetime | None = await tx.scalar(replayed_from)
    if oldest is not None:
        await tx.execute(delete(learnt).where(learnt.c.since < oldest))


async def names(tx: AsyncConnection) -> dict[str, str]:
    """What shoppers call each category that has a name."""
    rows = await tx.execute(select(categories.c.id, categories.c.name))
    return {row.id: row.name for row in rows}


async def on_shelves(tx: AsyncConnection) -> Mapping[tuple[str, str], frozenset[str]]:
    """The categories that lie in each zone of each store, where the retailer told us."""
    rows = await tx.execute(
        select(shelves.c.store_id, shelves.c.zone_id, products_table.c.category)
        .join(products_table, products_table.c.id == shelves.c.product_id)
        .where(shelves.c.until.is_(None), products_table.c.until.is_(None))
        .distinct()
    )
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        found[row.store_id, row.zone_id].add(row.category)
    return {place: frozenset(held) for place, held in found.items()}


async def sent_lately(tx: AsyncConnection, now: datetime) -> list[str]:
    """The campaigns of which sends are counted."""
    found = await tx.scalars(
        select(sends.c.campaign_id)
        .distinct()
        .where(sends.c.at >= now - COUNTED, sends.c.at < now - SETTLED)
        .order_by(sends.c.campaign_id)
    )
    return list(found.all())


async def with_tills(tx: AsyncConnection, now: datetime) -> frozenset[str]:
    """The stores whose tills have told us of something in the time that is counted."""
    told = exists().where(
        purchases.c.store_id == stores.c.id, purchases.c.stored_at >= now - COUNTED
    )
    return frozenset((await tx.scalars(select(stores.c.id).where(told))).all())


async def responses(
    tx: AsyncConnection, campaign_id: str, now: datetime, tills_in: Collection[str]
) -> dict[str, Tried]:
    """How often a campaign was sent, and how often bought upon, by context. tills_in: see
    `with_tills`.

    Only sends that reached, or may have reached, a handset; the control group has none. In a store
    whose tills tell us, a send counts when the shopper showed who they are on that visit, and is
    answered when what is offered was bought after it, on the same visit. In other stores it is
    answered by a coupon taken, and nothing counts of a campaign that never had any: where no answer
    can be heard, silence teaches nothing.
    """
    since, until = now - COUNTED, now - SETTLED
    offered = await _offered(tx, campaign_id)
    visit = and_(purchases.c.visit_id == sends.c.visit_id, purchases.c.is_member)
    by_coupon = exists().where(redemptions.c.decision_id == sends.c.decision_id)
    has_tills = visits.c.store_id.in_(tills_in)
    ever_taken = exists().where(redemptions.c.campaign_id == campaign_id)
    bought = exists().where(visit, purchases.c.at >= sends.c.at, offered)
    context = decisions.c.weighed[0]["context"].as_string()
    rows = await tx.execute(
        select(
            context.label("context"),
            func.count().label("shown"),
            func.sum(
                case((or_(and_(has_tills, bought), and_(~has_tills, by_coupon)), 1), else_=0)
            ).label("responded"),
        )
        .join(decisions, decisions.c.id == sends.c.decision_id)
        .join(visits, visits.c.id == sends.c.visit_id)
        .where(
            sends.c.campaign_id == campaign_id,
            sends.c.at >= since,
            sends.c.at < until,
            sends.c.released_at.is_(None),
            or_(and_(has_tills, exists().where(visit)), and_(~has_tills, ever_taken)),
        )
        .group_by(context)
    )
    known = {one.value for one in Warmth}
    return {row.context: Tried(row.shown, row.responded) for row in rows if row.context in known}


async def _offered(tx: AsyncConnection, campaign_id: str) -> ColumnElement[bool]:
    """Whether a purchase is of what the campaign offers: its products, or else its categories."""
    document = await tx.scalar(select(campaigns.c.document).where(campaigns.c.id == campaign_id))
    written: dict[str, Any] = document or {}
    product_ids = written.get("offer", {}).get("product_ids")
    if product_ids:
        return purchases.c.product_id.in_(product_ids)
    return purchases.c.category.in_(written.get("categories", []))

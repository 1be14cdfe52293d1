"""Campaigns: stored as their authors wrote them, loaded as offers.campaign means them."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, and_, bindparam, case, exists, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once, upsert
from db.tables import campaigns, catalogue_version, stops
from offers.audience_text import parse
from offers.audience_tokens import AudienceError
from offers.campaign import Campaign, Status
from offers.catalogue import Live
from offers.stops import Scope

log = logging.getLogger(__name__)


async def save_campaign(tx: AsyncConnection, campaign: Campaign, now: datetime) -> None:
    """The campaign is as given; what it has sent so far stays counted."""
    await save_campaigns(tx, [campaign], now)


async def save_campaigns(tx: AsyncConnection, saved: Collection[Campaign], now: datetime) -> None:
    """All of them, as `save_campaign` does. Call it last in a transaction.

    Nobody is asked for a review: what people write comes in through db.campaign_versions. Rows are
    taken in the order of their ids, and the version, which kill switches move too, at the end:
    nobody waits for a long import longer than they must.
    """
    if not saved:
        return
    rows = [
        {
            "id": campaign.campaign_id,
            "status": campaign.status.value,
            "document": msgspec.to_builtins(campaign),
            "sends": 0,
            "least_cost_cents": campaign.offer.cost_cents,
            "changed_at": now,
        }
        for campaign in sorted(saved, key=lambda one: one.campaign_id)
    ]
    await upsert(tx, campaigns, rows, changing=("status", "document", "changed_at"))
    await tx.execute(
        update(campaigns)
        .where(
            campaigns.c.id == bindparam("of_id"),
            campaigns.c.least_cost_cents > bindparam("cost_cents"),
        )
        .values(least_cost_cents=bindparam("cost_cents")),
        [{"of_id": row["id"], "cost_cents": row["least_cost_cents"]} for row in rows],
    )
    await changed(tx)


async def changed(tx: AsyncConnection) -> None:
    """What may be sent is another now."""
    if not await insert_once(tx, catalogue_version, {"id": 1, "version": 1}):
        await tx.execute(update(catalogue_version).values(version=catalogue_version.c.version + 1))


async def version(tx: AsyncConnection) -> int:
    """A number that moves with each change of what may be sent."""
    found: int | None = await tx.scalar(select(catalogue_version.c.version))
    return found or 0


async def is_there(tx: AsyncConnection, campaign_id: str) -> bool:
    """Whether there is a campaign of that id, whatever its document says."""
    found = await tx.scalar(select(campaigns.c.id).where(campaigns.c.id == campaign_id))
    return found is not None


async def state(tx: AsyncConnection, campaign_id: str) -> tuple[Status, int] | None:
    """A campaign's status and what it has sent; None when there is none of that id."""
    row = (
        await tx.execute(
            select(campaigns.c.status, campaigns.c.sends).where(campaigns.c.id == campaign_id)
        )
    ).one_or_none()
    return None if row is None else (Status(row.status), row.sends)


async def load_campaigns(
    tx: AsyncConnection, named: Collection[str] | None = None
) -> list[Campaign]:
    """Every campaign, or those of these ids, in the order of its id; see `read_campaigns`."""
    wanted = select(campaigns.c.id, campaigns.c.document).order_by(campaigns.c.id)
    if named is not None:
        wanted = wanted.where(campaigns.c.id.in_(named))
    return read_campaigns((await tx.execute(wanted)).all())


def read_campaigns(rows: Iterable[Any]) -> list[Campaign]:
    """What rows with an id and a document mean.

    One that this code cannot read (another version wrote it) is left out: it must not keep us from
    the others.
    """
    found = []
    for row in rows:
        try:
            found.append(msgspec.convert(row.document, Campaign))
        except msgspec.ValidationError:
            _left_out(row.id)
    return found


async def load_campaign(tx: AsyncConnection, campaign_id: str) -> Campaign | None:
    """One campaign; None when there is none of that id."""
    document = await tx.scalar(select(campaigns.c.document).where(campaigns.c.id == campaign_id))
    return None if document is None else msgspec.convert(document, Campaign)


async def live_campaigns(tx: AsyncConnection) -> list[Live]:
    """Every live campaign with what it has sent, in the order of its id."""
    return read_live(await live_rows(tx))


async def live_rows(tx: AsyncConnection) -> Sequence[Row[str, Any, int]]:
    """The live campaigns as they are stored; `read_live` takes its time over thousands."""
    rows = await tx.execute(
        select(campaigns.c.id, campaigns.c.document, campaigns.c.sends)
        .where(campaigns.c.status == Status.LIVE.value)
        .order_by(campaigns.c.id)
    )
    return rows.all()


def read_live(rows: Iterable[Row[str, Any, int]]) -> list[Live]:
    """What rows of live campaigns mean.

    One that this code cannot read (another version wrote it) is left out: it must not keep the
    others from being sent.
    """
    found = []
    for row in rows:
        try:
            campaign = msgspec.convert(row.document, Campaign)
            audience = parse(campaign.audience) if campaign.audience else None
            found.append(Live(campaign, row.sends, audience))
        except (msgspec.ValidationError, AudienceError):
            _left_out(row.id)
    return found


async def sends_of_live(tx: AsyncConnection) -> dict[str, int]:
    """What each live campaign has sent."""
    rows = await tx.execute(
        select(campaigns.c.id, campaigns.c.sends).where(campaigns.c.status == Status.LIVE.value)
    )
    return {row.id: row.sends for row in rows}


async def sends_of_all(tx: AsyncConnection) -> dict[str, int]:
    """What each campaign has sent, whatever its status."""
    rows = await tx.execute(select(campaigns.c.id, campaigns.c.sends))
    return {row.id: row.sends for row in rows}


async def spend(tx: AsyncConnection, campaign: Campaign, store_id: str) -> bool:
    """Count one send of the campaign in a store; False when its budget is spent, it is not live, or
    an operator has stopped it.
    """
    thrown = select(stops.c.scope).where(
        or_(
            stops.c.scope == Scope.EVERYTHING.value,
            and_(stops.c.scope == Scope.STORE.value, stops.c.target == store_id),
            and_(stops.c.scope == Scope.CAMPAIGN.value, stops.c.target == campaign.campaign_id),
        )
    )
    cost_cents = campaign.offer.cost_cents
    within = (
        campaigns.c.sends < campaign.budget_sends if campaign.budget_sends is not None else true()
    )
    paid = (
        campaigns.c.spent_cents + cost_cents <= campaign.budget_cents
        if campaign.budget_cents is not None
        else true()
    )
    done = await tx.execute(
        update(campaigns)
        .where(
            campaigns.c.id == campaign.campaign_id,
            campaigns.c.status == Status.LIVE.value,
            within,
            paid,
            ~exists(thrown),
        )
        .values(sends=campaigns.c.sends + 1, spent_cents=campaigns.c.spent_cents + cost_cents)
    )
    return done.rowcount == 1


async def give_back(tx: AsyncConnection, campaign_id: str) -> None:
    """A send came to nothing: it no longer counts against the budget.

    Of money it gives back the least that any version of the campaign cost: versions may have
    changed since the send, and a budget is never exceeded.
    """
    spent, least = campaigns.c.spent_cents, campaigns.c.least_cost_cents
    await tx.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.sends > 0)
        .values(
            sends=campaigns.c.sends - 1,
            spent_cents=case((spent > least, spent - least), else_=0),
        )
    )


def _left_out(campaign_id: str) -> None:
    log.warning("campaign cannot be read and is left out", extra={"campaign": campaign_id})

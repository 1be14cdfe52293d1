"""Campaigns: stored as their authors wrote them, loaded as offers.campaign means them."""

import logging
from datetime import datetime

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.tables import campaigns
from offers.campaign import Campaign, Status
from offers.situation import Candidate

log = logging.getLogger(__name__)


async def save_campaign(tx: AsyncConnection, campaign: Campaign, now: datetime) -> None:
    """The campaign is as given; what it has sent so far stays counted."""
    row = {
        "status": campaign.status.value,
        "document": msgspec.to_builtins(campaign),
        "changed_at": now,
    }
    fresh = {"id": campaign.campaign_id, "sends": 0, **row}
    if not await insert_once(tx, campaigns, fresh):
        await tx.execute(
            update(campaigns).where(campaigns.c.id == campaign.campaign_id).values(row)
        )


async def load_campaigns(tx: AsyncConnection) -> list[Campaign]:
    """Every campaign, in the order of its id."""
    documents = await tx.scalars(select(campaigns.c.document).order_by(campaigns.c.id))
    return [msgspec.convert(document, Campaign) for document in documents]


async def load_campaign(tx: AsyncConnection, campaign_id: str) -> Campaign | None:
    """One campaign; None when there is none of that id."""
    document = await tx.scalar(select(campaigns.c.document).where(campaigns.c.id == campaign_id))
    return None if document is None else msgspec.convert(document, Campaign)


async def live_candidates(tx: AsyncConnection) -> list[Candidate]:
    """Every live campaign with what it has sent, in the order of its id.

    One that this code cannot read (another version wrote it) is left out: it must not keep the
    others from being sent.
    """
    rows = await tx.execute(
        select(campaigns.c.id, campaigns.c.document, campaigns.c.sends)
        .where(campaigns.c.status == Status.LIVE.value)
        .order_by(campaigns.c.id)
    )
    found = []
    for row in rows:
        try:
            found.append(Candidate(msgspec.convert(row.document, Campaign), row.sends))
        except msgspec.ValidationError:
            log.warning("campaign cannot be read and is left out", extra={"campaign": row.id})
    return found


async def spend(tx: AsyncConnection, campaign: Campaign) -> bool:
    """Count one send of the campaign; False when its budget is spent or it is not live."""
    within = (
        campaigns.c.sends < campaign.budget_sends
        if campaign.budget_sends is not None
        else campaigns.c.sends >= 0
    )
    done = await tx.execute(
        update(campaigns)
        .where(
            campaigns.c.id == campaign.campaign_id,
            campaigns.c.status == Status.LIVE.value,
            within,
        )
        .values(sends=campaigns.c.sends + 1)
    )
    return done.rowcount == 1


async def give_back(tx: AsyncConnection, campaign_id: str) -> None:
    """A send came to nothing: it no longer counts against the budget."""
    await tx.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.sends > 0)
        .values(sends=campaigns.c.sends - 1)
    )

"""What campaigns ask of their trials, and what they are after: as they were written."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.campaign_tables import campaign_events, campaign_versions
from db.campaigns import read_campaigns
from db.tables import campaigns, stores
from offers.campaign import Campaign
from offers.versions import Deed


@dataclass(frozen=True, slots=True)
class Asking:
    """A campaign, and when it was last changed."""

    campaign: Campaign
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """The places (store, zone) that there are, by the zone's id and by its tags."""

    by_zone: Mapping[str, frozenset[tuple[str, str]]]
    by_tag: Mapping[str, frozenset[tuple[str, str]]]


async def asking(tx: AsyncConnection) -> list[Asking]:
    """Every campaign that is live or was, by id."""
    rows = await tx.execute(
        select(campaigns.c.id, campaigns.c.document, campaigns.c.changed_at)
        .where(campaigns.c.status.in_(("live", "paused", "ended")))
        .order_by(campaigns.c.id)
    )
    found = rows.all()
    changed_at = {row.id: row.changed_at for row in found}
    return [Asking(one, changed_at[one.campaign_id]) for one in read_campaigns(found)]


async def published(
    tx: AsyncConnection, campaign_ids: Collection[str]
) -> dict[str, list[tuple[datetime, Campaign]]]:
    """When which version of these campaigns was published, oldest first."""
    rows = await tx.execute(
        select(campaign_versions.c.campaign_id.label("id"), campaign_versions.c.document,
               campaign_events.c.at)
        .join(
            campaign_events,
            and_(
                campaign_events.c.campaign_id == campaign_versions.c.campaign_id,
                campaign_events.c.number == campaign_versions.c.number,
            ),
        )
        .where(
            campaign_versions.c.campaign_id.in_(campaign_ids),
            campaign_events.c.deed == Deed.PUBLISH.value,
        )
        .order_by(campaign_events.c.at, campaign_events.c.id)
    )  # fmt: skip
    found: defaultdict[str, list[tuple[datetime, Campaign]]] = defaultdict(list)
    for row in rows:
        found[row.id] += [(row.at, one) for one in read_campaigns([row])]
    return dict(found)


async def places(tx: AsyncConnection) -> Places:
    """The zones of all stores."""
    by_zone: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    by_tag: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in await tx.execute(select(stores.c.id, stores.c.plan)):
        for floor in row.plan.get("floors", ()):
            for zone in floor.get("zones", ()):
                place = row.id, zone["zone_id"]
                by_zone[zone["zone_id"]].add(place)
                for tag in zone.get("tags", ()):
                    by_tag[tag].add(place)
    return Places(
        {zone_id: frozenset(found) for zone_id, found in by_zone.items()},
        {tag: frozenset(found) for tag, found in by_tag.items()},
    )

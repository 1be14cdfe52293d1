"""What must still hold at the last moment before pushes go out: read for many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db import stops
from db.handsets import PushTarget
from db.outbox import Claimed
from db.tables import campaigns, consents, push_targets, stores
from offers.stops import Stops
from shoppers.consent import NEEDED_IN_AISLE, Purpose


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands now of claimed pushes' campaigns, consents and targets; what is gone is missing.

    allowed: shopper -> those of the purposes needed in an aisle that they allow. statuses:
    campaign -> its status. targets: handset -> where it is reached, and when it last said so.
    stops: what an operator has halted. clocks: store -> its time zone and country.
    """

    allowed: Mapping[str, frozenset[Purpose]]
    statuses: Mapping[str, str]
    targets: Mapping[str, tuple[PushTarget, datetime]]
    stops: Stops
    clocks: Mapping[str, tuple[str, str]]


async def standing(tx: AsyncConnection, claimed: Sequence[Claimed]) -> Standing:
    """What stands now of these pushes."""
    shopper_ids = {one.shopper_id for one in claimed}
    purposes = sorted(purpose.value for purpose in NEEDED_IN_AISLE)
    last_ids = (
        select(func.max(consents.c.id))
        .where(consents.c.shopper_id.in_(shopper_ids), consents.c.purpose.in_(purposes))
        .group_by(consents.c.shopper_id, consents.c.purpose)
    )
    granted = await tx.execute(
        select(consents.c.shopper_id, consents.c.purpose).where(
            consents.c.id.in_(last_ids), consents.c.granted
        )
    )
    allowed: dict[str, frozenset[Purpose]] = {}
    for row in granted:
        before = allowed.get(row.shopper_id, frozenset())
        allowed[row.shopper_id] = before | {Purpose(row.purpose)}
    # Read anew: a target goes when its shopper is erased, whose ledger still says yes.
    found = await tx.execute(
        select(push_targets).where(
            push_targets.c.handset_id.in_({one.handset_id for one in claimed}),
            push_targets.c.retired_at.is_(None),
        )
    )
    targets = {
        row.handset_id: (
            PushTarget(row.handset_id, row.kind, row.value, row.platform),
            row.refreshed_at,
        )
        for row in found
    }
    campaign_ids = {one.campaign_id for one in claimed}
    status = await tx.execute(
        select(campaigns.c.id, campaigns.c.status).where(campaigns.c.id.in_(campaign_ids))
    )
    halted = await stops.standing(tx)
    found_stores = await tx.execute(
        select(stores.c.id, stores.c.tz, stores.c.country).where(
            stores.c.id.in_({one.store_id for one in claimed})
        )
    )
    return Standing(
        allowed=allowed,
        statuses={row.id: row.status for row in status},
        targets=targets,
        stops=halted,
        clocks={row.id: (row.tz, row.country) for row in found_stores},
    )

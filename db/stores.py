"""Stores and their plans."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import PlanError
from beacons.store_plan import StorePlan
from db.connect import insert_once
from db.tables import gateways, stores


class StoredPlanError(PlanError):
    """A stored plan that another version wrote, or a person by hand; the message says what to do.

    fault: what is wrong with it, and where.
    """

    def __init__(self, store_id: str, fault: str) -> None:
        sentence = f"the stored plan of {store_id} cannot be read ({fault}): import the store again"
        super().__init__(None, [sentence])


async def save_store(tx: AsyncConnection, plan: StorePlan, now: datetime) -> None:
    """The store is as the plan says, its gateways are known; none enrolled before is lost.

    A gateway of another store becomes this one's: that the other does not have it any more is the
    caller's to check, who knows all that is saved together.
    """
    document = msgspec.to_builtins(plan)
    row = {
        "name": plan.name,
        "tz": plan.tz,
        "country": plan.country,
        "plan": document,
        "changed_at": now,
    }
    if not await insert_once(tx, stores, {"id": plan.store_id, **row}):
        await tx.execute(update(stores).where(stores.c.id == plan.store_id).values(row))
    for floor in plan.floors:
        for place in floor.gateways:
            gateway = {"id": place.gateway_id, "store_id": plan.store_id}
            if not await insert_once(tx, gateways, gateway):
                await tx.execute(
                    update(gateways)
                    .where(gateways.c.id == place.gateway_id)
                    .values(store_id=plan.store_id)
                )


async def load_store(tx: AsyncConnection, store_id: str) -> StorePlan | None:
    """The plan of one store; None when there is no such store. Raises StoredPlanError."""
    document: Any = await tx.scalar(select(stores.c.plan).where(stores.c.id == store_id))
    return None if document is None else _plan(store_id, document)


async def load_stores(tx: AsyncConnection, but: Collection[str] = ()) -> list[StorePlan]:
    """Every plan except of these stores, in the order of the store's id. Raises StoredPlanError."""
    rows = await tx.execute(select(stores.c.id, stores.c.plan).order_by(stores.c.id))
    return [_plan(store_id, document) for store_id, document in rows if store_id not in but]


async def is_placed(tx: AsyncConnection, store_id: str, gateway_id: str) -> bool:
    """Whether the store's plan, as it is now, has the gateway."""
    plan = await load_store(tx, store_id)
    return plan is not None and any(
        place.gateway_id == gateway_id for floor in plan.floors for place in floor.gateways
    )


async def store_ids(tx: AsyncConnection) -> list[str]:
    """Every store, in the order of its id."""
    return list((await tx.scalars(select(stores.c.id).order_by(stores.c.id))).all())


async def changed_at(tx: AsyncConnection, store_id: str) -> datetime | None:
    """When the store's plan was last saved."""
    return await tx.scalar(select(stores.c.changed_at).where(stores.c.id == store_id))


def _plan(store_id: str, document: Any) -> StorePlan:
    try:
        return msgspec.convert(document, StorePlan)
    except msgspec.ValidationError as error:
        raise StoredPlanError(store_id, str(error)) from error

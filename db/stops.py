"""The kill switches in SQL, so that they hold for every process and outlive all of them."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.campaigns import changed
from db.connect import insert_once
from db.tables import stops
from offers.stops import Scope, Stops


async def throw(tx: AsyncConnection, scope: Scope, target: str, why: str, now: datetime) -> bool:
    """Stop sending; False when it was stopped already, whose reason then stays.

    target: the id of the store or campaign; empty for everything.
    """
    row = {"scope": scope.value, "target": target, "at": now, "why": why[:200]}
    is_new = await insert_once(tx, stops, row)
    await changed(tx)
    return is_new


async def lift(tx: AsyncConnection, scope: Scope, target: str) -> bool:
    """Send again; False when it was not stopped."""
    done = await tx.execute(
        delete(stops).where(stops.c.scope == scope.value, stops.c.target == target)
    )
    await changed(tx)
    return done.rowcount == 1


async def thrown(tx: AsyncConnection) -> list[tuple[Scope, str, datetime, str]]:
    """Each switch that is thrown: scope, target, when and why; the oldest first."""
    rows = await tx.execute(select(stops).order_by(stops.c.at, stops.c.scope, stops.c.target))
    return [(Scope(row.scope), row.target, row.at, row.why) for row in rows]


async def standing(tx: AsyncConnection) -> Stops:
    """All of them, as a decision asks."""
    switches = await thrown(tx)

    def of(scope: Scope) -> frozenset[str]:
        return frozenset(target for kind, target, _, _ in switches if kind is scope)

    return Stops(bool(of(Scope.EVERYTHING)), of(Scope.STORE), of(Scope.CAMPAIGN))

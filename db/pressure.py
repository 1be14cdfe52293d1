"""What bounds and counts messages to a shopper: policies, own caps, and what has been sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import upsert
from db.decisions import message_of
from db.pressure_tables import own_caps, policies
from db.tables import receipts, redemptions, sends
from offers.pressure import (
    DEFAULT_POLICY,
    LOOKS_BACK,
    WEEK,
    Cap,
    Message,
    Policy,
    Pressure,
    Scope,
)

# The policy of a retailer who has written none.
UNWRITTEN: Final = 0


@dataclass(frozen=True, slots=True)
class SavedPolicy:
    """A policy, and since when it held. by: whoever saved it, as they called themselves."""

    number: int
    at: datetime
    by: str
    policy: Policy


async def save_policy(tx: AsyncConnection, policy: Policy, by: str, now: datetime) -> int:
    """From now on this is what the retailer allows itself; its number. by: who says so.

    Follow it with `campaigns.changed`, so that engines take it up.
    """
    document = msgspec.to_builtins(policy)
    number: int = (
        await tx.execute(
            policies.insert().values(at=now, by=by, document=document).returning(policies.c.id)
        )
    ).scalar_one()
    return number


async def policy(tx: AsyncConnection) -> tuple[int, Policy]:
    """The policy that holds, and its number; UNWRITTEN and the default where none was saved."""
    saved = await saved_policy(tx)
    return (UNWRITTEN, DEFAULT_POLICY) if saved is None else (saved.number, saved.policy)


async def saved_policy(tx: AsyncConnection, number: int | None = None) -> SavedPolicy | None:
    """The policy of that number, or else the one that holds; None where there is none."""
    newest = select(policies).order_by(policies.c.id.desc()).limit(1)
    wanted = newest if number is None else select(policies).where(policies.c.id == number)
    row = (await tx.execute(wanted)).one_or_none()
    return None if row is None else _saved(row)


async def saved_policies(tx: AsyncConnection) -> list[SavedPolicy]:
    """Every policy that was ever saved, the oldest first."""
    rows = await tx.execute(select(policies).order_by(policies.c.id))
    return [_saved(row) for row in rows]


def _saved(row: Row[*tuple[Any, ...]]) -> SavedPolicy:
    return SavedPolicy(row.id, row.at, row.by, msgspec.convert(row.document, Policy))


async def set_own_cap(
    tx: AsyncConnection, shopper_id: str, per_7_days: int | None, now: datetime
) -> None:
    """The shopper allows so many messages in seven days; None: as many as the retailer sends."""
    if per_7_days is None:
        await tx.execute(own_caps.delete().where(own_caps.c.shopper_id == shopper_id))
        return
    row = {"shopper_id": shopper_id, "per_7_days": per_7_days, "changed_at": now}
    await upsert(tx, own_caps, [row], changing=("per_7_days", "changed_at"))


async def own_cap(tx: AsyncConnection, shopper_id: str) -> int | None:
    """How many messages in seven days the shopper allows; None when they have said nothing."""
    found: int | None = await tx.scalar(
        select(own_caps.c.per_7_days).where(own_caps.c.shopper_id == shopper_id)
    )
    return found


async def pressure_on(
    tx: AsyncConnection, shopper_id: str, visit_id: str, now: datetime
) -> Pressure:
    """What has been sent to the shopper, and what they allow."""
    return Pressure(
        messages=tuple(await messages(tx, shopper_id, now - LOOKS_BACK)),
        campaigns_this_visit=await campaigns_of_visit(tx, visit_id),
        own=own_caps_of(await own_cap(tx, shopper_id)),
    )


def own_caps_of(per_7_days: int | None) -> tuple[Cap, ...]:
    """A shopper's own word as a cap; none when there is none."""
    if per_7_days is None:
        return ()
    return (Cap(Scope.SHOPPER, per_7_days, within=WEEK, is_own=True),)


async def messages(tx: AsyncConnection, shopper_id: str, since: datetime) -> list[Message]:
    """What was sent after `since` and reached, or may yet reach, the shopper; oldest first."""
    opened = exists().where(
        receipts.c.decision_id == sends.c.decision_id, receipts.c.kind == "opened"
    )
    used = exists().where(redemptions.c.decision_id == sends.c.decision_id)
    rows = await tx.execute(
        select(sends, or_(opened, used).label("is_answered"))
        .where(sends.c.shopper_id == shopper_id, sends.c.at > since, sends.c.released_at.is_(None))
        .order_by(sends.c.at, sends.c.decision_id)
    )
    return [message_of(row, is_answered=row.is_answered) for row in rows]


async def campaigns_of_visit(tx: AsyncConnection, visit_id: str) -> frozenset[str]:
    """The campaigns sent in a visit, those that came to nothing too."""
    found = await tx.scalars(select(sends.c.campaign_id).where(sends.c.visit_id == visit_id))
    return frozenset(found.all())

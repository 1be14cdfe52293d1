"""Shoppers and their handsets: registration, secrets, push targets, erasure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.ids import new_id
from db.tables import handsets, push_targets, shoppers
from shoppers.countries import marketing_kept_days


@dataclass(frozen=True, slots=True)
class Handset:
    """One phone. `sealed_secret` is None while its owner does not allow BLE location."""

    handset_id: str
    shopper_id: str
    platform: str
    app_version: str
    sealed_secret: bytes | None
    country: str
    locale: str


@dataclass(frozen=True, slots=True)
class PushTarget:
    """Where a handset's pushes go. kind: fid or token; platform: android, ios or web."""

    handset_id: str
    kind: str
    value: str
    platform: str


@dataclass(frozen=True, slots=True)
class HeardHandset:
    """What the engine needs to recognise a handset."""

    handset_id: str
    shopper_id: str
    sealed_secret: bytes | None
    changed_at: datetime


async def register(
    tx: AsyncConnection,
    *,
    platform: str,
    app_version: str,
    country: str,
    locale: str,
    now: datetime,
) -> Handset:
    """A new shopper with one handset."""
    shopper_id, handset_id = new_id(), new_id()
    await tx.execute(
        shoppers.insert().values(
            id=shopper_id,
            country=country,
            locale=locale,
            created_at=now,
            erase_after=now + timedelta(days=marketing_kept_days(country)),
        )
    )
    await tx.execute(
        handsets.insert().values(
            id=handset_id,
            shopper_id=shopper_id,
            platform=platform,
            app_version=app_version,
            created_at=now,
            changed_at=now,
        )
    )
    return Handset(handset_id, shopper_id, platform, app_version, None, country, locale)


async def load_handset(tx: AsyncConnection, handset_id: str) -> Handset | None:
    """One handset; None when there is none of that id."""
    row = (
        await tx.execute(
            select(handsets, shoppers.c.country, shoppers.c.locale)
            .join(shoppers, shoppers.c.id == handsets.c.shopper_id)
            .where(handsets.c.id == handset_id)
        )
    ).one_or_none()
    if row is None:
        return None
    return Handset(
        row.id,
        row.shopper_id,
        row.platform,
        row.app_version,
        row.sealed_secret,
        row.country,
        row.locale,
    )


async def handsets_of(tx: AsyncConnection, shopper_id: str) -> list[str]:
    """The ids of a shopper's handsets."""
    found = await tx.scalars(
        select(handsets.c.id).where(handsets.c.shopper_id == shopper_id).order_by(handsets.c.id)
    )
    return list(found.all())


async def lock_shopper(tx: AsyncConnection, shopper_id: str) -> bool:
    """No other transaction changes this shopper before this one ends; False when they are gone.

    What is read before it may have changed since. SQLite has one writer at a time anyway, and no
    such clause.
    """
    found = await tx.scalar(
        select(shoppers.c.id).where(shoppers.c.id == shopper_id).with_for_update()
    )
    return found is not None


async def set_secret(
    tx: AsyncConnection, handset_id: str, sealed: bytes | None, now: datetime
) -> None:
    """Give a handset its secret, or (None) delete it: what was heard can no longer be linked."""
    await tx.execute(
        update(handsets)
        .where(handsets.c.id == handset_id)
        .values(sealed_secret=sealed, changed_at=now)
    )


async def changed_since(tx: AsyncConnection, since: datetime | None) -> list[HeardHandset]:
    """Handsets changed at `since` or later, oldest first; without it, those with a secret."""
    query = select(
        handsets.c.id, handsets.c.shopper_id, handsets.c.sealed_secret, handsets.c.changed_at
    ).order_by(handsets.c.changed_at)
    if since is None:
        query = query.where(handsets.c.sealed_secret.is_not(None))
    else:
        query = query.where(handsets.c.changed_at >= since)
    rows = await tx.execute(query)
    return [HeardHandset(row.id, row.shopper_id, row.sealed_secret, row.changed_at) for row in rows]


async def recognisable(tx: AsyncConnection) -> set[str]:
    """The ids of all handsets that have a secret now."""
    found = select(handsets.c.id).where(handsets.c.sealed_secret.is_not(None))
    return set((await tx.scalars(found)).all())


async def set_push_target(tx: AsyncConnection, target: PushTarget, now: datetime) -> None:
    """The handset's pushes go there from now on; a target that was retired may come back."""
    row = {
        "kind": target.kind,
        "value": target.value,
        "platform": target.platform,
        "refreshed_at": now,
        "retired_at": None,
        "retired_why": None,
    }
    if not await insert_once(tx, push_targets, {"handset_id": target.handset_id, **row}):
        await tx.execute(
            update(push_targets).where(push_targets.c.handset_id == target.handset_id).values(row)
        )


async def drop_push_target(tx: AsyncConnection, handset_id: str) -> None:
    """The handset gets no more pushes."""
    await tx.execute(delete(push_targets).where(push_targets.c.handset_id == handset_id))


async def retire_push_target(
    tx: AsyncConnection, target: PushTarget, why: str, now: datetime
) -> None:
    """Never send to this target again, unless the handset has reported another meanwhile."""
    await tx.execute(
        update(push_targets)
        .where(push_targets.c.handset_id == target.handset_id, push_targets.c.value == target.value)
        .values(retired_at=now, retired_why=why)
    )


async def push_targets_of(tx: AsyncConnection, shopper_id: str) -> list[PushTarget]:
    """Where a shopper can be reached now."""
    rows = await tx.execute(
        select(push_targets)
        .join(handsets, handsets.c.id == push_targets.c.handset_id)
        .where(handsets.c.shopper_id == shopper_id, push_targets.c.retired_at.is_(None))
        .order_by(push_targets.c.handset_id)
    )
    return [PushTarget(row.handset_id, row.kind, row.value, row.platform) for row in rows]


async def push_target(tx: AsyncConnection, handset_id: str) -> PushTarget | None:
    """Where one handset can be reached; None when it cannot."""
    row = (
        await tx.execute(
            select(push_targets).where(
                push_targets.c.handset_id == handset_id, push_targets.c.retired_at.is_(None)
            )
        )
    ).one_or_none()
    return None if row is None else PushTarget(row.handset_id, row.kind, row.value, row.platform)


async def keep_until(tx: AsyncConnection, shopper_ids: Sequence[str], now: datetime) -> None:
    """Shoppers who were active now are kept as long as their country's rules let us."""
    rows = await tx.execute(
        select(shoppers.c.id, shoppers.c.country).where(shoppers.c.id.in_(shopper_ids))
    )
    for row in rows.all():
        await tx.execute(
            update(shoppers)
            .where(shoppers.c.id == row.id)
            .values(erase_after=now + timedelta(days=marketing_kept_days(row.country)))
        )


async def erase_shopper(tx: AsyncConnection, shopper_id: str) -> None:
    """Delete a shopper and all that hangs on them. The consent ledger stays: its shopper id leads
    nowhere from now on, and the proof of what was allowed must be kept."""
    await tx.execute(delete(shoppers).where(shoppers.c.id == shopper_id))

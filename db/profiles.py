"""What is kept of each shopper: the profile that was made of them, and what they said themselves.

Both are kept as they were for REPLAYED, so that a past decision can be taken again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import delete_some
from db.learnt_tables import learnt, profiles, stated
from db.tables import consents, shoppers
from offers.known import Opinion, Profile
from shoppers.consent import Purpose

# A preview replays the last seven days.
REPLAYED: Final = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is found of one shopper at one moment. learnt_since: what was learnt of all by then."""

    profile: Profile
    learnt_since: datetime | None


@dataclass(frozen=True, slots=True)
class Made:
    """A profile to be kept. erase_after: when the first of its facts is erased."""

    profile: Profile
    erase_after: datetime


async def find(tx: AsyncConnection, shopper_id: str | None, at: datetime) -> Stored:
    """The shopper's profile as it was at a moment, empty when there was none, or of nobody."""
    own = profiles.c.shopper_id == shopper_id
    row = (
        await tx.execute(
            select(
                select(profiles.c.document).where(own, _held(profiles, at)).scalar_subquery(),
                select(func.max(learnt.c.since)).where(learnt.c.since <= at).scalar_subquery(),
            )
        )
    ).one()
    document, learnt_since = row
    profile = Profile() if document is None else msgspec.convert(document, Profile)
    return Stored(profile, learnt_since)


async def opinions(tx: AsyncConnection, shopper_id: str, at: datetime) -> dict[str, Opinion]:
    """What the shopper had said of categories by then."""
    rows = await tx.execute(
        select(stated.c.category, stated.c.opinion)
        .where(stated.c.shopper_id == shopper_id, _held(stated, at))
        .order_by(stated.c.category)
    )
    return {row.category: Opinion(row.opinion) for row in rows}


async def state(
    tx: AsyncConnection, shopper_id: str, said: Mapping[str, Opinion], now: datetime
) -> None:
    """This, and nothing else, is what the shopper says of categories. Lock the shopper first."""
    before = await opinions(tx, shopper_id, now)
    changed = [name for name in before.keys() | said.keys() if before.get(name) != said.get(name)]
    if not changed:
        return
    own = and_(stated.c.shopper_id == shopper_id, stated.c.category.in_(changed))
    await tx.execute(delete(stated).where(own, stated.c.since >= now))
    await tx.execute(update(stated).where(own, stated.c.until.is_(None)).values(until=now))
    rows = [
        {"shopper_id": shopper_id, "category": name, "since": now, "opinion": said[name].value}
        for name in changed
        if name in said
    ]
    if rows:
        await tx.execute(stated.insert(), rows)


async def shoppers_after(tx: AsyncConnection, shopper_id: str, most: int) -> list[str]:
    """The next shoppers in the order of their ids."""
    found = await tx.scalars(
        select(shoppers.c.id).where(shoppers.c.id > shopper_id).order_by(shoppers.c.id).limit(most)
    )
    return list(found.all())


async def who_allow(tx: AsyncConnection, shopper_ids: Collection[str]) -> set[str]:
    """Of these, those who allow profiling now."""
    last = (
        select(func.max(consents.c.id))
        .where(
            consents.c.shopper_id.in_(shopper_ids), consents.c.purpose == Purpose.PROFILING.value
        )
        .group_by(consents.c.shopper_id)
    )
    found = await tx.scalars(
        select(consents.c.shopper_id).where(consents.c.id.in_(last), consents.c.granted)
    )
    return set(found.all())


async def made_at(tx: AsyncConnection, shopper_ids: Collection[str]) -> dict[str, datetime]:
    """Since when the newest profile of each of these holds; who has none is not in it."""
    rows = await tx.execute(
        select(profiles.c.shopper_id, profiles.c.since).where(
            profiles.c.shopper_id.in_(shopper_ids), profiles.c.until.is_(None)
        )
    )
    return {row.shopper_id: row.since for row in rows}


async def current(tx: AsyncConnection, most: int) -> dict[str, Profile]:
    """The newest profiles of the first so many shoppers in the order of their ids."""
    rows = await tx.execute(
        select(profiles.c.shopper_id, profiles.c.document)
        .where(profiles.c.until.is_(None))
        .order_by(profiles.c.shopper_id)
        .limit(most)
    )
    return {row.shopper_id: msgspec.convert(row.document, Profile) for row in rows}


async def keep(
    tx: AsyncConnection, made: Mapping[str, Made | None], since: datetime, now: datetime
) -> int:
    """Keep what was made of these shoppers, to hold from `since` on; how many of them it were.

    made: None of whom nothing is known any more. Who allows no profiling by now, or is gone, is
    left out: they are asked once more here, under a lock.
    """
    locked = select(shoppers.c.id).where(shoppers.c.id.in_(made)).order_by(shoppers.c.id)
    there = set((await tx.scalars(locked.with_for_update())).all())
    allowed = sorted(there & await who_allow(tx, made))
    if not allowed:
        return 0
    own = and_(profiles.c.shopper_id.in_(allowed), profiles.c.until.is_(None))
    await tx.execute(delete(profiles).where(own, profiles.c.since > now))  # it never came to hold
    await tx.execute(update(profiles).where(own).values(until=since))
    rows: list[dict[str, Any]] = []
    for shopper_id in allowed:
        one = made[shopper_id]
        if one is not None:
            document = msgspec.to_builtins(one.profile)
            rows.append(
                {
                    "shopper_id": shopper_id,
                    "since": since,
                    "document": document,
                    "erase_after": one.erase_after,
                }
            )
    if rows:
        await tx.execute(profiles.insert(), rows)
    return len(rows)


async def forget(tx: AsyncConnection, shopper_id: str) -> None:
    """Profiling consent was withdrawn: of the profile nothing is left, not even for a replay. What
    the shopper said stays: they said it for this."""
    await tx.execute(delete(profiles).where(profiles.c.shopper_id == shopper_id))


async def prune(tx: AsyncConnection, now: datetime, most: int) -> bool:
    """Delete what no replay asks for any more, so many rows at most of each kind; whether that was
    all."""
    is_all = True
    for table in (profiles, stated):
        old = table.c.until < now - REPLAYED
        is_all &= await delete_some(tx, tuple(table.primary_key), old, most) < most
    return is_all


def _held(table: Table, at: datetime) -> ColumnElement[bool]:
    return and_(table.c.since <= at, or_(table.c.until.is_(None), table.c.until > at))

"""Tills: who may send receipts. A token is shown once; only its hash is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.ids import new_id
from db.worth_tables import tills


@dataclass(frozen=True, slots=True)
class Till:
    """Where shoppers pay. revoked_at: None while it may send."""

    store_id: str
    name: str
    added_at: datetime
    revoked_at: datetime | None


async def add(tx: AsyncConnection, store_id: str, name: str, now: datetime) -> str | None:
    """A token for a new till, or a new one for a till that was revoked; None when it has one.

    The store must be there.
    """
    token = secrets.token_urlsafe(32)
    fresh = {"token_sha256": _hash(token), "added_at": now}
    row = {"id": new_id(), "store_id": store_id, "name": name, **fresh}
    if await insert_once(tx, tills, row):
        return token
    done = await tx.execute(
        update(tills)
        .where(_named(store_id, name), tills.c.revoked_at.is_not(None))
        .values(**fresh, revoked_at=None)
    )
    return token if done.rowcount == 1 else None


async def revoke(tx: AsyncConnection, store_id: str, name: str, now: datetime) -> bool:
    """The till's token is void; False when there is no such till or it is void already."""
    done = await tx.execute(
        update(tills)
        .where(_named(store_id, name), tills.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return done.rowcount == 1


async def of_token(tx: AsyncConnection, token: str) -> Till | None:
    """The till whose token it is; None when it is nobody's or void."""
    row = (
        await tx.execute(
            select(tills).where(tills.c.token_sha256 == _hash(token), tills.c.revoked_at.is_(None))
        )
    ).one_or_none()
    return None if row is None else _till(row)


async def listed(tx: AsyncConnection) -> list[Till]:
    """Every till, by store and name."""
    rows = await tx.execute(select(tills).order_by(tills.c.store_id, tills.c.name))
    return [_till(row) for row in rows]


def _named(store_id: str, name: str) -> ColumnElement[bool]:
    return and_(tills.c.store_id == store_id, tills.c.name == name)


def _till(row: Any) -> Till:
    return Till(row.store_id, row.name, row.added_at, row.revoked_at)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

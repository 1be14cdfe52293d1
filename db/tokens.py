"""Refresh tokens: one use each; a second use of one ends its whole family."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ids import new_id
from db.tables import handsets, refresh_tokens, shoppers


class Refusal(Enum):
    """Why a refresh token was not accepted."""

    UNKNOWN = "unknown"  # never issued, expired or revoked
    REUSED = "reused"  # spent before: somebody else has a copy


@dataclass(frozen=True, slots=True)
class Spent:
    """A token that was good, once."""

    handset_id: str
    family: str


async def issue(
    tx: AsyncConnection, handset_id: str, expires_at: datetime, family: str | None = None
) -> str:
    """A new refresh token; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    await tx.execute(
        refresh_tokens.insert().values(
            token_sha256=_hash(token),
            handset_id=handset_id,
            family=family or new_id(),
            expires_at=expires_at,
        )
    )
    return token


async def spend(tx: AsyncConnection, token: str, now: datetime) -> Spent | Refusal:
    """Use a token up. A token used before revokes every token of its family.

    The family's shopper stays locked until the transaction ends: no other refresh adds a token to
    the family while it is revoked, and an erasure takes its turn.
    """
    this = refresh_tokens.c.token_sha256 == _hash(token)
    await tx.execute(
        select(shoppers.c.id)
        .join(handsets, handsets.c.shopper_id == shoppers.c.id)
        .join(refresh_tokens, refresh_tokens.c.handset_id == handsets.c.id)
        .where(this)
        .with_for_update(of=shoppers)
    )
    done = await tx.execute(
        update(refresh_tokens)
        .where(
            this,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.revoked_at.is_(None),
            refresh_tokens.c.expires_at > now,
        )
        .values(used_at=now)
    )
    row = (await tx.execute(select(refresh_tokens).where(this))).one_or_none()
    if row is None:
        return Refusal.UNKNOWN
    if done.rowcount == 1:
        return Spent(row.handset_id, row.family)
    if row.used_at is None or row.revoked_at is not None:
        return Refusal.UNKNOWN
    await tx.execute(
        update(refresh_tokens).where(refresh_tokens.c.family == row.family).values(revoked_at=now)
    )
    return Refusal.REUSED


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

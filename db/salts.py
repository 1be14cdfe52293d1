"""The operator's salts: by which shoppers are dealt into arms, now and at any time before."""

import secrets
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.worth_tables import control_salts
from offers.assignment import Salt, Salts

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = "the first"


async def load(tx: AsyncConnection) -> Salts | None:
    """Every salt there ever was; None while there is none."""
    rows = await tx.execute(select(control_salts).order_by(control_salts.c.since))
    history = tuple(Salt(row.salt, row.since) for row in rows)
    return Salts(history) if history else None


async def load_or_make(tx: AsyncConnection) -> Salts:
    """Every salt; the first is made by whoever needs it first, in a transaction that writes.

    Of two at the same time one makes it: it holds for all the time before it too, so that no
    clock that goes back finds none.
    """
    return await load(tx) or await _deal(tx, _FIRST, BEGINNING)


async def deal_anew(tx: AsyncConnection, why: str, now: datetime) -> Salts:
    """With a new salt from now on. Every trial that is running ends with the old one.

    why: for whoever asks; nobody's name. Raises BadSalts when the last salt is later than `now`.
    """
    before = await load(tx)
    if before is not None:
        # Refuses what would put the history out of order, before it is written.
        before.renewed("", now)
    return await _deal(tx, why, now)


async def _deal(tx: AsyncConnection, why: str, since: datetime) -> Salts:
    row = {"since": since, "salt": secrets.token_hex(16), "why": why}
    await insert_once(tx, control_salts, row)
    known = await load(tx)
    assert known is not None
    return known

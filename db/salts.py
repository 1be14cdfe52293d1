"""The operator's salts: by which shoppers are dealt into arms, now and at any time before."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.worth_tables import control_salts
from offers.assignment import Salt, Salts

_FIRST = "the first"


async def load(tx: AsyncConnection) -> Salts | None:
    """Every salt there ever was; None while there is none."""
    rows = await tx.execute(select(control_salts).order_by(control_salts.c.since))
    history = tuple(Salt(row.salt, row.since) for row in rows)
    return Salts(history) if history else None


async def load_or_make(tx: AsyncConnection, now: datetime) -> Salts:
    """Every salt; the first is made by whoever needs it first, in a transaction that writes.

    Two at the same time make two salts a moment apart; the later one deals from then on.
    """
    return await load(tx) or await deal_anew(tx, _FIRST, now)


async def deal_anew(tx: AsyncConnection, why: str, now: datetime) -> Salts:
    """With a new salt from now on. Every trial that is running ends with the old one.

    why: for whoever asks; nobody's name. Raises BadSalts when the last salt is later than `now`.
    """
    salt, before = secrets.token_hex(16), await load(tx)
    if before is not None:
        # Refuses what would put the history out of order, before it is written.
        before.renewed(salt, now)
    await insert_once(tx, control_salts, {"since": now, "salt": salt, "why": why})
    known = await load(tx)
    assert known is not None
    return known

"""The consent ledger: only ever added to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import consents
from shoppers.consent import Grant, Purpose, standing

# Nobody changes their mind this often; a program that does must not fill the ledger, of which
# nothing is ever deleted.
CHANGES_A_DAY: Final = 200
_DAY: Final = timedelta(days=1)


async def add_grants(tx: AsyncConnection, shopper_id: str, grants: Iterable[Grant]) -> bool:
    """Write what the shopper answered, in the order given; what stands already is not repeated.

    False, and nothing is written, when it is more than CHANGES_A_DAY; to withdraw what stands is
    never too much. Lock the shopper first.
    """
    last = {grant.purpose: grant for grant in await last_answers(tx, shopper_id)}
    changes: list[Grant] = []
    withdrawn = 0
    for grant in grants:
        before = last.get(grant.purpose)
        if before is None or _said(grant) != _said(before):
            changes.append(grant)
            withdrawn += before is not None and before.granted and not grant.granted
            last[grant.purpose] = grant
    if not changes:
        return True
    if withdrawn < len(changes):
        today = await _changes_since(tx, shopper_id, changes[-1].at - _DAY)
        if today + len(changes) > CHANGES_A_DAY:
            return False
    await tx.execute(consents.insert(), [_row(shopper_id, grant) for grant in changes])
    return True


async def ledger(tx: AsyncConnection, shopper_id: str) -> list[Grant]:
    """All answers of a shopper, oldest first."""
    rows = await tx.execute(
        select(consents).where(consents.c.shopper_id == shopper_id).order_by(consents.c.id)
    )
    return [_grant(row) for row in rows]


async def last_answers(tx: AsyncConnection, shopper_id: str) -> list[Grant]:
    """The last word of a shopper on each purpose, where there is one.

    One look into the index for each purpose: the length of the ledger does not matter.
    """
    last_ids = [
        select(func.max(consents.c.id))
        .where(consents.c.shopper_id == shopper_id, consents.c.purpose == purpose.value)
        .scalar_subquery()
        for purpose in Purpose
    ]
    rows = await tx.execute(select(consents).where(consents.c.id.in_(last_ids)))
    return [_grant(row) for row in rows]


async def standing_consents(tx: AsyncConnection, shopper_id: str) -> frozenset[Purpose]:
    """What a shopper allows now; nothing, for a shopper unknown."""
    return standing(await last_answers(tx, shopper_id))


async def _changes_since(tx: AsyncConnection, shopper_id: str, since: datetime) -> int:
    counted = select(func.count()).where(
        consents.c.shopper_id == shopper_id, consents.c.at >= since
    )
    return (await tx.execute(counted)).scalar_one()


def _said(grant: Grant) -> tuple[bool, str, str]:
    return grant.granted, grant.text_version, grant.locale


def _row(shopper_id: str, grant: Grant) -> dict[str, Any]:
    return {
        "shopper_id": shopper_id,
        "purpose": grant.purpose.value,
        "granted": grant.granted,
        "text_version": grant.text_version,
        "locale": grant.locale,
        "at": grant.at,
    }


def _grant(row: Any) -> Grant:
    return Grant(Purpose(row.purpose), row.granted, row.text_version, row.locale, row.at)

"""The consent ledger: only ever added to."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import consents
from shoppers.consent import Grant, Purpose, standing


async def add_grants(tx: AsyncConnection, shopper_id: str, grants: Iterable[Grant]) -> None:
    """Write what the shopper answered, in the order given."""
    rows = [
        {
            "shopper_id": shopper_id,
            "purpose": grant.purpose.value,
            "granted": grant.granted,
            "text_version": grant.text_version,
            "locale": grant.locale,
            "at": grant.at,
        }
        for grant in grants
    ]
    if rows:
        await tx.execute(consents.insert(), rows)


async def ledger(tx: AsyncConnection, shopper_id: str) -> list[Grant]:
    """All answers of a shopper, oldest first."""
    rows = await tx.execute(
        select(consents).where(consents.c.shopper_id == shopper_id).order_by(consents.c.id)
    )
    return [
        Grant(Purpose(row.purpose), row.granted, row.text_version, row.locale, row.at)
        for row in rows
    ]


async def standing_consents(tx: AsyncConnection, shopper_id: str) -> frozenset[Purpose]:
    """What a shopper allows now; nothing, for a shopper unknown."""
    return standing(await ledger(tx, shopper_id))

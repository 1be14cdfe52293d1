"""Everything held about one shopper, and what has been kept long enough."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import delete_some
from db.learnt_tables import profiles, stated
from db.pressure_tables import own_caps
from db.survey_tables import survey_taps, survey_walks
from db.tables import (
    browsing,
    consents,
    decisions,
    handsets,
    outbox,
    push_targets,
    receipts,
    redemptions,
    refresh_tokens,
    sends,
    shoppers,
    visits,
    zone_visits,
)
from db.worth_tables import member_codes, purchases, till_receipts

# Rows of one table in one transaction: some hundredths of a second of SQLite's one writer, with all
# that hangs on them.
ERASED_AT_ONCE: Final = 500
# browsing has no primary key, but one event of a shopper only once.
_DATED: Final = (
    browsing, profiles, decisions, visits, survey_walks, purchases, member_codes, till_receipts,
)  # fmt: skip
# Never shown, not even to their owner: a sealed secret is of no use and a target is a credential.
_WITHHELD = frozenset({"sealed_secret", "value"})


@dataclass(frozen=True, slots=True)
class Erased:
    """What went. shoppers: how many; is_all: whether nothing that is due is left."""

    shoppers: int
    is_all: bool


async def export_shopper(tx: AsyncConnection, shopper_id: str) -> dict[str, list[dict[str, Any]]]:
    """Every row about a shopper, by table; instants as values."""
    own_handsets = select(handsets.c.id).where(handsets.c.shopper_id == shopper_id)
    own_visits = select(visits.c.id).where(visits.c.shopper_id == shopper_id)
    own_sends = select(sends.c.decision_id).where(sends.c.shopper_id == shopper_id)
    wanted = {
        "shopper": select(shoppers).where(shoppers.c.id == shopper_id),
        "handsets": select(handsets).where(handsets.c.shopper_id == shopper_id),
        "push_targets": select(push_targets).where(push_targets.c.handset_id.in_(own_handsets)),
        "consents": select(consents).where(consents.c.shopper_id == shopper_id),
        "browsing": select(browsing).where(browsing.c.shopper_id == shopper_id),
        "profiles": select(profiles).where(profiles.c.shopper_id == shopper_id),
        "stated": select(stated).where(stated.c.shopper_id == shopper_id),
        "own_cap": select(own_caps).where(own_caps.c.shopper_id == shopper_id),
        "visits": select(visits).where(visits.c.shopper_id == shopper_id),
        "zone_visits": select(zone_visits).where(zone_visits.c.visit_id.in_(own_visits)),
        "decisions": select(decisions).where(decisions.c.shopper_id == shopper_id),
        "sends": select(sends).where(sends.c.shopper_id == shopper_id),
        "pushes": select(outbox).where(outbox.c.decision_id.in_(own_sends)),
        "receipts": select(receipts).where(receipts.c.decision_id.in_(own_sends)),
        "redemptions": select(redemptions).where(redemptions.c.shopper_id == shopper_id),
        "purchases": select(purchases).where(purchases.c.shopper_id == shopper_id),
        "member_codes": select(member_codes).where(member_codes.c.shopper_id == shopper_id),
        "survey_walks": select(survey_walks).where(survey_walks.c.handset_id.in_(own_handsets)),
        "survey_taps": select(survey_taps).where(survey_taps.c.handset_id.in_(own_handsets)),
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for name, query in wanted.items():
        rows = (await tx.execute(query)).mappings()
        found[name] = [
            {key: value for key, value in row.items() if key not in _WITHHELD} for row in rows
        ]
    return found


async def erase_due(tx: AsyncConnection, now: datetime, most: int = ERASED_AT_ONCE) -> Erased:
    """Delete rows about people that have been kept long enough, so many at most of each table.

    Call it again, in another transaction, until that was all.
    """
    is_all = True
    for table in _DATED:
        key = tuple(table.primary_key) or (table.c.shopper_id, table.c.event_id)
        is_all &= await delete_some(tx, key, table.c.erase_after <= now, most) < most
    tokens = (refresh_tokens.c.token_sha256,)
    is_all &= await delete_some(tx, tokens, refresh_tokens.c.expires_at <= now, most) < most
    if not is_all:
        return Erased(0, is_all=False)
    # Last, because everything that hangs on them goes with them, however much it is.
    gone = await delete_some(tx, (shoppers.c.id,), shoppers.c.erase_after <= now, most)
    return Erased(gone, is_all=gone < most)

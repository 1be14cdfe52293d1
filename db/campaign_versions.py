"""The lives of campaigns in SQL: their versions, and who did what when."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.campaign_tables import campaign_events, campaign_versions
from db.campaigns import save_campaigns
from db.connect import upsert
from db.tables import campaigns
from offers.campaign import Campaign, Status
from offers.versions import (
    SYSTEM,
    Act,
    Deed,
    Life,
    Step,
    Version,
    VersionRefused,
    VersionState,
    is_same_content,
    step,
)

# SQLite takes 32,766 values in a statement, PostgreSQL's driver as many.
_AT_ONCE: Final = 10_000


class UnreadableCampaign(VersionRefused):
    def __init__(self, campaign_id: str) -> None:
        super().__init__(
            f"campaign {campaign_id} cannot be read as it is stored: another version of Corsia"
            " wrote it"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a campaign's history. number: of the version that it was about."""

    campaign_id: str
    number: int
    deed: Deed
    by: str
    at: datetime
    note: str


async def lives(
    tx: AsyncConnection, campaign_ids: Collection[str], *, to_change: bool = False
) -> dict[str, Life]:
    """How these campaigns stand, those that are stored.

    to_change: hold them, so that nobody else moves them before this transaction ends. What was
    stored without a version (`save_campaigns`) is told as a version of SYSTEM's. Raises
    UnreadableCampaign.
    """
    found = await _stored(tx, campaign_ids, to_change=to_change)
    return {life.campaign_id: life for life, _ in found}


async def act_on(tx: AsyncConnection, campaign_id: str, act: Act) -> Step | None:
    """What came of somebody's act, and is stored; None when there is no such campaign.

    Call it last in a transaction. Raises VersionRefused.
    """
    life = (await lives(tx, [campaign_id], to_change=True)).get(campaign_id)
    if life is None:
        return None
    done = step(life, act)
    await save_steps(tx, [done])
    return done


async def save_steps(tx: AsyncConnection, steps: Sequence[Step]) -> None:
    """Store what was done to campaigns, in this order. Call it last in a transaction.

    The lives must be those that `lives` told, to change, in the same transaction.
    """
    if not steps:
        return
    after = {done.life.campaign_id: done.life for done in steps}
    now = max(done.act.at for done in steps)
    kept = {life.campaign_id: (life, unkept) for life, unkept in await _stored(tx, after)}
    moved: dict[tuple[str, int], Version] = {}
    for _, unkept in kept.values():
        moved |= _keyed(unkept)
    for done in steps:
        moved |= _keyed(done.changed)
    ours = [
        life.current
        for life in after.values()
        if life.current is not None and _is_another(kept.get(life.campaign_id), life)
    ]
    # First, because versions and events hang on their campaigns; it takes the rows in order.
    await save_campaigns(tx, ours, now)
    if moved:
        rows = [_row(version) for _, version in sorted(moved.items(), key=lambda one: one[0])]
        changing = ("state", "reviewed_by", "reviewed_at")
        await upsert(tx, campaign_versions, rows, changing)
    events = [
        {
            "campaign_id": done.life.campaign_id,
            "number": done.number,
            "deed": done.act.deed.value,
            "by": done.act.by,
            "at": done.act.at,
            "note": done.act.note,
        }
        for done in steps
    ]
    await tx.execute(campaign_events.insert(), events)


async def load_versions(tx: AsyncConnection, campaign_id: str) -> list[Version]:
    """Every version of a campaign, the first first; none when there is no such campaign."""
    rows = await tx.execute(
        select(campaign_versions)
        .where(campaign_versions.c.campaign_id == campaign_id)
        .order_by(campaign_versions.c.number)
    )
    found = [_version(row) for row in rows]
    for _, unkept in await _stored(tx, [campaign_id]):
        numbers = {version.number for version in unkept}
        found = [version for version in found if version.number not in numbers] + list(unkept)
    return sorted(found, key=lambda version: version.number)


async def load_events(tx: AsyncConnection, campaign_id: str) -> list[Event]:
    """A campaign's history, the oldest first."""
    rows = await tx.execute(
        select(campaign_events)
        .where(campaign_events.c.campaign_id == campaign_id)
        .order_by(campaign_events.c.id)
    )
    return [
        Event(row.campaign_id, row.number, Deed(row.deed), row.by, row.at, row.note) for row in rows
    ]


async def _stored(
    tx: AsyncConnection, campaign_ids: Collection[str], *, to_change: bool = False
) -> list[tuple[Life, tuple[Version, ...]]]:
    """Each campaign as it stands, with the versions that are not kept yet or are kept otherwise."""
    ids = sorted(campaign_ids)
    return [
        found
        for first in range(0, len(ids), _AT_ONCE)
        for found in await _some(tx, ids[first : first + _AT_ONCE], to_change=to_change)
    ]


async def _some(
    tx: AsyncConnection, campaign_ids: Sequence[str], *, to_change: bool
) -> list[tuple[Life, tuple[Version, ...]]]:
    these = (
        select(campaigns.c.id, campaigns.c.status, campaigns.c.document, campaigns.c.changed_at)
        .where(campaigns.c.id.in_(campaign_ids))
        .order_by(campaigns.c.id)
    )
    found = (await tx.execute(these.with_for_update() if to_change else these)).all()
    kept: dict[str, list[Version]] = {row.id: [] for row in found}
    open_or_last = select(campaign_versions).where(
        campaign_versions.c.campaign_id.in_(campaign_ids),
        campaign_versions.c.state != VersionState.REPLACED.value,
    )
    for row in await tx.execute(open_or_last):
        kept[row.campaign_id].append(_version(row))
    counted = await tx.execute(
        select(campaign_versions.c.campaign_id, func.max(campaign_versions.c.number).label("last"))
        .where(campaign_versions.c.campaign_id.in_(campaign_ids))
        .group_by(campaign_versions.c.campaign_id)
    )
    last = {row.campaign_id: row.last for row in counted}
    return [_life(row, kept[row.id], last.get(row.id, 0)) for row in found]


def _life(
    row: Row[Any, Any, Any, Any], versions: Iterable[Version], last_number: int
) -> tuple[Life, tuple[Version, ...]]:
    status = Status(row.status)
    published: Version | None = None
    waiting: Version | None = None
    for version in versions:
        if version.state is VersionState.PUBLISHED:
            published = version
        else:
            waiting = version
    is_out = published is not None or status in {Status.LIVE, Status.PAUSED}
    said = _campaign(row.id, row.document)
    kept = published if is_out else waiting
    if kept is not None and is_same_content(kept.campaign, said):
        return Life(row.id, status, published, waiting, last_number), ()
    # Stored past the versions: whoever did it has no name.
    state = VersionState.PUBLISHED if is_out else VersionState.DRAFT
    campaign = replace(said, version=last_number + 1, status=Status.DRAFT)
    new = Version(campaign, state, SYSTEM, row.changed_at)
    old = () if kept is None else (replace(kept, state=VersionState.REPLACED),)
    published, waiting = (new, waiting) if is_out else (published, new)
    return Life(row.id, status, published, waiting, last_number + 1), (*old, new)


def _is_another(stored: tuple[Life, tuple[Version, ...]] | None, life: Life) -> bool:
    """Whether the row of `campaigns` is another now."""
    return stored is None or stored[0].current != life.current


def _keyed(versions: Iterable[Version]) -> dict[tuple[str, int], Version]:
    return {(version.campaign.campaign_id, version.number): version for version in versions}


def _row(version: Version) -> dict[str, Any]:
    return {
        "campaign_id": version.campaign.campaign_id,
        "number": version.number,
        "state": version.state.value,
        "document": msgspec.to_builtins(version.campaign),
        "author": version.author,
        "created_at": version.created_at,
        "reviewed_by": version.reviewed_by,
        "reviewed_at": version.reviewed_at,
    }


def _version(row: Row[Any]) -> Version:
    return Version(
        _campaign(row.campaign_id, row.document),
        VersionState(row.state),
        row.author,
        row.created_at,
        row.reviewed_by,
        row.reviewed_at,
    )


def _campaign(campaign_id: str, document: Any) -> Campaign:
    try:
        return msgspec.convert(document, Campaign)
    except msgspec.ValidationError as error:
        raise UnreadableCampaign(campaign_id) from error

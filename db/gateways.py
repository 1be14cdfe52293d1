"""Gateways: enrolment, keys, and how far the engine has read each one's spool."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_once
from db.tables import gateway_codes, gateway_progress, gateways


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as the API checks it; `public_key` is None until it is enrolled."""

    gateway_id: str
    store_id: str
    public_key: bytes | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been taken from one spool of a gateway."""

    gateway_id: str
    boot: str
    last_seq: int
    batches: int
    sightings: int


async def load_gateway(tx: AsyncConnection, gateway_id: str) -> Gateway | None:
    """One gateway; None when there is none of that id."""
    row = (await tx.execute(select(gateways).where(gateways.c.id == gateway_id))).one_or_none()
    if row is None:
        return None
    return Gateway(row.id, row.store_id, row.public_key, row.revoked_at)


async def new_enrolment_code(tx: AsyncConnection, gateway_id: str, expires_at: datetime) -> str:
    """A code that enrols this gateway once; only its hash is kept, so it is shown now or never."""
    code = secrets.token_urlsafe(18)  # 144 bits
    await tx.execute(
        gateway_codes.insert().values(
            code_sha256=_hash(code), gateway_id=gateway_id, expires_at=expires_at
        )
    )
    return code


async def enrol(
    tx: AsyncConnection, code: str, public_key: bytes, software: str, now: datetime
) -> Gateway | None:
    """The gateway whose code this is, its key now `public_key`; None for a code that is no use.

    A code works once; asked again with the same key (the first answer was lost on its way) it says
    the same. Enrolling with a new code replaces the key and lifts a revocation.
    """
    spent = await tx.execute(
        update(gateway_codes)
        .where(
            gateway_codes.c.code_sha256 == _hash(code),
            gateway_codes.c.used_at.is_(None),
            gateway_codes.c.expires_at > now,
        )
        .values(used_at=now)
    )
    gateway_id = await tx.scalar(
        select(gateway_codes.c.gateway_id).where(gateway_codes.c.code_sha256 == _hash(code))
    )
    if gateway_id is None:
        return None
    if spent.rowcount != 1:
        gateway = await load_gateway(tx, gateway_id)
        same = gateway is not None and gateway.public_key == public_key
        return gateway if same else None
    await tx.execute(
        update(gateways)
        .where(gateways.c.id == gateway_id)
        .values(public_key=public_key, software=software, enrolled_at=now, revoked_at=None)
    )
    return await load_gateway(tx, gateway_id)


async def revoke(tx: AsyncConnection, gateway_id: str, now: datetime) -> bool:
    """Refuse this gateway from now on; False when there is none of that id."""
    done = await tx.execute(
        update(gateways).where(gateways.c.id == gateway_id).values(revoked_at=now)
    )
    return done.rowcount == 1


async def take_batch(
    tx: AsyncConnection, gateway_id: str, boot: str, seq: int, sightings: int, now: datetime
) -> bool:
    """Note that a batch is being used; False when it, or a later one, has been used already.

    False too for a gateway that SQL does not know (a Redis that outlived its database): one such
    entry must not hold up a stream.
    """
    one = and_(gateway_progress.c.gateway_id == gateway_id, gateway_progress.c.boot == boot)
    moved = await tx.execute(
        update(gateway_progress)
        .where(one, gateway_progress.c.last_seq < seq)
        .values(
            last_seq=seq,
            batches=gateway_progress.c.batches + 1,
            sightings=gateway_progress.c.sightings + sightings,
        )
    )
    if moved.rowcount != 1:
        if await load_gateway(tx, gateway_id) is None:
            return False
        first = {
            "gateway_id": gateway_id,
            "boot": boot,
            "last_seq": seq,
            "batches": 1,
            "sightings": sightings,
        }
        if not await insert_once(tx, gateway_progress, first):
            return False
    await tx.execute(update(gateways).where(gateways.c.id == gateway_id).values(last_batch_at=now))
    return True


async def progress(tx: AsyncConnection) -> list[Progress]:
    """How far every spool has been read."""
    rows = await tx.execute(select(gateway_progress).order_by(gateway_progress.c.gateway_id))
    return [
        Progress(row.gateway_id, row.boot, row.last_seq, row.batches, row.sightings) for row in rows
    ]


async def sightings_taken(tx: AsyncConnection) -> int:
    """All sightings that the engine has used."""
    taken = await tx.scalar(select(func.sum(gateway_progress.c.sightings)))
    return int(taken or 0)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

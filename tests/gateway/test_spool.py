"""The spool from the event loop: cancelled writes end, damage at work is survived."""

import asyncio
from pathlib import Path

import pytest

from gateway import spool_file
from gateway.spool import Spool, SpoolError
from tests.gateway.made import sightings

PLENTY = 2**20


async def test_appended_sightings_wake_the_one_who_waits(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite3", PLENTY)
    assert await spool.oldest() is None
    waiting = asyncio.create_task(spool.filled())

    await spool.append(sightings(2))
    await waiting

    batch = await spool.oldest()
    assert batch is not None
    assert batch.sightings == 2
    await spool.close()


async def test_an_append_that_is_cancelled_still_reaches_the_disk(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite3", PLENTY)
    appending = asyncio.create_task(spool.append(sightings(2)))
    await asyncio.sleep(0)  # noqa: TID251  (one turn: the write is in the other thread's hands)

    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending

    assert (await spool.counts()).waiting == 2
    await spool.close()


async def test_a_spool_in_use_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_file, "BUSY_S", 0.01)
    spool = await Spool.open(tmp_path / "spool.sqlite3", PLENTY)

    with pytest.raises(SpoolError, match="locked"):
        await Spool.open(tmp_path / "spool.sqlite3", PLENTY)

    await spool.close()


async def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SpoolError, match="file"):
        await Spool.open(tmp_path / "file" / "spool.sqlite3", PLENTY)


async def test_a_file_damaged_at_work_is_set_aside_and_what_comes_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    spool = await Spool.open(path, PLENTY)
    await spool.append(sightings(5))
    on_its_way = await spool.oldest()
    assert on_its_way is not None
    boot = spool.boot
    await spool._call(
        lambda file: file._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    )
    path.write_bytes(b"\xa5" * path.stat().st_size)
    # The page cache would hide the damage from so small a file.
    await spool._call(lambda file: file._database.execute("PRAGMA shrink_memory").fetchall())

    await spool.append(sightings(3))
    await spool.sent(on_its_way)

    assert spool.boot != boot
    counts = await spool.counts()
    assert (counts.spooled, counts.waiting, counts.sent) == (3, 3, 0)
    assert (tmp_path / "spool.damaged.sqlite3").exists()
    await spool.close()


async def test_a_full_disk_is_an_error_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    spool = await Spool.open(path, 2**30)
    await spool.append(sightings(1))
    await spool._call(lambda file: file._database.execute("PRAGMA max_page_count = 12").fetchall())

    with pytest.raises(SpoolError, match="full"):
        await spool.append(sightings(2_000))

    before = await spool.counts()
    await spool._call(
        lambda file: file._database.execute("PRAGMA max_page_count = 1000000").fetchall()
    )
    await spool.append(sightings(1))
    after = await spool.counts()
    assert after.waiting == before.waiting + 1
    assert after.waiting_batches == before.waiting_batches + 1
    await spool.close()

"""From open windows to the spool: dated right, and held while the disk or the clock says no."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from beacons.sighting import MAX_SIGHTINGS, Sighting, decode_batch
from config.clock import VirtualClock
from gateway import flush
from gateway.aggregate import Aggregator
from gateway.flush import Flusher
from gateway.known_beacons import KnownBeacons
from gateway.server_time import ServerTime, unix_ms
from gateway.spool import Spool
from tests.gateway.ingest_server import NAMESPACE
from tests.gateway.made import AT_MS, advert

NOW = datetime.fromtimestamp(AT_MS / 1000, UTC)


class SteppingClock(VirtualClock):
    """A clock that somebody sets while it runs: its monotonic time does not notice."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.set_by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.set_by


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = await Spool.open(tmp_path / "spool.sqlite3", 2**22)
    yield opened
    await opened.close()


@pytest.fixture
def aggregator() -> Aggregator:
    return Aggregator(NAMESPACE, KnownBeacons(), max_identifiers=100_000)


async def spooled(spool: Spool) -> list[Sighting]:
    found: list[Sighting] = []
    while (batch := await spool.oldest()) is not None:
        found += decode_batch(batch.body).sightings
        await spool.sent(batch)
    return found


async def test_windows_that_are_over_go_to_disk_and_the_open_one_stays(
    spool: Spool, aggregator: Aggregator, clock: VirtualClock
) -> None:
    flusher = Flusher(aggregator, spool, clock, ServerTime(clock))
    aggregator.add(advert(1, AT_MS))
    aggregator.add(advert(1, AT_MS + 900))

    await flusher.flush(AT_MS + 1_000)
    over = await spooled(spool)
    await flusher.flush(None)
    rest = await spooled(spool)

    assert [one.at_ms for one in over] == [AT_MS]
    assert [one.at_ms for one in rest] == [AT_MS + 500]


async def test_a_crowd_becomes_several_batches(
    spool: Spool, aggregator: Aggregator, clock: VirtualClock
) -> None:
    flusher = Flusher(aggregator, spool, clock, ServerTime(clock))
    for number in range(MAX_SIGHTINGS + 1):
        aggregator.add(advert(number))

    await flusher.flush(None)

    assert (await spool.counts()).waiting_batches == 2
    assert len(await spooled(spool)) == MAX_SIGHTINGS + 1


async def test_a_learned_offset_dates_what_is_written_after(
    spool: Spool, aggregator: Aggregator, clock: VirtualClock
) -> None:
    time = ServerTime(clock)
    flusher = Flusher(aggregator, spool, clock, time)
    aggregator.add(advert(1))

    time.learn(format_datetime(clock.now() + timedelta(seconds=90), usegmt=True))
    await flusher.flush(None)

    assert [one.at_ms for one in await spooled(spool)] == [AT_MS + 90_000]


async def test_what_was_heard_before_the_clock_was_learned_is_dated_right(
    spool: Spool, aggregator: Aggregator
) -> None:
    clock = VirtualClock(datetime(1970, 1, 1, tzinfo=UTC))
    time = ServerTime(clock)
    flusher = Flusher(aggregator, spool, clock, time)
    aggregator.add(advert(1, unix_ms(clock.now())))
    await flusher.flush(None)
    assert flusher.health.held == 1
    assert (await spool.counts()).spooled == 0

    await clock.advance(600)
    time.learn(format_datetime(NOW, usegmt=True))
    await flusher.flush(None)

    assert [one.at_ms for one in await spooled(spool)] == [AT_MS - 600_000]
    assert flusher.health.held == 0


async def test_a_clock_set_by_the_network_dates_what_was_held(
    spool: Spool, aggregator: Aggregator
) -> None:
    clock = SteppingClock(datetime(1970, 1, 1, tzinfo=UTC))
    flusher = Flusher(aggregator, spool, clock, ServerTime(clock))
    aggregator.add(advert(1, unix_ms(clock.now())))
    await flusher.flush(None)

    await clock.advance(60)
    clock.set_by = NOW - clock.now()
    await flusher.flush(None)

    assert [one.at_ms for one in await spooled(spool)] == [AT_MS - 60_000]


async def test_a_full_disk_holds_sightings_in_memory_until_there_is_room(
    spool: Spool, aggregator: Aggregator, clock: VirtualClock
) -> None:
    flusher = Flusher(aggregator, spool, clock, ServerTime(clock))
    await spool._call(lambda file: file._database.execute("PRAGMA max_page_count = 8").fetchall())
    for number in range(1_500):
        aggregator.add(advert(number))

    await flusher.flush(None)
    assert flusher.health.held == 1_500
    assert flusher.health.trouble is not None
    await spool._call(
        lambda file: file._database.execute("PRAGMA max_page_count = 100000").fetchall()
    )
    await flusher.flush(None)

    assert len(await spooled(spool)) == 1_500
    assert flusher.health.held == 0
    assert flusher.health.trouble is None


async def test_what_is_held_is_bounded_and_the_loss_counted(
    spool: Spool, aggregator: Aggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush, "MAX_HELD", 10)
    clock = VirtualClock(datetime(1970, 1, 1, tzinfo=UTC))
    flusher = Flusher(aggregator, spool, clock, ServerTime(clock))
    for number in range(25):
        aggregator.add(advert(number, unix_ms(clock.now())))

    await flusher.flush(None)

    assert (flusher.health.held, flusher.health.lost) == (10, 15)

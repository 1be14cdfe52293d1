"""Adverts as lines: what is read back is what was written, and bad lines harm nobody."""

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.clock import SystemClock, VirtualClock
from gateway.lines_source import (
    MAX_LINE_BYTES,
    LineSplitter,
    LinesSource,
    advert_line,
    advert_of,
)
from gateway.source import Advert, SourceError
from tests.gateway.made import AT_MS, advert

GOOD = b'{"at_ms": 1790000000123, "address": "aa:bb:cc:dd:ee:ff", "rssi": -67, "data": "020106"}'


def source(place: str, clock: SystemClock | VirtualClock | None = None) -> LinesSource:
    return LinesSource(place, lambda: AT_MS, clock or SystemClock(), random.Random(7))


async def heard(lines: LinesSource) -> list[Advert]:
    async with contextlib.aclosing(lines.adverts()) as adverts:
        return [advert async for advert in adverts]


def test_a_line_is_what_the_contract_says() -> None:
    assert advert_of(GOOD, 0) == Advert(
        1_790_000_000_123, "aa:bb:cc:dd:ee:ff", -67, b"\x02\x01\x06"
    )


def test_a_line_without_a_time_is_stamped_on_arrival() -> None:
    line = GOOD.replace(b"1790000000123", b"null")

    stamped = advert_of(line, AT_MS + 7)

    assert stamped is not None
    assert stamped.at_ms == AT_MS + 7


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"what?",
        b"\xff\xfe",
        b"[" * 2_000,
        GOOD[:-1],
        GOOD.replace(b"020106", b"02010"),
        GOOD.replace(b"020106", b"zz"),
        GOOD.replace(b"-67", b"-670"),
        GOOD.replace(b"-67", b'"-67"'),
        GOOD.replace(b"1790000000123", b"1790000000"),
        GOOD.replace(b"1790000000123", b"99999999999999999999999"),
        GOOD.replace(b"aa:bb:cc:dd:ee:ff", b"x" * 100),
    ],
)
def test_what_is_no_advert_is_none(line: bytes) -> None:
    assert advert_of(line, AT_MS) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(line: bytes) -> None:
    advert_of(line, AT_MS)


@given(
    st.builds(
        Advert,
        st.integers(AT_MS, AT_MS + 10**9),
        st.from_regex("[0-9a-f]{2}(:[0-9a-f]{2}){5}", fullmatch=True),
        st.integers(-127, 127),
        st.binary(max_size=1_650),
    )
)
def test_what_is_written_is_read_back(written: Advert) -> None:
    line = advert_line(written)

    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE_BYTES
    assert advert_of(line, 0) == written


@given(st.lists(st.binary(max_size=30).map(lambda part: part.replace(b"\n", b"")), max_size=8))
def test_lines_survive_any_cutting(lines: list[bytes]) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(20)
    found = []
    for cut in range(0, len(whole), 3):
        found += splitter.feed(whole[cut : cut + 3])

    assert found == [line for line in lines if len(line) <= 20]
    assert splitter.overlong == sum(len(line) > 20 for line in lines)
    assert splitter.last() == b""


def test_a_line_without_end_takes_no_memory() -> None:
    splitter = LineSplitter(100)
    for _ in range(1_000):
        assert splitter.feed(b"x" * 100) == []
    assert len(splitter._rest) <= 100

    assert splitter.feed(b"x\nnext\n") == [b"next"]
    assert splitter.overlong == 1


async def test_a_recording_is_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "walk.jsonl"
    written = [advert(number, AT_MS + number) for number in range(3_000)]
    file.write_bytes(b"".join(map(advert_line, written)))
    lines = source(f"lines:{file}")

    assert await heard(lines) == written

    assert (lines.health.state, lines.health.adverts) == ("ended", 3_000)


async def test_bad_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    file = tmp_path / "walk.jsonl"
    last_without_end = advert_line(advert(2)).rstrip()
    parts = [advert_line(advert(1)), b"?\n", b"\n", b"x" * 100_000 + b"\n", last_without_end]
    file.write_bytes(b"".join(parts))
    lines = source(f"lines:{file}")

    assert await heard(lines) == [advert(1), advert(2)]

    assert lines.health.discarded == 2


async def test_a_recording_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        await heard(source(f"lines:{tmp_path / 'nowhere'}"))


async def test_a_named_pipe_is_read_without_holding_the_loop(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keeps_open = os.open(pipe, os.O_RDWR)
    lines = source(f"lines:{pipe}")
    adverts = lines.adverts()
    first = asyncio.ensure_future(anext(adverts))

    os.write(keeps_open, advert_line(advert(1)))

    assert await first == advert(1)
    await adverts.aclose()
    os.close(keeps_open)


async def test_standard_input_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "walk.jsonl"
    file.write_bytes(advert_line(advert(1)))
    with file.open() as opened:
        monkeypatch.setattr("sys.stdin", opened)

        assert await heard(source("lines:-")) == [advert(1)]


async def test_a_simulated_store_that_comes_late_and_goes_away_is_found_again(
    tmp_path: Path, clock: VirtualClock
) -> None:
    path = tmp_path / "store.sock"
    served = asyncio.Queue[bytes]()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await served.get())
        writer.close()

    lines = source(f"unix:{path}", clock)
    found: list[Advert] = []

    async def listen() -> None:
        async for one in lines.adverts():
            found.append(one)  # noqa: PERF401  (read while it grows)

    listening = asyncio.create_task(listen())
    await clock.advance(10)
    assert lines.health.state == "waiting"
    assert lines.health.trouble is not None

    server = await asyncio.start_unix_server(serve, path)
    # The last line of a connection that was cut is no line; the next connection starts afresh.
    served.put_nowait(advert_line(advert(1)) + advert_line(advert(2))[:40])
    served.put_nowait(advert_line(advert(3)))
    while len(found) < 2:
        await clock.advance(1)
        await asyncio.wait([listening], timeout=0.001)

    assert found == [advert(1), advert(3)]
    assert lines.health.discarded == 1
    assert lines.health.restarts >= 1
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    server.close()
    await server.wait_closed()

"""The whole process: a recording in, batches at a real server, and a clean stop."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from beacons import canary, ibeacon
from beacons.advert import build
from config.clock import SystemClock
from gateway.enrol import enrol
from gateway.files import replace_file
from gateway.lines_source import advert_line
from gateway.run import EXIT_NO_INPUT, EXIT_NOT_ALL_SENT, EXIT_SET_UP, run_gateway
from gateway.server_time import unix_ms
from gateway.settings import GatewayConfig
from gateway.source import Advert
from gateway.spool import Spool
from gateway.status import Status, read_status
from tests.gateway.ingest_server import CODE, NAMESPACE, IngestServer
from tests.gateway.made import AT_MS, advert


async def enrolled(server: IngestServer, tmp_path: Path, source: str) -> GatewayConfig:
    server.now = SystemClock().now
    config = GatewayConfig(
        api_url=server.url, data_dir=tmp_path / "gateway", source=source, flush_s=0.02
    )
    await enrol(config, CODE)
    return config


def walk(tmp_path: Path, adverts: int) -> Path:
    file = tmp_path / "walk.jsonl"
    heard = [advert(number % 7, AT_MS + 40 * number) for number in range(adverts)]
    file.write_bytes(b"".join(map(advert_line, heard)))
    return file


def status_of(config: GatewayConfig) -> Status:
    status = read_status(config.status_path)
    assert status is not None
    return status


async def test_a_recording_arrives_whole(server: IngestServer, tmp_path: Path) -> None:
    config = await enrolled(server, tmp_path, f"lines:{walk(tmp_path, 20_000)}")

    exit_code = await run_gateway(config, SystemClock())

    assert exit_code == 0
    assert sum(one.count for one in server.sightings) == 20_000
    windows = [(one.identifier, one.at_ms) for one in server.sightings]
    assert len(windows) == len(set(windows))
    status = status_of(config)
    assert status.source.state == "ended"
    assert status.spool.sent == len(server.sightings)
    assert status.spool.waiting == status.spool.dropped == status.spool.poisoned == 0
    assert status.uplink.last_accepted_at is not None
    assert [batch.seq for batch in server.batches.values()] == list(
        range(1, len(server.batches) + 1)
    )


async def test_a_wrong_clock_does_not_change_a_recording(
    server: IngestServer, tmp_path: Path
) -> None:
    config = await enrolled(server, tmp_path, f"lines:{walk(tmp_path, 3_000)}")
    server.now = lambda: SystemClock().now() + timedelta(hours=2)

    assert await run_gateway(config, SystemClock()) == 0

    assert {one.at_ms // 500 for one in server.sightings} == set(
        range(AT_MS // 500, (AT_MS + 3_000 * 40) // 500)
    )
    assert round(status_of(config).clock_offset_s / 3600) == 2


async def test_a_gateway_that_was_never_enrolled_says_so(
    server: IngestServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = GatewayConfig(api_url=server.url, data_dir=tmp_path / "gateway")

    assert await run_gateway(config, SystemClock()) == EXIT_SET_UP

    assert "not enrolled" in caplog.text


async def test_a_recording_that_is_missing_is_no_success(
    server: IngestServer, tmp_path: Path
) -> None:
    config = await enrolled(server, tmp_path, f"lines:{tmp_path / 'nowhere'}")

    assert await run_gateway(config, SystemClock()) == EXIT_NO_INPUT


@pytest.mark.parametrize("source", ["carrier-pigeon", "bleak:hci0"])
async def test_a_source_that_is_none_is_refused(
    server: IngestServer, tmp_path: Path, source: str
) -> None:
    config = await enrolled(server, tmp_path, source)

    assert await run_gateway(config, SystemClock()) == EXIT_SET_UP


async def test_what_could_not_be_sent_waits_for_the_next_run(
    server: IngestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.run.LAST_SENDS_S", 0.1)
    config = await enrolled(server, tmp_path, f"lines:{walk(tmp_path, 500)}")
    keys = dict(server.keys)
    server.keys.clear()

    assert await run_gateway(config, SystemClock()) == EXIT_NOT_ALL_SENT
    assert server.sightings == []
    server.keys |= keys
    (tmp_path / "walk.jsonl").write_bytes(b"")
    monkeypatch.setattr("gateway.run.LAST_SENDS_S", 60)
    assert await run_gateway(config, SystemClock()) == 0

    assert sum(one.count for one in server.sightings) == 500


@asynccontextmanager
async def stopped_in_a_window(
    config: GatewayConfig, path: Path, adverts: Sequence[Advert]
) -> AsyncIterator[None]:
    """A gateway that has heard these from a simulated store is stopped before the block."""
    sent, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(map(advert_line, adverts)))
        await writer.drain()
        sent.set()
        await reader.read()
        writer.close()
        gone.set()

    store = await asyncio.start_unix_server(serve, path)
    running = asyncio.create_task(run_gateway(config, SystemClock()))
    await sent.wait()
    while status_of_running(config) < len(adverts):
        await asyncio.wait([running], timeout=0.01)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    yield
    await gone.wait()
    store.close()


async def test_a_stopped_gateway_keeps_the_window_it_was_in(
    server: IngestServer, tmp_path: Path
) -> None:
    path = tmp_path / "store.sock"
    config = await enrolled(server, tmp_path, f"unix:{path}")
    server.keys.clear()

    async with stopped_in_a_window(config, path, [advert(1), advert(2)]):
        spool = await Spool.open(config.spool_path, config.spool_max_bytes)
        assert (await spool.counts()).waiting == 2
        await spool.close()
        assert status_of(config).spool.waiting == 2


async def test_a_stopped_gateway_sends_the_windows_it_was_in(
    server: IngestServer, tmp_path: Path
) -> None:
    path = tmp_path / "store.sock"
    config = await enrolled(server, tmp_path, f"unix:{path}")
    now_ms = unix_ms(SystemClock().now())
    fellow = build([ibeacon.encode(canary.canary(NAMESPACE, "fellow"))])
    # The window of a canary would be open for ten seconds.
    heard = [advert(1, now_ms), Advert(now_ms, "c0:ff:ee:00:00:02", -70, fellow)]

    async with stopped_in_a_window(config, path, heard):
        assert sorted(one.kind for one in server.sightings) == ["ceid", "ibeacon"]
        assert status_of(config).spool.waiting == 0


def status_of_running(config: GatewayConfig) -> int:
    status = read_status(config.status_path)
    return 0 if status is None else status.adverts.counted


PROCESS = """
import sys
from pathlib import Path
from config.clock import SystemClock
from config.process import run_process
from gateway.run import run_gateway
from gateway.settings import GatewayConfig

config = GatewayConfig(
    api_url=sys.argv[1], data_dir=Path(sys.argv[2]), source="lines:-", flush_s=0.05
)
sys.exit(run_process(lambda: run_gateway(config, SystemClock())))
"""


async def test_cut_off_killed_and_started_again_it_loses_nothing(
    server: IngestServer, tmp_path: Path
) -> None:
    config = await enrolled(server, tmp_path, "lines:-")
    keys = dict(server.keys)
    server.keys.clear()  # the network is there, the server will not have it
    first = await started(server, config)
    assert first.stdin is not None
    adverts = [advert(number, AT_MS + 500 * number) for number in range(300)]
    first.stdin.write(b"".join(map(advert_line, adverts[:200])))
    await first.stdin.drain()
    while (status := read_status(config.status_path)) is None or status.spool.spooled < 200:
        await asyncio.wait([asyncio.ensure_future(first.wait())], timeout=0.05)
    first.send_signal(signal.SIGKILL)
    await first.wait()

    server.keys |= keys
    second = await started(server, config)
    assert second.stdin is not None
    second.stdin.write(b"".join(map(advert_line, adverts[200:])))
    second.stdin.close()
    assert await second.wait() == 0

    assert sorted(one.at_ms for one in server.sightings) == [one.at_ms for one in adverts]
    assert len({batch.boot for batch in server.batches.values()}) == 1


async def started(server: IngestServer, config: GatewayConfig) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROCESS,
        server.url,
        str(config.data_dir),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


def test_the_process_loads_nothing_that_a_pi_lacks() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import gateway.run, gateway.bleak_source, sys; print(*sys.modules)",
        ],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()

    roots = {name.partition(".")[0] for name in loaded}
    assert "aiohttp" in roots
    assert not roots & {
        "db", "offers", "shoppers", "numpy", "shapely", "sqlalchemy", "redis", "firebase_admin",
        "firmware_sim", "engine", "mobile_api",
    }  # fmt: skip


def test_a_status_that_is_no_status_is_none(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    assert read_status(path) is None

    replace_file(path, b"{", durable=False)

    assert read_status(path) is None

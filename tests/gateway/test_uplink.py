"""Batches over real HTTP: every answer a server, a proxy or a cable can give."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beacons.sighting import decode_batch
from config.clock import VirtualClock
from gateway.answers import MAX_RETRY_AFTER_S
from gateway.identity import Identity
from gateway.server_time import ServerTime
from gateway.spool import Spool
from gateway.uplink import Idle, Retry, Sent, SetAside, Uplink
from tests.gateway.ingest_server import GATEWAY_ID, IngestServer
from tests.gateway.made import sightings

Answer = Callable[[web.Request], Awaitable[web.Response | None]]


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = await Spool.open(tmp_path / "spool.sqlite3", 2**20)
    yield opened
    await opened.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def time(clock: VirtualClock) -> ServerTime:
    return ServerTime(clock)


@pytest.fixture
def uplink(
    session: aiohttp.ClientSession,
    server: IngestServer,
    identity: Identity,
    spool: Spool,
    clock: VirtualClock,
    time: ServerTime,
) -> Uplink:
    return Uplink(session, server.url, identity, spool, clock, time, random.Random(7))


def answering(
    status: int, body: str = "", content_type: str = "text/html", **headers: str
) -> Answer:
    async def play(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, content_type=content_type, headers=named)

    return play


async def cut_before_accepting(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_batches_go_up_in_order_and_leave_the_spool(
    uplink: Uplink, spool: Spool, server: IngestServer
) -> None:
    for count in (1, 2, 3):
        await spool.append(sightings(count))

    steps = [await uplink.send_due() for _ in range(4)]

    assert steps == [Sent(False), Sent(False), Sent(False), Idle()]
    assert [decode_batch(body).seq for body in server.bodies] == [1, 2, 3]
    assert len(server.sightings) == 6
    assert (await spool.counts()).sent == 6


async def test_one_connection_carries_them_all(
    uplink: Uplink, spool: Spool, server: IngestServer
) -> None:
    peers = set()

    async def remember(request: web.Request) -> None:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))

    for _ in range(5):
        await spool.append(sightings(1))
        server.plays.append(remember)

    await uplink.run_until_empty()

    assert len(server.batches) == 5
    assert len(peers) == 1


@pytest.mark.parametrize(
    "answer",
    [
        answering(500),
        answering(502, "<html>Bad Gateway</html>"),
        answering(503),
        answering(429),
        answering(404, "<html>no such page</html>"),
        answering(302, Location="/welcome"),
        answering(200, "<html>Welcome to our free Wi-Fi</html>"),
        answering(204),
        answering(422, "<html>Unprocessable</html>"),
        answering(403, '{"type": "about:blank"}', "application/problem+json"),
        cut_before_accepting,
    ],
)
async def test_what_is_no_acceptance_keeps_the_batch_and_sends_the_same_bytes_again(
    uplink: Uplink, spool: Spool, server: IngestServer, answer: Answer
) -> None:
    await spool.append(sightings(3))
    server.plays.append(answer)

    refused = await uplink.send_due()
    waiting = (await spool.counts()).waiting
    accepted = await uplink.send_due()

    assert isinstance(refused, Retry)
    assert 0 < refused.after_s <= 30
    assert waiting == 3
    assert accepted == Sent(False)
    assert server.bodies[0] == server.bodies[-1]
    assert uplink.health.trouble is None
    assert uplink.health.failures == 1


async def test_a_cut_after_accepting_makes_a_duplicate_not_a_loss(
    uplink: Uplink, spool: Spool, server: IngestServer
) -> None:
    async def cut_after_accepting(request: web.Request) -> None:
        batch = decode_batch(server.bodies[-1])
        server.batches[batch.boot, batch.seq] = batch
        assert request.transport is not None
        request.transport.abort()

    await spool.append(sightings(3))
    server.plays.append(cut_after_accepting)

    assert isinstance(await uplink.send_due(), Retry)
    assert await uplink.send_due() == Sent(True)

    assert len(server.sightings) == 3
    assert uplink.health.duplicates == 1


async def test_nobody_at_the_address_is_waited_for(
    session: aiohttp.ClientSession,
    identity: Identity,
    spool: Spool,
    clock: VirtualClock,
    time: ServerTime,
    unused_tcp_port: int,
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    uplink = Uplink(session, url, identity, spool, clock, time, random.Random(7))
    await spool.append(sightings(3))

    waits_s = []
    for _ in range(200):
        step = await uplink.send_due()
        assert isinstance(step, Retry)
        waits_s.append(step.after_s)

    assert max(waits_s[:3]) <= 2
    assert 20 < max(waits_s) <= 30
    assert (await spool.counts()).waiting == 3


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (413, "<html>Request Entity Too Large</html>", "text/html"),
        (413, '{"type": "x", "detail": "too large"}', "application/problem+json"),
        (422, '{"type": "x", "detail": "no batch"}', "application/problem+json"),
    ],
)
async def test_a_batch_that_can_never_be_read_makes_way(
    uplink: Uplink,
    spool: Spool,
    server: IngestServer,
    status: int,
    body: str,
    content_type: str,
) -> None:
    await spool.append(sightings(3))
    await spool.append(sightings(2))
    server.plays.append(answering(status, body, content_type))

    first, second = await uplink.send_due(), await uplink.send_due()

    assert isinstance(first, SetAside)
    assert second == Sent(False)
    counts = await spool.counts()
    assert (counts.poisoned, counts.sent, counts.waiting) == (3, 2, 0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after_is_honoured(
    uplink: Uplink,
    spool: Spool,
    server: IngestServer,
    clock: VirtualClock,
    status: int,
    as_date: bool,
) -> None:
    text = format_datetime(clock.now() + timedelta(seconds=40), usegmt=True) if as_date else "40"
    await spool.append(sightings(1))
    server.plays.append(answering(status, Retry_After=text))

    step = await uplink.send_due()

    assert isinstance(step, Retry)
    assert 40 <= step.after_s <= 41


@pytest.mark.parametrize("text", ["soon", "-5", "", "99999999999999999999", "٣"])
async def test_a_strange_retry_after_neither_stops_nor_silences(
    uplink: Uplink, spool: Spool, server: IngestServer, text: str
) -> None:
    await spool.append(sightings(1))
    server.plays.append(answering(503, Retry_After=text.encode().decode("latin-1")))

    step = await uplink.send_due()

    assert isinstance(step, Retry)
    assert step.after_s <= MAX_RETRY_AFTER_S + 30


async def test_a_wrong_clock_is_learned_from_the_refusal(
    uplink: Uplink, spool: Spool, server: IngestServer, clock: VirtualClock, time: ServerTime
) -> None:
    assert await uplink.send_due() == Idle()
    server.now = lambda: clock.now() + timedelta(hours=5)
    await spool.append(sightings(1))

    refused = await uplink.send_due()
    accepted = await uplink.send_due()

    assert isinstance(refused, Retry)
    assert refused.after_s == 0
    assert accepted == Sent(False)
    assert time.offset_s == 5 * 3600


async def test_a_clock_a_little_ahead_is_corrected_before_the_first_batch(
    uplink: Uplink, spool: Spool, server: IngestServer, clock: VirtualClock, time: ServerTime
) -> None:
    # Near enough for the signature, too far for the times of sightings.
    server.now = lambda: clock.now() - timedelta(seconds=30)
    await spool.append(sightings(1))

    assert await uplink.send_due() == Sent(False)

    assert time.offset_s == -30


async def test_a_clock_that_drifts_is_corrected_by_the_answers(
    uplink: Uplink, spool: Spool, server: IngestServer, clock: VirtualClock, time: ServerTime
) -> None:
    drift = timedelta()
    server.now = lambda: clock.now() + drift
    for drift_s, offset_s in ((0, 0), (2, 0), (8, 8), (9, 8)):
        drift = timedelta(seconds=drift_s)
        await spool.append(sightings(1))

        assert await uplink.send_due() == Sent(False)

        assert time.offset_s == offset_s


async def test_a_server_that_refuses_every_clock_is_not_hammered(
    uplink: Uplink, spool: Spool, server: IngestServer
) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return server.problem(401, "clock-skew", "not of this minute")

    server.plays.extend([refuse] * 3)
    await spool.append(sightings(1))

    steps = [await uplink.send_due() for _ in range(3)]

    waits_s = [step.after_s for step in steps if isinstance(step, Retry)]
    assert waits_s[0] == 0
    assert all(wait_s > 0 for wait_s in waits_s[1:])
    assert len(waits_s) == 3


async def test_a_clock_never_set_asks_before_it_signs(
    session: aiohttp.ClientSession, server: IngestServer, identity: Identity, spool: Spool
) -> None:
    clock = VirtualClock(datetime(1970, 1, 1, tzinfo=UTC))
    time = ServerTime(clock)
    uplink = Uplink(session, server.url, identity, spool, clock, time, random.Random(7))
    await spool.append(sightings(1))

    assert await uplink.send_due() == Sent(False)

    assert time.now() == server.now()


async def test_a_revoked_gateway_keeps_what_it_heard(
    uplink: Uplink, spool: Spool, server: IngestServer, identity: Identity
) -> None:
    server.keys.clear()
    await spool.append(sightings(4))

    step = await uplink.send_due()

    assert isinstance(step, Retry)
    assert "not known" in step.why
    assert (await spool.counts()).waiting == 4
    server.keys[GATEWAY_ID] = identity.key.public_key()
    assert await uplink.send_due() == Sent(False)


async def test_another_key_is_refused(uplink: Uplink, spool: Spool, server: IngestServer) -> None:
    server.keys[GATEWAY_ID] = Ed25519PrivateKey.generate().public_key()
    await spool.append(sightings(4))

    step = await uplink.send_due()

    assert isinstance(step, Retry)
    assert "signature" in step.why


async def test_a_spool_that_cannot_be_read_is_tried_again(
    uplink: Uplink, spool: Spool, server: IngestServer
) -> None:
    await spool.append(sightings(1))
    await spool._call(lambda file: file._database.execute("ALTER TABLE batch RENAME TO away"))

    step = await uplink.send_due()

    assert isinstance(step, Retry)
    await spool._call(lambda file: file._database.execute("ALTER TABLE away RENAME TO batch"))
    assert await uplink.send_due() == Sent(False)


async def test_the_loop_waits_by_its_clock_and_stops_when_cancelled(
    uplink: Uplink, spool: Spool, server: IngestServer, clock: VirtualClock
) -> None:
    failed, accepted = asyncio.Event(), asyncio.Event()

    async def fail(_request: web.Request) -> web.Response:
        failed.set()
        return web.Response(status=503, headers={"Retry-After": "60"})

    async def accept(_request: web.Request) -> None:
        accepted.set()

    server.plays.extend([fail, accept])
    running = asyncio.create_task(uplink.run())
    await spool.append(sightings(1))
    await failed.wait()
    while uplink.health.failures == 0:
        await asyncio.wait([running], timeout=0.001)

    await clock.advance(59)
    assert not accepted.is_set()
    await clock.advance(10)
    await accepted.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

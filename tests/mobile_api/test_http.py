"""What holds for every answer: problems, headers, metrics, probes, logs, start and stop."""

import asyncio
import contextlib
import logging
from pathlib import Path

import aiohttp
import pytest
import redis.exceptions
from sqlalchemy.engine import make_url

from config.clock import SystemClock
from db import migrate
from db.connect import Database, open_database
from db.live import Live
from mobile_api import operations
from mobile_api.app import run_api
from mobile_api.health import LAG
from mobile_api.problems import is_away
from tests.mobile_api.conftest import Serve
from tests.mobile_api.harness import Api, batch, registration, settings_of


async def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    nowhere = await api.call("GET", "/v1/nowhere")
    wrong = await api.call("DELETE", "/v1/handsets")
    strange = await api.call("PROPFIND", "/v1/handsets")
    assert (nowhere.status, nowhere.problem) == (404, "not-found")
    assert (wrong.status, wrong.problem, wrong.headers["Allow"]) == (
        405, "method-not-allowed", "POST",
    )  # fmt: skip
    assert strange.problem == "method-not-allowed"
    assert (
        await api.metric(
            "corsia_http_requests_total", method="OTHER", route="unmatched", status="405"
        )
        == 1
    )
    assert (
        await api.metric("corsia_http_problems_total", route="unmatched", problem="not-found") == 1
    )


async def test_answers_carry_our_headers_and_no_others(api: Api) -> None:
    for answered in (
        await api.call("GET", "/livez"),
        await api.call("GET", "/v1/nowhere", None, {"Origin": "https://shop.example"}),
    ):
        assert answered.headers["X-Content-Type-Options"] == "nosniff"
        assert answered.headers["Cache-Control"] == "no-store"
        assert answered.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answered.headers["Server"] == "corsia"
        assert answered.headers["Date"] == "Sat, 21 Nov 2026 10:00:00 GMT"
        assert not any(name.startswith("Access-Control") for name in answered.headers)
    preflight = await api.call("OPTIONS", "/v1/handsets", None, {"Origin": "https://shop.example"})
    assert preflight.status == 405


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_unread_media_types_are_problems(api: Api, content_type: str) -> None:
    answered = await api.raw("POST", "/v1/handsets", b"{}", {"Content-Type": content_type})
    assert (answered.status, answered.problem) == (415, "unread-media-type")


async def test_a_charset_parameter_changes_nothing(api: Api) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await api.raw("POST", "/v1/handsets", b"{}", headers)).problem == "invalid-body"


async def test_a_body_too_large_is_a_problem(serve: Serve, sqlite_database: Database) -> None:
    async with serve(sqlite_database, api_body_max_bytes=2_000) as api:
        large = registration() | {"app_version": "v" * 2_000}
        answered = await api.call("POST", "/v1/handsets", large)
        assert (answered.status, answered.problem) == (413, "too-large")
        assert answered.json()["detail"] == "at most 2000 octets"


async def exchanged(api: Api, sent: bytes) -> bytes:
    """The head of what the server says to these bytes on a connection of their own."""
    assert api.url.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", api.url.port)
    writer.write(sent)
    await writer.drain()
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head


async def test_a_body_that_never_comes_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BODY_DEADLINE_S", 0.05)
    head = await exchanged(
        api,
        b"POST /v1/handsets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
    )
    assert head.startswith(b"HTTP/1.1 408")
    assert (
        await api.metric("corsia_http_problems_total", route="/v1/handsets", problem="too-slow")
        == 1
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"BREW /v1/handsets HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
        b"POST /v1/handsets HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}{}{}\r\n",
    ],
    ids=["no method", "TLS", "long path", "long header", "no length", "broken chunk"],
)
async def test_what_is_no_http_gets_a_problem_too(api: Api, sent: bytes) -> None:
    head = (await exchanged(api, sent)).decode()
    assert head.splitlines()[0].split()[1] == "400"
    assert "Content-Type: application/problem+json" in head
    assert "Server: corsia" in head
    assert "aiohttp" not in head
    assert (
        await api.metric(
            "corsia_http_problems_total", route="unmatched", problem="malformed-request"
        )
        == 1
    )


async def test_an_expectation_is_met_or_passed_over(api: Api) -> None:
    start = b"POST /v1/handsets HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    met = await exchanged(api, start + b"Expect: 100-continue\r\n\r\n")
    assert met.startswith(b"HTTP/1.1 100")
    passed_over = await exchanged(api, start + b"Expect: miracles\r\n\r\n{}")
    assert passed_over.startswith(b"HTTP/1.1 415")


async def test_a_fault_of_ours_tells_nothing(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    phone = await api.phone()
    async with api.database.begin() as tx:
        # What is no instant: a broken promise of the database's.
        await tx.exec_driver_sql("UPDATE consents SET at = 'secret-instant'")
    answered = await phone.call("GET", "/v1/me")
    assert (answered.status, answered.problem) == (500, "internal-error")
    assert answered.json().keys() == {"type", "title", "status"}
    assert "secret-instant" not in str([vars(record) for record in caplog.records])
    (record,) = [r for r in caplog.records if r.message == "request failed"]
    assert vars(record)["error"] == "ValueError"
    assert vars(record)["route"] == "/v1/me"


async def test_logs_name_nobody(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        phone, pi = await api.phone(), await api.pi()
        target = {"kind": "fid", "value": "their-push-target", "platform": "android"}
        await phone.call("PUT", "/v1/me/push-target", target)
        await phone.call("GET", "/v1/me/decisions/nope")
        await pi.send(batch(api.clock.now()))
        await exchanged(api, b"\x16\x03\x01 their-bytes\r\n\r\n")
        await phone.call("DELETE", "/v1/me")
    logged = str([vars(r) for r in caplog.records if r.name.startswith(("mobile_api", "db"))])
    assert "shopper erased" in logged
    for personal in (
        phone.shopper_id, phone.handset_id, "their-push-target", "127.0.0.1",
        phone.state["tokens"]["access_token"], phone.state["tokens"]["refresh_token"],
    ):  # fmt: skip
        assert personal not in logged


async def test_metrics_name_nobody(api: Api) -> None:
    phone = await api.phone()
    await phone.call("GET", f"/v1/me/decisions/{'0' * 32}")
    await phone.call("GET", "/v1/me/decisions/nope")
    await api.call("GET", f"/v1/{phone.handset_id}")
    answered = await api.call("GET", "/metrics")
    text = answered.body.decode()
    assert answered.headers["Content-Type"].startswith("text/plain")
    assert 'route="/v1/me/decisions/{decision_id}"' in text
    for personal in (phone.handset_id, phone.shopper_id, "0" * 32, "nope"):
        assert personal not in text


# --- probes -----------------------------------------------------------------------------------
async def test_a_process_that_is_well_is_live_and_ready(api_on_both: Api) -> None:
    for path in ("/livez", "/readyz"):
        answered = await api_on_both.call("GET", path)
        assert (answered.status, answered.json()) == (200, {"status": "ok"})


async def test_a_loop_that_is_late_is_not_live(api: Api) -> None:
    measuring = asyncio.create_task(api.app[LAG].measure(), name="loop lag")
    await api.clock.advance(0.0)
    assert (await api.call("GET", "/livez")).status == 200
    # The clock runs on while the measuring task does not get its turn.
    api.clock._elapsed_s += 1.3
    answered = await api.call("GET", "/livez")
    assert (answered.status, answered.problem) == (503, "stuck")
    await api.clock.advance(0.25)
    await api.clock.advance(0.25)
    assert (await api.call("GET", "/livez")).status == 200
    measuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await measuring


async def test_without_redis_the_process_is_not_ready(
    serve: Serve, sqlite_database: Database
) -> None:
    async with serve(sqlite_database, redis_url="redis://127.0.0.1:1") as api:
        answered = await api.call("GET", "/readyz")
        assert (answered.status, answered.problem) == (503, "not-ready")
        assert answered.json()["detail"] == "redis"
        assert (await api.call("GET", "/livez")).status == 200


@pytest.mark.parametrize(
    ("setting", "value", "plain"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
    ids=["out of memory", "too few replicas"],
)
async def test_a_redis_that_takes_no_writes_is_away(
    api: Api, setting: str, value: str, plain: str
) -> None:
    pi = await api.pi()
    redis = api.live.redis
    await redis.config_set(setting, value)
    try:
        answered = await pi.send(batch(api.clock.now()))
    finally:
        await redis.config_set(setting, plain)
    assert (answered.status, answered.problem) == (503, "not-ready")
    assert await api.metric("corsia_batches_total", outcome="not-ready") == 1
    assert (await pi.send(batch(api.clock.now()))).status == 202


async def test_a_redis_that_became_a_replica_is_away(api: Api) -> None:
    pi = await api.pi()
    await api.live.redis.replicaof("127.0.0.1", "1")
    try:
        answered = await pi.send(batch(api.clock.now()))
    finally:
        await api.live.redis.replicaof("NO", "ONE")
    assert (answered.status, answered.problem) == (503, "not-ready")
    assert (await pi.send(batch(api.clock.now()))).status == 202


@pytest.mark.parametrize(
    ("said", "away"),
    [
        # Sources: redis 7.2, server.c (shared.bgsaveerr, noreplicaserr), script.c (slowscripterr).
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("BUSY Redis is busy running a script.", True),
        ("ERR unknown command 'NOSUCH'", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("", False),
    ],
)
def test_a_redis_that_refuses_is_away_and_one_that_does_not_understand_us_is_not(
    said: str, *, away: bool
) -> None:
    assert is_away(redis.exceptions.ResponseError(said)) is away


async def test_an_older_schema_is_not_ready(api_on_both: Api) -> None:
    api = api_on_both
    assert (await api.call("GET", "/readyz")).status == 200
    async with api.database.begin() as tx:
        await tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert (await api.call("GET", "/readyz")).status == 200  # a second has not passed
    await api.clock.advance(1.0)
    answered = await api.call("GET", "/readyz")
    async with api.database.begin() as tx:
        await tx.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{migrate.newest()}'")
    assert (answered.status, answered.json()["detail"]) == (503, "migrations")


@pytest.mark.parametrize("there", [False, True], ids=["no server", "no database on it"])
async def test_without_a_database_the_process_says_so(
    serve: Serve, sqlite_database: Database, postgres_url: str, *, there: bool
) -> None:
    nowhere = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    if there:
        no_such = make_url(postgres_url).set(database="no_such_database")
        nowhere = no_such.render_as_string(hide_password=False)
    async with serve(sqlite_database, database_url=nowhere) as api:
        answered = await api.call("GET", "/readyz")
        assert (answered.status, answered.json()["detail"]) == (503, "database")
        asked = await api.call("POST", "/v1/handsets", registration())
        assert (asked.status, asked.problem) == (503, "not-ready")
        assert int(asked.headers["Retry-After"]) > 0


# --- the process ------------------------------------------------------------------------------
async def test_the_process_serves_until_it_is_cancelled(
    live: Live, redis_url: str, tmp_path: Path
) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as database:
        await migrate.upgrade(database)
        settings = settings_of(database, redis_url, tmp_path)
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            run_api(settings, SystemClock(), listening=listening), name="api"
        )
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{await listening}"
            async with session.get(f"{url}/readyz") as response:
                assert response.status == 200
            async with session.post(f"{url}/v1/handsets", json=registration()) as response:
                assert response.status == 201
            started = asyncio.get_running_loop().time()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert asyncio.get_running_loop().time() - started < 3
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"{url}/livez")


async def test_a_request_that_hangs_does_not_hold_the_process(
    live: Live, redis_url: str, sqlite_database: Database, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    listening: asyncio.Future[int] = loop.create_future()
    settings = settings_of(sqlite_database, redis_url, tmp_path)
    serving = asyncio.create_task(run_api(settings, SystemClock(), listening=listening), name="api")
    reader, writer = await asyncio.open_connection("127.0.0.1", await listening)
    writer.write(
        b"POST /v1/handsets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    )
    await reader.readuntil(b"100 Continue\r\n\r\n")
    started = loop.time()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert loop.time() - started < 3
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()

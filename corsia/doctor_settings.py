"""Settings that can be read one by one and still make no sense together, and the key files."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from config.settings import Settings, SettingsError, data_key, token_key
from corsia.findings import Finding, fail, ok, warn

AUTH_EMULATOR: Final = "FIREBASE_AUTH_EMULATOR_HOST"
KEY_FILES: Final = ("token.key", "data.key")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def settings_together(
    settings: Settings, environment: Mapping[str, str], *, is_demo: bool
) -> list[Finding]:
    """What is wrong with the settings as a whole; one ok when nothing is."""
    findings = [
        *_emulator(environment, is_demo=is_demo),
        *_given_keys(settings),
        *_fcm_address(settings),
        *_exposure(settings),
        *_sharing(settings),
        *_identity(settings, is_demo=is_demo),
    ]
    return findings or [ok("settings", "make sense together")]


def key_files(settings: Settings) -> list[Finding]:
    """Whether the keys that we made ourselves are readable by us alone."""
    findings: list[Finding] = []
    for name in KEY_FILES:
        path = settings.data_path / name
        if path.is_file() and is_open_to_others(path):
            what = f"{path} can be read by other users of this machine"
            findings.append(fail(name, what, f"chmod 600 {path}"))
    return findings


def is_open_to_others(path: Path) -> bool:
    """Whether anyone but the owner may do anything with the file."""
    return bool(path.stat().st_mode & OTHERS)


def is_google(url: str) -> bool:
    """Whether an address is one of Google's API hosts."""
    host = urlsplit(url).hostname or ""
    return host == "googleapis.com" or host.endswith(".googleapis.com")


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    return (urlsplit(url).hostname or "") in LOOPBACK


def _emulator(environment: Mapping[str, str], *, is_demo: bool) -> list[Finding]:
    if not environment.get(AUTH_EMULATOR):
        return []
    what = f"{AUTH_EMULATOR} is set: firebase-admin accepts unsigned ID tokens, anybody's"
    make = warn if is_demo else fail
    return [make("auth emulator", what, f"unset {AUTH_EMULATOR}")]


def _given_keys(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    # A key that was not given is made when it is first asked for; the doctor makes nothing.
    for name, given, read in (
        ("token key", settings.token_key, token_key),
        ("data key", settings.data_key, data_key),
    ):
        try:
            if given is not None:
                read(settings)
        except SettingsError as error:
            mend = 'make one with: python -c "import secrets; print(secrets.token_hex(32))"'
            findings.append(fail(name, str(error), mend))
    return findings


def _fcm_address(settings: Settings) -> list[Finding]:
    parts = urlsplit(settings.fcm_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        mend = "unset CORSIA_FCM_URL, or give it an http(s) address"
        return [fail("FCM address", "CORSIA_FCM_URL is no http(s) address", mend)]
    if parts.scheme == "http" and not is_local(settings.fcm_url):
        what = "CORSIA_FCM_URL is plain http to another machine: access tokens travel readable"
        return [fail("FCM address", what, "use https")]
    return []


def _exposure(settings: Settings) -> list[Finding]:
    if settings.api_host in LOOPBACK:
        return []
    what = f"the API listens on {settings.api_host} without TLS of its own"
    return [warn("API address", what, "let only a TLS proxy reach it")]


def _sharing(settings: Settings) -> list[Finding]:
    redis = settings.redis_url
    is_elsewhere = redis is not None and not redis.startswith("unix:") and not is_local(redis)
    if is_elsewhere and settings.sql_url.startswith("sqlite"):
        what = "Redis is on another machine while the database is a file on this one"
        mend = "set CORSIA_DATABASE_URL to PostgreSQL before a second machine joins"
        return [warn("database", what, mend)]
    return []


def _identity(settings: Settings, *, is_demo: bool) -> list[Finding]:
    is_real = settings.fcm_key_file is not None and is_google(settings.fcm_url)
    defaults = [
        f"CORSIA_{name.upper()}"
        for name in ("tenant", "namespace")
        if getattr(settings, name) == Settings.model_fields[name].default
    ]
    if is_demo or not is_real or not defaults:
        return []
    what = f"real pushes with the demo's {' and '.join(defaults)}: others use the same"
    return [warn("identity", what, "choose your own before the first handset registers")]

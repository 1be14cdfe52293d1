"""What a deployment decides, read once: the environment, checked, frozen.

The only module that reads the environment. Every key has the prefix `CORSIA_` (a gateway's own keys
`CORSIA_GATEWAY_`); an unknown key is an error, because a misspelt limit is a limit not set.
"""

import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretBytes, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

PREFIX: Final = "CORSIA_"
GATEWAY_PREFIX: Final = "CORSIA_GATEWAY_"
DEFAULT_DATA_DIR: Final = Path("~/.local/share/corsia")
KEY_OCTETS: Final = 32
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")  # as redis-py reads them: small letters
# A password in a URL: between the user and the host (it may hold any character when its author
# forgot to quote them), or as a parameter, which Redis and PostgreSQL take too.
_PASSWORD: Final = re.compile(r"(?P<user>://[^:/?@]*):.*@")
_PASSWORD_PARAMETER: Final = re.compile(r"(?P<name>[?&](?:ssl)?password=)[^&#]*", re.IGNORECASE)

log = logging.getLogger(__name__)

S = TypeVar("S", bound=BaseSettings)

Port = Annotated[int, Field(ge=0, le=65_535)]
LogLevel = Literal["debug", "info", "warning", "error"]
LogStyle = Literal["json", "console"]


class SettingsError(Exception):
    """Settings that cannot be used; the message names the key and what is wrong."""


class Settings(BaseSettings):
    """The backend's settings. Units are in the names; secrets never print."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    data_dir: Path = Field(DEFAULT_DATA_DIR, description="where the embedded defaults keep files")
    tenant: str = Field("demo", pattern=r"^[a-z0-9-]{1,32}$", description="the operator's name")
    namespace: str = Field(
        "c0451a01", pattern=r"^[0-9a-f]{8}$", description="4 octets on air that mark our handsets"
    )
    database_url: str | None = Field(
        None, description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://...; none: SQLite"
    )
    redis_url: str | None = Field(None, description="none: a redis-server of our own")
    api_host: str = "127.0.0.1"
    api_port: Port = 8080
    api_body_max_bytes: int = Field(262_144, ge=1_024, le=16_777_216)
    token_key: SecretStr | None = Field(
        None, description="signs access tokens; none: a file in the data directory"
    )
    data_key: SecretBytes | None = Field(
        None, description="seals handset secrets at rest; none: a file in the data directory"
    )
    fcm_url: str = Field("https://fcm.googleapis.com", description="FCM HTTP v1, or a stand-in")
    fcm_key_file: Path | None = Field(None, description="the service account's key (JSON)")
    push_concurrency: int = Field(
        250, ge=1, le=1_000, description="pushes of one platform under way at a time, at most"
    )
    log_level: LogLevel = "info"
    log_style: LogStyle = "console"

    @field_validator("redis_url")
    @classmethod
    def _is_address_of_redis(cls, url: str | None) -> str | None:
        if url is not None and not _names_redis(url):
            sentence = "use redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"
            raise PydanticCustomError("redis_url", "{sentence}", {"sentence": sentence})
        return url

    @property
    def data_path(self) -> Path:
        """The data directory, `~` expanded."""
        return self.data_dir.expanduser()

    @property
    def sql_url(self) -> str:
        """The database that will be used."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_path / 'corsia.sqlite3'}"

    def shown(self) -> dict[str, str]:
        """Every setting as `--check` prints it: secrets and passwords taken out."""
        facts = {name: str(value) for name, value in self.model_dump().items()}
        facts["database_url"] = _without_password(self.sql_url)
        facts["redis_url"] = _without_password(self.redis_url or "embedded")
        return facts


class GatewaySettings(BaseSettings):
    """A gateway's settings: a Pi has no file to edit, only these and what enrolment gave it."""

    model_config = SettingsConfigDict(
        env_prefix=GATEWAY_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    api_url: str = Field("http://127.0.0.1:8080", pattern=r"^https?://")
    data_dir: Path = Field(DEFAULT_DATA_DIR / "gateway", description="key, identity and spool")
    source: str = Field(
        "bleak",
        pattern=r"^(bleak|bleak-passive|lines:.+|unix:.+)$",
        description="bleak, bleak-passive, lines:FILE, lines:- or unix:SOCKET",
    )
    beacon_uuids: tuple[str, ...] = Field(
        (), description="fixed beacons worth reporting, besides our handsets"
    )
    canary: bool = Field(
        True, description="transmit an iBeacon that fellow gateways and iPhones' apps hear"
    )
    canary_power_1m_dbm: int = Field(
        -59, ge=-100, le=0, description="what a phone hears of it one metre away"
    )
    spool_max_bytes: int = Field(256 * 2**20, ge=2**20, le=2**36)
    flush_s: float = Field(1.0, ge=0.1, le=60)
    log_level: LogLevel = "info"
    log_style: LogStyle = "console"

    @property
    def data_path(self) -> Path:
        """The data directory, `~` expanded."""
        return self.data_dir.expanduser()


def load_settings(**given: object) -> Settings:
    """Settings from the environment; `given` wins. Raises SettingsError."""
    return _load(Settings, PREFIX, given)


def load_gateway_settings(**given: object) -> GatewaySettings:
    """A gateway's settings from the environment; `given` wins. Raises SettingsError."""
    return _load(GatewaySettings, GATEWAY_PREFIX, given)


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment for a child, with `changes` made."""
    return {**os.environ, **changes}


def secret_file(path: Path) -> bytes:
    """The key kept at `path`, made at the first call, readable by its owner only.

    Raises SettingsError for a file of another length: a short key would sign and seal for anybody.
    """
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_OCTETS:
        raise SettingsError(f"{path}: no key of {KEY_OCTETS} octets; restore it from a backup")
    return key


def token_key(settings: Settings) -> bytes:
    """The key that signs access tokens. Raises SettingsError when it is too short."""
    if settings.token_key is None:
        return secret_file(settings.data_path / "token.key")
    key = settings.token_key.get_secret_value().encode()
    if len(key) < KEY_OCTETS:
        raise SettingsError(f"{PREFIX}TOKEN_KEY: at least {KEY_OCTETS} characters are needed")
    return key


def data_key(settings: Settings) -> bytes:
    """The 32 octets that seal handset secrets at rest. Raises SettingsError."""
    if settings.data_key is None:
        return secret_file(settings.data_path / "data.key")
    try:
        key = bytes.fromhex(settings.data_key.get_secret_value().decode())
    except ValueError as error:
        raise SettingsError(f"{PREFIX}DATA_KEY: not hex") from error
    if len(key) != KEY_OCTETS:
        raise SettingsError(f"{PREFIX}DATA_KEY: {KEY_OCTETS} octets in hex are needed")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_OCTETS))
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave the name without the key
    try:
        path.hardlink_to(draft)  # whole or not at all, and only once
    except FileExistsError:
        log.debug("another process made the key first")
    draft.unlink()


def _load(kind: type[S], prefix: str, given: Mapping[str, object]) -> S:
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    # Keys are read whatever their case, so they are checked like that too.
    given_keys = ((key, key.upper()) for key in os.environ)
    unknown = sorted(
        key
        for key, name in given_keys
        if name.startswith(prefix)
        and name not in known
        and (prefix == GATEWAY_PREFIX or not name.startswith(GATEWAY_PREFIX))
        and not name.startswith(f"{PREFIX}TEST_")
    )
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: no such setting")
    kept: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**kept)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = f"{prefix}{'.'.join(map(str, first['loc']))}".upper()
        raise SettingsError(f"{key}: {first['msg']}") from error
    except UnreadableSetting as error:
        # Its cause quotes the value, so only the field's name is taken from it.
        named = re.search(r'field "(\w+)"', str(error))
        key = f"{prefix}{named[1] if named else '...'}".upper()
        raise SettingsError(f"{key}: a list is written as JSON") from None


def _names_redis(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return url.startswith(REDIS_SCHEMES)


def _without_password(url: str) -> str:
    hidden = _PASSWORD.sub(r"\g<user>:***@", url, count=1)
    return _PASSWORD_PARAMETER.sub(r"\g<name>***", hidden)

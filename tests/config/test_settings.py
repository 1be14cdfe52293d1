"""Settings: read once, checked, and never shown with their secrets."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import (
    KEY_OCTETS,
    SettingsError,
    data_key,
    load_gateway_settings,
    load_settings,
    secret_file,
    token_key,
)


def test_the_environment_is_read_and_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORSIA_API_PORT", "9000")
    monkeypatch.setenv("CORSIA_TENANT", "shop")

    settings = load_settings(tenant="other", api_host=None)

    assert (settings.api_port, settings.tenant, settings.api_host) == (9000, "other", "127.0.0.1")


@pytest.mark.parametrize("key", ["CORSIA_API_PROT", "corsia_api_prot", "CORSIA_"])
def test_an_unknown_key_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(key, "8080")

    with pytest.raises(SettingsError, match=f"^{key}: no such setting$"):
        load_settings()


def test_a_gateways_unknown_key_is_refused_on_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORSIA_GATEWAY_SPOOL", "1")

    load_settings()  # the backend leaves a gateway's keys to the gateway
    with pytest.raises(SettingsError, match="CORSIA_GATEWAY_SPOOL: no such setting"):
        load_gateway_settings()


def test_a_gateway_does_not_mind_the_backends_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORSIA_API_PORT", "9000")

    assert load_gateway_settings().api_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CORSIA_API_PORT", "70000"),
        ("CORSIA_API_BODY_MAX_BYTES", "12"),
        ("CORSIA_NAMESPACE", "c0451a0"),
        ("CORSIA_TENANT", "Shop One"),
        ("CORSIA_LOG_LEVEL", "loud"),
        ("CORSIA_PUSH_CONCURRENCY", "0"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)

    with pytest.raises(SettingsError, match=f"^{key}: "):
        load_settings()


@pytest.mark.parametrize(
    "value", ["foo", "localhost:6379", "http://cache:6379", "REDIS://cache", "redis://cache:port"]
)
def test_what_is_no_address_of_a_redis_is_refused_and_not_quoted(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^CORSIA_REDIS_URL: use redis://") as refused:
        load_settings(redis_url=value)

    assert value not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://cache:6379/0", "rediss://cache", "unix:///run/r.sock"])
def test_an_address_of_a_redis_is_taken_as_it_is(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url


@pytest.mark.parametrize("value", ["no json", '{"a": 1}'])
def test_a_list_that_is_none_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CORSIA_GATEWAY_BEACON_UUIDS", value)

    with pytest.raises(SettingsError, match=r"^CORSIA_GATEWAY_BEACON_UUIDS: "):
        load_gateway_settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().tenant = "other"  # type: ignore[misc]


def test_no_setting_is_shown_with_its_secret() -> None:
    settings = load_settings(
        token_key="token-key-that-nobody-may-see",
        data_key="da7a" * 16,
        database_url="postgresql+asyncpg://corsia:pass@db/corsia",
        redis_url="redis://:word@cache:6379/0",
    )

    everything = f"{settings.shown()} {settings!r} {settings}"

    for secret in ("nobody-may-see", "da7ada7a"):
        assert secret not in everything
    shown = str(settings.shown())
    assert "pass@" not in shown
    assert "word@" not in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://user:secret@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+asyncpg://user:se/c@ret@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+asyncpg://user@host/db", "postgresql+asyncpg://user@host/db"),
        (
            "postgresql+asyncpg://host/db?user=u&password=secret&ssl=on",
            "postgresql+asyncpg://host/db?user=u&password=***&ssl=on",
        ),
        ("sqlite+aiosqlite:////home/me@work/c.sqlite3",) * 2,
    ],
)
def test_the_password_of_a_url_is_hidden(url: str, shown: str) -> None:
    assert load_settings(database_url=url).shown()["database_url"] == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@cache:6379/0", "redis://:***@cache:6379/0"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock?password=***"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        (None, "embedded"),
    ],
)
def test_the_password_of_redis_is_hidden(url: str | None, shown: str) -> None:
    assert load_settings(redis_url=url).shown()["redis_url"] == shown


def test_without_a_database_it_is_sqlite_in_the_data_directory(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)

    assert settings.sql_url == f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3"


def test_a_key_file_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "data.key"

    key = secret_file(path)

    assert len(key) == KEY_OCTETS
    assert secret_file(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kept", [b"", b"short", bytes(KEY_OCTETS + 1)])
def test_a_damaged_key_file_is_refused(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "token.key").write_bytes(kept)

    with pytest.raises(SettingsError, match=r"token\.key: no key of 32 octets"):
        token_key(load_settings(data_dir=tmp_path))


def test_processes_that_race_get_one_key(tmp_path: Path) -> None:
    racer = (
        "import sys, pathlib\n"
        "from config.settings import secret_file\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"made = [secret_file(pathlib.Path({str(tmp_path)!r}, f'{{n}}.key')) for n in range(50)]\n"
        "print(b''.join(made).hex())\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", racer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in racers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in racers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate(timeout=30)[0].strip() for process in racers}

    assert len(said) == 1
    assert len(said.pop()) == 50 * KEY_OCTETS * 2
    assert len(list(tmp_path.iterdir())) == 50


def test_given_keys_are_used() -> None:
    settings = load_settings(token_key="k" * KEY_OCTETS, data_key="0f" * KEY_OCTETS)

    assert token_key(settings) == b"k" * KEY_OCTETS
    assert data_key(settings) == b"\x0f" * KEY_OCTETS


@pytest.mark.parametrize("given", ["0f" * 31, "0f" * 33, "xy" * 32, "é" * 32])
def test_a_data_key_that_is_none_is_refused_and_not_quoted(given: str) -> None:
    with pytest.raises(SettingsError) as refused:
        data_key(load_settings(data_key=given))

    assert str(refused.value).startswith("CORSIA_DATA_KEY: ")
    assert given not in str(refused.value)


def test_a_short_token_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="CORSIA_TOKEN_KEY: at least 32 characters"):
        token_key(load_settings(token_key="short"))

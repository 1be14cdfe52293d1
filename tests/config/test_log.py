"""Logs: one line an event, and nothing personal in it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from config.log import REDACTED, set_up_logging, short


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged as JSON; the root logger is put back afterwards."""
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    access_level = logging.getLogger("aiohttp.access").level
    set_up_logging("info", "json")
    yield said
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(access_level)


def _lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_line_is_a_fixed_sentence_with_named_facts(logged: io.StringIO) -> None:
    logging.getLogger("engine.store").info("visit opened", extra={"store": "s-1", "count": 3})

    (line,) = _lines(logged)
    assert line["event"] == "visit opened"
    assert (line["logger"], line["level"], line["store"], line["count"]) == (
        "engine.store", "info", "s-1", 3,
    )  # fmt: skip
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "name",
    ["push_token", "fid", "target_fid", "handset_address", "Authorization", "api_secret", "phone",
     "e_email", "password", "body_text", "refreshToken"],
)  # fmt: skip
def test_a_fact_that_sounds_personal_is_taken_out(logged: io.StringIO, name: str) -> None:
    logging.getLogger("x").warning("said", extra={name: "0123-private"})

    assert "0123-private" not in logged.getvalue()
    assert _lines(logged)[0][name] == REDACTED


@pytest.mark.parametrize("name", ["confidence", "store", "gateway", "attempt", "fidelity"])
def test_a_fact_that_only_looks_like_it_stays(logged: io.StringIO, name: str) -> None:
    logging.getLogger("x").info("said", extra={name: 0.7})

    assert _lines(logged)[0][name] == 0.7


def test_an_error_is_logged_with_where_it_happened(logged: io.StringIO) -> None:
    try:
        int("a fault")
    except ValueError:
        logging.getLogger("x").exception("process failed")

    (line,) = _lines(logged)
    assert "ValueError: invalid literal" in line["exception"]
    assert "test_log" in line["exception"]


def test_requests_are_not_logged_one_by_one(logged: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").info("GET /livez")
    logging.getLogger("x").debug("detail")

    assert _lines(logged) == []


def test_a_short_id_is_too_short_to_look_somebody_up() -> None:
    assert short("0123456789abcdef") == "01234567"

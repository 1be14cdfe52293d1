"""`corsia worth` and `corsia till` as an operator meets them."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.clock import SystemClock
from corsia.cli import main
from corsia.interval_picture import interval_picture
from db.connect import Database
from engine.asking import ask_questions
from engine.worth import measure_if_due
from offers.intervals import Effect
from tests.engine.month import DAY, Planted, a_month


async def corsia(folder: Path, *arguments: str, said: str | None = None) -> Result:
    """In a thread: the command has an event loop of its own."""
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        list(arguments),
        input=said,
        env={
            "CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/corsia.sqlite3",
            "COLUMNS": "180",
        },
        prog_name="corsia",
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
async def a_past_month(sqlite_database: Database) -> Database:
    """A month that ended yesterday, by the machine's clock, as the commands have it."""
    start = SystemClock().now() - 30 * DAY
    await a_month(sqlite_database, start, Planted(), seed=4)
    return sqlite_database


async def test_the_report_says_what_it_earned_and_how_sure_that_is(
    a_past_month: Database, tmp_path: Path
) -> None:
    none_yet = await corsia(tmp_path, "worth")
    assert none_yet.exit_code == 1
    assert "`corsia worth --now` at once" in " ".join(none_yet.output.split())
    assert await measure_if_due(a_past_month, SystemClock())

    said = (await corsia(tmp_path, "worth")).output

    assert "pasta: It works: " in said
    assert "|" in said
    assert "[==" in said
    assert "points, 95%" in said
    assert "split: " in said
    assert "0 unmatched; every line is counted once" in said
    one = (await corsia(tmp_path, "worth", "pasta")).output
    assert "pasta: It works: " in one
    assert "every line" not in one


async def test_the_same_as_json(a_past_month: Database, tmp_path: Path) -> None:
    done = await corsia(tmp_path, "worth", "--now", "--json")
    told = json.loads(done.output)
    (pasta,) = told["campaigns"]
    assert pasta["finding"]["verdict"] == "better"
    assert pasta["sentence"].startswith("It works")
    assert told["all"]["redeemed_lines"] == told["all"]["counted_lines"] > 0
    since = (SystemClock().now() - 10 * DAY).date().isoformat()
    later = json.loads((await corsia(tmp_path, "worth", "--since", since, "--json")).output)
    assert 0 < later["campaigns"][0]["line"]["sends"] < pasta["line"]["sends"]


async def test_a_month_too_short_says_what_is_missing(
    sqlite_database: Database, tmp_path: Path
) -> None:
    start = SystemClock().now() - 29 * DAY
    await a_month(sqlite_database, start, replace(Planted(), shoppers=80), seed=4)
    said = (await corsia(tmp_path, "worth", "--now")).output
    assert "too early to tell: " in said.lower()
    assert "not known" in said


async def test_dealing_anew_says_what_it_cuts_and_asks(
    a_past_month: Database, tmp_path: Path
) -> None:
    await ask_questions(a_past_month, SystemClock().now() - timedelta(days=5))
    refused = await corsia(tmp_path, "worth", "--deal-anew", "once a year", said="n\n")
    assert refused.exit_code == 1
    assert "trials that run will be cut" in refused.output
    done = await corsia(tmp_path, "worth", "--deal-anew", "once a year", "--yes")
    assert "salt number 2" in done.output


@pytest.mark.parametrize(
    "arguments",
    [["--since", "yesterday"], ["pasta", "--deal-anew", "so"], ["--deal-anew", ""]],
    ids=str,
)
def test_what_cannot_be_understood_is_said(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["worth", *arguments]).exit_code == 2


async def test_an_unknown_campaign_is_said(a_past_month: Database, tmp_path: Path) -> None:
    done = await corsia(tmp_path, "worth", "rice", "--now")
    assert (done.exit_code, "of rice yet" in done.output) == (1, True)


async def test_a_till_is_added_listed_and_revoked(a_past_month: Database, tmp_path: Path) -> None:
    assert "there are no tills" in (await corsia(tmp_path, "till", "list")).output
    token = (await corsia(tmp_path, "till", "add", "store-1", "till-3")).output.strip()
    assert len(token) == 43
    again = await corsia(tmp_path, "till", "add", "store-1", "till-3")
    assert (again.exit_code, "has a token" in again.output) == (1, True)
    nowhere = await corsia(tmp_path, "till", "add", "store-2", "till-3")
    assert "there is no store store-2; there are: store-1" in nowhere.output
    assert "may send" in (await corsia(tmp_path, "till", "list")).output
    assert "is refused" in (await corsia(tmp_path, "till", "revoke", "store-1", "till-3")).output
    assert "revoked" in (await corsia(tmp_path, "till", "list")).output
    assert (await corsia(tmp_path, "till", "revoke", "store-1", "till-3")).exit_code == 1


@pytest.mark.parametrize(
    ("effect", "drawn"),
    [
        (Effect(6.0, 2.0, 10.0), "·····|[=#=]"),
        (Effect(2.0, -6.0, 10.0), "··[==|#===]"),
        (Effect(-6.0, -10.0, -4.0), "[=#]·|·····"),
        (Effect(0.0, 0.0, 0.0), "·····#·····"),
    ],
)
def test_an_interval_is_drawn_with_zero_in_the_middle(effect: Effect, drawn: str) -> None:
    assert interval_picture(effect, width=11) == drawn

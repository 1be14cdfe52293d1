"""`corsia explain` as an operator meets it, over decisions that a real engine took."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.clock import VirtualClock
from corsia.cli import main
from db.connect import Database
from db.consents import add_grants
from db.live import Live
from db.tables import decisions
from shoppers.consent import Grant, Purpose
from tests.engine.shop import IN_A, Phone, Shop, for_aisle_a


@pytest.fixture
async def shop(sqlite_database: Database, live: Live, clock: VirtualClock) -> Shop:
    opened = Shop(sqlite_database, live, clock)
    await opened.open(
        for_aisle_a("pasta"),
        for_aisle_a("rice", audience="visits > 1"),
        for_aisle_a("salt", zone_ids=frozenset({"aisle-b"})),
    )
    return opened


async def explain(folder: Path, *arguments: str) -> Result:
    """In a thread: the command has an event loop of its own."""
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["explain", *arguments],
        env={
            "CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/corsia.sqlite3",
            "COLUMNS": "160",
        },
        prog_name="corsia",
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def about(phone: Phone, campaign_id: str, shop: Shop, ago: timedelta) -> list[str]:
    at = (shop.clock.now() - ago).isoformat()
    return ["--shopper", phone.shopper_id, "--campaign", campaign_id, "--at", at]


async def test_a_send_and_who_was_outranked(shop: Shop, tmp_path: Path) -> None:
    phone = await shop.phone()
    await shop.spend(20, {phone: IN_A})
    sent = next(row for row in await shop.rows(decisions) if row.outcome == "send")

    for arguments in ([sent.id], ["decision", sent.id]):
        said = (await explain(tmp_path, *arguments)).output
        assert said.startswith("sent pasta in zone aisle-a at 20")
        assert "believed: " in said

    asked = about(phone, "rice", shop, shop.clock.now() - sent.at)
    said = (await explain(tmp_path, *asked)).output
    assert "rice: the shopper is not in its audience" in said
    drawn = "with the shopper in its audience, the draw would have been between it and pasta"
    assert drawn in said


async def test_silence_says_which_cap_would_have_sufficed(shop: Shop, tmp_path: Path) -> None:
    phone = await shop.phone()
    await shop.spend(45, {phone: IN_A})
    last = (await shop.rows(decisions))[-1]
    assert last.outcome == "hold"

    said = (await explain(tmp_path, last.id)).output

    assert said.startswith("nothing was sent in zone aisle-a")
    assert "pasta: 1 sent in this visit already" in said
    assert "it would have been sent with a cap of 2 a visit and" in said
    told = (await explain(tmp_path, last.id, "--json")).output
    assert '"visit_cap"' in told


async def test_where_nothing_was_decided_it_says_where_the_shopper_was(
    shop: Shop, tmp_path: Path
) -> None:
    phone = await shop.phone()
    await shop.spend(20, {phone: IN_A})

    done = await explain(tmp_path, *about(phone, "salt", shop, timedelta(0)))
    assert done.exit_code == 1
    assert "the shopper was in store shop, in zone aisle-a. None of the " in done.output
    assert "weighed salt" in done.output

    done = await explain(tmp_path, *about(phone, "pasta", shop, timedelta(days=1)))
    assert done.exit_code == 1
    assert "the shopper was in no store" in done.output

    done = await explain(tmp_path, *about(phone, "sugar", shop, timedelta(0)))
    assert "there is no campaign sugar" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b"],
        ["--shopper", "s"],
        ["id", "--shopper", "s", "--campaign", "c", "--at", "2026-11-21T10:00:00Z"],
        ["--shopper", "s", "--campaign", "c", "--at", "2026-11-21T10:00:00"],
        ["--shopper", "s", "--campaign", "c", "--at", "yesterday"],
    ],
)
def test_a_question_that_cannot_be_understood_says_what_is_missing(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["explain", *arguments])
    assert done.exit_code == 2
    assert "--at" in done.output


async def test_the_consents_of_that_moment_are_told_in_text_and_json(
    shop: Shop, tmp_path: Path
) -> None:
    phone = await shop.phone()
    await shop.spend(20, {phone: IN_A})
    sent = next(row for row in await shop.rows(decisions) if row.outcome == "send")
    async with shop.database.begin() as tx:
        later = Grant(Purpose.PROFILING, False, "another-text", "it", sent.at + timedelta(days=1))
        assert await add_grants(tx, phone.shopper_id, [later])

    said = " ".join((await explain(tmp_path, sent.id)).output.split())
    told = json.loads((await explain(tmp_path, sent.id, "--json")).output)

    assert "consent: profiling allowed, text" in said
    assert "another-text" not in said
    assert told["verdict"] == "sent pasta"
    assert told["arm"] == "treated"
    assert {one["purpose"] for one in told["consents"] if one["granted"]} == set(Purpose)
    assert all(one["consent_id"] > 0 for one in told["consents"])
    # The same words in both.
    assert all(used in said for used in told["data_used"])
    rice = next(one for one in told["about"] if one["campaign_id"] == "rice")
    assert "the shopper is not in its audience" in rice["against"]
    assert "the draw would have been between it and pasta" in rice["otherwise"]

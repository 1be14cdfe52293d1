"""`corsia campaign preview` as a manager meets it, over decisions that a real engine took."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from config.clock import VirtualClock
from corsia.cli import main
from corsia.commands import campaign_preview
from corsia.plan_files import Plan, write_plan
from db.campaigns import save_campaign
from db.connect import Database
from db.live import Live
from db.tables import decisions
from offers.campaign import Campaign, Offer, Status, Tier
from tests.engine.shop import IN_A, Shop, for_aisle_a

RICH = Offer("A deal", "Of pasta", margin_cents=900, cost_cents=100)
PHONES = 4


@pytest.fixture
async def shop(
    sqlite_database: Database,
    live: Live,
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    """Four shoppers stood in the aisle of the pasta, each was sent it, and an hour went by."""
    opened = Shop(sqlite_database, live, clock)
    await opened.open()
    phones = [await opened.phone(target=f"fid-{n}") for n in range(PHONES)]
    await opened.spend(15, dict.fromkeys(phones, IN_A))
    await clock.advance(3_600)
    monkeypatch.setattr(campaign_preview, "SystemClock", lambda: clock)
    return opened


async def preview(folder: Path, *campaigns: Campaign, options: tuple[str, ...] = ()) -> Result:
    """In a thread: the command has an event loop of its own."""
    file = folder / "deal.yaml"
    file.write_text(write_plan(Plan((), campaigns)))
    return await run(folder, "campaign", "preview", str(file), *options)


async def run(folder: Path, *arguments: str) -> Result:
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        arguments,
        env={"CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/corsia.sqlite3"},
        prog_name="corsia",
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def a_deal(**changes: Any) -> Campaign:
    """A draft for another month, which goes before the pasta."""
    later = timedelta(days=30)
    deal = for_aisle_a("deal", offer=RICH, tier=Tier.PERSONAL, status=Status.DRAFT)
    return replace(
        deal, valid_from=deal.valid_from + later, valid_until=deal.valid_until + later, **changes
    )


async def test_a_draft_shows_whom_it_reaches_what_it_costs_and_who_loses(
    shop: Shop, tmp_path: Path
) -> None:
    done = await preview(tmp_path, a_deal())

    assert (done.exit_code, done.stderr) == (0, "")
    page = done.stdout.splitlines()
    assert max(map(len, page)) < 80
    assert "moments of 4 visits by 4 shoppers, replayed in " in page[1]
    first = page.index("deal")
    assert page[first + 1 : first + 4] == [
        "      4 visits in which it was for the shopper:",
        "      4 sent, to 4 shoppers",
        "it goes first in 4 visits in which pasta was sent until now",
    ]
    assert page[first + 4] == "costs 4.00 at most, if everybody responds"
    assert page[first + 5].startswith("may earn 0.3")
    sends = page.index("sends         as it is  with it  change")
    assert page[sends + 1 : sends + 4] == [
        "deal                 0        4      +4",
        "pasta                4        0      -4",
        "all together         4        4      +0",
    ]
    assert "     1       4 ####################       4 ####################" in page
    assert "every moment as it was decided then." in " ".join(done.stdout.split())


async def test_the_document_adds_up(shop: Shop, tmp_path: Path) -> None:
    over = a_deal(campaign_id="over", tier=Tier.GENERIC, offer=replace(RICH, margin_cents=0))
    done = await preview(tmp_path, a_deal(control_share=0.6), over, options=("--json",))

    found = json.loads(done.stdout)
    assert found["moments"] == found["moments_as_stored"] > 0
    for one in found["campaigns"]:
        parts = (sum(one["lost"].values()), sum(one["held"].values()), one["sends"], one["ghosts"])
        assert sum(parts) == one["visits"] == PHONES
    deal, other = found["campaigns"]
    assert (deal["campaign_id"], deal["replaces"]) == ("deal", None)
    assert found["sends"]["deal"] == [0, deal["sends"]]
    assert deal["cost_at_most_cents"] == 100 * deal["sends"]
    assert other["held"] == {"below_relevance": PHONES}
    assert sum(found["shoppers_by_sends"][1].values()) == found["shoppers"] == PHONES
    assert len(found["notes"]) == 5


async def test_an_edit_stands_in_place_of_what_is_live(shop: Shop, tmp_path: Path) -> None:
    done = await preview(tmp_path, for_aisle_a("pasta", audience="visits >= 2"))

    assert "pasta, in place of the one that is live" in done.stdout
    assert "      0 visits in which it was for anybody who stood in its zones" in done.stdout
    assert "pasta                4        0      -4" in done.stdout


async def test_what_changed_since_and_what_is_gone_is_told(shop: Shop, tmp_path: Path) -> None:
    rows = await shop.rows(decisions)
    old = {name: value for name, value in rows[0].seen.items() if name != "moment"}
    async with shop.database.begin() as tx:
        await tx.execute(update(decisions).where(decisions.c.id == rows[0].id).values(seen=old))
        await tx.execute(
            update(decisions).where(decisions.c.id == rows[-1].id).values(zone_id="closed")
        )
        await save_campaign(tx, for_aisle_a(offer=replace(RICH, margin_cents=0)), shop.clock.now())

    done = await preview(tmp_path, a_deal())

    told = " ".join(done.stdout.split())
    assert "otherwise than then, as campaigns have changed since" in told
    assert "Left as they fell: 1 moment stored by a Corsia that kept too little" in told
    assert "Left as they fell: 1 moment in zones that no plan has any more" in told


async def test_one_store_alone_is_counted(shop: Shop, tmp_path: Path) -> None:
    found = await preview(tmp_path, a_deal(), options=("--store", "shop", "--json"))
    assert json.loads(found.stdout)["visits"] == PHONES

    done = await preview(tmp_path, a_deal(), options=("--store", "shap"))
    assert done.stderr == "Error: there is no store shap; there is shop\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "7x"), "--since: '7x' is no time; write 7d, 36h or 2026-11-15"),
        (("--since", "2026-11-21T10:00"), "--since needs its offset, such as Z or +01:00"),
        (("--since", "2026-11-22"), "2026-11-22 00:00:00 UTC is not before 2026-11-21 11:00"),
        (("--since", "0001-01-01T00:00+14:00"), "is before the time of anything that is stored"),
        (("--until", "soon"), "--until: 'soon' is no time"),
        (("--since", "1h", "--until", "2026-11-21T12:00:00Z"), "no decision is stored from"),
    ],
)
async def test_a_time_that_is_none_is_told(
    shop: Shop, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = await preview(tmp_path, a_deal(), options=options)
    assert done.exit_code in (1, 2)
    assert said in done.stderr


async def test_before_anybody_came_there_is_nothing_to_replay(
    sqlite_database: Database, live: Live, clock: VirtualClock, tmp_path: Path
) -> None:
    await Shop(sqlite_database, live, clock).open()

    done = await preview(tmp_path, a_deal())

    assert done.exit_code == 1
    assert "no decision was ever stored: shoppers must have been in a store first" in done.stderr


async def test_faults_are_told_with_their_lines(shop: Shop, tmp_path: Path) -> None:
    done = await preview(tmp_path, a_deal(zone_ids=frozenset({"aisle-z"})))
    assert "deal.yaml:11: campaigns[0].zone_ids[0]: no store has a zone aisle-z" in done.stderr
    assert "1 fault; nothing was tried" in done.stderr

    assert "no campaigns in it; there is nothing to try" in (await preview(tmp_path)).stderr
    (tmp_path / "broken.yaml").write_text("version: 1\ncampaigns: [{name: 7}]\n")
    done = await run(tmp_path, "campaign", "preview", str(tmp_path / "broken.yaml"))
    assert "broken.yaml:2: campaigns[0]" in done.stderr
    assert done.exit_code == 1

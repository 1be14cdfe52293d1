"""Erasure, retention and export: what is kept about a person, and for how long."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from beacons.survey_walk import Tap
from config.clock import VirtualClock
from db import (
    browsing,
    consents,
    handsets,
    pressure,
    profiles,
    receipts,
    surveys,
    tokens,
    visits,
)
from db.browsing import BrowsingEvent
from db.campaign_tables import campaign_events, campaign_versions
from db.connect import Database
from db.learnt_tables import campaign_odds, categories, learnt, products, shelves
from db.personal import erase_due, export_shopper
from db.pressure_tables import policies
from db.profiles import Made
from db.purchases import ReceiptLine, TillReceipt, add_receipt, member_code
from db.receipts import Receipt
from db.schema import metadata
from db.survey_tables import surveys as surveys_table
from db.surveys import OpenWalk
from db.tables import (
    browsing as browsing_table,
)
from db.tables import (
    campaigns,
    catalogue_version,
    decisions,
    gateway_codes,
    gateway_links,
    gateway_progress,
    gateway_radios,
    gateways,
    refresh_tokens,
    stops,
    stores,
)
from db.tables import (
    consents as consents_table,
)
from db.worth_tables import (
    campaign_worth,
    control_salts,
    till_receipts,
    tills,
    trials,
    worth_days,
)
from offers.fading import Tally
from offers.known import Opinion, Profile
from shoppers.consent import Purpose
from tests.db.rows import STORE, a_person, a_send, a_store

ABOUT_NOBODY = {
    stores, gateways, gateway_codes, gateway_progress, gateway_links, gateway_radios, campaigns,
    surveys_table, catalogue_version, stops, control_salts, tills, till_receipts, trials,
    campaign_worth, worth_days, learnt, campaign_odds, categories, products, shelves, policies,
    campaign_versions, campaign_events,
}  # fmt: skip
TARGET = "fid-of-this-person"


async def _whole_person(database: Database, clock: VirtualClock, target: str) -> list[str]:
    """A shopper with a row in every table about people; every text that points to them."""
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now, target=target)
        await handsets.set_secret(tx, person.handset_id, f"sealed-{target}".encode(), now)
        await visits.enter_zone(tx, person.visit_id, "aisle-7", now, 0.9)
        await tokens.issue(tx, person.handset_id, now + timedelta(days=180), f"family-{target}")
        event = BrowsingEvent(f"event-{target}", "viewed", "pasta", None, now)
        await browsing.add_browsing(tx, person.shopper_id, [event], now)
        made = Made(Profile(dwelt={"pasta": Tally(60.0, now)}), now + timedelta(days=365))
        assert await profiles.keep(tx, {person.shopper_id: made}, now, now) == 1
        await profiles.state(tx, person.shopper_id, {"pasta": Opinion.WANTED}, now)
        await pressure.set_own_cap(tx, person.shopper_id, 2, now)
        decision_id = await a_send(tx, person, now)
        receipt = Receipt(f"receipt-{target}", decision_id, "opened", now)
        await receipts.add_receipts(tx, person.handset_id, [receipt])
        offer = await receipts.sent_offer(tx, decision_id, person.shopper_id)
        assert offer is not None
        redemption = await receipts.redeem(tx, offer, f"key-{target}", f"code-{target}", now)
        await member_code(tx, person.shopper_id, now)
        line = ReceiptLine("penne", "pasta", 1, 200, coupon=redemption.code)
        bought = TillReceipt(STORE, f"till-{target}", now, [line])
        await add_receipt(tx, bought, person.shopper_id, lambda _shopper_id: True, now)
        walk = OpenWalk(person.handset_id, STORE, f"walk-{target}", now)
        assert await surveys.open_walk(tx, walk, now)
        tap = Tap(now.timestamp(), "ground", 1.0, 2.0)
        assert await surveys.add_tap(tx, walk, f"tap-{target}", tap, now)
    return [
        person.shopper_id, person.handset_id, person.visit_id, decision_id,
        redemption.redemption_id, target,
    ]  # fmt: skip


async def _rows(database: Database) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    found: dict[str, list[str]] = {}
    async with database.read() as tx:
        for table in metadata.sorted_tables:
            rows = (await tx.execute(select(table))).all()
            found[table.name] = [str(tuple(row)) for row in rows]
    return found


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


async def test_erasing_a_shopper_leaves_nothing_but_the_proof_of_consent(
    database: Database, clock: VirtualClock
) -> None:
    traces = await _whole_person(database, clock, TARGET)
    others = await _whole_person(database, clock, "fid-of-another")
    before = await _rows(database)
    for table in set(metadata.sorted_tables) - ABOUT_NOBODY:
        about = [row for row in before[table.name] if any(trace in row for trace in traces)]
        assert about, f"the test has no row in {table.name}"

    async with database.begin() as tx:
        await handsets.erase_shopper(tx, traces[0])

    after = await _rows(database)
    ledger = after.pop(consents_table.name)
    everything = "\n".join(row for rows in after.values() for row in rows)
    assert [trace for trace in traces if trace in everything] == []
    assert sum(traces[0] in row for row in ledger) == len(Purpose)
    assert [trace for trace in others if trace not in everything] == []


async def test_the_ledger_of_an_erased_shopper_leads_nowhere(
    database: Database, clock: VirtualClock
) -> None:
    shopper_id, handset_id, *_ = await _whole_person(database, clock, TARGET)

    async with database.begin() as tx:
        await handsets.erase_shopper(tx, shopper_id)

        assert await consents.standing_consents(tx, shopper_id) == frozenset(Purpose)
        assert await handsets.load_handset(tx, handset_id) is None
        assert await handsets.push_target(tx, handset_id) is None
        assert await handsets.recognisable(tx) == set()


async def _count(database: Database, *named: str) -> list[int]:
    async with database.read() as tx:
        return [
            (await tx.execute(select(func.count()).select_from(metadata.tables[name]))).scalar_one()
            for name in named
        ]


async def test_what_has_been_kept_long_enough_goes_and_nothing_sooner(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    await _whole_person(database, clock, TARGET)

    async def erased_after(days: int) -> tuple[int, list[int]]:
        async with database.begin() as tx:
            erased = await erase_due(tx, start + timedelta(days=days))
        assert erased.is_all
        names = ("refresh_tokens", "browsing", "decisions", "visits", "zone_visits", "profiles",
                 "shoppers")  # fmt: skip
        return erased.shoppers, await _count(database, *names)

    assert await erased_after(179) == (0, [1, 1, 1, 1, 1, 1, 1])
    assert await erased_after(180) == (0, [0, 1, 1, 1, 1, 1, 1])
    assert await erased_after(364) == (0, [0, 1, 1, 1, 1, 1, 1])
    assert await erased_after(365) == (0, [0, 0, 0, 0, 0, 0, 1])
    assert await erased_after(729) == (0, [0, 0, 0, 0, 0, 0, 1])
    assert await erased_after(730) == (1, [0, 0, 0, 0, 0, 0, 0])
    assert await _count(database, "consents", "stores", "campaigns") == [len(Purpose), 1, 1]


async def test_what_is_due_goes_a_little_at_a_time(database: Database, clock: VirtualClock) -> None:
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now)
        seen = [BrowsingEvent(f"event-{n}", "viewed", "pasta", None, now) for n in range(5)]
        await browsing.add_browsing(tx, person.shopper_id, seen, now)
    later, left = now + timedelta(days=365), []
    for is_all in (False, False, True):
        async with database.begin() as tx:
            assert (await erase_due(tx, later, most=2)).is_all is is_all
        left += await _count(database, "browsing")
    assert left == [3, 1, 0]


async def test_whoever_comes_back_is_kept_for_longer(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    shopper_id, *_ = await _whole_person(database, clock, TARGET)
    async with database.begin() as tx:
        await handsets.keep_until(tx, [shopper_id], start + timedelta(days=100))

        assert (await erase_due(tx, start + timedelta(days=829))).shoppers == 0
        assert (await erase_due(tx, start + timedelta(days=830))).shoppers == 1


async def test_the_export_holds_every_table_and_no_credential(
    database: Database, clock: VirtualClock
) -> None:
    traces = await _whole_person(database, clock, TARGET)
    others = await _whole_person(database, clock, "fid-of-another")

    async with database.read() as tx:
        export = await export_shopper(tx, traces[0])
        nobody = await export_shopper(tx, "nobody")

    personal = set(metadata.sorted_tables) - ABOUT_NOBODY - {refresh_tokens}
    assert len(export) == len(personal)
    assert all(export.values())
    text = json.dumps(export, default=str)
    assert TARGET not in text.replace(f"-{TARGET}", "")  # the target is a credential
    assert "sealed" not in text
    assert [trace for trace in others if trace in text] == []
    assert not any(nobody.values())


async def test_rows_about_people_know_when_they_are_erased(
    database: Database, clock: VirtualClock
) -> None:
    """Each table about people says so itself, or hangs on one that does."""
    hang_on: dict[str, set[str]] = {
        table.name: {key.column.table.name for key in table.foreign_keys}
        for table in metadata.sorted_tables
    }
    dated = {table.name for table in metadata.sorted_tables if "erase_after" in table.c}
    for table in set(metadata.sorted_tables) - ABOUT_NOBODY - {consents_table}:
        reached, waiting = set(), [table.name]
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting += hang_on[name] - reached
        assert reached & dated, table.name
    assert {browsing_table.name, decisions.name} <= dated

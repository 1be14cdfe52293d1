"""The engine process: who owns a store, what changes while it works, what goes away and returns."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from beacons.calibration import GatewayRadio
from config.clock import VirtualClock
from config.settings import load_settings
from db import gateway_radios, handsets, stores
from db.connect import Database, open_database
from db.live import Here, Live, open_live
from db.sealing import seal
from db.tables import decisions, gateway_progress, sends, visits, zone_visits
from db.tables import shoppers as shopper_rows
from engine.identities import Identities
from engine.jobs import run_jobs
from engine.live_campaigns import LiveCampaigns
from engine.owning import own_store
from engine.run import refresh_identities, run_engine
from tests.engine.shop import GATEWAYS, IN_A, KEY, STORE, TENANT, Phone, Shop, a_shop, eventually

OWNER = f"{{store:{STORE}}}:owner"


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A process of ours for the length of the block, stopped as a signal stops it."""
    task = asyncio.create_task(work, name="process")
    try:
        yield task
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
        if not task.cancelled():
            task.result()  # raises what it raised


def owning(shop: Shop, identities: Identities | None = None) -> Coroutine[Any, Any, None]:
    return own_store(
        shop.store_id,
        shop.database,
        shop.live,
        identities or shop.identities,
        LiveCampaigns(shop.clock),
        shop.clock,
    )


async def owner(live: Live) -> str | None:
    found: Any = await live.redis.get(OWNER)
    return None if found is None else found.decode()


async def all_is_worked_off(shop: Shop) -> None:
    async def nothing_waits() -> bool:
        return await shop.live.backlog(shop.store_id) == 0

    await eventually(nothing_waits)


async def stand(shop: Shop, phone: Phone, seconds: int) -> None:
    """The phone stands in aisle A; whoever owns the store works it off."""
    for _ in range(seconds):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        await all_is_worked_off(shop)


async def a_second(shop: Shop, phone: Phone) -> None:
    """A second in aisle A, in which nobody waits for the engine: it may be pausing."""
    await shop.transmit({phone: IN_A})
    await shop.clock.advance(1)


async def test_an_owner_turns_the_stream_into_visits_and_sends(shop: Shop) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 14)

        assert len(await shop.rows(visits)) == 1
        assert len(await shop.rows(sends)) == 1
        here = (await shop.live.where_all(shop.store_id, [phone.handset_id])).get(phone.handset_id)
        assert here is not None
        assert here.zone_id == "aisle-a"
    assert await owner(shop.live) is None


async def test_the_next_engine_goes_on_where_the_first_stopped(shop: Shop) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 14)
        async with running(owning(shop)) as second:
            first_owner = await owner(shop.live)
            await stand(shop, phone, 2)
            assert await owner(shop.live) == first_owner
            assert not second.done()

    async with running(owning(shop)):
        await stand(shop, phone, 14)

    assert len(await shop.rows(visits)) == 1
    assert len(await shop.rows(sends)) == 1
    assert sum(one.batches for one in await shop.rows(gateway_progress)) == 30 * len(GATEWAYS)


async def test_an_engine_that_lost_its_lease_stops_and_may_come_back(shop: Shop) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 1)
        me = await owner(shop.live)
        await shop.live.redis.set(OWNER, "somebody else")
        # Within three seconds it asks again, and stops.
        await shop.clock.advance(3)
        await shop.live.redis.delete(OWNER)

        async def is_owned() -> bool:
            await shop.clock.advance(1)
            return await owner(shop.live) is not None

        await eventually(is_owned)
        assert await owner(shop.live) == me
        await stand(shop, phone, 3)

    assert len(await shop.rows(visits)) == 1


async def test_while_another_owns_the_store_nothing_is_taken(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.live.redis.set(OWNER, "somebody else")
    async with running(owning(shop)):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(5)
        assert await shop.live.backlog(shop.store_id) == len(GATEWAYS)

        await shop.live.redis.delete(OWNER)
        await shop.clock.advance(1)
        await all_is_worked_off(shop)


async def test_what_a_killed_engine_held_is_inherited(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.transmit({phone: IN_A})
    assert len(await shop.live.take(shop.store_id, "killed", 100, 1)) == len(GATEWAYS)

    async with running(owning(shop)):
        await all_is_worked_off(shop)

    assert sum(one.sightings for one in await shop.rows(gateway_progress)) == len(GATEWAYS)


async def test_whoever_left_while_nobody_worked_leaves_the_picture(shop: Shop) -> None:
    gone = Here("aisle-a", 0.9, 1.0, 1.0, shop.clock.now().timestamp() - 600)
    await shop.live.picture(shop.store_id, {"long-gone": gone})
    phone = await shop.phone()

    async with running(owning(shop)):
        await stand(shop, phone, 4)

        async def is_painted() -> bool:
            return set(await shop.live.everyone(shop.store_id)) == {phone.handset_id}

        await eventually(is_painted)


async def test_a_changed_plan_is_taken_up(shop: Shop) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 4)
        plan = a_shop()
        zones = (replace(plan.floors[0].zones[0], zone_id="pasta"), *plan.floors[0].zones[1:])
        async with shop.database.begin() as tx:
            changed = replace(plan, floors=(replace(plan.floors[0], zones=zones),))
            await stores.save_store(tx, changed, shop.clock.now())
        await shop.clock.advance(3)

        async def is_in_the_new_zone() -> bool:
            await a_second(shop, phone)
            return "pasta" in {one.zone_id for one in await shop.rows(zone_visits)}

        await eventually(is_in_the_new_zone)

    assert len(await shop.rows(visits)) == 1


async def test_a_killed_engine_leaves_its_presence_to_the_next(shop: Shop) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 14)

        async def is_kept() -> bool:
            await a_second(shop, phone)
            return await shop.live.checkpoint(shop.store_id) is not None

        await eventually(is_kept)
    # Nothing is written when it is stopped, so it might as well have been killed.
    before = await shop.rows(zone_visits)
    assert [one.zone_id for one in before] == ["aisle-a"]
    told = len(await shop.rows(decisions))

    async with running(owning(shop)):
        await stand(shop, phone, 3)

        async def is_seen() -> bool:
            here = (await shop.live.where_all(shop.store_id, [phone.handset_id])).get(
                phone.handset_id
            )
            return here is not None and here.zone_id == "aisle-a"

        await eventually(is_seen)

    assert await shop.rows(zone_visits) == before
    # Marks go on: of those at 2, 3, 5 and 10 s none is told again.
    assert len(await shop.rows(decisions)) <= told + 1
    assert len(await shop.rows(visits)) == 1


async def test_a_calibration_is_taken_up_while_the_store_works(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    phone = await shop.phone()
    caplog.set_level("INFO", "engine.owning")
    async with running(owning(shop)):
        await stand(shop, phone, 6)
        radios = [
            GatewayRadio(f"shop-{n}", offset_db, 1.0, 0.0, 1.0, 2.2, 0.2, 5.0, 3)
            for n, offset_db in enumerate((3.0, -3.0, 1.0, -1.0))
        ]
        async with shop.database.begin() as tx:
            await gateway_radios.save(tx, shop.store_id, radios, (), shop.clock.now())

        async def is_taken_up() -> bool:
            await a_second(shop, phone)
            return "plan taken up" in caplog.text

        await eventually(is_taken_up)
        await stand(shop, phone, 6)

    assert caplog.text.count("store taken") == 1
    assert [one.zone_id for one in await shop.rows(zone_visits)] == ["aisle-a"]
    assert len(await shop.rows(visits)) == 1


async def test_a_plan_with_faults_pauses_its_store_until_it_is_mended(shop: Shop) -> None:
    plan = a_shop()
    floor = replace(plan.floors[0], zones=plan.floors[0].zones[:1] * 2)
    async with shop.database.begin() as tx:
        await stores.save_store(tx, replace(plan, floors=(floor,)), shop.clock.now())
    phone = await shop.phone()
    async with running(owning(shop)) as process:
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(3)
        assert not process.done()

        async with shop.database.begin() as tx:
            await stores.save_store(tx, plan, shop.clock.now())

        async def is_worked_off() -> bool:
            await shop.clock.advance(1)
            return await shop.live.backlog(shop.store_id) == 0

        await eventually(is_worked_off)


async def test_a_new_plan_with_faults_leaves_the_store_at_work(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    phone, plan = await shop.phone(), a_shop()
    floor = plan.floors[0]
    caplog.set_level("INFO", "engine.owning")

    def refusals() -> list[str]:
        said = [record for record in caplog.records if "cannot be used" in record.message]
        return [record.__dict__["why"] for record in said]

    async def is_said(words: str) -> None:
        async def it_is() -> bool:
            await a_second(shop, phone)
            return words in caplog.text

        await eventually(it_is)

    async with running(owning(shop)):
        await stand(shop, phone, 4)
        twice = replace(plan, floors=(replace(floor, zones=floor.zones[:1] * 2),))
        async with shop.database.begin() as tx:
            await stores.save_store(tx, twice, shop.clock.now())
        await is_said("new plan cannot be used: the store goes on with the one before")
        await stand(shop, phone, 10)
        assert len(refusals()) == 1
        assert "Zone id aisle-a is used 2 times" in refusals()[0]
        assert [one.zone_id for one in await shop.rows(zone_visits)] == ["aisle-a"]

        async with shop.database.begin() as tx:
            await stores.save_store(tx, plan, shop.clock.now())
        await is_said("plan taken up")

    assert caplog.text.count("store taken") == 1
    assert "store paused" not in caplog.text


async def test_what_keeps_a_store_from_its_work_is_in_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.database.begin() as tx:
        plan = replace(a_shop(), tz="Europe/Nowhere")
        await stores.save_store(tx, plan, shop.clock.now())

    async def is_paused() -> bool:
        return "store paused" in caplog.text

    async with running(owning(shop)):
        await eventually(is_paused)

    paused = [record for record in caplog.records if record.message == "store paused"]
    assert paused[0].__dict__["why"] == "this machine knows no time zone Europe/Nowhere"


@pytest.mark.parametrize("is_noticed_meanwhile", [True, False])
async def test_an_engine_whose_store_was_taken_while_it_loaded_leaves_it_alone(
    shop: Shop, caplog: pytest.LogCaptureFixture, *, is_noticed_meanwhile: bool
) -> None:
    caplog.set_level("INFO", "engine.owning")
    await shop.transmit({await shop.phone(): IN_A})

    async def is_taken() -> bool:
        return await owner(shop.live) is not None

    async def is_left() -> bool:
        return "store lost to another engine" in caplog.text

    async with AsyncExitStack() as writing:
        # The engine that loads the store waits for it.
        await writing.enter_async_context(shop.database.begin())
        async with running(owning(shop)):
            await eventually(is_taken)
            await shop.live.redis.set(OWNER, "somebody else")
            if is_noticed_meanwhile:
                await shop.clock.advance(3)
                await eventually(is_left)
            await writing.aclose()
            await eventually(is_left)

        assert await shop.live.backlog(shop.store_id) == len(GATEWAYS)
        pending: Any = await shop.live.redis.xpending(f"{{store:{STORE}}}:sightings", "engine")
        assert pending["pending"] == 0


async def test_changes_that_cannot_be_seen_hold_up_nothing_else(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 4)
        # Only the look at what has changed asks for it.
        async with shop.database.begin() as tx:
            await tx.execute(text("ALTER TABLE survey_walks RENAME TO away"))

        async def is_said() -> bool:
            await a_second(shop, phone)
            return "changes not seen" in caplog.text

        await eventually(is_said)
        await stand(shop, phone, 8)

    assert "not written yet" not in caplog.text
    assert [one.zone_id for one in await shop.rows(zone_visits)] == ["aisle-a"]


async def test_presence_too_large_to_be_kept_is_said(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.owning.CHECKPOINT_MAX_BYTES", 10)
    phone = await shop.phone()
    async with running(owning(shop)):
        await stand(shop, phone, 4)
    assert "presence too large to be kept" in caplog.text
    assert await shop.live.checkpoint(STORE) is None


async def test_without_redis_an_engine_waits_and_stops_when_told(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    async with open_live(f"unix://{tmp_path}/none.sock") as live:
        work = own_store(
            STORE, sqlite_database, live, Identities(TENANT), LiveCampaigns(clock), clock
        )
        async with running(work) as process:
            await clock.advance(5)
            assert not process.done()
    assert process.cancelled()


async def test_without_a_database_an_engine_waits(clock: VirtualClock, live: Live) -> None:
    async with open_database("postgresql+asyncpg://corsia@127.0.0.1:1/corsia") as database:
        work = own_store(STORE, database, live, Identities(TENANT), LiveCampaigns(clock), clock)
        async with running(work) as process:

            async def has_tried() -> bool:
                return await owner(live) is not None

            await eventually(has_tried)
            await clock.advance(5)
            assert not process.done()


async def test_a_secret_that_does_not_open_is_nobodys(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    async with sqlite_database.begin() as tx:
        for key in (KEY, bytes(32)):
            handset = await handsets.register(
                tx, platform="ios", app_version="1", country="IT", locale="it", now=clock.now()
            )
            sealed = seal(key, handset.handset_id, b"s" * 32)
            await handsets.set_secret(tx, handset.handset_id, sealed, clock.now())
    identities = Identities(TENANT)

    await refresh_identities(sqlite_database, identities, KEY, None)

    assert len(identities) == 1


async def test_the_engine_learns_of_stores_handsets_and_withdrawals(
    shop: Shop, redis_url: str, tmp_path: Path
) -> None:
    settings = load_settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3",
        redis_url=redis_url,
        tenant=TENANT,
        data_key=KEY.hex(),
    )
    second = Shop(shop.database, shop.live, shop.clock, store_id="second")

    async with running(run_engine(settings, shop.clock)):
        # Saved and registered while it runs.
        await second.open()
        phone = await second.phone()

        async def is_seen() -> bool:
            await a_second(second, phone)
            return {one.store_id for one in await shop.rows(visits)} == {"second"}

        await eventually(is_seen)

        async with shop.database.begin() as tx:
            await handsets.set_secret(tx, phone.handset_id, None, shop.clock.now())

        async def strangers() -> int:
            await a_second(second, phone)
            return (await shop.live.counts("second")).get("unknown_sightings", 0)

        async def is_a_stranger() -> bool:
            return await strangers() >= 12

        await eventually(is_a_stranger)
        known = (await shop.live.counts("second"))["resolved_sightings"]

        async def is_one_for_good() -> bool:
            return await strangers() >= 36

        await eventually(is_one_for_good)
        assert (await shop.live.counts("second"))["resolved_sightings"] == known


async def test_an_erased_handset_is_forgotten_within_a_minute(
    shop: Shop, redis_url: str, tmp_path: Path
) -> None:
    settings = load_settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3",
        redis_url=redis_url,
        tenant=TENANT,
        data_key=KEY.hex(),
    )
    phone = await shop.phone()
    async with running(run_engine(settings, shop.clock)):

        async def is_seen() -> bool:
            await a_second(shop, phone)
            return len(await shop.rows(visits)) == 1

        await eventually(is_seen)
        async with shop.database.begin() as tx:
            await handsets.erase_shopper(tx, phone.shopper_id)
        for _ in range(62):
            await shop.clock.advance(1)

        async def is_a_stranger() -> bool:
            await a_second(shop, phone)
            return (await shop.live.counts(STORE)).get("unknown_sightings", 0) > 0

        await eventually(is_a_stranger)
    assert await shop.rows(visits) == []
    assert await shop.rows(decisions) == []


async def test_jobs_erase_what_is_due_each_hour(shop: Shop, tmp_path: Path) -> None:
    await shop.phone()
    settings = load_settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3")

    async def shoppers() -> int:
        return len(await shop.rows(shopper_rows))

    await shop.clock.advance(729 * 86_400)
    async with running(run_jobs(settings, shop.clock)):
        assert await shoppers() == 1
        for _ in range(24):
            await shop.clock.advance(3_600)

        async def is_erased() -> bool:
            await shop.clock.advance(3_600)
            return await shoppers() == 0

        await eventually(is_erased)


async def test_jobs_wait_for_a_database_that_is_away(clock: VirtualClock) -> None:
    settings = load_settings(database_url="postgresql+asyncpg://corsia@127.0.0.1:1/corsia")
    async with running(run_jobs(settings, clock)) as process:
        await clock.advance(7_200)
        assert not process.done()


@pytest.mark.parametrize("key", ["short", "zz" * 32])
async def test_an_engine_without_a_usable_data_key_does_not_start(
    key: str, redis_url: str, tmp_path: Path, sqlite_database: Database, clock: VirtualClock
) -> None:
    settings = load_settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3",
        redis_url=redis_url,
        data_key=key,
    )
    with pytest.raises(ExceptionGroup) as refused:
        await run_engine(settings, clock)

    assert "CORSIA_DATA_KEY" in str(refused.value.exceptions[0])

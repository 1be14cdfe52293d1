"""What Redis holds for a while: caps, leases, limits, the picture, counters, wake-ups."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from re import findall

import pytest

import db.live
from db.live import (
    CHECKPOINT_EXPIRE_S,
    HERE_EXPIRE_S,
    LEASE_S,
    MESSAGES_EXPIRE_S,
    WAKE,
    Here,
    Live,
    open_live,
)
from offers.pressure import DEFAULT_POLICY, Cap, Message, Scope
from tests.db.test_live_stream import a_batch

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SHOPPER, STORE = "shopper-1", "store-1"
WEEK = timedelta(days=7)
DEFAULT = DEFAULT_POLICY.caps


def a_send(number: int, *, visit: str = "v-1", at: datetime = NOW) -> Message:
    return Message(f"d-{number}", at, f"c-{number}", visit, "aisle-7", STORE)


async def _reserve(
    live: Live,
    wanted: Message,
    *caps: Cap,
    known: Sequence[Message] = (),
    shopper_id: str = SHOPPER,
) -> bool:
    return await live.reserve(shopper_id, wanted, known, caps, wanted.at)


async def _reserved(live: Live, cap: Cap, *wanted: Message) -> list[bool]:
    return [await _reserve(live, one, cap) for one in wanted]


async def test_a_visit_has_its_cap(live: Live) -> None:
    two = Cap(Scope.VISIT, 2)

    sends = [a_send(1), a_send(2), a_send(3), a_send(4, visit="v-2")]
    assert await _reserved(live, two, *sends) == [True, True, False, True]


async def test_a_week_has_its_cap_and_rolls_on(live: Live) -> None:
    two = Cap(Scope.SHOPPER, 2, within=WEEK)
    sends = [
        a_send(1, visit="a"),
        a_send(2, visit="b", at=NOW + timedelta(days=3)),
        a_send(3, visit="c", at=NOW + WEEK - timedelta(microseconds=1)),
        a_send(4, visit="d", at=NOW + WEEK),  # the first is a week old, to the instant
        a_send(5, visit="e", at=NOW + WEEK + timedelta(days=2)),
        a_send(6, visit="f", at=NOW + WEEK + timedelta(days=4)),
    ]

    assert await _reserved(live, two, *sends) == [True, True, False, True, False, True]


async def test_the_cool_down_lasts_to_its_end(live: Live) -> None:
    cool_down = Cap(Scope.SHOPPER, 1, within=timedelta(minutes=20))
    sends = [
        a_send(1),
        a_send(2, visit="b", at=NOW + timedelta(seconds=1_199.999)),
        a_send(3, visit="c", at=NOW + timedelta(seconds=1_200)),
    ]

    assert await _reserved(live, cool_down, *sends) == [True, False, True]


async def test_the_default_is_one_a_visit_and_two_a_week(live: Live) -> None:
    hour = timedelta(hours=1)
    sends = [
        a_send(1, visit="a"),
        a_send(2, visit="a", at=NOW + hour),
        a_send(3, visit="b", at=NOW + 2 * hour),
        a_send(4, visit="c", at=NOW + 4 * hour),
    ]

    answers = [await _reserve(live, one, *DEFAULT) for one in sends]
    assert answers == [True, False, True, False]


async def test_reserving_the_same_send_again_takes_no_second_place(live: Live) -> None:
    one = Cap(Scope.VISIT, 1)

    assert await _reserved(live, one, a_send(1), a_send(1), a_send(2)) == [True, True, False]


async def test_concurrent_reservers_never_exceed_the_cap(live: Live) -> None:
    three = Cap(Scope.VISIT, 3)

    async with asyncio.TaskGroup() as tasks:
        reservers = [
            tasks.create_task(_reserve(live, a_send(n), three), name=f"reserver {n}")
            for n in range(20)
        ]

    assert sum(task.result() for task in reservers) == 3


async def test_what_sql_knows_forbids_as_much_after_redis_was_emptied(live: Live) -> None:
    assert await _reserve(live, a_send(1), *DEFAULT)
    await live.redis.flushall()

    later = NOW + timedelta(hours=1)
    same_visit = a_send(2, at=later)
    assert not await _reserve(live, same_visit, *DEFAULT, known=[a_send(1)])
    other_visit = a_send(3, visit="v-2", at=later)
    assert await _reserve(live, other_visit, *DEFAULT, known=[a_send(1)])
    third = a_send(4, visit="v-3", at=later + timedelta(hours=1))
    assert not await _reserve(live, third, *DEFAULT, known=[a_send(1), a_send(3)])


async def test_a_released_send_counts_no_longer(live: Live) -> None:
    assert await _reserve(live, a_send(1), *DEFAULT)

    await live.release_all([(SHOPPER, a_send(1))])
    await live.release_all([(SHOPPER, a_send(1))])

    assert await _reserve(live, a_send(2), *DEFAULT)


async def test_what_was_given_back_is_not_taken_again_by_who_read_before(live: Live) -> None:
    gone = a_send(1)
    assert await _reserve(live, gone, *DEFAULT)
    await live.release_all([(SHOPPER, gone)])

    # In SQL it counted when this one was asked for.
    assert await _reserve(live, a_send(2), *DEFAULT, known=[gone])


async def test_a_reservation_taken_back_counts_again_when_sql_has_the_send_after_all(
    live: Live,
) -> None:
    unheard = a_send(1)
    assert await _reserve(live, unheard, *DEFAULT)
    await live.unreserve(SHOPPER, unheard)

    assert not await _reserve(live, a_send(2), *DEFAULT, known=[unheard])
    await live.unreserve(SHOPPER, unheard)
    assert await _reserve(live, a_send(3), *DEFAULT)


async def test_shoppers_do_not_share_their_caps(live: Live) -> None:
    assert await _reserve(live, a_send(1), *DEFAULT)

    assert await _reserve(live, a_send(2), *DEFAULT, shopper_id="shopper-2")


async def test_a_forgotten_shopper_leaves_nothing_in_redis(live: Live) -> None:
    await _reserve(live, a_send(1), *DEFAULT)

    await live.forget_shopper(SHOPPER)

    assert await _keys(live) == []


async def test_a_store_has_one_owner(live: Live) -> None:
    assert await live.hold_lease(STORE, "one")
    assert not await live.hold_lease(STORE, "other")
    assert await live.hold_lease(STORE, "one")
    assert await live.hold_lease("another store", "other")

    await live.drop_lease(STORE, "other")
    assert not await live.hold_lease(STORE, "other")
    await live.drop_lease(STORE, "one")
    assert await live.hold_lease(STORE, "other")


async def test_a_lease_that_is_kept_begins_anew(live: Live) -> None:
    key = f"{{store:{STORE}}}:owner"
    await live.hold_lease(STORE, "one")
    await live.redis.pexpire(key, 500)

    await live.hold_lease(STORE, "one")

    assert LEASE_S - 1 <= await live.redis.ttl(key) <= LEASE_S


async def test_a_client_gets_its_burst_and_then_its_rate(live: Live) -> None:
    async def wait_s(at_s: float, client: str = "gw-1") -> float:
        at = NOW + timedelta(seconds=at_s)
        return (await live.rate(client, at, per_minute=60, burst=3)).total_seconds()

    assert [await wait_s(0) for _ in range(4)] == [0, 0, 0, 1]
    assert await wait_s(0.4) == pytest.approx(0.6, abs=0.002)
    assert await wait_s(0.4, "gw-2") == 0
    assert [await wait_s(1) for _ in range(2)] == [0, 1]
    # After a rest the burst is there again, and no more than that.
    assert [await wait_s(3_600) for _ in range(4)] == [0, 0, 0, 1]


async def test_a_client_that_is_refused_is_not_punished_for_asking(live: Live) -> None:
    for _ in range(50):
        await live.rate("c", NOW, per_minute=60, burst=1)

    waits = await live.rate("c", NOW + timedelta(seconds=1), per_minute=60, burst=1)

    assert waits == timedelta(0)


HERE = Here("aisle-7", 0.9, 3.5, 2.5, NOW.timestamp())


async def test_the_picture_shows_who_is_where(live: Live) -> None:
    nowhere = Here(None, 0.2, 1.0, 1.0, NOW.timestamp())

    await live.picture(STORE, {"h-1": HERE, "h-2": nowhere})
    await live.picture(STORE, {}, gone=["h-2", "h-3"])
    await live.picture(STORE, {})

    assert await live.where_all(STORE, ["h-1", "h-2"]) == {"h-1": HERE}
    assert await live.where_all("elsewhere", ["h-1"]) == {}
    assert await live.where_all(STORE, []) == {}
    assert await live.everyone(STORE) == {"h-1": HERE}


async def test_what_is_not_kept_up_expires(live: Live) -> None:
    await live.picture(STORE, {"h-1": HERE})
    await _reserve(live, a_send(1), *DEFAULT)
    await live.release_all([(SHOPPER, a_send(2))])
    await live.hold_lease(STORE, "me")
    assert await live.keep_checkpoint(STORE, "me", b"presence")
    await live.append(STORE, "gw-1", a_batch(1))
    await live.wake_push()
    await live.rate("gw-1", NOW, per_minute=60, burst=1)
    await live.count(STORE, {"late_sightings": 2})

    expires_s = {key: await live.redis.ttl(key) for key in await _keys(live)}

    assert expires_s.pop("{store:store-1}:here") == pytest.approx(HERE_EXPIRE_S, abs=1)
    assert expires_s.pop("{shopper:shopper-1}:messages") == pytest.approx(MESSAGES_EXPIRE_S, abs=1)
    kept_s = expires_s.pop("{store:store-1}:presence")
    assert kept_s == pytest.approx(CHECKPOINT_EXPIRE_S, abs=1)
    # A counter, and the stream itself: bounded by its length.
    unbounded = {key for key, ttl in expires_s.items() if ttl == -1}
    assert unbounded == {"{store:store-1}:counts", "{store:store-1}:sightings"}
    assert all(0 <= expires_s[key] <= 2 * 86_400 for key in expires_s.keys() - unbounded)


async def test_a_checkpoint_is_kept_by_the_owner_of_the_store_only(live: Live) -> None:
    assert not await live.keep_checkpoint(STORE, "me", b"of nobody")
    assert await live.checkpoint(STORE) is None
    await live.hold_lease(STORE, "me")
    assert await live.keep_checkpoint(STORE, "me", b"\x00presence")

    assert not await live.keep_checkpoint(STORE, "before", b"late")

    assert await live.checkpoint(STORE) == b"\x00presence"
    assert await live.checkpoint("another") is None


async def test_every_key_is_in_the_table_of_the_module(live: Live) -> None:
    await test_what_is_not_kept_up_expires(live)
    await live.open_stream(STORE)
    table = findall(r"^\| `([^`]+)` \|", Path(db.live.__file__).read_text(), 8)
    named = {key.replace(":S}", f":{STORE}}}").replace(":P}", f":{SHOPPER}}}") for key in table}

    assert {key.replace("rate:gw-1", "rate:C") for key in await _keys(live)} == named


async def _keys(live: Live) -> list[str]:
    found: list[bytes] = await live.redis.keys("*")  # type: ignore[assignment]
    return [key.decode() for key in found]


async def test_counts_add_up(live: Live) -> None:
    assert await live.counts(STORE) == {}

    await live.count(STORE, {"late_sightings": 2, "unknown_sightings": 1})
    await live.count(STORE, {"late_sightings": 3})
    await live.count(STORE, {})

    assert await live.counts(STORE) == {"late_sightings": 5, "unknown_sightings": 1}


async def test_many_wake_ups_are_one(live: Live) -> None:
    for _ in range(3):
        await live.wake_push()

    assert await live.redis.llen(WAKE) == 1
    async with asyncio.timeout(2):
        await live.wait_for_push(60)
    assert await live.redis.llen(WAKE) == 0


async def test_waiting_for_a_push_ends_by_itself(live: Live) -> None:
    async with asyncio.timeout(2):
        await live.wait_for_push(0.01)


async def test_redis_says_that_it_is_there(redis_url: str) -> None:
    async with open_live(redis_url) as live:
        await live.ping()

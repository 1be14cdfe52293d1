"""The stream of a store: every batch once, to one owner, none lost when an owner dies."""

import asyncio

import pytest

from beacons.sighting import Batch, Sighting, decode_batch
from db.live import Live, StreamEntry

STORE = "store-1"
BOOT, NEXT_BOOT = "0" * 16, "1" * 16
NO_WAIT_MS = 1


def a_batch(seq: int, boot: str = BOOT) -> Batch:
    sighting = Sighting("ceid", "ed936b121837e7924def1810", 1_790_000_000_000, 3, -60.5, -58)
    return Batch(1, boot, seq, (sighting,))


def seqs(entries: list[StreamEntry]) -> list[int]:
    return [decode_batch(entry.data).seq for entry in entries]


@pytest.fixture
async def live(live: Live) -> Live:
    await live.open_stream(STORE)
    return live


async def test_a_batch_comes_out_as_it_went_in(live: Live) -> None:
    assert await live.append(STORE, "gw-1", a_batch(1))

    (entry,) = await live.take(STORE, "me", 10, NO_WAIT_MS)

    assert entry.gateway_id == "gw-1"
    assert decode_batch(entry.data) == a_batch(1)


async def test_a_batch_is_named_by_gateway_boot_and_number(live: Live) -> None:
    wanted = [("gw-1", BOOT), ("gw-1", NEXT_BOOT), ("gw-2", BOOT)]

    for gateway_id, boot in wanted:
        assert await live.append(STORE, gateway_id, a_batch(1, boot))
        assert not await live.append(STORE, gateway_id, a_batch(1, boot))

    assert await live.backlog(STORE) == 3


async def test_numbers_only_go_forward(live: Live) -> None:
    appended = [await live.append(STORE, "gw-1", a_batch(seq)) for seq in (1, 3, 2, 3, 4)]

    assert appended == [True, True, False, False, True]
    assert seqs(await live.take(STORE, "me", 10, NO_WAIT_MS)) == [1, 3, 4]


async def test_of_racing_repeats_one_is_appended(live: Live) -> None:
    async with asyncio.TaskGroup() as tasks:
        repeats = [
            tasks.create_task(live.append(STORE, "gw-1", a_batch(1)), name=f"repeat {n}")
            for n in range(10)
        ]

    assert sorted(task.result() for task in repeats) == [False] * 9 + [True]


async def test_a_large_sequence_number_keeps_its_value(live: Live) -> None:
    assert await live.append(STORE, "gw-1", a_batch(2**53 - 1))
    assert not await live.append(STORE, "gw-1", a_batch(2**53 - 1))
    assert await live.append(STORE, "gw-1", a_batch(2**53))


async def test_stores_do_not_mix(live: Live) -> None:
    await live.open_stream("other")
    await live.append("other", "gw-1", a_batch(1))

    assert await live.take(STORE, "me", 10, NO_WAIT_MS) == []
    assert await live.backlog("other") == 1


async def test_what_is_acknowledged_is_deleted(live: Live) -> None:
    for seq in (1, 2):
        await live.append(STORE, "gw-1", a_batch(seq))
    first, _ = await live.take(STORE, "me", 10, NO_WAIT_MS)

    await live.acknowledge(STORE, [first])
    await live.acknowledge(STORE, [])

    assert await live.backlog(STORE) == 1
    assert seqs(await live.unacknowledged(STORE, "me", 10)) == [2]


async def test_opening_a_stream_again_keeps_what_is_on_it(live: Live) -> None:
    await live.append(STORE, "gw-1", a_batch(1))

    await live.open_stream(STORE)

    assert seqs(await live.take(STORE, "me", 10, NO_WAIT_MS)) == [1]


async def test_what_was_appended_before_the_first_owner_is_read(live: Live) -> None:
    await live.append("new", "gw-1", a_batch(1))

    await live.open_stream("new")

    assert seqs(await live.take("new", "me", 10, NO_WAIT_MS)) == [1]


async def test_the_next_owner_gets_all_that_a_dead_one_left(live: Live) -> None:
    for seq in range(1, 26):
        await live.append(STORE, "gw-1", a_batch(seq))
    taken = await live.take(STORE, "dead", 22, NO_WAIT_MS)
    await live.acknowledge(STORE, taken[:2])

    # Fewer at a time than there are.
    inherited = await live.unacknowledged(STORE, "heir", 5)

    assert seqs(inherited) == list(range(3, 23))
    assert seqs(await live.take(STORE, "heir", 10, NO_WAIT_MS)) == [23, 24, 25]
    await live.acknowledge(STORE, inherited)
    assert seqs(await live.unacknowledged(STORE, "dead", 100)) == [23, 24, 25]


async def test_nothing_is_inherited_from_nobody(live: Live) -> None:
    assert await live.unacknowledged(STORE, "me", 10) == []


async def test_taking_waits_for_the_next_entry(live: Live) -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        waiting = tasks.create_task(live.take(STORE, "me", 10, 4_000), name="waiting")
        await live.append(STORE, "gw-1", a_batch(1))
        assert seqs(await waiting) == [1]

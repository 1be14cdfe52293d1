"""Caps in Redis: the script counts as `offers.pressure` does, whatever the caps and messages."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.live import Live
from offers.pressure import LOOKS_BACK, Cap, Channel, Message, Scope, reached

NOW = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the clocks of Rome went back half an hour ago
ROME = ZoneInfo("Europe/Rome")
US = timedelta(microseconds=1)

_AGES = st.one_of(
    st.timedeltas(timedelta(0), LOOKS_BACK - US),
    st.sampled_from([timedelta(days=7), timedelta(days=7) - US, timedelta(minutes=20)]),
    # Midnights in Rome: an hour longer ago than the wall clock says.
    st.sampled_from([timedelta(hours=3, minutes=30), timedelta(hours=3, minutes=30) + US]),
)
_CATEGORIES = st.frozensets(st.sampled_from(["pasta", "rice", "a|b", 'c"d']), max_size=2)


def _messages(ages: st.SearchStrategy[timedelta]) -> st.SearchStrategy[Message]:
    return st.builds(
        Message,
        st.uuids().map(str),
        ages.map(lambda ago: NOW - ago),
        st.sampled_from(["c-1", "c-2"]),
        st.sampled_from(["v-1", "v-2", None]),
        st.sampled_from(["z-1", "z-2", None]),
        st.sampled_from(["s-1", "s-2", None]),
        st.sampled_from(Channel),
        _CATEGORIES,
    )


_WITHIN = st.none() | st.sampled_from([timedelta(minutes=20), timedelta(days=7), LOOKS_BACK])
_CAPS = st.builds(Cap, st.sampled_from(Scope), st.integers(0, 2), within=_WITHIN) | st.builds(
    Cap, st.sampled_from(Scope), st.integers(1, 3), days=st.integers(1, 2)
)


@pytest.fixture(scope="module")
def shoppers() -> Iterator[int]:
    return count()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sent=st.lists(_messages(_AGES), max_size=5),
    wanted=_messages(st.just(timedelta(0))),
    caps=st.lists(_CAPS, max_size=3),
    is_redis_lost=st.booleans(),
)
async def test_redis_says_what_the_caps_say(
    live: Live,
    shoppers: Iterator[int],
    sent: list[Message],
    wanted: Message,
    caps: list[Cap],
    is_redis_lost: bool,
) -> None:
    shopper_id, local = f"shopper-{next(shoppers)}", NOW.astimezone(ROME)
    if not is_redis_lost:
        for message in sent:
            assert await live.reserve(shopper_id, message, [], (), message.at)

    answer = await live.reserve(shopper_id, wanted, sent, caps, local)

    assert answer is (reached(caps, wanted, sent, local) == [])


async def test_of_reservers_that_race_for_each_kind_of_cap_one_wins(live: Live) -> None:
    for number, scope in enumerate(Scope):
        wanted = [
            Message(f"{scope}-{n}", NOW, "c", "v", "z", "s", categories=frozenset({"pasta"}))
            for n in range(8)
        ]
        async with asyncio.TaskGroup() as tasks:
            racers = [
                tasks.create_task(
                    live.reserve(f"racer-{number}", one, [], (Cap(scope, 1),), NOW), name=scope
                )
                for one in wanted
            ]
        assert sum(task.result() for task in racers) == 1, scope

"""No sequence of events, crashes, retries, clock jumps or concurrent workers breaks a promise.

Hypothesis makes the sequences and the world holds each step against the truth; what it finds is
printed as a sequence of calls. Forty times as many:
`pytest tests/engine/test_machine.py --hypothesis-profile=deep`.
"""

import itertools
import shutil
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from db import migrate
from db.connect import open_database
from db.schema import metadata
from firmware_sim.fcm_faults import Fault
from firmware_sim.fcm_faults import Trouble as FcmTrouble
from offers.campaign import Campaign, Status
from offers.pressure import Cap, Policy, Scope
from offers.stops import Scope as StopScope
from shoppers.consent import Purpose
from tests.engine.machine_cast import (
    AISLES,
    HANDSETS,
    SHOPPERS,
    SHOPS,
    shopper_of,
    the_campaigns,
)
from tests.engine.machine_faults import Trouble
from tests.engine.machine_world import Grounds, World, grounds, world

# A share of the profile's examples: each is STEPS steps of many milliseconds.
EXAMPLES_SHARE: Final = 1 / 4
STEPS: Final = 50

shoppers = st.sampled_from(SHOPPERS)
handset_ids = st.sampled_from([one for of_one in HANDSETS.values() for one in of_one])
maybe_handset = st.none() | handset_ids
aisles = st.sampled_from(AISLES)
engines = st.integers(0, 1)
campaign_ids = st.sampled_from(sorted(the_campaigns()))
troubles = st.sampled_from(Trouble)
maybe_trouble = st.none() | troubles
windows = st.sampled_from(
    [
        {},
        {"within": timedelta(minutes=20)},
        {"within": timedelta(days=1)},
        {"within": timedelta(days=7)},
        {"days": 1},
        {"days": 2},
    ]
)
caps = st.builds(
    lambda scope, most, window: Cap(scope, most, **window),
    st.sampled_from(Scope),
    st.sampled_from([0, 1, 1, 2, 2]),
    windows,
)
Change = Callable[[Campaign], Campaign]


def _costs(cents: int) -> Change:
    return lambda one: replace(one, offer=replace(one.offer, cost_cents=cents))


def _may_send(most: int | None) -> Change:
    return lambda one: replace(one, budget_sends=most)


def _may_spend(cents: int | None) -> Change:
    return lambda one: replace(one, budget_cents=cents)


def _is(status: Status) -> Change:
    return lambda one: replace(one, status=status)


changes = st.one_of(
    st.builds(_costs, st.integers(0, 200)),
    st.builds(_may_send, st.none() | st.integers(0, 4)),
    st.builds(_may_spend, st.none() | st.integers(0, 500)),
    st.builds(_is, st.sampled_from([Status.LIVE, Status.LIVE, Status.PAUSED])),
)
policies = st.builds(
    lambda caps, share: Policy(tuple(caps), 0.0, share),
    st.lists(caps, max_size=3),
    st.sampled_from([0.0, 0.0, 0.5]),
)
switches = st.sampled_from(
    [
        (StopScope.EVERYTHING, ""),
        *[(StopScope.STORE, one) for one in SHOPS],
        *[(StopScope.CAMPAIGN, one) for one in sorted(the_campaigns())],
    ]
)
# What may still stop a push that is due.
LastWord = Purpose | Status | tuple[StopScope, str]
last_words = st.one_of(
    st.sampled_from([Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING]),
    st.just(Status.PAUSED),
    switches,
)
# Those of an answer that says no, of one that says later, and of one that never comes.
fcm_faults = st.sampled_from(
    [
        Fault(FcmTrouble.UNAVAILABLE),
        Fault(FcmTrouble.UNAVAILABLE, retry_after_s=2),
        Fault(FcmTrouble.QUOTA_EXCEEDED),
        Fault(FcmTrouble.INTERNAL),
        Fault(FcmTrouble.HTML_BAD_GATEWAY),
        Fault(FcmTrouble.UNAUTHENTICATED),
        Fault(FcmTrouble.BAD_REQUEST),
        Fault(FcmTrouble.UNREGISTERED),
        Fault(FcmTrouble.CUT_BEFORE_ACCEPTING),
        Fault(FcmTrouble.CUT_AFTER_ACCEPTING),
    ]
)
passing_s = st.sampled_from([1, 2, 9, 31, 19 * 60, 20 * 60, 3_600, 86_399, 86_400, 7 * 86_400])


FreshDatabase = Callable[[], Coroutine[Any, Any, str]]


class Bench:
    """The loop that the machines work on, and the ground under all of their worlds."""

    def __init__(self, redis_url: str, fresh_database: FreshDatabase) -> None:
        self._loop = uvloop.new_event_loop()
        self._stack = AsyncExitStack()
        self._fresh_database = fresh_database
        self._grounds: Grounds = self.run(self._stack.enter_async_context(grounds(redis_url)))

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """What comes of it, on this loop."""
        return self._loop.run_until_complete(doing)

    def new_world(self, stack: AsyncExitStack) -> World:
        """A world at its beginning, until the stack is closed."""
        url = self.run(self._fresh_database())
        made: World = self.run(stack.enter_async_context(world(self._grounds, url)))
        return made

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._loop.close()


class Machine(RuleBasedStateMachine):
    """Whatever can happen, in any order."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._stack = AsyncExitStack()
        self.world = bench.new_world(self._stack)

    def teardown(self) -> None:
        try:
            self._run(self.world.come_to_rest())
        finally:
            self._run(self._stack.aclose())

    def _run(self, doing: Coroutine[Any, Any, Any]) -> None:
        self._bench.run(doing)

    # --- decisions ----------------------------------------------------------------------------
    @rule(handset=handset_ids, engine=engines, aisle=aisles)
    def stands(self, handset: str, engine: int, aisle: str) -> None:
        self._run(self.world.stand([(self.world.engines[engine], handset, aisle)]))

    @rule(handset=handset_ids, engine=engines, aisle=aisles)
    def stands_and_is_pushed(self, handset: str, engine: int, aisle: str) -> None:
        self.stands(handset, engine, aisle)
        self.pushes(1)

    @rule(handset=handset_ids, engine=engines, aisle=aisles, word=last_words)
    def stands_and_a_word_comes_before_the_push(
        self, handset: str, engine: int, aisle: str, word: LastWord
    ) -> None:
        self.stands(handset, engine, aisle)
        match word:
            case Purpose():
                self.answers(shopper_of(handset), word, granted=False)
            case Status():
                for campaign_id in sorted(self.world.rules.campaigns):
                    self.campaign_is(campaign_id, _is(word))
            case _:
                self.halts(word)
        self.pushes(2)

    @rule(handset=handset_ids, engine=engines, aisle=aisles, trouble=troubles)
    def stands_in_trouble(self, handset: str, engine: int, aisle: str, trouble: Trouble) -> None:
        where = [(self.world.engines[engine], handset, aisle)]
        self._run(self.world.stand(where, [trouble]))

    @rule(
        handsets=st.tuples(handset_ids, handset_ids)
        | st.sampled_from([("phone-4", "tablet-4"), ("phone-1", "phone-1")]),
        first=aisles,
        second=aisles,
        trouble=st.none() | maybe_trouble,
    )
    def stand_in_both_shops(
        self, handsets: tuple[str, str], first: str, second: str, trouble: Trouble | None
    ) -> None:
        north, south, _ = self.world.engines
        where = [(north, handsets[0], first), (south, handsets[1], second)]
        self._run(self.world.stand(where, [trouble]))

    @rule(handset=handset_ids, first=aisles, second=aisles)
    def two_engines_have_one_shop(self, handset: str, first: str, second: str) -> None:
        """One lost its lease and has not noticed."""
        north, _, twin = self.world.engines
        self._run(self.world.stand([(north, handset, first), (twin, handset, second)]))

    @rule(shopper=shoppers)
    def leaves(self, shopper: str) -> None:
        self._run(self.world.leaves(shopper))

    # --- shoppers and the retailer ------------------------------------------------------------
    @rule(shopper=shoppers, purpose=st.sampled_from(Purpose), granted=st.booleans())
    def answers(self, shopper: str, purpose: Purpose, granted: bool) -> None:
        self._run(self.world.answers(shopper, purpose, granted=granted))

    @rule(shopper=shoppers, per_week=st.none() | st.integers(0, 2))
    def allows(self, shopper: str, per_week: int | None) -> None:
        self._run(self.world.allows(shopper, per_week))

    @rule(handset=handset_ids)
    def takes_target(self, handset: str) -> None:
        self._run(self.world.takes_target(handset))

    @rule(policy=policies)
    def policy_is(self, policy: Policy) -> None:
        self._run(self.world.saves_policy(policy))

    @rule(campaign_id=campaign_ids, change=changes)
    def campaign_is(self, campaign_id: str, change: Change) -> None:
        before = self.world.rules.campaigns[campaign_id]
        self._run(self.world.saves(change(before)))

    @rule(switch=switches)
    def halts(self, switch: tuple[StopScope, str]) -> None:
        self._run(self.world.halts(*switch))

    @precondition(lambda self: bool(self.world.rules.stopped))
    @rule()
    def lifts_all(self) -> None:
        for switch in sorted(self.world.rules.stopped):
            self._run(self.world.lifts(*switch))

    # --- push ---------------------------------------------------------------------------------
    @rule(workers=st.integers(1, 2))
    def pushes(self, workers: int) -> None:
        self._run(self.world.paint())
        self._run(self.world.push(workers))

    @rule(
        handset=maybe_handset,
        engine=engines,
        aisle=aisles,
        workers=st.integers(1, 2),
        faults=st.lists(fcm_faults, min_size=1, max_size=2),
    )
    def fcm_fails(
        self, handset: str | None, engine: int, aisle: str, workers: int, faults: list[Fault]
    ) -> None:
        if handset is not None:
            self.stands(handset, engine, aisle)
        for fault in faults:
            self.world.fcm.faults.for_next(fault)
        self.pushes(workers)
        self.world.fcm.faults.clear()

    @rule(
        handset=maybe_handset,
        engine=engines,
        aisle=aisles,
        workers=st.integers(1, 2),
        claiming=st.none() | maybe_trouble,
        sending=maybe_trouble,
    )
    def pushes_in_trouble(
        self,
        handset: str | None,
        engine: int,
        aisle: str,
        workers: int,
        claiming: Trouble | None,
        sending: Trouble | None,
    ) -> None:
        if handset is not None:
            self.stands(handset, engine, aisle)
        self._run(self.world.paint())
        self._run(self.world.push(workers, claiming=claiming, sending=sending))

    @rule(handset=handset_ids, engine=engines, aisle=aisles, seconds=passing_s)
    def worker_wakes_up_late(self, handset: str, engine: int, aisle: str, seconds: int) -> None:
        """It held an offer for longer than its lease, and another worker has been at it."""
        self.stands(handset, engine, aisle)
        self.worker_claims_and_stands_still()
        self._run(self.world.clock.advance(seconds))
        self.pushes(2)
        self.worker_goes_on(True)

    @rule()
    def worker_claims_and_stands_still(self) -> None:
        self._run(self.world.take_in_hand())

    @precondition(lambda self: bool(self.world.in_hand))
    @rule(is_painted=st.booleans())
    def worker_goes_on(self, is_painted: bool) -> None:
        if is_painted:
            self._run(self.world.paint())
        self._run(self.world.go_on())

    # --- time and Redis -----------------------------------------------------------------------
    @rule(seconds=passing_s, all_read=st.booleans())
    def time_passes(self, seconds: int, all_read: bool) -> None:
        if all_read:
            self._run(self.world.all_read())
        self._run(self.world.clock.advance(seconds))

    @rule(seconds=st.integers(1, 3_600))
    def clock_is_set_back(self, seconds: int) -> None:
        self.world.clock.set_back(seconds)

    @rule()
    def redis_is_emptied(self) -> None:
        self._run(self.world.empty_redis())


def run_machine(redis_url: str, fresh_database: FreshDatabase) -> None:
    """Let Hypothesis look for a sequence that breaks a promise.

    fresh_database: the address of an empty one of the newest version.
    """
    bench = Bench(redis_url, fresh_database)
    examples = max(1, round(settings().max_examples * EXAMPLES_SHARE))
    try:
        run_state_machine_as_test(
            lambda: Machine(bench),  # type: ignore[arg-type]  # "a class or a function", it says
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        bench.close()


# What was found is made shorter for some minutes before it is told; and a deep search takes long.
@pytest.mark.timeout(3_600)
def test_no_sequence_breaks_a_promise_on_sqlite(
    redis_url: str, migrated_file: Path, tmp_path: Path
) -> None:
    made = itertools.count()

    async def fresh() -> str:
        path = tmp_path / f"{next(made)}.sqlite3"
        shutil.copy(migrated_file, path)
        return f"sqlite+aiosqlite:///{path}"

    run_machine(redis_url, fresh)


@pytest.mark.timeout(3_600)
def test_no_sequence_breaks_a_promise_on_postgres(redis_url: str, postgres_url: str) -> None:
    made = itertools.count()

    async def fresh() -> str:
        async with open_database(postgres_url) as database:
            if next(made) == 0:
                await migrate.upgrade(database)
            async with database.begin() as tx:
                for table in reversed(metadata.sorted_tables):
                    await tx.execute(table.delete())
        return postgres_url

    run_machine(redis_url, fresh)

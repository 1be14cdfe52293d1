"""The simulated handset against the real API: both keep to one contract."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from config.clock import VirtualClock
from db.tables import browsing, receipts, redemptions
from firmware_sim.client import ApiClient
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_targets import mint_target
from firmware_sim.handset import Handset
from firmware_sim.persona import agreeable
from firmware_sim.plan import Action, Browse, OpenFeed, Pay, Withdraw
from firmware_sim.scene import Place, Visit, shopper
from firmware_sim.truth import Failed, HandsetEvent, Redeemed, RunLog, read_handset_events
from offers.campaign import Tier
from offers.situation import Weighed
from tests.fakes.handset_api import until
from tests.mobile_api.harness import Api, Phone

TARGET = mint_target("token", random.Random(1))
VISIT_S = 40.0


@asynccontextmanager
async def registered(api: Api, run_log: RunLog) -> AsyncIterator[tuple[Handset, ApiClient]]:
    who = replace(agreeable("android", "IT", random.Random(1)), opens=1.0, redeems=1.0)
    client = ApiClient(api.session, str(api.url), api.clock, random.Random(1))
    handset = Handset(shopper(0, who, seed=7), client, run_log, api.clock, random.Random(1))
    async with asyncio.TaskGroup() as group:
        registering = group.create_task(handset.register("token", TARGET))
        await until(api.clock, registering.done)
        pushes = group.create_task(handset.take_pushes())
        try:
            yield handset, client
        finally:
            pushes.cancel()


async def carried_out(handset: Handset, clock: VirtualClock, *plan: Action) -> None:
    now_s = clock.now().timestamp()
    visit = Visit(
        shopper=handset.shopper,
        arrives_at_s=now_s,
        leaves_at_s=now_s + VISIT_S,
        plan=tuple(replace(action, at_s=now_s + action.at_s) for action in plan),
        place_at=lambda _: Place(1.0, 2.0, "coffee"),
    )
    async with asyncio.TaskGroup() as group:
        visiting = group.create_task(handset.visit(visit))
        await until(clock, visiting.done)


def logged(run_dir: Path, kind: type[HandsetEvent]) -> list[HandsetEvent]:
    return [event for event in read_handset_events(run_dir) if isinstance(event, kind)]


async def test_everything_a_handset_asks_for_is_answered(api: Api, tmp_path: Path) -> None:
    with RunLog(tmp_path) as run_log:
        async with registered(api, run_log) as (handset, _):
            assert handset.shopper.advertiser.is_allowed
            await carried_out(
                handset,
                api.clock,
                Browse(1.0, "viewed", "coffee"),
                OpenFeed(2.0),
                Withdraw(3.0, frozenset({"location_ble"})),
                Browse(4.0, "searched", "tea"),
            )
            assert not handset.shopper.advertiser.is_allowed

    assert logged(tmp_path, Failed) == []
    assert await api.rows(browsing) == 2


async def test_an_offer_goes_from_the_push_to_the_till(api: Api, tmp_path: Path) -> None:
    await api.campaign("c1")
    with RunLog(tmp_path) as run_log:
        async with registered(api, run_log) as (handset, _):
            decision_id = await decided(api, tmp_path, run_log)
            now = api.clock.now()
            handset.on_push(
                Delivery(
                    target_kind="token",
                    target_value=TARGET,
                    platform="android",
                    message_name="m",
                    title="Coffee",
                    body="Two for one",
                    image_url=None,
                    tag="visit",
                    collapse_key=None,
                    data={"decision_id": decision_id, "zone_id": "coffee"},
                    message={},
                    accepted_at=now,
                    delivered_at=now,
                )
            )
            await carried_out(handset, api.clock, Pay(30.0))

    assert logged(tmp_path, Failed) == []
    assert [event.decision_id for event in logged(tmp_path, Redeemed)] == [decision_id]  # type: ignore[union-attr]
    assert await api.rows(redemptions) == 1
    async with api.database.read() as tx:
        kinds = (await tx.scalars(select(receipts.c.kind).order_by(receipts.c.at))).all()
    assert kinds == ["displayed", "opened"]


async def test_a_session_outlives_its_access_token(api: Api, tmp_path: Path) -> None:
    with RunLog(tmp_path) as run_log:
        async with registered(api, run_log) as (handset, client):
            assert client._tokens is not None
            first = client._tokens
            left = first.access_expires_at - api.clock.now() + timedelta(seconds=1)
            await api.clock.advance(left.total_seconds())

            await carried_out(handset, api.clock, OpenFeed(1.0))

            assert client._tokens is not first
    assert logged(tmp_path, Failed) == []


async def decided(api: Api, run_dir: Path, run_log: RunLog) -> str:
    """The id of a decision to send `c1` to the one handset that is registered."""
    run_log.flush()
    (event,) = read_handset_events(run_dir)
    state = {"shopper_id": event.shopper_id, "handset_id": event.handset_id}  # type: ignore[union-attr]
    return await api.decision(
        Phone(api, state), [Weighed("c1", 12.0, (), ("you are near it",), Tier.GENERIC)]
    )

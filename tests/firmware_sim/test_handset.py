"""A handset against the API's contract, on a clock that the test moves."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from config.clock import VirtualClock
from firmware_sim.client import ApiClient
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.handset import Handset
from firmware_sim.persona import (
    OWN_CAPS,
    TEMPERS,
    Persona,
    Temper,
    agreeable,
    personas,
    with_own_caps,
)
from firmware_sim.plan import Action, Browse, OpenFeed, Pay, Withdraw
from firmware_sim.scene import Place, Visit, shopper
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    Failed,
    HandsetEvent,
    LeftStore,
    NotRedeemed,
    OwnCapSet,
    PushReceived,
    ReceiptSent,
    Redeemed,
    Registered,
    RunLog,
    read_handset_events,
)
from tests.fakes.handset_api import HandsetApi, until

ALL_YES = TEMPERS[0]
NO_LOCATION = next(temper for temper in TEMPERS if "location_ble" in temper.refuses)
TARGET = "a-target-of-the-push-service"
VISIT_S = 60.0
E = TypeVar("E", bound=HandsetEvent)


def persona(temper: Temper = ALL_YES, **changes: Any) -> Persona:
    made = agreeable("android", "IT", random.Random(1), temper=temper)
    return replace(made, **{"opens": 1.0, "redeems": 1.0, **changes})


@dataclass
class Bench:
    """One handset, the API that it talks to, and its log."""

    handset: Handset
    api: HandsetApi
    clock: VirtualClock
    run_log: RunLog
    folder: Path

    def events(self, kind: type[E]) -> list[E]:
        self.run_log.flush()
        return [event for event in read_handset_events(self.folder) if isinstance(event, kind)]

    @property
    def failures(self) -> list[tuple[str, int | None]]:
        return [(event.what, event.status) for event in self.events(Failed)]

    async def register(self) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.handset.register("token", TARGET))
            await until(self.clock, task.done)

    @asynccontextmanager
    async def running(self, *plan: Action) -> AsyncIterator[asyncio.Task[None]]:
        """The handset is registered, takes pushes and carries out a plan; the task of its visit."""
        await self.register()
        now_s = self.clock.now().timestamp()
        visit = Visit(
            shopper=self.handset.shopper,
            arrives_at_s=now_s,
            leaves_at_s=now_s + VISIT_S,
            plan=tuple(replace(action, at_s=now_s + action.at_s) for action in plan),
            place_at=lambda _: Place(1.0, 2.0, "aisle-3"),
        )
        async with asyncio.TaskGroup() as group:
            pushes = group.create_task(self.handset.take_pushes())
            visiting = group.create_task(self.handset.visit(visit))
            try:
                yield visiting
            finally:
                pushes.cancel()
                visiting.cancel()

    def push(self, decision_id: str = "d1", tag: str | None = None) -> None:
        self.handset.on_push(
            Delivery(
                target_kind="token",
                target_value=TARGET,
                platform="android",
                message_name="projects/p/messages/1",
                title="Pasta",
                body="Two for one",
                image_url=None,
                tag=tag or decision_id,
                collapse_key=None,
                data={"decision_id": decision_id, "campaign_id": "c1", "zone_id": "aisle-3"},
                message={},
                accepted_at=self.clock.now() - timedelta(seconds=0.2),
                delivered_at=self.clock.now(),
            )
        )


@asynccontextmanager
async def bench(
    clock: VirtualClock, folder: Path, who: Persona, date_ahead_s: float = 0.0
) -> AsyncIterator[Bench]:
    with RunLog(folder) as run_log:
        async with HandsetApi(clock, date_ahead_s) as api, aiohttp.ClientSession() as session:
            chance = random.Random(1)
            client = ApiClient(session, api.url, clock, chance, who.clock_skew_s)
            handset = Handset(shopper(3, who, seed=7), client, run_log, clock, chance)
            yield Bench(handset, api, clock, run_log, folder)


@pytest.fixture
async def agreeing(clock: VirtualClock, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(clock, tmp_path, persona()) as made:
        yield made


async def test_registration_tells_the_consents_and_where_to_push(agreeing: Bench) -> None:
    await agreeing.register()

    (state,) = agreeing.api.handsets.values()
    assert {(g["purpose"], g["granted"]) for g in state["registered"]["consents"]} == {
        ("location_ble", True),
        ("profiling", True),
        ("push_marketing", True),
    }
    assert state["push_target"] == {"kind": "token", "value": TARGET, "platform": "android"}
    (event,) = agreeing.events(Registered)
    assert (event.handset_id, event.shopper_id) == (state["handset_id"], state["shopper_id"])
    assert event.consents == {"location_ble": True, "profiling": True, "push_marketing": True}
    assert agreeing.handset.shopper.advertiser.is_allowed


async def test_without_consent_to_location_the_radio_is_silent(
    clock: VirtualClock, tmp_path: Path
) -> None:
    async with bench(clock, tmp_path, persona(NO_LOCATION)) as refusing:
        await refusing.register()

        assert not refusing.handset.shopper.advertiser.is_allowed
        assert refusing.failures == []


async def test_a_cap_of_ones_own_is_set_before_a_push_could_come(
    clock: VirtualClock, tmp_path: Path
) -> None:
    async with bench(clock, tmp_path, persona(pushes_per_week=0)) as strict:
        await strict.register()

        calls = [call for call, _ in strict.api.requests]
        put = calls.index("PUT /v1/me/preferences")
        assert put < calls.index("PUT /v1/me/push-target")
        assert strict.api.bodies("PUT /v1/me/preferences") == [{"pushes_per_week": 0}]
        (said,) = strict.events(OwnCapSet)
        assert (said.pushes_per_week, said.acked_at >= said.at_s) == (0, True)


async def test_a_cap_that_the_backend_never_took_is_not_held_against_it(
    clock: VirtualClock, tmp_path: Path
) -> None:
    async with bench(clock, tmp_path, persona(pushes_per_week=1)) as strict:
        strict.api.fail("PUT /v1/me/preferences", 409)
        await strict.register()

        assert strict.events(OwnCapSet) == []
        assert strict.failures == [("PUT /v1/me/preferences", 409)]


def test_own_caps_are_set_by_a_share_of_the_people_and_change_nobody_else() -> None:
    people = personas(200, "IT", random.Random(1))
    strict = with_own_caps(people, 0.2, random.Random(2))

    assert 20 < sum(one.pushes_per_week is not None for one in strict) < 60
    assert {one.pushes_per_week for one in strict} == {None, *OWN_CAPS}
    assert tuple(replace(one, pushes_per_week=None) for one in strict) == people
    assert with_own_caps(people, 0.0, random.Random(2)) == people


async def test_withdrawing_silences_the_radio_before_the_network_answers(agreeing: Bench) -> None:
    agreeing.api.fail("PUT /v1/me/consents", 503)
    async with agreeing.running(Withdraw(1.0, frozenset({"location_ble"}))):
        await until(agreeing.clock, lambda: agreeing.api.bodies("PUT /v1/me/consents"))
        assert not agreeing.handset.shopper.advertiser.is_allowed
        assert agreeing.events(ConsentChanged) == []

        await until(agreeing.clock, lambda: agreeing.events(ConsentChanged))

    (changed,) = agreeing.events(ConsentChanged)
    assert changed.acked_at > changed.at_s + 0.2  # the first answer was a 503
    assert changed.consents == {"location_ble": False, "profiling": True, "push_marketing": True}
    (grants, _again) = agreeing.api.bodies("PUT /v1/me/consents")
    assert [(g["purpose"], g["granted"]) for g in grants["consents"]] == [("location_ble", False)]
    assert agreeing.failures == []


async def test_a_visit_follows_its_plan(agreeing: Bench) -> None:
    plan = (Browse(1.0, "viewed", "pasta"), OpenFeed(2.0), Pay(50.0))
    async with agreeing.running(*plan) as visiting:
        await until(agreeing.clock, visiting.done)

    ((event,),) = [body["events"] for body in agreeing.api.bodies("POST /v1/me/events")]
    assert (event["kind"], event["category"]) == ("viewed", "pasta")
    assert agreeing.api.bodies("GET /v1/me/feed")
    (entered,), (left,) = agreeing.events(EnteredStore), agreeing.events(LeftStore)
    assert left.at_s - entered.at_s == pytest.approx(VISIT_S, abs=0.2)
    assert agreeing.failures == []


async def test_a_push_is_shown_reported_opened_and_redeemed(agreeing: Bench) -> None:
    async with agreeing.running(Pay(50.0)) as visiting:
        agreeing.push("d1")
        await until(agreeing.clock, visiting.done)

    (push,) = agreeing.events(PushReceived)
    assert (push.decision_id, push.campaign_id, push.zone_id) == ("d1", "c1", "aisle-3")
    assert (push.shown, push.duplicate, push.shown_zone) == (True, False, "aisle-3")
    assert push.shown_at is not None
    assert push.accepted_at < push.shown_at < push.accepted_at + 1.0
    receipts = [body["receipts"][0] for body in agreeing.api.bodies("POST /v1/me/receipts")]
    assert [receipt["kind"] for receipt in receipts] == ["displayed", "opened"]
    assert [event.receipt for event in agreeing.events(ReceiptSent)] == ["displayed", "opened"]
    assert [event.decision_id for event in agreeing.events(Redeemed)] == ["d1"]
    assert agreeing.failures == []


async def test_the_same_decision_is_not_shown_twice(agreeing: Bench) -> None:
    async with agreeing.running():
        agreeing.push("d1", "tag")
        agreeing.push("d1", "another tag")
        await until(agreeing.clock, lambda: agreeing.events(ReceiptSent))

    pushes = agreeing.events(PushReceived)
    assert sorted((push.shown, push.duplicate) for push in pushes) == [(False, True), (True, False)]


async def test_another_decision_takes_the_place_of_the_one_with_its_tag(agreeing: Bench) -> None:
    async with agreeing.running():
        agreeing.push("d1", "visit")
        agreeing.push("d2", "visit")
        await until(agreeing.clock, lambda: len(agreeing.events(PushReceived)) == 2)

    assert all(push.shown and not push.duplicate for push in agreeing.events(PushReceived))


async def test_a_push_that_the_end_of_the_run_overtakes_was_not_shown(agreeing: Bench) -> None:
    async with agreeing.running():
        agreeing.push("d1")
        await agreeing.clock.advance(0.01)

    (push,) = agreeing.events(PushReceived)
    assert (push.shown, push.shown_at) == (False, None)


async def test_a_push_without_a_decision_is_an_error(agreeing: Bench) -> None:
    async with agreeing.running():
        agreeing.handset.on_push(push_of_another_sender(agreeing))

    assert agreeing.failures == [("push without a decision_id", None)]


def push_of_another_sender(made: Bench) -> Delivery:
    now = made.clock.now()
    return Delivery(
        "token", TARGET, "android", "name", None, None, None, None, None, {}, {}, now, now
    )


async def test_lost_answers_are_asked_again_with_the_same_ids(agreeing: Bench) -> None:
    agreeing.api.fail("POST /v1/me/receipts", 0, 500, 503)
    async with agreeing.running():
        agreeing.push("d1")
        await until(agreeing.clock, lambda: agreeing.events(ReceiptSent))

    sent = [body["receipts"][0] for body in agreeing.api.bodies("POST /v1/me/receipts")][:4]
    assert sent == [sent[0]] * 4
    assert agreeing.failures == []


async def test_one_key_stays_with_a_redemption_through_its_repeats(agreeing: Bench) -> None:
    agreeing.api.fail("POST /v1/me/redemptions", 502)
    async with agreeing.running(Pay(20.0)):
        agreeing.push("d1")
        await until(agreeing.clock, lambda: agreeing.events(Redeemed))

    (state,) = agreeing.api.handsets.values()
    assert len(agreeing.api.bodies("POST /v1/me/redemptions")) == 2
    assert len(state["redeemed"]) == 1


async def test_an_offer_that_is_over_is_no_error(agreeing: Bench) -> None:
    agreeing.api.fail("POST /v1/me/redemptions", 409, slug="offer-over")
    async with agreeing.running(Pay(20.0)):
        agreeing.push("d1")
        await until(agreeing.clock, lambda: agreeing.events(NotRedeemed))

    assert agreeing.failures == []


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_a_refusal_is_logged_once_and_life_goes_on(agreeing: Bench, status: int) -> None:
    agreeing.api.fail("POST /v1/me/events", status)
    plan = (Browse(1.0, "viewed", "pasta"), Browse(2.0, "viewed", "wine"))
    async with agreeing.running(*plan) as visiting:
        await until(agreeing.clock, visiting.done)

    assert agreeing.failures == [("POST /v1/me/events", status)]
    assert len(agreeing.api.bodies("POST /v1/me/events")) == 2


async def test_an_api_that_stays_away_is_given_up(agreeing: Bench) -> None:
    agreeing.api.fail("GET /v1/me/feed", *[503] * 100)
    async with agreeing.running(OpenFeed(1.0)):
        await until(agreeing.clock, lambda: agreeing.events(Failed))

    assert agreeing.failures == [("GET /v1/me/feed", 503)]
    assert 5 <= len(agreeing.api.bodies("GET /v1/me/feed")) <= 12


async def test_an_expired_token_is_renewed_once_for_all_calls(agreeing: Bench) -> None:
    async with agreeing.running(OpenFeed(1.0), OpenFeed(2.0)) as visiting:
        agreeing.api.expire_access()
        agreeing.push("d1")
        await until(agreeing.clock, visiting.done)

    assert len(agreeing.api.bodies("POST /v1/tokens/refresh")) == 1
    assert agreeing.failures == []


async def test_a_token_is_renewed_before_it_expires(agreeing: Bench) -> None:
    await agreeing.register()
    await agreeing.clock.advance(590.0)  # of 600

    async with asyncio.TaskGroup() as group:
        task = group.create_task(agreeing.handset._client.feed())
        await until(agreeing.clock, task.done)

    calls = [call for call, _ in agreeing.api.requests][-2:]
    assert calls == ["POST /v1/tokens/refresh", "GET /v1/me/feed"]


@pytest.mark.parametrize("skew_s", [0.0, -400.0, 400.0])
async def test_a_wrong_clock_is_set_right_by_the_servers_date(
    clock: VirtualClock, tmp_path: Path, skew_s: float
) -> None:
    async with bench(clock, tmp_path, persona(clock_skew_s=skew_s)) as made:
        # Time stands still meanwhile: a round trip in virtual seconds would be the test's doing.
        await made.register()

        assert abs(made.handset.shopper.advertiser.clock_error_s) <= 2.0
        assert abs((made.handset._client.server_now() - clock.now()).total_seconds()) <= 2.0


async def test_the_servers_time_counts_even_when_it_is_wrong(
    clock: VirtualClock, tmp_path: Path
) -> None:
    async with bench(clock, tmp_path, persona(), date_ahead_s=300.0) as made:
        await made.register()

        ahead = made.handset._client.server_now() - clock.now()
        assert ahead.total_seconds() == pytest.approx(300.0, abs=1.0)


async def test_a_refused_registration_is_logged_without_a_handset(agreeing: Bench) -> None:
    agreeing.api.fail("POST /v1/handsets", 422, slug="invalid-body")

    await agreeing.register()

    (failed,) = agreeing.events(Failed)
    assert (failed.handset_id, failed.status, failed.detail) == (None, 422, "invalid-body")

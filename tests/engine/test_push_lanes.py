"""Lanes: a bad key stops its platform, one push finds out when it is good again, none waits for
another."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from config.clock import VirtualClock
from db.outbox import LEASE, Claimed
from engine.fcm_answers import (
    Delivered,
    Expired,
    Outcome,
    Refused,
    RetryAt,
    Stops,
    TargetGone,
    Why,
)
from engine.push_lanes import (
    ALARMS_MAX,
    LANE_STOPS_AT_MOST_S,
    LANE_STOPS_FOR_S,
    LOW,
    Breaker,
    BreakerState,
    Lane,
    Lanes,
)
from engine.push_limit import START

BAD_KEY = Refused(Why.THIRD_PARTY_AUTH, Stops.PLATFORM)
SECOND = timedelta(seconds=1)
LATER = datetime(2026, 11, 22, tzinfo=UTC)


def a_claim(now: datetime, platform: str = "android", serial: int = 0) -> Claimed:
    return Claimed(
        decision_id=f"d-{serial}",
        handset_id="h-1",
        shopper_id="s-1",
        store_id="store-1",
        visit_id="v-1",
        zone_id="aisle-7",
        campaign_id="pasta",
        campaign={},
        target_kind="fid",
        target_value="fid-1",
        platform=platform,
        locale="it-IT",
        decided_at=now,
        expires_at=now + 25 * SECOND,
        attempts=1,
        lease="lease-1",
        leased_until=now + LEASE,
    )


def test_a_stop_ends_with_one_push_that_finds_out(clock: VirtualClock) -> None:
    breaker, now_s = Breaker(), clock.monotonic_s()
    assert breaker.admits(now_s)
    breaker.stop(now_s)

    assert not breaker.admits(now_s + LANE_STOPS_FOR_S - 1)
    assert breaker.admits(now_s + LANE_STOPS_FOR_S)
    assert not breaker.admits(now_s + LANE_STOPS_FOR_S)
    breaker.passed(proves_key=True, now_s=now_s + LANE_STOPS_FOR_S)

    assert breaker.admits(now_s + LANE_STOPS_FOR_S)
    assert breaker.admits(now_s + LANE_STOPS_FOR_S)


def test_each_probe_that_fails_doubles_the_stop_up_to_a_bound(clock: VirtualClock) -> None:
    breaker, now_s = Breaker(), clock.monotonic_s()
    breaker.stop(now_s)
    stops = [LANE_STOPS_FOR_S]
    for _ in range(6):
        now_s += stops[-1]
        assert not breaker.admits(now_s - 1)
        assert breaker.admits(now_s)
        breaker.stop(now_s)
        stops.append(min(2 * stops[-1], LANE_STOPS_AT_MOST_S))

    assert stops[-1] == LANE_STOPS_AT_MOST_S
    assert not breaker.admits(now_s + LANE_STOPS_AT_MOST_S - 1)


def test_a_probe_that_is_never_heard_of_is_followed_by_another(clock: VirtualClock) -> None:
    breaker, now_s = Breaker(), clock.monotonic_s()
    breaker.stop(now_s)
    assert breaker.admits(now_s + LANE_STOPS_FOR_S)

    assert not breaker.admits(now_s + 2 * LANE_STOPS_FOR_S - 1)
    assert breaker.admits(now_s + 2 * LANE_STOPS_FOR_S)


def test_what_was_under_way_when_a_lane_stopped_does_not_lengthen_the_stop(
    clock: VirtualClock,
) -> None:
    breaker, now_s = Breaker(), clock.monotonic_s()
    for _ in range(5):
        breaker.stop(now_s)

    assert breaker.admits(now_s + LANE_STOPS_FOR_S)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Delivered("name"), BreakerState.CLOSED),
        (TargetGone(Why.UNREGISTERED), BreakerState.CLOSED),
        (Refused(Why.INVALID_MESSAGE), BreakerState.CLOSED),
        (TargetGone(Why.SENDER_ID_MISMATCH, alarm=True), BreakerState.OPEN),
        (RetryAt(LATER, Why.QUOTA), BreakerState.OPEN),
        (RetryAt(LATER, Why.UNREACHABLE), BreakerState.OPEN),
        (Expired(Why.UNAVAILABLE), BreakerState.OPEN),
        (Expired(Why.OFFER_ENDED), BreakerState.OPEN),
        (Refused(Why.UNSENDABLE), BreakerState.OPEN),
        (BAD_KEY, BreakerState.OPEN),
    ],
    ids=str,
)
def test_only_an_answer_that_got_past_the_key_opens_the_lane(
    clock: VirtualClock, outcome: Outcome, state: BreakerState
) -> None:
    lanes, now_s = Lanes(10), clock.monotonic_s()
    ios = lanes.of("ios")
    lanes.note(ios, BAD_KEY, now_s)
    now_s += LANE_STOPS_FOR_S
    assert ios.breaker.admits(now_s)

    lanes.note(ios, outcome, now_s)

    assert ios.breaker.state is state


def test_a_bad_apns_key_leaves_the_other_lanes_alone(clock: VirtualClock) -> None:
    lanes, now_s = Lanes(10), clock.monotonic_s()

    lanes.note(lanes.of("ios"), BAD_KEY, now_s)

    assert [lane.breaker.admits(now_s) for lane in lanes] == [True, False, True]


def test_a_refused_account_stops_every_lane(clock: VirtualClock) -> None:
    lanes, now_s = Lanes(10), clock.monotonic_s()

    lanes.note(lanes.of("web"), Refused(Why.PERMISSION_DENIED, Stops.EVERYTHING), now_s)

    assert not any(lane.breaker.admits(now_s) for lane in lanes)


def test_a_push_without_a_known_platform_has_a_lane_too() -> None:
    lanes = Lanes(10)

    assert lanes.of(None) is lanes.of("symbian") is lanes.of("android")


async def test_a_lane_gives_no_more_than_its_limit_and_the_oldest_first(
    clock: VirtualClock,
) -> None:
    lane = Lane("android", 200, asyncio.Event())
    for serial in range(START + 5):
        lane.put(a_claim(clock.now(), serial=serial))

    taken = await lane.take(10, clock)
    taken += await lane.take(100, clock)

    assert [one.decision_id for one in taken] == [f"d-{serial}" for serial in range(START)]
    assert (lane.waiting, lane.limit.room) == (5, 0)
    waiting = asyncio.ensure_future(lane.take(100, clock))
    await clock.advance(1)
    assert not waiting.done()
    for _ in range(5):
        lane.dropped(clock)
    assert len(await waiting) == 5


async def test_a_push_alone_is_taken_at_once(clock: VirtualClock) -> None:
    lane = Lane("android", 200, asyncio.Event())
    waiting = asyncio.ensure_future(lane.take(100, clock))
    await clock.advance(1)
    assert not waiting.done()

    lane.put(a_claim(clock.now()))

    assert len(await waiting) == 1


async def test_a_lane_that_hangs_is_left_out_and_the_others_are_fed(clock: VirtualClock) -> None:
    lanes = Lanes(10)
    assert await lanes.fed() == frozenset()
    for serial in range(LOW + 1):
        lanes.of("web").put(a_claim(clock.now(), "web", serial))

    assert await lanes.fed() == {"web"}
    await lanes.of("web").take(1, clock)
    assert await lanes.fed() == frozenset()


def test_the_lanes_tell_their_state() -> None:
    lanes = Lanes(10)

    assert lanes.told()["web"] == {
        "breaker": "closed", "waiting": 0, "in_flight": 0, "limit": 10, "cuts": 0
    }  # fmt: skip


def test_a_key_of_another_project_stops_every_lane_before_it_retires_all_targets() -> None:
    lanes = Lanes(10)
    mismatch = TargetGone(Why.SENDER_ID_MISMATCH, alarm=True)
    for _ in range(ALARMS_MAX - 1):
        lanes.note(lanes.of("ios"), mismatch, 0.0)
    lanes.note(lanes.of("ios"), Delivered("m"), 0.0)
    for _ in range(ALARMS_MAX - 1):
        lanes.note(lanes.of("android"), mismatch, 0.0)
    assert all(lane.breaker.admits(0.0) for lane in lanes)

    lanes.note(lanes.of("android"), mismatch, 0.0)

    assert not any(lane.breaker.admits(0.0) for lane in lanes)


def test_after_a_probe_at_another_senders_target_the_next_push_is_the_probe(
    clock: VirtualClock,
) -> None:
    lanes, now_s = Lanes(10), clock.monotonic_s()
    ios = lanes.of("ios")
    lanes.note(ios, BAD_KEY, now_s)
    now_s += LANE_STOPS_FOR_S
    assert ios.breaker.admits(now_s)

    lanes.note(ios, TargetGone(Why.SENDER_ID_MISMATCH, alarm=True), now_s)
    assert ios.breaker.admits(now_s)
    lanes.note(ios, Delivered("m"), now_s)

    assert ios.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("between", "stopped"),
    [
        (Delivered("m"), False),
        (TargetGone(Why.UNREGISTERED), False),
        (RetryAt(LATER, Why.UNAVAILABLE), True),
        (Refused(Why.INVALID_MESSAGE), True),
    ],
    ids=str,
)
def test_only_a_target_of_ours_ends_a_row_of_alarms(between: Outcome, *, stopped: bool) -> None:
    lanes = Lanes(10)
    mismatch = TargetGone(Why.SENDER_ID_MISMATCH, alarm=True)
    for _ in range(ALARMS_MAX - 1):
        lanes.note(lanes.of("ios"), mismatch, 0.0)
    lanes.note(lanes.of("ios"), between, 0.0)

    lanes.note(lanes.of("ios"), mismatch, 0.0)

    assert lanes.of("ios").breaker.admits(0.0) is not stopped

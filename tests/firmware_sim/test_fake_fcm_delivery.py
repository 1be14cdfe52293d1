"""How accepted messages reach handsets: time to live, collapsing, waiting, and latency."""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from config.clock import VirtualClock
from firmware_sim.fcm_courier import Courier, Latency
from firmware_sim.fcm_delivery import Delivery, Platform
from firmware_sim.fcm_targets import mint_target

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
FID = mint_target("fid", Random(1))


@dataclass
class Bench:
    """A courier that carries, to one handset."""

    courier: Courier
    clock: VirtualClock
    counts: Counter[str]
    delivered: list[Delivery]
    sent: int = 0

    def handset(self, platform: Platform, *, is_online: bool = True) -> None:
        self.courier.register("fid", FID, platform)
        self.courier.set_online("fid", FID, is_online=is_online)

    def send(self, message: dict[str, Any]) -> None:
        self.sent += 1
        self.courier.send("fid", FID, message, str(self.sent))

    async def returns(self) -> list[str]:
        """The handset comes back; the numbers of the messages it is then sent, in any order."""
        self.courier.set_online("fid", FID, is_online=True)
        await self.clock.advance(60)
        return sorted((each.message_name for each in self.delivered), key=int)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = VirtualClock(START)
    delivered: list[Delivery] = []
    counts: Counter[str] = Counter()
    courier = Courier(clock, Random(3), Latency(), delivered.append, counts)
    started = asyncio.Event()
    carrying = asyncio.ensure_future(courier.run(started))
    await started.wait()
    yield Bench(courier, clock, counts, delivered)
    carrying.cancel()
    await asyncio.wait([carrying])


def android(**config: object) -> dict[str, Any]:
    return {"notification": {"title": "t"}, "android": config}


def ios(**headers: str) -> dict[str, Any]:
    named = {f"apns-{name.replace('_', '-')}": value for name, value in headers.items()}
    return {"notification": {"title": "t"}, "apns": {"headers": named}}


def web(**headers: str) -> dict[str, Any]:
    return {"notification": {"title": "t"}, "webpush": {"headers": headers}}


def unix(after_s: float) -> str:
    return str(int((START + timedelta(seconds=after_s)).timestamp()))


async def test_latencies_have_the_median_they_were_given(bench: Bench) -> None:
    bench.handset("android")
    for _ in range(400):
        bench.send(android())

    await bench.clock.advance(60)

    took_s = [(each.delivered_at - each.accepted_at).total_seconds() for each in bench.delivered]
    assert len(took_s) == 400
    assert 0.25 < statistics.median(took_s) < 0.36
    assert max(took_s) > 3 * statistics.median(took_s)


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ("android", android(ttl="30s")),
        ("android", android(ttl="30.9s")),
        ("ios", ios(expiration=unix(30))),
        ("web", web(TTL="30")),
    ],
)
async def test_what_waited_too_long_is_dropped(
    bench: Bench, platform: Platform, message: dict[str, Any]
) -> None:
    bench.handset(platform, is_online=False)
    bench.send(message)
    await bench.clock.advance(31)

    assert await bench.returns() == []
    assert bench.counts["expired"] == 1


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ("android", android(ttl="3600s")),
        ("android", android()),
        ("ios", ios(expiration=unix(3600))),
        ("ios", ios()),
        ("web", web(TTL="3600")),
        ("web", web()),
    ],
)
async def test_what_still_lives_is_sent_on_the_handsets_return(
    bench: Bench, platform: Platform, message: dict[str, Any]
) -> None:
    bench.handset(platform, is_online=False)
    bench.send(message)
    await bench.clock.advance(1800)
    assert bench.delivered == []

    assert await bench.returns() == ["1"]


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ("android", android(ttl="0s")),
        ("android", android(ttl="0.9s")),
        ("ios", ios(expiration="0")),
        ("web", web(TTL="0")),
    ],
)
async def test_a_life_of_nothing_is_now_or_never(
    bench: Bench, platform: Platform, message: dict[str, Any]
) -> None:
    bench.handset(platform)
    bench.send(message)
    await bench.clock.advance(60)
    assert len(bench.delivered) == 1

    bench.courier.set_online("fid", FID, is_online=False)
    bench.send(message)
    assert await bench.returns() == ["1"]
    assert bench.counts["given_up"] == 1


async def test_a_relative_apns_expiration_has_passed_long_ago(bench: Bench) -> None:
    bench.handset("ios")
    bench.send(ios(expiration="120"))

    await bench.clock.advance(60)

    assert bench.delivered == []
    assert bench.counts["expired"] == 1


@pytest.mark.parametrize(
    ("platform", "one", "other"),
    [
        ("android", android(collapse_key="a"), android(collapse_key="b")),
        ("ios", ios(collapse_id="a"), ios(collapse_id="b")),
        ("web", web(Topic="a"), web(Topic="b")),
    ],
)
async def test_of_waiting_messages_with_one_key_the_last_remains(
    bench: Bench, platform: Platform, one: dict[str, Any], other: dict[str, Any]
) -> None:
    bench.handset(platform, is_online=False)
    for message in (one, other, one, one):
        bench.send(message)

    assert await bench.returns() == ["2", "4"]
    assert bench.counts["given_up"] == 2


async def test_messages_under_way_to_a_handset_in_use_are_not_collapsed(bench: Bench) -> None:
    bench.handset("android")
    bench.send(android(collapse_key="a", notification={"tag": "a"}))
    bench.send(android(collapse_key="a", notification={"tag": "a"}))

    await bench.clock.advance(60)

    assert [each.tag for each in bench.delivered] == ["a", "a"]


async def test_four_keys_wait_and_a_fifth_pushes_the_oldest_out(bench: Bench) -> None:
    bench.handset("android", is_online=False)
    for key in "abcde":
        bench.send(android(collapse_key=key))

    assert await bench.returns() == ["2", "3", "4", "5"]


async def test_the_hundred_and_first_message_without_a_key_costs_the_hundred(
    bench: Bench,
) -> None:
    bench.handset("android", is_online=False)
    bench.send(android(collapse_key="a"))
    for _ in range(101):
        bench.send(android())

    assert await bench.returns() == ["1", "102"]
    assert bench.counts["given_up"] == 100


async def test_a_handset_that_leaves_while_a_message_is_under_way_gets_it_later(
    bench: Bench,
) -> None:
    bench.handset("android")
    bench.send(android())
    bench.courier.set_online("fid", FID, is_online=False)
    await bench.clock.advance(60)
    assert bench.delivered == []

    assert await bench.returns() == ["1"]


async def test_a_target_that_goes_while_a_message_is_under_way_gets_nothing(bench: Bench) -> None:
    bench.handset("android")
    bench.send(android())
    bench.courier.unregister("fid", FID)

    await bench.clock.advance(60)

    assert bench.delivered == []


async def test_each_platform_shows_its_own_part_before_the_common_one(bench: Bench) -> None:
    message = {
        "notification": {"title": "all", "body": "all", "image": "https://x.example/all.png"},
        "data": {"decision_id": "d", "k": "all"},
        "android": {"data": {"k": "android"}, "notification": {"title": "android", "tag": "v"}},
        "apns": {
            "headers": {"apns-collapse-id": "v"},
            "payload": {"aps": {"alert": {"title": "ios"}}, "k": "ios"},
            "fcm_options": {"image": "https://x.example/ios.png"},
        },
        "webpush": {"data": {"k": "web"}, "notification": {"title": "web", "tag": "v"}},
    }
    platforms: tuple[Platform, ...] = ("android", "ios", "web")
    for platform in platforms:
        bench.handset(platform)
        bench.send(message)
        await bench.clock.advance(60)

    assert [each.title for each in bench.delivered] == ["android", "ios", "web"]
    assert [each.body for each in bench.delivered] == ["all"] * 3
    assert [each.data["k"] for each in bench.delivered] == ["android", "ios", "web"]
    assert [each.tag for each in bench.delivered] == ["v"] * 3
    assert [each.platform for each in bench.delivered] == ["android", "ios", "web"]
    assert bench.delivered[1].image_url == "https://x.example/ios.png"

"""Access tokens: fetched once, renewed ahead of their end, off the loop, and never in a log."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from config.clock import VirtualClock
from engine.fcm_credential import (
    FAILURE_HOLDS_S,
    AccessTokens,
    KeyFileError,
    KeyRefused,
    TokenUnavailable,
    load_service_account,
    service_account,
)
from firmware_sim.fake_fcm import FakeFcm
from tests.engine.shop import eventually

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@dataclass
class Bench:
    """The tokens of one account at a running fake."""

    fcm: FakeFcm
    clock: VirtualClock
    http: ClientSession
    tokens: AccessTokens

    async def current(self) -> str:
        return await self.tokens.current(self.http)

    @property
    def asked(self) -> int:
        return self.fcm.counts["token_requests"]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = VirtualClock(START)
    async with (
        FakeFcm(clock, seed=7, on_delivery=lambda _: None) as fcm,
        ClientSession() as http,
    ):
        account = service_account(fcm.service_account_json())
        yield Bench(fcm, clock, http, AccessTokens(account, clock))


async def test_a_token_is_fetched_once_for_all_who_ask_together(bench: Bench) -> None:
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.current()) for _ in range(10)]

    assert len({task.result() for task in asking}) == 1
    assert bench.asked == 1


async def test_a_token_is_renewed_five_minutes_before_its_end(bench: Bench) -> None:
    first = await bench.current()
    await bench.clock.advance(3599 - 301)
    assert await bench.current() == first

    await bench.clock.advance(2)

    assert await bench.current() != first
    assert bench.asked == 2


async def test_while_one_renews_early_the_others_go_on_with_the_old_token(bench: Bench) -> None:
    first = await bench.current()
    await bench.clock.advance(3400)

    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(bench.current())
        others = [group.create_task(bench.current()) for _ in range(5)]

    assert [task.result() for task in others] == [first] * 5
    assert renewing.result() != first
    assert bench.asked == 2


async def test_the_loop_runs_on_while_a_token_is_fetched(bench: Bench) -> None:
    """Signing is done in a thread and the answer awaited: a neighbour gets its turns."""
    fetching = asyncio.ensure_future(bench.current())
    turns = 0
    while not fetching.done():
        await bench.clock.sleep(0)
        turns += 1

    assert turns > 10
    assert await fetching


async def test_a_failed_renewal_goes_by_the_old_token_and_is_tried_again_later(
    bench: Bench,
) -> None:
    first = await bench.current()
    await bench.clock.advance(3400)
    bench.fcm.fail_tokens(503)

    assert await bench.current() == first
    assert await bench.current() == first
    assert bench.asked == 2
    await bench.clock.advance(5)
    assert await bench.current() != first


@dataclass
class Keeping:
    """A keeper at work; requests for a token are real, so they are waited for."""

    bench: Bench

    async def asked(self, times: int) -> None:
        async def is_so() -> bool:
            return self.bench.asked >= times

        await eventually(is_so)

    async def pass_time(self, seconds: float) -> None:
        await self.bench.clock.advance(seconds)


@pytest.fixture
async def keeping(bench: Bench) -> AsyncIterator[Keeping]:
    keeper = asyncio.create_task(bench.tokens.keep_fresh(bench.http), name="keeper")
    yield Keeping(bench)
    assert not keeper.done()
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper


async def test_the_keeper_renews_before_a_push_has_to(keeping: Keeping, bench: Bench) -> None:
    await keeping.asked(1)
    first = await bench.current()
    await keeping.pass_time(3599 - 601)
    assert bench.asked == 1

    await keeping.pass_time(2)
    await keeping.asked(2)

    async def is_new() -> bool:
        return await bench.current() != first

    await eventually(is_new)
    # Now the first would have to be renewed by a push; it is replaced long since.
    await keeping.pass_time(301)
    await bench.current()
    assert bench.asked == 2


async def test_the_keeper_tries_again_after_a_failure(keeping: Keeping, bench: Bench) -> None:
    await keeping.asked(1)
    first = await bench.current()
    bench.fcm.fail_tokens(503, times=2)
    await keeping.pass_time(3599 - 599)
    await keeping.asked(2)
    assert await bench.current() == first

    async def is_new() -> bool:
        await keeping.pass_time(FAILURE_HOLDS_S + 0.1)
        return await bench.current() != first

    await eventually(is_new)
    assert bench.asked == 4


async def test_a_token_at_its_end_is_not_used_when_renewal_fails(bench: Bench) -> None:
    await bench.current()
    await bench.clock.advance(3600)
    bench.fcm.fail_tokens(503)

    with pytest.raises(TokenUnavailable):
        await bench.current()


async def test_a_failure_holds_for_all_instead_of_a_storm_of_requests(bench: Bench) -> None:
    bench.fcm.fail_tokens(503)

    for _ in range(10):
        with pytest.raises(TokenUnavailable, match="HTTP 503"):
            await bench.current()

    assert bench.asked == 1
    await bench.clock.advance(5)
    assert await bench.current()


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_key_is_told_from_a_sick_endpoint(bench: Bench, status: int) -> None:
    bench.fcm.fail_tokens(status)

    with pytest.raises(KeyRefused, match=f"HTTP {status}"):
        await bench.current()


async def test_the_key_of_another_project_is_refused_by_its_oauth_error(bench: Bench) -> None:
    other = FakeFcm(bench.clock, seed=9, on_delivery=lambda _: None).service_account_json()
    key = {**bench.fcm.service_account_json(), "private_key": other["private_key"]}
    tokens = AccessTokens(service_account(key), bench.clock)

    with pytest.raises(KeyRefused, match="invalid_grant"):
        await tokens.current(bench.http)


async def test_a_success_without_a_token_is_no_success(bench: Bench) -> None:
    bench.fcm.fail_tokens(200)

    with pytest.raises(TokenUnavailable, match="without a token"):
        await bench.current()


async def test_nobody_at_the_token_endpoint_is_unavailable(bench: Bench) -> None:
    async with FakeFcm(bench.clock, seed=9, on_delivery=lambda _: None) as other:
        key = other.service_account_json()

    with pytest.raises(TokenUnavailable):
        await AccessTokens(service_account(key), bench.clock).current(bench.http)


async def test_a_key_file_is_read_and_its_key_never_shown(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(bench.fcm.service_account_json()))

    account = load_service_account(path)

    assert account.project_id == "corsia-sim"
    assert account.token_url == f"{bench.fcm.base_url}/token"
    assert "signer" not in repr(account)


GOOD_BUT: dict[str, Any] = {
    "type": "service_account",
    "project_id": "p",
    "token_uri": "https://example.org/token",
    "client_email": "a@example.org",
    "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "no json",
        "[]",
        "{}",
        json.dumps(GOOD_BUT),
        json.dumps({**GOOD_BUT, "type": "authorized_user"}),
        json.dumps({**GOOD_BUT, "token_uri": None}),
    ],
)
def test_a_bad_key_file_is_one_clear_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(KeyFileError) as caught:
        load_service_account(path)

    assert "c2VjcmV0" not in str(caught.value)

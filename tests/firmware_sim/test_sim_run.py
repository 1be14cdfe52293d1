"""The simulator as a whole, on a virtual clock: air, handsets, pushes, logs, and its end."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from beacons.presence import GONE_AFTER_S
from config.clock import SystemClock, VirtualClock
from firmware_sim.fcm_oauth import GRANT
from firmware_sim.run import EXIT_FAILED, EXIT_OK, OPEN_FILE, SimulatorConfig, run_simulator
from firmware_sim.truth import (
    EnteredStore,
    Failed,
    LeftStore,
    PushReceived,
    Registered,
    read_handset_events,
    read_pushes,
    read_truth,
)
from tests.fakes.handset_api import HandsetApi, until


@pytest.fixture
async def api(clock: VirtualClock) -> AsyncIterator[HandsetApi]:
    async with HandsetApi(clock) as made:
        yield made


@pytest.fixture
def config(api: HandsetApi, tmp_path: Path) -> SimulatorConfig:
    return SimulatorConfig(
        run_dir=tmp_path / "run",
        api_url=api.url,
        fcm_port=0,
        fcm_key_file=tmp_path / "keys" / "fcm.json",
        minutes=0.5,
        shoppers=6,
        seed=7,
    )


@asynccontextmanager
async def running(config: SimulatorConfig, clock: VirtualClock) -> AsyncIterator[asyncio.Task[int]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_simulator(config, clock))
        try:
            yield task
        finally:
            task.cancel()


async def until_ready(config: SimulatorConfig, clock: VirtualClock) -> dict[str, Any]:
    ready = config.run_dir / "ready.json"
    await until(clock, ready.exists)
    return dict(json.loads(ready.read_text()))


async def send(config: SimulatorConfig, fcm_url: str, target: str, clock: VirtualClock) -> int:
    """Push to a target with the key file that the simulator wrote, as a backend does."""
    key = json.loads(config.fcm_key_file.read_text())
    now_s = int(clock.now().timestamp())
    claims = {
        "iss": key["client_email"],
        "aud": key["token_uri"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now_s,
        "exp": now_s + 3600,
    }
    form = {"grant_type": GRANT, "assertion": jwt.encode(claims, key["private_key"], "RS256")}
    message = {
        "token": target,
        "notification": {"title": "Pasta", "body": "Two for one"},
        "data": {"decision_id": "d1", "zone_id": "aisle-3"},
    }
    async with aiohttp.ClientSession() as session:
        async with session.post(key["token_uri"], data=form) as answer:
            token = (await answer.json())["access_token"]
        async with session.post(
            f"{fcm_url}/v1/projects/{key['project_id']}/messages:send",
            json={"message": message},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            return answer.status


async def test_a_run_from_registration_to_the_end(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    async with running(config, clock) as task:
        await until(clock, task.done)
        assert task.result() == EXIT_OK

    registered = [e for e in read_handset_events(config.run_dir) if isinstance(e, Registered)]
    entered = [e for e in read_handset_events(config.run_dir) if isinstance(e, EnteredStore)]
    assert {event.handset_id for event in registered} == set(api.handsets)
    assert len(registered) == len(entered) == 6
    assert not [e for e in read_handset_events(config.run_dir) if isinstance(e, Failed)]
    truth = read_truth(config.run_dir)
    zones = {point.zone for point in truth}
    assert "entrance" in zones
    one = [point.at_s for point in truth if point.handset_id == truth[0].handset_id]
    assert {round(b - a, 6) for a, b in pairwise(one)} == {0.5}
    assert one[-1] - one[0] == pytest.approx(35.0, abs=12.0)  # minutes and the drain, less arrival
    assert list((config.run_dir / "air").iterdir()) == []


async def test_a_gateway_hears_the_handsets_on_its_socket(
    config: SimulatorConfig, clock: VirtualClock
) -> None:
    async with running(config, clock):
        ready = await until_ready(config, clock)
        assert len(ready["gateways"]) == 12
        path = config.run_dir / "air" / "gw-12.sock"  # over the doors
        reader, writer = await asyncio.open_unix_connection(str(path))
        lines: list[bytes] = []

        async def listen() -> None:
            while line := await reader.readline():
                lines.append(line)

        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listen())
            await until(clock, lambda: len(lines) > 20)
            listening.cancel()
        writer.close()
        await writer.wait_closed()

    advert = json.loads(lines[0])
    assert advert.keys() == {"at_ms", "address", "rssi", "data"}
    assert abs(advert["at_ms"] / 1000 - clock.now().timestamp()) < 30
    assert bytes.fromhex(advert["data"])[-16:][:4] == bytes.fromhex("c0451a01")[::-1]


async def test_a_push_reaches_the_handset_that_owns_the_target(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    async with running(config, clock):
        ready = await until_ready(config, clock)
        await until(clock, lambda: len(api.bodies("PUT /v1/me/push-target")) == 6)
        await until(clock, lambda: api.bodies("POST /v1/me/events"))
        owner = list(api.handsets.values())[3]

        target = owner["push_target"]["value"]
        assert await send(config, ready["fcm_url"], target, clock) == 200
        await until(clock, lambda: api.bodies("POST /v1/me/receipts"))

    (push,) = [e for e in read_handset_events(config.run_dir) if isinstance(e, PushReceived)]
    assert (push.handset_id, push.decision_id, push.shown) == (owner["handset_id"], "d1", True)


async def test_the_key_file_is_there_first_and_its_owners_only(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    api.is_ready = False
    async with running(config, clock):
        await until_ready(config, clock)

        assert config.fcm_key_file.stat().st_mode & 0o777 == 0o600
        assert json.loads(config.fcm_key_file.read_text())["type"] == "service_account"
        assert api.handsets == {}


async def test_the_simulator_waits_for_the_api(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    api.is_ready = False
    async with running(config, clock):
        await until(clock, lambda: len(api.bodies("GET /readyz")) > 3)
        assert api.handsets == {}

        api.is_ready = True
        await until(clock, lambda: len(api.handsets) == 6)


async def test_an_api_that_never_gets_ready_ends_the_run_with_a_sentence(
    config: SimulatorConfig,
    api: HandsetApi,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.is_ready = False
    async with running(config, clock) as task:
        await until(clock, task.done)

        assert task.result() == EXIT_FAILED
    assert "was not ready within 60 s; it answered 503" in str(caplog.records[-1].__dict__["why"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"store": Path("nowhere.toml")}, "nowhere.toml cannot be read"),
        ({"recording": Path("nowhere")}, "no folder of recordings at nowhere"),
    ],
)
async def test_what_cannot_be_played_is_said(
    config: SimulatorConfig,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    sentence: str,
) -> None:
    assert await run_simulator(replace(config, **changes), clock) == EXIT_FAILED
    assert sentence in str(caplog.records[-1].__dict__["why"])


async def test_without_an_end_others_come_when_shoppers_leave(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    async with running(replace(config, minutes=None, shoppers=2), clock):
        await until(clock, lambda: len(api.handsets) > 3, limit_s=4000.0, step_s=5.0)

    registered = [e for e in read_handset_events(config.run_dir) if isinstance(e, Registered)]
    assert len({event.shopper_id for event in registered}) > 3


async def test_with_newcomers_a_run_has_an_end_and_says_when_it_opens(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    config = replace(config, minutes=15.0, shoppers=2, newcomers=True)
    before_s = clock.now().timestamp()
    async with running(config, clock) as task:
        await until(clock, task.done, limit_s=4000.0, step_s=5.0)
        assert task.result() == EXIT_OK

    assert len(api.handsets) > 2
    opens_at_s = json.loads((config.run_dir / OPEN_FILE).read_text())["opens_at_s"]
    entered = [e for e in read_handset_events(config.run_dir) if isinstance(e, EnteredStore)]
    assert before_s < opens_at_s <= min(event.at_s for event in entered)


async def test_who_comes_back_is_the_same_shopper_after_the_last_visit_is_over(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    config = replace(config, minutes=30.0, shoppers=2, newcomers=True, returning=1.0)
    async with running(config, clock) as task:
        await until(clock, task.done, limit_s=4000.0, step_s=5.0)

    events = read_handset_events(config.run_dir)
    assert len(api.handsets) == 2
    for handset_id in api.handsets:
        came = [
            e.at_s for e in events if isinstance(e, EnteredStore) and e.handset_id == handset_id
        ]
        went = [e.at_s for e in events if isinstance(e, LeftStore) and e.handset_id == handset_id]
        assert len(came) > 1
        absent_s = [next_s - left_s for left_s, next_s in zip(went, came[1:], strict=False)]
        assert min(absent_s) > GONE_AFTER_S


async def test_apple_refuses_the_key_for_the_time_it_is_told_to(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock
) -> None:
    config = replace(config, minutes=2.0, refused_keys=((20.0, 40.0),))
    async with running(config, clock):
        ready = await until_ready(config, clock)
        await until(clock, (config.run_dir / OPEN_FILE).exists)
        opens_at_s = json.loads((config.run_dir / OPEN_FILE).read_text())["opens_at_s"]
        target_of = {
            one["push_target"]["platform"]: one["push_target"]["value"]
            for one in api.handsets.values()
        }
        statuses = []
        for after_s in (10.0, 30.0, 50.0):
            await clock.advance(opens_at_s + after_s - clock.now().timestamp())
            statuses.append(
                [
                    await send(config, ready["fcm_url"], target_of[platform], clock)
                    for platform in ("ios", "android")
                ]
            )
        await clock.advance(2.0)

    assert statuses == [[200, 200], [401, 200], [200, 200]]
    judged = read_pushes(config.run_dir)
    assert [one.accepted for one in judged] == [True, True, False, True, True, True]
    assert [one.trouble for one in judged if one.trouble] == ["THIRD_PARTY_AUTH"]
    assert {one.handset_id for one in judged} <= set(api.handsets)
    assert {one.decision_id for one in judged} == {"d1"}


async def test_cancelling_stops_everything_at_once(
    config: SimulatorConfig, clock: VirtualClock
) -> None:
    real = SystemClock()
    async with running(config, clock) as task:
        await until(clock, lambda: read_truth(config.run_dir))
        began_s = real.monotonic_s()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert real.monotonic_s() - began_s < 2.0
    assert list((config.run_dir / "air").iterdir()) == []


async def test_a_recording_is_played_to_its_end(
    config: SimulatorConfig, api: HandsetApi, clock: VirtualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "recording"
    write_recording(folder)
    config = replace(config, recording=folder, dataset="small", minutes=None)

    async with running(config, clock) as task:
        await until(clock, task.done)
        assert task.result() == EXIT_OK

    assert len(api.handsets) == 2
    truth = read_truth(config.run_dir)
    assert {point.zone for point in truth} == {"left"}
    times_s = [point.at_s for point in truth]
    assert max(times_s) - min(times_s) == pytest.approx(20.0, abs=0.5)


def write_recording(folder: Path) -> None:
    """Two walks of 20 s in one zone, heard by one anchor."""
    folder.mkdir()
    write(folder / "traces.csv", "dataset trace_id device", ["small w1 tag", "small w2 tag"])
    write(folder / "anchors.csv", "dataset anchor_id x y floor", ["small a 1 1 0"])
    corners = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))"
    (folder / "zones.csv").write_text(f'dataset,zone_id,wkt\nsmall,left,"{corners}"\n')
    ticks = [(walk, tick / 2) for walk in ("w1", "w2") for tick in range(41)]
    write(
        folder / "sightings.csv.gz",
        "trace_id t anchor_id rssi",
        [f"{walk} {t} a -60" for walk, t in ticks],
    )
    write(
        folder / "truth.csv.gz",
        "trace_id t x y zone_id",
        [f"{walk} {t} 2 2 left" for walk, t in ticks],
    )


def write(path: Path, header: str, rows: list[str]) -> None:
    text = "".join(",".join(row.split()) + "\n" for row in (header, *rows)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)

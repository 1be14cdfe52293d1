"""The run's logs, written and read back."""

import asyncio
from pathlib import Path

import pytest

from config.clock import VirtualClock
from firmware_sim.truth import (
    HANDSETS_FILE,
    TRUTH_FILE,
    ConsentChanged,
    EnteredStore,
    Failed,
    HandsetEvent,
    LeftStore,
    NotRedeemed,
    PushReceived,
    ReceiptSent,
    Redeemed,
    Registered,
    RunLog,
    TruthError,
    TruthPoint,
    read_handset_events,
    read_truth,
)

EVENTS: list[HandsetEvent] = [
    Registered(1.0, "h1", "s1", {"location_ble": True}, "all yes"),
    ConsentChanged(2.0, "h1", {"location_ble": False}, 2.5),
    EnteredStore(3.0, "h1"),
    PushReceived(4.0, "h1", "d1", "c1", "aisle-1", 3.5, True, False, 4.0, None),
    ReceiptSent(5.0, "h1", "d1", "displayed"),
    Redeemed(6.0, "h1", "d1", "c1"),
    NotRedeemed(6.0, "h1", "d2", "offer-over"),
    Failed(7.0, None, "POST /v1/handsets", 422, "invalid-body"),
    LeftStore(8.0, "h1"),
]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    points = (TruthPoint(1.0, "h1", 2.5, 3.5, "aisle-1"), TruthPoint(1.5, "h1", 2.5, 3.6, None))
    with RunLog(tmp_path) as run_log:
        for point in points:
            run_log.point(point)
        for event in EVENTS:
            run_log.event(event)

    assert read_truth(tmp_path) == points
    assert list(read_handset_events(tmp_path)) == EVENTS


def test_the_lines_have_the_documented_names(tmp_path: Path) -> None:
    with RunLog(tmp_path) as run_log:
        run_log.point(TruthPoint(1.0, "h1", 2.5, 3.5, None))
        run_log.event(EnteredStore(3.0, "h1"))

    assert (tmp_path / TRUTH_FILE).read_text() == (
        '{"t":1.0,"handset_id":"h1","x":2.5,"y":3.5,"zone":null}\n'
    )
    assert (
        tmp_path / HANDSETS_FILE
    ).read_text() == '{"kind":"entered","t":3.0,"handset_id":"h1"}\n'


def test_a_later_run_appends(tmp_path: Path) -> None:
    for at_s in (1.0, 2.0):
        with RunLog(tmp_path) as run_log:
            run_log.event(EnteredStore(at_s, "h1"))

    assert [event.at_s for event in read_handset_events(tmp_path)] == [1.0, 2.0]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    (tmp_path / HANDSETS_FILE).write_text('{"kind":"entered","t":3.0,"handset_id":"h1"}\n{"kind"')

    assert read_handset_events(tmp_path) == (EnteredStore(3.0, "h1"),)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / HANDSETS_FILE).write_text('{"kind":"entered","t":3.0,"handset_id":"h1"}\n{}\n')

    with pytest.raises(TruthError, match=r"handsets\.jsonl, line 2"):
        read_handset_events(tmp_path)


def test_a_run_that_never_began_left_nothing(tmp_path: Path) -> None:
    assert read_truth(tmp_path / "nowhere") == ()
    assert read_handset_events(tmp_path / "nowhere") == ()


async def test_events_are_on_disk_within_a_second(tmp_path: Path, clock: VirtualClock) -> None:
    with RunLog(tmp_path) as run_log:
        async with asyncio.TaskGroup() as group:
            flushing = group.create_task(run_log.keep_flushed(clock))
            run_log.event(EnteredStore(3.0, "h1"))
            await clock.advance(1.0)
            seen = read_handset_events(tmp_path)
            flushing.cancel()

    assert seen == (EnteredStore(3.0, "h1"),)

"""The logs of a running simulator are followed: nothing twice, nothing half."""

from pathlib import Path

from corsia.run_tail import RunTail
from firmware_sim.truth import (
    HANDSETS_FILE,
    TRUTH_FILE,
    EnteredStore,
    LeftStore,
    RunLog,
    TruthPoint,
    read_handset_events,
)

POINT = TruthPoint(10.0, "h1", 1.0, 2.0, "aisle-1")


def test_nothing_is_there_before_the_simulator_has_begun(tmp_path: Path) -> None:
    assert RunTail(tmp_path).read() == ([], [])


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    tail = RunTail(tmp_path)
    with RunLog(tmp_path) as log:
        log.point(POINT)
        log.event(EnteredStore(10.0, "h1"))
        log.flush()
        first = tail.read()
        log.event(LeftStore(11.0, "h1"))
        log.flush()
        second = tail.read()

    assert first == ([POINT], [EnteredStore(10.0, "h1")])
    assert second == ([], [LeftStore(11.0, "h1")])
    assert tail.read() == ([], [])


def test_a_line_that_is_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    tail = RunTail(tmp_path)
    with (tmp_path / TRUTH_FILE).open("wb", buffering=0) as log:
        log.write(b'{"t":10.0,"handset_id":"h1",')
        before = tail.read()
        log.write(b'"x":1.0,"y":2.0,"zone":"aisle-1"}\n')

    assert before == ([], [])
    assert tail.read() == ([POINT], [])


def test_where_a_simulator_was_killed_one_line_is_lost_and_counted(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.event(EnteredStore(10.0, "h1"))
    with (tmp_path / HANDSETS_FILE).open("ab") as torn:
        torn.write(b'{"kind":"ente')
    with RunLog(tmp_path) as log:
        log.event(EnteredStore(11.0, "h2"))
        log.event(EnteredStore(12.0, "h3"))
    tail = RunTail(tmp_path)

    _, events = tail.read()

    assert [event.handset_id for event in events] == ["h1", "h3"]
    assert tail.torn_lines == 1


def test_a_long_log_is_read_in_pieces_and_completely(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        for number in range(30_000):
            log.event(EnteredStore(float(number), f"handset-{number:032}"))
    tail = RunTail(tmp_path)

    pieces = []
    while piece := tail.read()[1]:
        pieces.append(piece)

    assert len(pieces) > 1
    assert tuple(event for piece in pieces for event in piece) == read_handset_events(tmp_path)

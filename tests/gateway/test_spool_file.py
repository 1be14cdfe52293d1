"""The spool on disk: what is in it is what will be sent, whatever happens to the process."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from beacons.sighting import Batch, decode_batch
from gateway import spool_file
from gateway.spool_file import (
    SET_ASIDE_ROWS,
    SpooledBatch,
    SpoolFile,
    UnreadableSpoolError,
    open_or_begin_anew,
)
from tests.gateway.made import sightings

PLENTY = 2**20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool.sqlite3"


def oldest(spool: SpoolFile) -> SpooledBatch:
    batch = spool.oldest()
    assert batch is not None
    return batch


def test_a_batch_is_the_bytes_that_will_be_sent(path: Path) -> None:
    spool = SpoolFile.open(path, PLENTY)
    spool.append(sightings(3))

    batch = oldest(spool)

    assert decode_batch(batch.body) == Batch(1, spool.boot, 1, tuple(sightings(3)))
    assert (batch.boot, batch.seq, batch.sightings) == (spool.boot, 1, 3)
    spool.close()


def test_batches_leave_in_order_and_numbers_are_never_used_again(path: Path) -> None:
    spool = SpoolFile.open(path, PLENTY)
    for count in (1, 2):
        spool.append(sightings(count))
    for seq in (1, 2):
        batch = oldest(spool)
        assert batch.seq == seq
        spool.sent(batch)
    boot = spool.boot
    spool.close()

    again = SpoolFile.open(path, PLENTY)
    again.append(sightings(1))

    assert (again.boot, oldest(again).seq) == (boot, 3)
    again.close()


def test_every_sighting_is_accounted_for(path: Path) -> None:
    spool = SpoolFile.open(path, PLENTY)
    for count in (5, 7, 11):
        spool.append(sightings(count))
    spool.sent(oldest(spool))
    spool.set_aside(oldest(spool), "no batch of ours")

    counts = spool.counts()

    assert (counts.spooled, counts.sent, counts.poisoned, counts.dropped) == (23, 5, 7, 0)
    assert (counts.waiting, counts.waiting_batches) == (11, 1)
    assert counts.waiting_bytes == len(oldest(spool).body)
    spool.close()


def test_a_full_spool_drops_the_oldest_and_counts_it(path: Path) -> None:
    spool = SpoolFile.open(path, max_bytes=1_000)
    dropped = [spool.append(sightings(10)) for _ in range(6)]

    counts = spool.counts()

    assert sum(dropped) == counts.dropped > 0
    assert counts.waiting_bytes <= 1_000
    assert counts.waiting == counts.spooled - counts.dropped
    assert oldest(spool).seq == 1 + counts.dropped // 10
    spool.close()


def test_the_newest_batch_stays_even_when_it_alone_is_too_large(path: Path) -> None:
    spool = SpoolFile.open(path, max_bytes=10)

    assert spool.append(sightings(10)) == 0

    assert oldest(spool).sightings == 10
    spool.close()


@pytest.mark.parametrize("is_poison", [False, True])
def test_a_batch_dropped_on_its_way_is_no_loss_when_it_arrives(path: Path, is_poison: bool) -> None:
    spool = SpoolFile.open(path, max_bytes=400)
    spool.append(sightings(10))
    on_its_way = oldest(spool)
    spool.append(sightings(10))
    assert spool.counts().dropped == 10

    if is_poison:
        spool.set_aside(on_its_way, "no batch of ours")
    else:
        spool.sent(on_its_way)

    counts = spool.counts()
    assert counts.dropped == 0
    assert (counts.sent, counts.poisoned) == ((0, 10) if is_poison else (10, 0))
    assert (counts.waiting, counts.waiting_batches) == (10, 1)
    spool.close()


def test_what_was_set_aside_is_bounded(path: Path) -> None:
    spool = SpoolFile.open(path, PLENTY)
    for _ in range(SET_ASIDE_ROWS + 5):
        spool.append(sightings(1))
        spool.set_aside(oldest(spool), "no batch of ours")
    spool.close()

    with sqlite3.connect(path) as database:
        (rows, first) = database.execute("SELECT count(*), min(seq) FROM set_aside").fetchone()
    database.close()

    assert (rows, first) == (SET_ASIDE_ROWS, 6)


def test_two_processes_cannot_have_it_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_file, "BUSY_S", 0.01)
    first = SpoolFile.open(path, PLENTY)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        SpoolFile.open(path, PLENTY)

    first.append(sightings(1))
    first.close()


@pytest.mark.parametrize("damage", ["text", "header", "page", "layout", "state"])
def test_a_damaged_file_is_set_aside_and_a_new_boot_begun(path: Path, damage: str) -> None:
    spool = SpoolFile.open(path, PLENTY)
    for _ in range(200):
        spool.append(sightings(20))
    boot = spool.boot
    spool.close()
    whole = path.read_bytes()
    match damage:
        case "text":
            path.write_bytes(b"once upon a time there was a database\n" * 100)
        case "header":
            path.write_bytes(b"\xff" * 100 + whole[100:])
        case "page":
            path.write_bytes(whole[: 4096 * 3] + b"\xa5" * 4096 * 8 + whole[4096 * 11 :])
        case "layout" | "state":
            statement = "PRAGMA user_version = 99" if damage == "layout" else "DELETE FROM state"
            with sqlite3.connect(path) as database:
                database.execute(statement)
            database.close()

    with pytest.raises(UnreadableSpoolError):
        SpoolFile.open(path, PLENTY)
    anew = open_or_begin_anew(path, PLENTY)

    assert anew.boot != boot
    assert anew.counts().spooled == 0
    anew.append(sightings(1))
    assert oldest(anew).seq == 1
    assert path.with_name("spool.damaged.sqlite3").exists()
    anew.close()


def test_a_batch_of_an_earlier_boot_does_not_touch_this_one(path: Path) -> None:
    spool = SpoolFile.open(path, PLENTY)
    spool.append(sightings(4))
    stranger = SpooledBatch("ff" * 8, 1, 9, b"")

    spool.sent(stranger)
    spool.set_aside(stranger, "no batch of ours")

    assert spool.counts().waiting == 4
    spool.close()


WRITER = """
import sys
from pathlib import Path
from gateway.spool_file import SpoolFile
from tests.gateway.made import sightings

spool = SpoolFile.open(Path(sys.argv[1]), 2**26)
batch = spool.oldest()
while True:
    spool.append(sightings(50))
    print("spooled", flush=True)
    if spool.counts().waiting_batches % 3 == 0:
        batch = spool.oldest()
        spool.sent(batch)
        print("sent", batch.seq, flush=True)
"""


def test_sigkill_while_writing_loses_no_batch_and_no_number(path: Path) -> None:
    spooled, sent, highest_seq = 0, 0, 0
    boots = set()
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        spooled += lines.count("spooled\n")
        sent += sum(line.startswith("sent ") for line in lines)

        spool = SpoolFile.open(path, 2**26)
        counts = spool.counts()
        boots.add(spool.boot)
        # Killed between a commit and its line, the writer has done one more than it said.
        assert 0 <= counts.spooled // 50 - spooled <= 1
        assert 0 <= counts.sent // 50 - sent <= 1
        spooled, sent = counts.spooled // 50, counts.sent // 50
        assert counts.waiting_batches == spooled - sent
        assert oldest(spool).seq == sent + 1
        spool.append(sightings(50))
        spooled += 1
        (next_seq,) = spool._database.execute("SELECT max(seq) FROM batch").fetchone()
        assert next_seq == spooled > highest_seq
        highest_seq = next_seq
        assert decode_batch(oldest(spool).body).seq == sent + 1
        spool.close()
    assert len(boots) == 1

"""The spool's SQLite file: batches exactly as they will be sent, and what became of the others.

Blocking, for one thread; `gateway.spool` is its door from the event loop. A batch's (boot, seq) is
fixed in the transaction that writes it, so a resend after a crash is the same bytes.
"""

import contextlib
import logging
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from beacons.sighting import Batch, Sighting, encode_batch

SCHEMA_VERSION: Final = 1
# An older process on the same directory gets this long to finish.
BUSY_S: Final = 5.0
# Batches the server could not read, kept for a person to look at.
SET_ASIDE_ROWS: Final = 100
CORRUPT_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# waiting_* belong to `batch`; kept here so that no append has to count it.
SCHEMA: Final = f"""
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    sightings INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE set_aside (
    seq INTEGER PRIMARY KEY,
    sightings INTEGER NOT NULL,
    problem TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,
    next_seq INTEGER NOT NULL DEFAULT 1,
    spooled INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    poisoned INTEGER NOT NULL DEFAULT 0,
    waiting_batches INTEGER NOT NULL DEFAULT 0,
    waiting_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""

log = logging.getLogger(__name__)


class UnreadableSpoolError(Exception):
    """A file that is no spool of ours, or no longer a whole one."""


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """One batch as it waits: `body` is what goes on the wire."""

    boot: str
    seq: int
    sightings: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """Sightings since the file was made: spooled = sent + dropped + poisoned + waiting."""

    spooled: int
    sent: int
    dropped: int
    poisoned: int
    waiting: int
    waiting_batches: int
    waiting_bytes: int


class SpoolFile:
    """An open spool. Every method is one transaction; sqlite3 errors pass through."""

    def __init__(self, database: sqlite3.Connection, max_bytes: int, boot: str) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self.boot: Final = boot

    @classmethod
    def open(cls, path: Path, max_bytes: int) -> Self:
        """The spool at `path`, made when there is none.

        max_bytes: how much the waiting batches' bodies may take.
        Raises UnreadableSpoolError for a damaged file, sqlite3.OperationalError when another
        process has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            return cls(database, max_bytes, _prepared(database))
        except sqlite3.DatabaseError as error:
            database.close()
            if is_corrupt(error):
                raise UnreadableSpoolError(str(error)) from error
            raise
        except UnreadableSpoolError:
            database.close()
            raise

    def append(self, sightings: Sequence[Sighting]) -> int:
        """How many old sightings were dropped to make room for these, which are now one batch."""
        with self._transaction() as database:
            (seq,) = database.execute("SELECT next_seq FROM state").fetchone()
            body = encode_batch(Batch(1, self.boot, seq, tuple(sightings)))
            database.execute("INSERT INTO batch VALUES (?, ?, ?)", (seq, len(sightings), body))
            database.execute(
                "UPDATE state SET next_seq = next_seq + 1, spooled = spooled + ?,"
                " waiting_batches = waiting_batches + 1, waiting_bytes = waiting_bytes + ?",
                (len(sightings), len(body)),
            )
            return self._make_room(database, seq)

    def oldest(self) -> SpooledBatch | None:
        """The batch to send next."""
        row = self._database.execute(
            "SELECT seq, sightings, body FROM batch ORDER BY seq LIMIT 1"
        ).fetchone()
        return None if row is None else SpooledBatch(self.boot, *row)

    def sent(self, batch: SpooledBatch) -> None:
        """The server has it: gone from here."""
        if batch.boot != self.boot:
            return
        with self._transaction() as database:
            waited = self._take_out(database, batch)
            # One that was dropped while it was on its way has arrived after all.
            database.execute(
                "UPDATE state SET sent = sent + ?, dropped = dropped - ?",
                (batch.sightings, 0 if waited else batch.sightings),
            )

    def set_aside(self, batch: SpooledBatch, problem: str) -> None:
        """The server cannot read it: out of the way, kept for a person."""
        if batch.boot != self.boot:
            return
        with self._transaction() as database:
            waited = self._take_out(database, batch)
            database.execute(
                "UPDATE state SET poisoned = poisoned + ?, dropped = dropped - ?",
                (batch.sightings, 0 if waited else batch.sightings),
            )
            database.execute(
                "INSERT INTO set_aside VALUES (?, ?, ?, ?)",
                (batch.seq, batch.sightings, problem, batch.body),
            )
            database.execute(
                "DELETE FROM set_aside WHERE seq NOT IN"
                " (SELECT seq FROM set_aside ORDER BY seq DESC LIMIT ?)",
                (SET_ASIDE_ROWS,),
            )

    def counts(self) -> SpoolCounts:
        """What has been spooled, and what became of it."""
        spooled, sent, dropped, poisoned, batches, size_bytes = self._database.execute(
            "SELECT spooled, sent, dropped, poisoned, waiting_batches, waiting_bytes FROM state"
        ).fetchone()
        waiting = spooled - sent - dropped - poisoned
        return SpoolCounts(spooled, sent, dropped, poisoned, waiting, batches, size_bytes)

    def close(self) -> None:
        """The file is whole and free for another process."""
        self._database.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back already; then there is nothing left to undo.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _take_out(self, database: sqlite3.Connection, batch: SpooledBatch) -> bool:
        if database.execute("DELETE FROM batch WHERE seq = ?", (batch.seq,)).rowcount == 0:
            return False
        database.execute(
            "UPDATE state SET waiting_batches = waiting_batches - 1,"
            " waiting_bytes = waiting_bytes - ?",
            (len(batch.body),),
        )
        return True

    def _make_room(self, database: sqlite3.Connection, newest_seq: int) -> int:
        dropped = 0
        (size_bytes,) = database.execute("SELECT waiting_bytes FROM state").fetchone()
        while size_bytes > self._max_bytes:
            seq, sightings, body_bytes = database.execute(
                "SELECT seq, sightings, length(body) FROM batch ORDER BY seq LIMIT 1"
            ).fetchone()
            if seq == newest_seq:
                break
            database.execute("DELETE FROM batch WHERE seq = ?", (seq,))
            database.execute(
                "UPDATE state SET dropped = dropped + ?, waiting_batches = waiting_batches - 1,"
                " waiting_bytes = waiting_bytes - ?",
                (sightings, body_bytes),
            )
            size_bytes -= body_bytes
            dropped += sightings
        return dropped


def open_or_begin_anew(path: Path, max_bytes: int) -> SpoolFile:
    """The spool at `path`; a damaged one is set aside and a new one, of a new boot, begun."""
    try:
        return SpoolFile.open(path, max_bytes)
    except UnreadableSpoolError as error:
        aside = _move_aside(path)
        log.error(  # noqa: TRY400  (what happened is in the fact; a trace would say no more)
            "the spool is damaged: set aside, a new one begun; what it held was not sent",
            extra={"problem": str(error), "set_aside": str(aside)},
        )
        return SpoolFile.open(path, max_bytes)


def is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is damaged, rather than busy, full or unreadable just now."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in CORRUPT_CODES


def _prepared(database: sqlite3.Connection) -> str:
    # Exclusive: two gateways on one directory would send everything twice.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    # With NORMAL a power cut may undo a commit; its seq would be given out again, and the server
    # would take the second batch of that seq for a repeat of the first.
    database.execute("PRAGMA synchronous = FULL")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        database.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            database.execute(statement)
        database.execute("INSERT INTO state (id, boot) VALUES (1, ?)", (secrets.token_hex(8),))
        database.execute("COMMIT")
    elif version != SCHEMA_VERSION:
        raise UnreadableSpoolError(f"its layout is version {version}, not {SCHEMA_VERSION}")
    # Reads every page: some seconds for a full spool on an SD card, once a start.
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise UnreadableSpoolError(verdict)
    row = database.execute("SELECT boot FROM state").fetchone()
    if row is None:
        raise UnreadableSpoolError("its state is missing")
    return str(row[0])


def _move_aside(path: Path) -> Path:
    """Where the damaged file is now. Only the last one is kept, so they cannot fill the disk."""
    aside = path.with_suffix(f".damaged{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        kept = aside.with_name(aside.name + suffix)
        kept.unlink(missing_ok=True)
        if part.exists():
            part.rename(kept)
    return aside

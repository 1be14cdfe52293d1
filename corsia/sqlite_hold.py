"""`python -m corsia.sqlite_hold FILE locked|gone`: keep a SQLite database from everybody else.

Says `held` when it does, and lets go when its standard input is closed, so that whoever started it
decides for how long, and a killed parent leaves nothing locked. A process of its own because
POSIX locks belong to a process: one that has the file open as a database must not touch them.

locked: nobody can write; who only reads goes on. gone: nobody can begin a transaction of any kind,
as when a server is away.
"""

import contextlib
import fcntl
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

# In the file's -shm, one octet a lock: the writer's, then the checkpointer's, the recoverer's, and
# those of five generations of readers. Source: SQLite, "WAL-mode File Format", 2.3.2.
WRITER: Final = 120
READERS: Final = range(123, 128)
TURN_WITHIN_S: Final = 30.0


def hold(database: Path, how: str) -> None:
    """Hold it until standard input ends. Raises sqlite3.OperationalError when it cannot be had."""
    with ExitStack() as held:
        if how == "gone":
            held.enter_context(_all_locks(database))
        else:
            connection = held.enter_context(
                contextlib.closing(
                    sqlite3.connect(database, timeout=TURN_WITHIN_S, isolation_level=None)
                )
            )
            connection.execute("BEGIN IMMEDIATE")
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def _all_locks(database: Path) -> Iterator[None]:
    with database.with_name(f"{database.name}-shm").open("r+b") as shared:
        # Each waits for those who have it. SQLite never waits for one while it holds another, so
        # this cannot be a deadlock.
        for place in (WRITER, *READERS):
            fcntl.lockf(shared, fcntl.LOCK_EX, 1, place)
        yield


if __name__ == "__main__":
    hold(Path(sys.argv[1]), sys.argv[2])

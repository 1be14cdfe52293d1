"""Batches on disk until the server has them: the spool as the event loop sees it.

SQLite runs in one thread of its own. A write that was begun is finished even when its caller is
cancelled, so nobody is left not knowing what is on disk.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from beacons.sighting import Sighting
from gateway.spool_file import SpoolCounts, SpooledBatch, SpoolFile, is_corrupt, open_or_begin_anew
from gateway.threads import to_its_end

log = logging.getLogger(__name__)

T = TypeVar("T")


class SpoolError(Exception):
    """The disk said no: full, read-only, or the file is another process's."""


class Spool:
    """One gateway's waiting batches, oldest first."""

    def __init__(
        self, file: SpoolFile, path: Path, max_bytes: int, thread: ThreadPoolExecutor
    ) -> None:
        self._file = file
        self._path = path
        self._max_bytes = max_bytes
        self._thread = thread
        self._filled = asyncio.Event()
        self._is_overflowing = False

    @classmethod
    async def open(cls, path: Path, max_bytes: int) -> Self:
        """The spool at `path`; a damaged one is set aside. Raises SpoolError."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        opened = thread.submit(open_or_begin_anew, path, max_bytes)
        try:
            file = await to_its_end(asyncio.wrap_future(opened))
        except (sqlite3.DatabaseError, OSError) as error:
            thread.shutdown(wait=False)
            raise SpoolError(f"{path}: {error}") from error
        return cls(file, path, max_bytes, thread)

    @property
    def boot(self) -> str:
        """The first half of every batch's name."""
        return self._file.boot

    async def append(self, sightings: Sequence[Sighting]) -> None:
        """The sightings are on disk as one batch. Raises SpoolError.

        sightings: 1 to MAX_SIGHTINGS.
        """
        self._tell_of_overflow(await self._call(lambda file: file.append(sightings)))
        self._filled.set()

    async def oldest(self) -> SpooledBatch | None:
        """The batch to send next. Raises SpoolError."""
        self._filled.clear()
        return await self._call(SpoolFile.oldest)

    async def filled(self) -> None:
        """Return once something was appended after `oldest` last answered."""
        await self._filled.wait()

    async def sent(self, batch: SpooledBatch) -> None:
        """The server has it. Raises SpoolError."""
        await self._call(lambda file: file.sent(batch))

    async def set_aside(self, batch: SpooledBatch, problem: str) -> None:
        """The server cannot read it. Raises SpoolError."""
        await self._call(lambda file: file.set_aside(batch, problem))

    async def counts(self) -> SpoolCounts:
        """What has been spooled, and what became of it. Raises SpoolError."""
        return await self._call(SpoolFile.counts)

    async def close(self) -> None:
        """Everything begun is on disk and the file is free."""
        await to_its_end(asyncio.wrap_future(self._thread.submit(self._closed)))
        self._thread.shutdown(wait=True)

    async def _call(self, action: Callable[[SpoolFile], T]) -> T:
        work = asyncio.wrap_future(self._thread.submit(self._do, action))
        try:
            return await to_its_end(work)
        except (sqlite3.DatabaseError, OSError) as error:
            raise SpoolError(f"{self._path}: {error}") from error

    def _do(self, action: Callable[[SpoolFile], T]) -> T:
        try:
            return action(self._file)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self._file.close()
            self._file = open_or_begin_anew(self._path, self._max_bytes)
            return action(self._file)

    def _closed(self) -> None:
        self._file.close()  # whichever file it is by then

    def _tell_of_overflow(self, dropped: int) -> None:
        if dropped and not self._is_overflowing:
            log.warning("spool full: the oldest sightings are dropped and counted")
        self._is_overflowing = dropped > 0

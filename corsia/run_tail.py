"""The logs of a run that goes on: what was written since the last look, and nothing read twice."""

from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from firmware_sim.truth import HANDSETS_FILE, TRUTH_FILE, HandsetEvent, TruthPoint

# One look takes at most this much of a log: a second of 500 shoppers is about 0.1 MB, so a reader
# that was away for a minute catches up in a few looks and holds nobody up meanwhile.
MOST_BYTES: Final = 2**20

T = TypeVar("T")


class RunTail:
    """The ends of a run's two logs."""

    def __init__(self, run_dir: Path) -> None:
        self._points: _Tail[TruthPoint] = _Tail(
            run_dir / TRUTH_FILE, msgspec.json.Decoder(TruthPoint)
        )
        self._events: _Tail[HandsetEvent] = _Tail(
            run_dir / HANDSETS_FILE, msgspec.json.Decoder(HandsetEvent)
        )

    @property
    def torn_lines(self) -> int:
        """Lines that are none: where a simulator was killed, its last line and the next are one."""
        return self._points.torn_lines + self._events.torn_lines

    def read(self) -> tuple[list[TruthPoint], list[HandsetEvent]]:
        """What came since the last call, each in the order of writing."""
        # The events first: the points are then at least as new, so that whoever was shown a push
        # can be found on the floor.
        events = self._events.read()
        return self._points.read(), events


class _Tail(Generic[T]):
    def __init__(self, path: Path, decoder: "msgspec.json.Decoder[T]") -> None:
        self.torn_lines = 0
        self._path = path
        self._decoder = decoder
        self._offset = 0

    def read(self) -> list[T]:
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                block = log.read(MOST_BYTES)
        except FileNotFoundError:
            return []  # the simulator has not begun
        whole = block.rfind(b"\n") + 1  # what follows is still being written
        self._offset += whole
        found: list[T] = []
        for line in block[:whole].splitlines():
            try:
                found.append(self._decoder.decode(line))
            except msgspec.DecodeError:
                self.torn_lines += 1
        return found

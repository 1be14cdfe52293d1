"""What really happened in the simulated store: append-only logs that scorecard and audit read.

`truth.jsonl` says where every shopper stood each half second; `handsets.jsonl` says what each
handset did and was shown; `pushes.jsonl` what the push service took. All times are unix seconds.
Nothing here is known to the backend.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from config.clock import Clock

TRUTH_FILE: Final = "truth.jsonl"
HANDSETS_FILE: Final = "handsets.jsonl"
PUSHES_FILE: Final = "pushes.jsonl"
TRUTH_PERIOD_S: Final = 0.5
# A scorecard that reads while the run goes on is at most this far behind.
FLUSH_PERIOD_S: Final = 1.0


class TruthError(Exception):
    """A log that cannot be read; the message names the file and the line."""


class TruthPoint(msgspec.Struct, frozen=True, rename={"at_s": "t", "x_m": "x", "y_m": "y"}):
    """Where a shopper stood. `zone` is None between zones."""

    at_s: float
    handset_id: str
    x_m: float
    y_m: float
    zone: str | None


class PushJudged(msgspec.Struct, frozen=True, rename={"at_s": "t"}):
    """What the push service did with a send, whatever its sender was told.

    handset_id: None when the target is nobody's any more. trouble: the name of what went wrong on
    purpose.
    """

    at_s: float
    handset_id: str | None
    decision_id: str | None
    accepted: bool
    trouble: str | None


class _Event(msgspec.Struct, frozen=True, tag_field="kind", rename={"at_s": "t"}):
    at_s: float
    handset_id: str


class Registered(_Event, frozen=True, tag="registered"):
    """A handset has an identity. `persona` names what it was told to be like."""

    shopper_id: str
    consents: dict[str, bool]
    persona: str


class ConsentChanged(_Event, frozen=True, tag="consent"):
    """The shopper changed their mind at `at_s`; from `acked_at` on the backend is bound by it."""

    consents: dict[str, bool]
    acked_at: float


class OwnCapSet(_Event, frozen=True, tag="own_cap"):
    """The shopper allows so many pushes in seven days; from `acked_at` on the backend is bound by
    it. None: as many as come."""

    pushes_per_week: int | None
    acked_at: float


class EnteredStore(_Event, frozen=True, tag="entered"):
    """The shopper came in."""


class LeftStore(_Event, frozen=True, tag="left"):
    """The shopper went out."""


class PushReceived(_Event, frozen=True, tag="push"):
    """A push reached the handset.

    accepted_at: when the push service took it. zone_id: the zone that it was sent for.
    shown_at, shown_zone: when and where the shopper saw it; None when it was not shown.
    duplicate: this decision was on this handset before.
    """

    decision_id: str
    campaign_id: str | None
    zone_id: str | None
    accepted_at: float
    shown: bool
    duplicate: bool
    shown_at: float | None = None
    shown_zone: str | None = None


class ReceiptSent(_Event, frozen=True, tag="receipt"):
    """The backend has this receipt."""

    decision_id: str
    receipt: str  # displayed, opened or dismissed


class Redeemed(_Event, frozen=True, tag="redeemed"):
    """The shopper used the offer at the checkout."""

    decision_id: str
    campaign_id: str


class NotRedeemed(_Event, frozen=True, tag="not_redeemed"):
    """The backend's state said no, as it may: the offer was over."""

    decision_id: str
    why: str


class Failed(msgspec.Struct, frozen=True, tag_field="kind", tag="error", rename={"at_s": "t"}):
    """A request that was refused, or that never got through. Each one counts as a bug.

    handset_id: None when it was registering. status: None when no answer came.
    """

    at_s: float
    handset_id: str | None
    what: str
    status: int | None
    detail: str = ""


HandsetEvent = (
    Registered
    | ConsentChanged
    | OwnCapSet
    | EnteredStore
    | LeftStore
    | PushReceived
    | ReceiptSent
    | Redeemed
    | NotRedeemed
    | Failed
)

_POINT_DECODER: Final = msgspec.json.Decoder(TruthPoint)
_JUDGED_DECODER: Final = msgspec.json.Decoder(PushJudged)
_EVENT_DECODER: Final[msgspec.json.Decoder[HandsetEvent]] = msgspec.json.Decoder(HandsetEvent)

T = TypeVar("T")


class RunLog:
    """The logs of one run, open for appending."""

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._encoder = msgspec.json.Encoder()
        self._truth = (run_dir / TRUTH_FILE).open("ab")
        self._handsets = (run_dir / HANDSETS_FILE).open("ab")
        self._pushes = (run_dir / PUSHES_FILE).open("ab")

    def point(self, point: TruthPoint) -> None:
        self._truth.write(self._encoder.encode(point) + b"\n")

    def event(self, event: HandsetEvent) -> None:
        self._handsets.write(self._encoder.encode(event) + b"\n")

    def push(self, judged: PushJudged) -> None:
        self._pushes.write(self._encoder.encode(judged) + b"\n")

    def flush(self) -> None:
        self._truth.flush()
        self._handsets.flush()
        self._pushes.flush()

    async def keep_flushed(self, clock: Clock) -> None:
        """Flush each second, for ever."""
        while True:
            await clock.sleep(FLUSH_PERIOD_S)
            self.flush()

    def close(self) -> None:
        self._truth.close()
        self._handsets.close()
        self._pushes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_truth(run_dir: Path) -> tuple[TruthPoint, ...]:
    """Every truth point of the run, in the order of writing. Raises TruthError."""
    return tuple(_lines(run_dir / TRUTH_FILE, _POINT_DECODER))


def read_handset_events(run_dir: Path) -> tuple[HandsetEvent, ...]:
    """Everything the handsets did, in the order of writing. Raises TruthError."""
    return tuple(_lines(run_dir / HANDSETS_FILE, _EVENT_DECODER))


def read_pushes(run_dir: Path) -> tuple[PushJudged, ...]:
    """Everything the push service was asked to send, in the order asked. Raises TruthError."""
    return tuple(_lines(run_dir / PUSHES_FILE, _JUDGED_DECODER))


def _lines(path: Path, decoder: "msgspec.json.Decoder[T]") -> Iterator[T]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return  # the writer was killed, or is still writing
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise TruthError(f"{path}, line {number}: {error}") from error

"""The time as the server has it: a Pi has no clock battery, so what it lacks is learned."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from config.clock import Clock

# This code is not older than that, so a clock that says less was never set.
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
# A Date header is whole seconds, and a Pi under NTP is milliseconds off. The server takes
# signatures a minute off, but sightings only seconds ahead of it: more than this is corrected.
TOLERANCE_S: Final = 3.0


class ServerTime:
    """This machine's clock, corrected by what the server says once it refuses ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta()

    @property
    def offset_s(self) -> float:
        """Seconds to add to this machine's clock."""
        return self._offset.total_seconds()

    @property
    def is_plausible(self) -> bool:
        """Whether this can be the time at all."""
        return self.now() >= EARLIEST

    def now(self) -> datetime:
        """The corrected instant."""
        return self._clock.now() + self._offset

    def now_ms(self) -> int:
        """The corrected instant in unix milliseconds."""
        return unix_ms(self.now())

    def learn(self, date: str | None) -> bool:
        """Whether `date`, a `Date` header, could be read and is now taken as the time."""
        said = http_date(date)
        if said is None or said < EARLIEST:
            return False
        self._offset = said - self._clock.now()
        return True

    def check(self, date: str | None, took_s: float) -> bool:
        """Whether `date` showed that this clock was off, and is now taken as the time.

        took_s: how long the answer that brought it took, and so how old it may be.
        """
        said = http_date(date)
        if said is None or abs((said - self.now()).total_seconds()) <= TOLERANCE_S + took_s:
            return False
        return self.learn(date)


def unix_ms(instant: datetime) -> int:
    """Unix milliseconds of an aware instant."""
    return round(instant.timestamp() * 1000)


def http_date(text: str | None) -> datetime | None:
    """The instant in an HTTP date, None when it is none. Source: RFC 9110, section 5.6.7."""
    if text is None:
        return None
    try:
        said = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset out of all bounds
        return None
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)

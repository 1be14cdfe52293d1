"""The time on a store's wall, and whether the day is a holiday there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

# To ask for before anybody waits: the first answer for a country takes a second.
SOME_DAY: Final = datetime(2026, 12, 25, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Local:
    """A moment in a store's own time. is_holiday: the day is a public holiday there."""

    at: datetime
    is_holiday: bool


def local_time(at: datetime, tz: ZoneInfo, country: str) -> Local:
    """The time on a store's wall; in a country whose holidays are not known it has none."""
    local = at.astimezone(tz)
    return Local(local, local.date() in _holidays(country))


@cache
def _holidays(country: str) -> holidays.HolidayBase:
    """A country's public holidays; a year is worked out when it is first asked for."""
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return holidays.HolidayBase()

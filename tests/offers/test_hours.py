"""Opening spans in the store's own time, whatever the season does to its clock."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from offers.campaign import Hours

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        # Rome is an hour ahead in winter and two in summer.
        (datetime(2026, 11, 21, 16, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 17, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 18, 16, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 18, 17, 0, tzinfo=UTC), False),
        # A Friday in UTC, a Saturday in Rome: but not at this hour.
        (datetime(2026, 11, 20, 23, 30, tzinfo=UTC), False),
    ],
)
def test_a_span_is_meant_in_the_stores_own_time(utc: datetime, inside: bool) -> None:
    saturday_evening = Hours(time(18), time(19), frozenset({5}))

    assert saturday_evening.covers(utc.astimezone(ROME)) is inside


def test_a_weekday_is_the_stores_own() -> None:
    saturday_night = Hours(time(0), time(1), frozenset({5}))

    assert saturday_night.covers(datetime(2026, 11, 20, 23, 30, tzinfo=UTC).astimezone(ROME))

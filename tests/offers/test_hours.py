"""Opening spans in the store's own time, whatever the season does to its clock."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from offers.campaign import LAST_WEEK, Hours, OnHolidays
from offers.schedule import is_scheduled
from tests.offers.situations import a_campaign

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


@pytest.mark.parametrize(
    ("local", "inside"),
    [
        (datetime(2026, 11, 20, 21, 59, tzinfo=ROME), False),
        (datetime(2026, 11, 20, 22, 0, tzinfo=ROME), True),
        (datetime(2026, 11, 21, 1, 59, tzinfo=ROME), True),  # still Friday's night
        (datetime(2026, 11, 21, 2, 0, tzinfo=ROME), False),
        (datetime(2026, 11, 21, 22, 0, tzinfo=ROME), False),
        (datetime(2026, 11, 20, 1, 0, tzinfo=ROME), False),  # Thursday's night
    ],
)
def test_a_span_over_midnight_belongs_to_the_day_on_which_it_starts(
    local: datetime, inside: bool
) -> None:
    friday_night = Hours(time(22), time(2), frozenset({4}))

    assert friday_night.covers(local) is inside


@pytest.mark.parametrize(
    ("weeks", "days"),
    [
        # The Saturdays of August 2026: 1, 8, 15, 22, 29; of November: 7, 14, 21, 28.
        ({1}, {(8, 1), (11, 7)}),
        ({2, 3}, {(8, 8), (8, 15), (11, 14), (11, 21)}),
        ({5}, {(8, 29)}),
        ({LAST_WEEK}, {(8, 29), (11, 28)}),
        (set(), {(8, day) for day in (1, 8, 15, 22, 29)} | {(11, d) for d in (7, 14, 21, 28)}),
    ],
)
def test_a_span_may_be_of_some_weeks_of_the_month(
    weeks: set[int], days: set[tuple[int, int]]
) -> None:
    saturday = Hours(time(9), time(10), frozenset({5}), frozenset(weeks))
    noon = [datetime(2026, month, day, 9, 30) for month in (8, 11) for day in range(1, 31)]  # noqa: DTZ001

    assert {(at.month, at.day) for at in noon if saturday.covers(at)} == days


@pytest.mark.parametrize(
    ("on_holidays", "holiday", "runs"),
    [
        (OnHolidays.NORMAL, True, True),
        (OnHolidays.NORMAL, False, True),
        (OnHolidays.NEVER, True, False),
        (OnHolidays.NEVER, False, True),
        (OnHolidays.ONLY, True, True),
        (OnHolidays.ONLY, False, False),
    ],
)
def test_a_holiday_means_what_the_campaign_says(
    on_holidays: OnHolidays, holiday: bool, runs: bool
) -> None:
    inside = datetime(2026, 11, 21, 9, 30, tzinfo=ROME)
    any_hour = a_campaign(on_holidays=on_holidays)
    mornings = a_campaign(on_holidays=on_holidays, hours=(Hours(time(9), time(10)),))

    assert is_scheduled(any_hour, inside, holiday=holiday) is runs
    assert is_scheduled(mornings, inside, holiday=holiday) is runs
    assert not is_scheduled(mornings, inside.replace(hour=10), holiday=holiday)

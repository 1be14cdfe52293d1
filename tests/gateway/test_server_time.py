"""What a Date header teaches a machine whose clock is wrong."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from config.clock import VirtualClock
from gateway.server_time import ServerTime, http_date


def test_a_date_header_becomes_the_offset(clock: VirtualClock) -> None:
    time = ServerTime(clock)
    said = clock.now() + timedelta(hours=3)

    assert time.learn(said.strftime("%a, %d %b %Y %H:%M:%S GMT"))

    assert time.offset_s == 3 * 3600
    assert time.now() == said


async def test_a_clock_never_set_is_told_apart_and_corrected() -> None:
    time = ServerTime(VirtualClock(datetime(1970, 1, 1, tzinfo=UTC)))
    assert not time.is_plausible

    assert time.learn("Sun, 20 Sep 2026 12:26:40 GMT")

    assert time.is_plausible
    assert time.now() == datetime(2026, 9, 20, 12, 26, 40, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "99999"])
def test_a_date_that_cannot_be_is_not_learned(clock: VirtualClock, text: str | None) -> None:
    time = ServerTime(clock)

    assert not time.learn(text)

    assert time.offset_s == 0


def test_a_date_as_old_as_the_answer_took_says_nothing(clock: VirtualClock) -> None:
    time = ServerTime(clock)
    twelve_s_old = format_datetime(clock.now() - timedelta(seconds=12), usegmt=True)

    assert not time.check(twelve_s_old, took_s=10)
    assert time.offset_s == 0
    assert time.check(twelve_s_old, took_s=0.1)
    assert time.offset_s == -12


# The three forms of RFC 9110, section 5.6.7, with its own example.
@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_every_form_of_an_http_date_is_read(text: str) -> None:
    assert http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_year_out_of_all_bounds_is_no_date() -> None:
    assert http_date("Sun, 06 Nov 99999 08:49:37 GMT") is None

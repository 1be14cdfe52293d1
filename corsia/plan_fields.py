"""The scalars of a plan file: what each may hold, and how its text is read (corsia.yaml_lines)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Annotated, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat
from pydantic_core import PydanticCustomError

from offers.audience_text import parse
from offers.audience_tokens import AudienceError
from offers.audience_words import text_of
from offers.campaign import LAST_WEEK
from offers.creative import MAX_BODY, MAX_TITLE

FORMAT_VERSION: Final = "1"
ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
COUNTRY: Final = re.compile(r"[A-Z]{2}")
# The Unicode classes that a line of text on a handset has no use for.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_NEWLINE: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Further than any hall from its own origin: a coordinate beyond it is in another unit.
MAX_COORDINATE_M: Final = 10_000
# More storeys than any shop has: a level beyond them is a height in metres.
MAX_LEVEL: Final = 50
# Nearer to a pole a metre spans too many degrees of longitude for the plane that plans lie in.
MAX_LATITUDE_DEG: Final = 85
# A million euros: past it somebody wrote something else than cents.
MAX_CENTS: Final = 100_000_000
LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# Of a handset's locale as the API takes it, and of the sends of a year.
MAX_LOCALE: Final = 16
MAX_DAYS: Final = 366
# A year in minutes: nobody credits an offer for longer.
MAX_MINUTES: Final = 366 * 1_440
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Week = Literal["1", "2", "3", "4", "5", "last"]
# As `offers.campaign.Hours.weeks` counts them.
WEEKS: Final[dict[Week, int]] = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "last": LAST_WEEK}
# A day ends at 24:00, which `time` cannot say.
END_OF_DAY: Final = "24:00"

T = TypeVar("T")


class Part(BaseModel):
    """A mapping in the file: known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _fault(sentence: str) -> PydanticCustomError:
    # Braces in a message template would be read as places for values.
    return PydanticCustomError("plan", "{sentence}", {"sentence": sentence})


def _id(text: str) -> str:
    if ID.fullmatch(text) is None:
        raise _fault("an id has 1 to 64 small letters, digits and hyphens, no hyphen first")
    return text


def _line(text: str) -> str:
    if not text.strip() or _CONTROL.search(text):
        raise _fault("must be one line of text, not blank")
    return text


def _lines(text: str) -> str:
    if not text.strip() or _CONTROL_BUT_NEWLINE.search(text):
        raise _fault("must be text, not blank, without control characters")
    return text


def _tz(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _fault("no such time zone; write a name such as Europe/Rome") from error
    return text


def _country(text: str) -> str:
    if COUNTRY.fullmatch(text) is None:
        raise _fault("a country has two capital letters, such as IT")
    return text


def _https(text: str) -> str:
    if re.fullmatch(r"https://[^\s/]+(/\S*)?", text) is None:
        raise _fault("an address must begin with https:// and hold no spaces")
    return text


def _deep_link(text: str) -> str:
    if re.fullmatch(r"/\S*|https://[^\s/]+(/\S*)?", text) is None:
        raise _fault("must begin with https://, or with / as a path of the app; no spaces")
    return text


def _locale(text: str) -> str:
    if LOCALE.fullmatch(text) is None:
        raise _fault("must be a language as handsets say it, such as it or de-CH")
    return text


def _audience(text: str) -> str:
    """In canonical words, so that a file that is exported reads back as the same campaign."""
    try:
        return text_of(parse(text))
    except AudienceError as error:
        where = f"at {error.token!r}" if error.token else "at its end"
        place = f"its line {error.line}, column {error.column}"
        raise _fault(f"cannot be read {where} ({place}): {error.message}") from error


def _corner(value: object) -> object:
    if not isinstance(value, list) or len(value) != 2:
        raise _fault("a corner is [x, y], in metres")
    return value


def _ring(corners: tuple[T, ...]) -> tuple[T, ...]:
    if len(corners) < 3:
        raise _fault("a ring needs at least 3 corners")
    return corners


def _no_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise _fault(f"named more than once: {', '.join(repeated)}")
    return values


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    # Field(min_length) would complain of a list whose items are all faulty, too.
    if not values:
        raise _fault("must hold at least one")
    return values


def _parsed(read: Callable[[str], T], sentence: str) -> Callable[[object], T]:
    def parse(value: object) -> T:
        try:
            return read(value if isinstance(value, str) else "")
        except ValueError as error:
            raise _fault(sentence) from error

    return parse


def _utc(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no time zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _time_of_day(text: str) -> time:
    moment = time.max if text == END_OF_DAY else time.fromisoformat(text)
    if moment.tzinfo is not None or len(text) < 5:
        raise ValueError("no plain time of day")
    return moment


Id = Annotated[str, AfterValidator(_id)]
Ids = Annotated[tuple[Id, ...], AfterValidator(_no_repeats)]
Line = Annotated[str, Field(max_length=MAX_TITLE), AfterValidator(_line)]
Metres = Annotated[FiniteFloat, Field(ge=-MAX_COORDINATE_M, le=MAX_COORDINATE_M)]
Ring = Annotated[
    tuple[Annotated[tuple[Metres, Metres], BeforeValidator(_corner)], ...], AfterValidator(_ring)
]
Cents = Annotated[int, Field(ge=0, le=MAX_CENTS)]
Instant = Annotated[
    datetime,
    BeforeValidator(
        _parsed(_utc, "must be a time with its offset, such as 2026-05-01T00:00:00+02:00")
    ),
]
TimeOfDay = Annotated[
    time, BeforeValidator(_parsed(_time_of_day, "must be a time of day, such as 09:30"))
]
Tz = Annotated[str, AfterValidator(_tz)]
Country = Annotated[str, AfterValidator(_country)]
Body = Annotated[str, Field(max_length=MAX_BODY), AfterValidator(_lines)]
DeepLink = Annotated[str, Field(max_length=500), AfterValidator(_deep_link)]
Locale = Annotated[str, Field(max_length=MAX_LOCALE), AfterValidator(_locale)]
Count = Annotated[int, Field(ge=1, le=1_000)]
HttpsUrl = Annotated[str, Field(max_length=2_000), AfterValidator(_https)]
Weekdays = Annotated[tuple[Weekday, ...], AfterValidator(_some)]
Weeks = Annotated[tuple[Week, ...], AfterValidator(_no_repeats)]
Audience = Annotated[str, AfterValidator(_audience)]
Tags = Annotated[tuple[Line, ...], AfterValidator(_no_repeats)]

"""Field types that several bodies share: text that every database takes, ids, instants."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, StringConstraints

# Control characters have no business in any text of ours, and PostgreSQL refuses a NUL.
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]*$"
# Before and after these a handset's clock is not set; also keeps every conversion in range.
_FIRST_YEAR: Final = 2020
_LAST_YEAR: Final = 2100


def _sane_instant(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year < _LAST_YEAR:
        raise ValueError(f"an instant between {_FIRST_YEAR} and {_LAST_YEAR} is needed")
    return value.astimezone(UTC)


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_sane_instant),
    PlainSerializer(
        _rfc3339, return_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    ),
]
# An id that we made: uuid4 in hex.
OwnId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
# An id that a handset made.
TheirId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]  # ISO 3166-1 alpha-2
# BCP 47, as far as we use it: `it`, `it-IT`, `zh-Hant-TW`.
Locale = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=_NO_CONTROLS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_CONTROLS)]
# FCM tokens are about 160 characters, installation ids 22; FCM states no limit.
TargetValue = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{8,512}$")]
# A place in the plan of a floor. No store is 100 km wide.
Metres = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Base64Of32 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]

"""Walk surveys as CSV files: taps, sightings and finished points; in and out.

Every fault of a file is found at once and named with its line.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from beacons.heard import LOUDEST_DBM, QUIETEST_DBM, Heard
from beacons.survey import SurveyPoint
from beacons.survey_walk import Tap, TapKind

# A row is about 40 octets: a million sightings are a day of a store's staff.
MAX_OCTETS: Final = 64_000_000
# More faults than that are one: it is another kind of file.
MAX_FAULTS: Final = 20
# A sighting of a file stands for its instant, one of a gateway for the half second from it on.
_WINDOW_MIDDLE_S: Final = 0.25
# Of one place in one survey: a day, and ten sightings a second all day long. More is a number of
# another field, and would outweigh every other survey.
_MOST_SECONDS: Final = 86_400.0
_MOST_COUNT: Final = 1_000_000
# Shadowing and fading together stay under 10 dB; readings from one end of the scale to the other
# half and half would be 50.
_MOST_SD_DB: Final = 40.0
# Before and after these an instant is a number of another field.
_FIRST_S: Final = datetime.fromisoformat("2020-01-01T00:00:00Z").timestamp()
_LAST_S: Final = datetime.fromisoformat("2100-01-01T00:00:00Z").timestamp()

TAP_COLUMNS: Final = ("t", "floor", "x", "y")
SIGHTING_COLUMNS: Final = ("t", "gateway", "rssi")
POINT_COLUMNS: Final = (
    "floor", "x", "y", "gateway", "rssi_mean", "rssi_sd", "count", "seconds",
)  # fmt: skip

T = TypeVar("T")
Row = Mapping[str, str]


class SurveyFileError(Exception):
    """A file with faults; each names its line."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class _RowError(Exception):
    """What is wrong in one row."""


def read_taps(path: Path) -> list[Tap]:
    """Taps: t, floor, x, y, and perhaps kind (here, pause, end). Raises SurveyFileError.

    t: unix seconds, or an instant such as 2026-11-21T10:00:00Z.
    """
    return _read(path, TAP_COLUMNS, _tap)


def read_sightings(path: Path) -> list[Heard]:
    """What gateways heard: t, gateway, rssi, and perhaps count. Raises SurveyFileError."""
    return _read(path, SIGHTING_COLUMNS, _sighting)


def read_points(path: Path) -> list[SurveyPoint]:
    """A finished survey, in the form of `write_points`. Raises SurveyFileError."""
    points = _read(path, POINT_COLUMNS, _point)
    seen: set[tuple[str, float, float, str]] = set()
    seconds: dict[tuple[str, float, float], float] = {}
    for point in points:
        place = (point.floor_id, point.x_m, point.y_m)
        said = f"({point.x_m:g}, {point.y_m:g}) on floor {point.floor_id}"
        if (*place, point.gateway_id) in seen:
            raise SurveyFileError(
                [f"{path.name}: gateway {point.gateway_id} is there twice at {said}"]
            )
        if (others := seconds.setdefault(place, point.seconds)) != point.seconds:
            fault = (
                f"{path.name}: {others:g} and {point.seconds:g} seconds at {said}; they are how"
                " long the handset was there, the same for every gateway"
            )
            raise SurveyFileError([fault])
        seen.add((*place, point.gateway_id))
    return points


def write_points(path: Path, points: Iterable[SurveyPoint]) -> None:
    """Write a survey so that `read_points` reads the same. Raises OSError."""
    _write(
        path,
        POINT_COLUMNS,
        (
            (p.floor_id, p.x_m, p.y_m, p.gateway_id, p.mean_rssi_dbm, p.sd_rssi_db, p.count,
             p.seconds)
            for p in points
        ),
    )  # fmt: skip


def write_sightings(path: Path, heard: Iterable[Heard]) -> None:
    """Write sightings so that `read_sightings` reads the same. Raises OSError."""
    rows = (
        (one.at_s + _WINDOW_MIDDLE_S, one.gateway_id, one.mean_rssi_dbm, one.count) for one in heard
    )
    _write(path, (*SIGHTING_COLUMNS, "count"), rows)


def write_taps(path: Path, taps: Iterable[Tap]) -> None:
    """Write taps so that `read_taps` reads the same. Raises OSError."""
    rows = ((tap.at_s, tap.floor_id, tap.x_m, tap.y_m, tap.kind.value) for tap in taps)
    _write(path, (*TAP_COLUMNS, "kind"), rows)


def _tap(row: Row) -> Tap:
    kinds = {kind.value: kind for kind in TapKind}
    said = row.get("kind", "") or TapKind.HERE.value
    if said not in kinds:
        raise _RowError(f"kind is '{said}'; one of {', '.join(kinds)} is needed")
    return Tap(
        _instant_s(row), _text(row, "floor"), _number(row, "x"), _number(row, "y"), kinds[said]
    )


def _sighting(row: Row) -> Heard:
    rssi_dbm = _rssi_dbm(row, "rssi")
    count = _count(row) if row.get("count") else 1
    at_s = _instant_s(row) - _WINDOW_MIDDLE_S
    return Heard("", _text(row, "gateway"), at_s, count, rssi_dbm, rssi_dbm)


def _point(row: Row) -> SurveyPoint:
    seconds, sd_db = _number(row, "seconds"), _number(row, "rssi_sd")
    if not 0.0 < seconds <= _MOST_SECONDS:
        raise _RowError(
            f"seconds is {seconds:g}; more than 0 and at most {_MOST_SECONDS:.0f} are needed"
        )
    if not 0.0 <= sd_db <= _MOST_SD_DB:
        raise _RowError(f"rssi_sd is {sd_db:g}; 0 to {_MOST_SD_DB:g} dB make sense")
    return SurveyPoint(
        floor_id=_text(row, "floor"),
        x_m=_number(row, "x"),
        y_m=_number(row, "y"),
        gateway_id=_text(row, "gateway"),
        mean_rssi_dbm=_rssi_dbm(row, "rssi_mean"),
        sd_rssi_db=sd_db,
        count=_count(row),
        seconds=seconds,
    )


def _read(path: Path, columns: tuple[str, ...], parse: Callable[[Row], T]) -> list[T]:
    values: list[T] = []
    faults: list[str] = []
    for line, row in _rows(path, columns):
        try:
            values.append(parse(row))
        except _RowError as fault:
            faults.append(f"{path.name}, line {line}: {fault}")
            if len(faults) == MAX_FAULTS:
                faults.append(f"{path.name}: no more than {MAX_FAULTS} faults are told")
                break
    if faults:
        raise SurveyFileError(faults)
    if not values:
        raise SurveyFileError([f"{path.name}: nothing but a heading"])
    return values


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """Each row with its line, the heading checked."""
    try:
        if path.stat().st_size > MAX_OCTETS:
            raise SurveyFileError([f"{path.name} is larger than {MAX_OCTETS // 10**6} MB"])
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                wanted = f"the first line is to be {','.join(columns)}"
                raise SurveyFileError(
                    [f"{path.name}: the heading lacks {', '.join(missing)}; {wanted}"]
                )
            for row in reader:
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurveyFileError([f"{path.name} is no CSV file in UTF-8: {error}"]) from error
    except OSError as error:
        raise SurveyFileError([f"{path.name} cannot be read: {error.strerror or error}"]) from error


def _text(row: Row, name: str) -> str:
    if not (text := (row[name] or "").strip()):
        raise _RowError(f"{name} is empty")
    return text


def _number(row: Row, name: str) -> float:
    text = _text(row, name)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _RowError(f"{name} is '{text[:40]}'; a number is needed")
    return number


def _rssi_dbm(row: Row, name: str) -> float:
    rssi_dbm = _number(row, name)
    if not QUIETEST_DBM <= rssi_dbm <= LOUDEST_DBM:
        raise _RowError(
            f"{name} is {rssi_dbm:g}; {QUIETEST_DBM:g} to {LOUDEST_DBM:g} dBm make sense"
        )
    return rssi_dbm


def _count(row: Row) -> int:
    count = _number(row, "count")
    if not 1 <= count <= _MOST_COUNT or count != int(count):
        raise _RowError(f"count is {count:.10g}; a whole number from 1 to {_MOST_COUNT} is needed")
    return int(count)


def _instant_s(row: Row) -> float:
    text = _text(row, "t")
    try:
        at_s = float(text)
    except ValueError:
        at_s = _iso_s(text)
    if not _FIRST_S <= at_s < _LAST_S:
        raise _RowError(f"t is '{text[:40]}'; unix seconds or 2026-11-21T10:00:00Z is needed")
    return at_s


def _iso_s(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return at.timestamp() if at.tzinfo is not None else math.nan


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)

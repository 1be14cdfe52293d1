"""Recorded walks with known truth: who was heard by which radio, how loud, and where they were.

Reads the layout that the README beside the recordings describes: plain and gzipped CSV.
"""

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from firmware_sim.floor import Point, Polygon

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_TRACES: Final = "traces.csv"
_SIGHTINGS: Final = "sightings.csv.gz"
_TRUTH: Final = "truth.csv.gz"
_ANCHORS: Final = "anchors.csv"
_ZONES: Final = "zones.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One walk: what was heard, in order of time, and where the device was."""

    trace_id: str
    device: str
    t_s: Floats  # from the start of the trace, one per sighting
    anchor: Indices  # which anchor, counted in the order of `Recording.anchors`
    rssi_dbm: Floats
    truth_t_s: Floats  # one per 0.5 s in which the place is known
    truth_x_m: Floats
    truth_y_m: Floats
    truth_zone: tuple[str | None, ...]  # None: on a boundary


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One dataset: the fixed radios, the zones, and the walks between them."""

    dataset: str
    anchors: Mapping[str, Point]
    zones: Mapping[str, Polygon]
    traces: tuple[Trace, ...]


class RecordingError(Exception):
    """Recordings that are not there or not in the described form."""


def load_recording(folder: Path, dataset: str) -> Recording:
    """One dataset of a folder of recordings, its traces in the order of traces.csv.

    Raises RecordingError when the folder, one of its files or the dataset is missing, or a row
    cannot be read.
    """
    if not folder.is_dir():
        raise RecordingError(f"There is no folder of recordings at {folder}.")
    try:
        return _read(folder, dataset)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise RecordingError(f"The recordings in {folder} cannot be read: {e}.") from e
    except (KeyError, ValueError, shapely.errors.ShapelyError) as e:
        raise RecordingError(f"The recordings in {folder} have an unknown form: {e!r}.") from e


def _read(folder: Path, dataset: str) -> Recording:
    listed = list(_rows(folder / _TRACES))
    devices = {row["trace_id"]: row["device"] for row in listed if row["dataset"] == dataset}
    if not devices:
        known = ", ".join(sorted({row["dataset"] for row in listed}))
        raise RecordingError(f"There is no dataset '{dataset}' in {folder}; there is {known}.")
    anchors = {
        row["anchor_id"]: (float(row["x"]), float(row["y"]))
        for row in _rows(folder / _ANCHORS)
        if row["dataset"] == dataset
    }
    zones = {
        row["zone_id"]: _corners(row["wkt"])
        for row in _rows(folder / _ZONES)
        if row["dataset"] == dataset
    }
    numbers = {anchor_id: number for number, anchor_id in enumerate(anchors)}
    heard: defaultdict[str, list[tuple[float, int, float]]] = defaultdict(list)
    for row in _rows(folder / _SIGHTINGS):
        if row["trace_id"] in devices:
            sighting = float(row["t"]), numbers[row["anchor_id"]], float(row["rssi"])
            heard[row["trace_id"]].append(sighting)
    truth: defaultdict[str, list[tuple[float, float, float, str | None]]] = defaultdict(list)
    for row in _rows(folder / _TRUTH):
        if row["trace_id"] in devices:
            place = float(row["t"]), float(row["x"]), float(row["y"]), row["zone_id"] or None
            truth[row["trace_id"]].append(place)
    traces = tuple(
        _trace(trace_id, device, heard[trace_id], truth[trace_id])
        for trace_id, device in devices.items()
    )
    return Recording(dataset, MappingProxyType(anchors), MappingProxyType(zones), traces)


def _trace(
    trace_id: str,
    device: str,
    heard: list[tuple[float, int, float]],
    truth: list[tuple[float, float, float, str | None]],
) -> Trace:
    if not heard or not truth:
        raise RecordingError(f"The trace '{trace_id}' has no sightings or no truth.")
    sightings = np.array(sorted(heard), dtype=np.float64)
    truth.sort(key=lambda place: place[0])
    places = np.array([place[:3] for place in truth], dtype=np.float64)
    return Trace(
        trace_id=trace_id,
        device=device,
        t_s=sightings[:, 0],
        anchor=sightings[:, 1].astype(np.int64),
        rssi_dbm=sightings[:, 2],
        truth_t_s=places[:, 0],
        truth_x_m=places[:, 1],
        truth_y_m=places[:, 2],
        truth_zone=tuple(place[3] for place in truth),
    )


def _corners(wkt: str) -> Polygon:
    shape = shapely.from_wkt(wkt)
    if not isinstance(shape, shapely.Polygon) or shape.interiors:
        raise ValueError(f"a zone is one polygon without holes, not {wkt[:40]}")
    return tuple((float(x), float(y)) for x, y in shape.exterior.coords[:-1])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines, restval="")
    else:
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines, restval="")

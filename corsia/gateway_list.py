"""Gateways in a file of their own, for maps that know none: CSV, or GeoJSON points."""

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from beacons.floor import Point
from corsia.geo_features import FeatureError, Json, features_of, read_json
from corsia.plan_files import PlanFileError, file_bytes
from corsia.yaml_lines import MAX_BYTES, Fault

COLUMNS: Final = ("gateway_id", "floor_id", "z_m")
# Where it hangs: in metres of the plan, or on Earth.
PLACES: Final = (("x_m", "y_m"), ("longitude_deg", "latitude_deg"))


@dataclass(frozen=True, slots=True)
class Listed:
    """One gateway of a list. facts: its keys in a plan file; degrees: where, unless facts say.

    name: how a fault calls it; floor_id: None on a store's only floor.
    """

    name: str
    floor_id: str | None
    facts: Json
    degrees: Point | None = None


def read_gateways(path: Path) -> tuple[Listed, ...]:
    """The gateways of a list, as they were written. Raises PlanFileError."""
    data = file_bytes(path)
    try:
        if path.suffix.lower() == ".csv":
            return _from_csv(path.name, data)
        return _from_geojson(path.name, data)
    except FeatureError as error:
        raise PlanFileError([error.fault]) from error


def _from_csv(file: str, data: bytes) -> tuple[Listed, ...]:
    if len(data) > MAX_BYTES:
        raise FeatureError(Fault(file, None, "", f"larger than {MAX_BYTES // 2**20} MiB"))
    try:
        rows = csv.DictReader(StringIO(data.decode("utf-8-sig")), strict=True)
        known = set(rows.fieldnames or ())
        metres, degrees = (known.issuperset(place) for place in PLACES)
        if not known.issuperset(COLUMNS) or metres == degrees:
            what = (
                "its first line must name gateway_id, floor_id, z_m and either x_m, y_m or"
                " longitude_deg, latitude_deg"
            )
            raise FeatureError(Fault(file, None, "", what))
        return tuple(_listed(f"{file} line {rows.line_num}", row, degrees=degrees) for row in rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeatureError(Fault(file, None, "", f"not CSV: {error}")) from error


def _listed(name: str, row: dict[str, str | None], *, degrees: bool) -> Listed:
    facts: Json = {key: row[key] for key in ("gateway_id", "z_m")}
    if not degrees:
        return Listed(name, row["floor_id"] or None, facts | {key: row[key] for key in PLACES[0]})
    try:
        longitude, latitude = (float(row[key] or "") for key in PLACES[1])
    except ValueError as error:
        raise FeatureError(Fault(name, None, "", "has no longitude and latitude")) from error
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):
        raise FeatureError(Fault(name, None, "", "is no place on Earth"))
    return Listed(name, row["floor_id"] or None, facts, (longitude, latitude))


def _from_geojson(file: str, data: bytes) -> tuple[Listed, ...]:
    faults: list[Fault] = []
    features = features_of(file, read_json(file, data), "part", faults)
    if faults:
        raise PlanFileError(faults)
    return tuple(
        Listed(
            f"{file} {feature.name}",
            feature.text("floor_id"),
            {key: feature.properties.get(key) for key in ("gateway_id", "z_m")},
            feature.point(),
        )
        for feature in features
        if feature.kind in ("gateway", "")
    )

"""A plan out of a file of any format that is known: YAML, GeoJSON, or an IMDF archive."""

from enum import StrEnum
from pathlib import Path
from typing import assert_never

from corsia.plan_files import (
    Examined,
    examine_plan,
    file_bytes,
)
from corsia.plan_geojson import read_geojson
from corsia.plan_given import Given
from corsia.plan_imdf_read import read_imdf


class Format(StrEnum):
    """How a plan is written."""

    YAML = "yaml"
    GEOJSON = "geojson"
    IMDF = "imdf"


SUFFIXES = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".geojson": Format.GEOJSON,
    ".json": Format.GEOJSON,
    ".zip": Format.IMDF,
}


def format_of(path: Path) -> Format | None:
    """The format that a name stands for; a folder is an IMDF archive that was unpacked."""
    return Format.IMDF if path.is_dir() else SUFFIXES.get(path.suffix.lower())


def examine(path: Path, form: Format, given: Given) -> tuple[Examined, list[str]]:
    """What a file holds, with its faults; and notes on what was left out or assumed.

    given: what is said beside the file; a plan in YAML says everything itself. Raises
    PlanFileError for a file that cannot be read at all.
    """
    match form:
        case Format.YAML:
            return examine_plan(file_bytes(path), path.name), []
        case Format.GEOJSON:
            return read_geojson(file_bytes(path), path.name, given)
        case Format.IMDF:
            return read_imdf(path, given)
        case _:
            assert_never(form)

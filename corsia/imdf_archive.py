"""The files of an IMDF archive, read from a zip or a folder with bounds, and written as a zip.

Nothing is unpacked to disk: what is known by name is read into memory, the rest is not touched.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from corsia.geo_features import FeatureError
from corsia.yaml_lines import MAX_BYTES, Fault

# IMDF has 17 files; a mall's archive with pictures beside them has a few dozen.
MAX_FILES: Final = 500
MAX_TOTAL_BYTES: Final = 4 * MAX_BYTES
MANIFEST: Final = "manifest.json"
_KNOWN: Final = re.compile(r"manifest\.json|[a-z-]+\.geojson")
# The oldest time that a zip can hold: the same plan makes the same bytes.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of an archive by their names, from wherever in it they stand.

    Raises FeatureError for what is no archive, too large, or names files outside itself.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        for name, data in _folder(path) if path.is_dir() else _zip(path):
            if name in files:
                raise _refused(path, f"holds {name} twice")
            files[name] = data
            total += len(data)
            if total > MAX_TOTAL_BYTES:
                raise _refused(path, f"holds more than {MAX_TOTAL_BYTES // 2**20} MiB")
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _refused(path, f"is no zip archive that can be read: {error}") from error
    if MANIFEST not in files:
        raise _refused(path, f"holds no {MANIFEST}: it is no IMDF archive")
    return files


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """A zip archive of these files. Raises OSError."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), data, zipfile.ZIP_DEFLATED)


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.iterdir()):
        if file.is_file() and _KNOWN.fullmatch(file.name):
            with file.open("rb") as opened:
                yield file.name, _bounded(path, file.name, opened.read(MAX_BYTES + 1))


def _zip(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.stat().st_size > MAX_TOTAL_BYTES:
        raise _refused(path, f"is larger than {MAX_TOTAL_BYTES // 2**20} MiB")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_FILES:
            raise _refused(path, f"holds {len(entries)} files; {MAX_FILES} are possible")
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                raise _refused(path, f"names a file outside itself: {entry.filename!r}")
            if entry.is_dir() or not _KNOWN.fullmatch(name.name) or "__MACOSX" in name.parts:
                continue
            if entry.flag_bits & 1:
                raise _refused(path, f"{name.name} is encrypted")
            # What the archive says of sizes is not believed: reading stops at the bound.
            with archive.open(entry) as opened:
                yield name.name, _bounded(path, name.name, opened.read(MAX_BYTES + 1))


def _bounded(path: Path, name: str, data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise _refused(path, f"{name} is larger than {MAX_BYTES // 2**20} MiB")
    return data


def _refused(path: Path, what: str) -> FeatureError:
    return FeatureError(Fault(path.name, None, "", what))

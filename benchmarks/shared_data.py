"""Where recordings and their scorer lie: in the folder `shared` beside the repository."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

SHARED: Final = Path(__file__).resolve().parents[2] / "shared"
RECORDINGS: Final = SHARED / "data" / "rssi"
SCORER: Final = SHARED / "eval" / "zone_eval.py"


class NoRecordingsError(Exception):
    """What a benchmark needs is not there; the message says what and where."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(f"{what} is not at {path}; this benchmark needs it, nothing else does")


def zone_scorer(path: Path = SCORER) -> ModuleType:
    """The module that scores an estimator on recorded walks. Raises NoRecordingsError."""
    spec = importlib.util.spec_from_file_location("zone_eval", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise NoRecordingsError("the scorer of recorded walks", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def check_recordings(folder: Path) -> None:
    """Return when the folder holds recorded walks. Raises NoRecordingsError."""
    if not (folder / "traces.csv").is_file():
        raise NoRecordingsError("a folder of recorded walks (with traces.csv)", folder)

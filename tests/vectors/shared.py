"""The team's byte vectors, which live beside the checkout and not in it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ble_vectors.json"


def parameters(*levels: str) -> list[Any]:
    """One parameter for each shared vector of these levels.

    Without the file: one that fails under CI=true, and is skipped elsewhere with the reason.
    """
    if not FILE.is_file():
        missing = "../shared/data/ble_vectors.json was not there: the shared vectors did not run"
        if os.environ.get("CI") == "true":  # noqa: TID251 (decides how a test reports, no setting)
            return [pytest.param(None, id=missing)]
        return [pytest.param(None, id="missing", marks=pytest.mark.skip(reason=missing))]
    vectors = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    return [
        pytest.param(v, id=v["id"])
        for v in vectors
        if v["level"] in levels and not v["category"].startswith("optional_")
    ]

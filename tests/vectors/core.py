"""Our own byte vectors: made from the specifications, the source beside each."""

import json
from pathlib import Path
from typing import Any

import pytest


def parameters(*levels: str) -> list[Any]:
    """One parameter for each vector of `core.json` of these levels; all when none is named."""
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return [
        pytest.param(v, id=f"{v['level']}: {v['about']}")
        for v in json.loads(text)
        if not levels or v["level"] in levels
    ]

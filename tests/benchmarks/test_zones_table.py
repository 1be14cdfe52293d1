"""`make bench-zones` on a recording small enough to see through."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.shared_data import SCORER
from benchmarks.zones_table import ROWS, main

needs_scorer = pytest.mark.skipif(not SCORER.is_file(), reason="../shared has no zone_eval.py")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Somebody walks from the west end of a hall to the east end in 20 s, past two gateways."""
    walk = [(0.5 * k, 0.5 + 0.45 * k) for k in range(41)]
    (tmp_path / "traces.csv").write_text("dataset,trace_id\nhall,one\n")
    (tmp_path / "anchors.csv").write_text(
        "dataset,anchor_id,x,y,floor\nhall,left,5,2,0\nhall,right,15,2,0\n"
    )
    (tmp_path / "zones.csv").write_text(
        "dataset,zone_id,wkt\n"
        'hall,west,"POLYGON((0 0,10 0,10 4,0 4,0 0))"\n'
        'hall,east,"POLYGON((10 0,20 0,20 4,10 4,10 0))"\n'
    )
    sightings = [
        f"one,{t},{name},{-60 - 2 * abs(x - place):.0f}"
        for t, x in walk
        for name, place in (("left", 5.0), ("right", 15.0))
    ]
    truth = [f"one,{t},{x},2,{'west' if x < 10 else 'east'}" for t, x in walk]
    survey = [
        f"hall,{x},2,{name},{-60 - 2 * abs(x - place)},2,20,10"
        for x in range(1, 20, 2)
        for name, place in (("left", 5.0), ("right", 15.0))
    ]
    for name, heading, rows in (
        ("sightings", "trace_id,t,anchor_id,rssi", sightings),
        ("truth", "trace_id,t,x,y,zone_id", truth),
        ("survey", "dataset,x,y,anchor_id,rssi_mean,rssi_std,n,seconds", survey),
    ):
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as file:
            file.write("\n".join([heading, *rows, ""]))
    return tmp_path


@needs_scorer
def test_every_row_is_scored_on_every_dataset(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = CliRunner().invoke(main, ["--recordings", str(recordings), "--json", str(out)])

    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text())
    assert list(figures) == ["hall"]  # one dataset has no mean beside it
    assert list(figures["hall"]) == [row.title for row in ROWS]
    for row in ROWS:
        assert figures["hall"][row.title]["zone_acc"] > 0.8
        assert row.title in done.stdout
        assert f"hall, 1 walks: {row.title}" in done.stderr
    assert "required" not in done.stdout  # the bars are of the development recordings


@needs_scorer
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--recordings", "."], "a folder of recorded walks (with traces.csv) is not at"),
        (["--dataset", "hangar"], "has no dataset hangar"),
        (["--json", "/nowhere/out.json"], "there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_is_said(recordings: Path, options: list[str], sentence: str) -> None:
    done = CliRunner().invoke(main, ["--recordings", str(recordings), *options])

    assert done.exit_code != 0
    assert sentence in done.stderr

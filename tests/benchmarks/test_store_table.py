"""`make bench-store` on a short day."""

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.store_table import COLUMNS, Scene, main


def test_a_short_day_prints_and_writes_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    short = ["--seed", "1", "--minutes", "0.5", "--shoppers", "8", "--processes", "1"]
    done = CliRunner().invoke(main, [*short, "--json", str(out), "--svg", str(tmp_path)])

    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text())
    assert list(figures) == [scene.value for scene in Scene]
    for scene in Scene:
        assert set(figures[scene]["seeds"]["1"]) == {column.key for column in COLUMNS}
        whole = figures[scene]["all"]
        assert abs(whole["right"] + whole["wrong"] + whole["unknown"] - 1) < 1e-9
        assert f"{scene}, the told or else the likeliest zone, each half" in done.stdout
    # What is known, and a day without two gateways, make a difference.
    assert len({json.dumps(figures[scene]["all"]) for scene in Scene}) == len(Scene)
    assert len(list(tmp_path.glob("reliability-*.svg"))) == len(Scene)
    assert "5 of 5" in done.stderr


def test_a_folder_that_is_not_there_is_said_before_the_run() -> None:
    done = CliRunner().invoke(main, ["--json", "/nowhere/out.json"])

    assert done.exit_code == 2
    assert "there is no folder /nowhere" in done.output

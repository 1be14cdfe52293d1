"""`corsia rehearse`: a whole run in virtual time, and what it refuses to touch."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from corsia.cli import main
from corsia.commands.up import DEMO_DIR, _fresh_dir
from corsia.scorecard_views import MEANINGS
from corsia.stack import StackError


def test_a_run_in_virtual_time_prints_its_scorecard_and_touches_nothing_else(
    tmp_path: Path,
) -> None:
    production = tmp_path / "production.sqlite3"
    keep, out = tmp_path / "run", tmp_path / "out.json"
    done = CliRunner().invoke(
        main,
        ["rehearse", "--fast", "--minutes", "1.5", "--shoppers", "8", "--seed", "3",
         "--keep", str(keep), "--json", str(out)],
        env={"CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{production}", "COLUMNS": "120"},
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    card = json.loads(out.read_text())
    assert set(card) == set(MEANINGS)
    assert card["shoppers"] == 8
    for name in ("cap_violations", "consent_violations", "duplicate_pushes", "sightings_lost"):
        assert card[name] == 0
    assert not production.exists()
    # The run stays there to be looked into, and is not mixed with another.
    again = CliRunner().invoke(main, ["rehearse", "--fast", "--keep", str(keep)])
    assert again.exit_code == 2
    assert "is not empty" in again.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--json", "/nowhere/out.json"], "there is no folder"),
        (["--recording", ".", "--shoppers", "3"], "brings its own"),
        (["--fast", "--fault", "cut"], "without --recording and --fault"),
    ],
)
def test_what_cannot_be_is_said_before_the_run(options: list[str], sentence: str) -> None:
    done = CliRunner().invoke(main, ["rehearse", *options])

    assert done.exit_code == 2
    assert sentence in done.output


def test_a_folder_that_no_demonstration_made_is_not_deleted(tmp_path: Path) -> None:
    mine = tmp_path / DEMO_DIR / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")

    with pytest.raises(StackError, match="no folder of a demonstration"), _fresh_dir(tmp_path):
        pass

    assert mine.read_text() == "years of work"


def test_the_last_demonstration_is_deleted_by_the_next(tmp_path: Path) -> None:
    with _fresh_dir(tmp_path) as first:
        (first / "truth.jsonl").touch()

    with _fresh_dir(tmp_path) as second:
        assert not (second / "truth.jsonl").exists()

"""`corsia rehearse`: a whole run in virtual time, and what it refuses to touch."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from corsia.bad_days import DEAD_GATEWAYS, dead_gateways
from corsia.cli import main
from corsia.commands.up import DEMO_DIR, _fresh_dir
from corsia.scorecard_views import MEANINGS
from corsia.stack import StackError
from firmware_sim.floor import supermarket


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


def test_dead_gateways_send_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        main,
        ["rehearse", "--fast", "--fault", "dead", "--minutes", "0.5", "--shoppers", "4",
         "--seed", "3", "--keep", str(tmp_path / "run"), "--json", str(out)],
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["sightings_lost"] == 0
    dead = dead_gateways(supermarket(), 3)
    assert f"dead from the start: {', '.join(sorted(dead))}" in done.stderr
    with closing(sqlite3.connect(tmp_path / "run" / "corsia.sqlite3")) as database:
        heard = {row[0] for row in database.execute("SELECT gateway_id FROM gateway_progress")}
    assert heard == {place.gateway_id for place in supermarket().gateways} - dead


def test_who_is_dead_depends_on_the_seed_and_somebody_is_left() -> None:
    floor = supermarket()

    assert all(len(dead_gateways(floor, seed)) == DEAD_GATEWAYS for seed in range(20))
    assert len({dead_gateways(floor, seed) for seed in range(20)}) > 10
    assert dead_gateways(replace(floor, gateways=floor.gateways[:1]), 1) == frozenset()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--json", "/nowhere/out.json"], "there is no folder"),
        (["--recording", ".", "--shoppers", "3"], "brings its own"),
        (["--fast", "--fault", "cut"], "without --recording and --fault cut"),
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

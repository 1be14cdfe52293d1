"""`make rehearse-seeds`: scorecards beside each other, and who misses which bar."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.rehearse_seeds import BROKEN, NETWORK_S, as_card, main, seed_table
from corsia.bad_days import Fault

GOOD = {
    "aisle_precision": 0.95,
    "in_aisle_delivery": 0.9,
    "entry_to_push_s": {"p50": 5.0, "p95": 12.0},
    "aisle_recall": 0.6,
    "wrong_aisle": 1,
    "flaps_per_min": 0.1,
    "cap_violations": 0,
    "consent_violations": 0,
    "duplicate_pushes": 0,
    "sightings_lost": 0,
    "pushes": 20,
    "shoppers": 40,
    "seconds": 180.0,
}


def test_the_network_that_virtual_time_leaves_out_is_added() -> None:
    assert as_card(GOOD)["p50"] == 5.0 + NETWORK_S
    assert as_card({**GOOD, "entry_to_push_s": {"p50": None, "p95": None}})["p95"] is None


def test_a_repeat_counted_as_new_is_a_broken_promise_too() -> None:
    assert as_card({**GOOD, "sightings_lost": -2, "cap_violations": 1})[BROKEN] == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"aisle_precision": 0.89}, "precision misses >=0.9: seed 2"),
        ({"aisle_precision": None}, "precision misses >=0.9: seed 2"),
        ({"entry_to_push_s": {"p50": 5.6, "p95": 12.0}}, "to push s p50 misses <=6: seed 2"),
        ({"flaps_per_min": 0.31}, "flaps/min misses <=0.3: seed 2"),
        ({"consent_violations": 1}, "broken promises misses <=0: seed 2"),
    ],
)
def test_a_seed_that_misses_a_bar_is_named(change: dict[str, object], sentence: str) -> None:
    text = seed_table("title", {1: as_card(GOOD), 2: as_card({**GOOD, **change})}, None)

    assert text.splitlines()[-1] == sentence
    assert text.count("!") >= 1


def test_with_dead_gateways_the_bar_for_precision_is_lower() -> None:
    cards = {1: as_card({**GOOD, "aisle_precision": 0.86, "aisle_recall": 0.2})}

    assert "every seed meets every bar" in seed_table("title", cards, Fault.DEAD)
    assert "precision misses" in seed_table("title", cards, None)


def test_short_rehearsals_are_played_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    short = ["--seed", "1", "--minutes", "0.2", "--shoppers", "2", "--fault", "dead"]
    done = CliRunner().invoke(main, [*short, "--json", str(out)])

    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["two gateways dead"]["1"][BROKEN] == 0
    assert "1 of 1: seed 1" in done.stderr

"""`corsia store import`, `export` and `lint` as a person uses them."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from corsia.cli import main
from corsia.plan_files import read_plan

HERE = Path(__file__).parent
TWO_FLOORS = HERE / "plan_two_floors.yaml"
SMALL = HERE / "plan_example.yaml"


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


class Run:
    """`corsia` in this process, with a folder and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: object) -> Done:
        settings = {"CORSIA_DATA_DIR": str(self.folder / "data")}
        done = CliRunner().invoke(main, [*map(str, arguments)], env=settings, prog_name="corsia")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def made(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


# SMALL has a live campaign.
REVIEWED = ("--by", "anna", "--reviewed-by", "bruno")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize("name", ["plan.geojson", "plan.zip", "plan.yaml"])
def test_a_plan_leaves_and_comes_back_in_every_format(run: Run, name: str) -> None:
    taken = run("store", "import", TWO_FLOORS)
    assert taken.out == "took in store torino-1: 2 floors, 6 zones, 6 gateways\n", taken.err
    file = run.folder / name

    written = run("store", "export", "torino-1", file)
    again = run("store", "import", file)

    assert written.out == f"wrote {name}: the plan of torino-1\n", written.err
    assert again.out == taken.out, again.err
    exported = run.made("again.yaml", run("export").out)
    assert read_plan(exported).stores == read_plan(TWO_FLOORS).stores


def test_yaml_and_geojson_go_to_standard_output(run: Run) -> None:
    run("store", "import", TWO_FLOORS)
    assert run("store", "export", "torino-1", "--format", "yaml").out == run("export").out
    geojson = json.loads(run("store", "export", "torino-1", "--format", "geojson").out)
    assert geojson["type"] == "FeatureCollection"


def test_what_is_weak_is_said_as_a_plan_is_taken_in(run: Run) -> None:
    for command in (("import",), ("store", "import")):
        done = run(*command, SMALL, *REVIEWED)
        assert done.code == 0
        assert "warning: milano-1 ground: Zone pasta-fresh is 3.0 m long" in done.err
        assert "warning" not in done.out


def test_a_dry_run_takes_nothing_in(run: Run) -> None:
    done = run("store", "import", TWO_FLOORS, "--dry-run")
    assert done.out == "would take in store torino-1: 2 floors, 6 zones, 6 gateways\n"
    assert not (run.folder / "data").exists()


def test_a_plan_with_a_fault_is_not_taken_in(run: Run) -> None:
    bad = run.made("bad.yaml", TWO_FLOORS.read_text().replace("kind: lift", "kind: rocket"))
    done = run("store", "import", bad)
    assert done.code == 1
    assert "connectors[1].kind: must be" in done.err
    assert "1 fault(s); nothing was taken in" in done.err


def test_a_gateway_of_another_store_is_not_taken_by_a_map(run: Run) -> None:
    run("store", "import", TWO_FLOORS)
    run("store", "export", "torino-1", run.folder / "plan.geojson")
    done = run("store", "import", run.folder / "plan.geojson", "--store", "torino-2")
    assert done.code == 1
    assert "torino-1-g1 hangs in store torino-1 already" in done.err


def bare_map(run: Run) -> Path:
    """The plan of two floors as an IMDF folder without gateways and without our extension."""
    run("store", "import", TWO_FLOORS)
    run("store", "export", "torino-1", run.folder / "plan.geojson")
    drawn = json.loads((run.folder / "plan.geojson").read_text())
    del drawn["corsia"]
    drawn["features"] = [one for one in drawn["features"] if one["properties"]["part"] != "gateway"]
    return run.made("bare.geojson", json.dumps(drawn))


def test_a_map_without_gateways_is_completed_from_a_list_or_by_hand(run: Run) -> None:
    bare = bare_map(run)
    said = ("--store", "new-1", "--name", "New", "--tz", "Europe/Rome", "--country", "IT")

    refused = run("store", "import", bare, *said)
    assert refused.code == 1
    assert "floor floor:ground: The floor has no gateway." in refused.err

    written = run("store", "import", bare, *said, "--to-yaml", run.folder / "new.yaml")
    assert written.code == 0
    assert "to mend: bare.geojson: floor floor:upper: The floor has no gateway." in written.err
    assert "store_id: new-1" in (run.folder / "new.yaml").read_text()

    listed = run.made(
        "g.csv",
        "gateway_id,floor_id,x_m,y_m,z_m\nn-1,ground,1,1,3\nn-2,ground,9,1,3\nn-3,upper,1,1,3\n",
    )
    taken = run("store", "import", bare, *said, "--gateways", listed)
    assert taken.out == "took in store new-1: 2 floors, 6 zones, 3 gateways\n", taken.err


def test_a_new_map_of_a_known_store_keeps_what_it_does_not_say(run: Run) -> None:
    done = run("store", "import", bare_map(run), "--store", "torino-1")
    assert done.out == "took in store torino-1: 2 floors, 6 zones, 6 gateways\n", done.err
    assert "note: floor upper keeps its 3 gateways, as they are stored" in done.err


def test_a_plan_without_an_anchor_asks_for_one(run: Run) -> None:
    run("store", "import", SMALL, *REVIEWED)
    file = run.folder / "milano.zip"
    refused = run("store", "export", "milano-1", file)
    assert refused.code == 1
    assert "the plan of milano-1 does not say where on Earth it lies: give --anchor" in refused.err
    assert run("store", "export", "milano-1", file, "--anchor", "9.19,45.46,12").code == 0
    assert run("store", "lint", file).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "plan.dwg"), "plan.dwg: its name does not say what it is (.yaml, .yml,"),
        (("import", "nowhere.zip"), "nowhere.zip: cannot be read: No such file or directory"),
        (("import", "nowhere.yaml"), "nowhere.yaml: cannot be read: No such file or directory"),
        (("import", TWO_FLOORS, "--tz", "UTC"), "a plan in YAML says it itself: leave out --tz"),
        (("import", "a.zip", "--anchor", "9"), "'9' is not LONGITUDE,LATITUDE or with ,BEARING"),
        (("import", "a.zip", "--anchor", "9,99"), "anchor.latitude_deg must be at most 85"),
        (("import", "a.zip", "--gateways", "no.csv"), "no.csv: cannot be read: No such file"),
        (("export", "nobody"), "give a FILE or a --format"),
        (("export", "nobody", "--format", "imdf"), "an IMDF archive needs a FILE: it is a zip"),
        (("export", "nobody", "a.zip"), "there is no store nobody; none is stored yet"),
        (("lint", "nobody"), "there is no file nobody, and there is no store nobody; none"),
        (("lint", "nowhere.yaml"), "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, arguments: tuple[object, ...], said: str
) -> None:
    done = run("store", *arguments)
    assert done.code in {1, 2}
    assert said in done.out + done.err


def test_lint_judges_files_and_stored_stores_alike(run: Run) -> None:
    of_file = run("store", "lint", SMALL)
    assert of_file.code == 0
    assert "warning: milano-1: ground: Zone pasta-fresh is 3.0 m long" in of_file.out
    assert of_file.out.endswith("0 error(s), 2 warning(s)\n")

    run("import", SMALL, *REVIEWED)
    assert run("store", "lint", "milano-1").out == of_file.out
    assert run("store", "lint", "milano-1", "--strict").code == 1
    assert run("store", "lint", TWO_FLOORS, "--strict").out == "0 error(s), 0 warning(s)\n"


def test_lint_names_errors_and_what_it_could_not_read(run: Run) -> None:
    text = TWO_FLOORS.read_text()
    text = text.replace("kind: checkout", "kind: till").replace("country: IT", "country: Italia")
    unreadable = run("store", "lint", run.made("bad.yaml", text))
    assert unreadable.code == 1
    assert "error: bad.yaml:8: stores[0].country: a country has two capital" in unreadable.out
    assert unreadable.out.endswith("2 error(s), 0 warning(s)\n")

    crossed = TWO_FLOORS.read_text().replace(
        "[[18, 0], [24, 0], [24, 6], [18, 6]]", "[[18, 0], [24, 6], [24, 0], [18, 6]]"
    )
    done = run("store", "lint", run.made("crossed.yaml", crossed), "--svg", run.folder / "a.svg")
    assert done.code == 1
    line = text[: text.index("zone_id: tills")].count("\n") + 1
    assert f"error: crossed.yaml:{line}: stores[0].floors[0].zones[3].polygon: Zone tills is" in (
        done.out
    )
    assert "it meets itself at" in (run.folder / "a.svg").read_text()


def test_lint_speaks_json(run: Run) -> None:
    done = run("store", "lint", SMALL, "--json")
    (store,) = json.loads(done.out)["stores"]
    assert store["store_id"] == "milano-1"
    assert [one["rule"] for one in store["findings"]] == ["short", "in-line"]
    assert store["findings"][0] == {
        "severity": "warning",
        "rule": "short",
        "floor_id": "ground",
        "about": "zone pasta-fresh",
        "sentence": store["findings"][0]["sentence"],
        "mark": [[13, 4], [16, 4], [16, 6], [13, 6]],
    }


def test_a_command_of_the_group_without_its_extra_says_which_one() -> None:
    code = "import sys; sys.modules['shapely'] = None; from corsia.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "store", "lint", "shop.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "`corsia store lint` needs what is not installed: pip install 'corsia[server]'" in (
        done.stderr
    )


def test_help_teaches_with_examples(run: Run) -> None:
    assert "lint" in run("store", "--help").out
    for command in ("lint", "import", "export"):
        assert f"corsia store {command} " in run("store", command, "--help").out


@pytest.mark.parametrize(
    "command",
    [
        ("store", "dwell", "torino-1"),
        ("store", "calibrate", "torino-1"),
        ("store", "lint", "torino-1"),
        ("store", "export", "torino-1", "--format", "yaml"),
        ("store", "survey", "list", "torino-1"),
        ("export",),
    ],
    ids=" ".join,
)
def test_a_stored_plan_that_cannot_be_read_is_said_until_it_is_imported_again(
    run: Run, command: tuple[str, ...]
) -> None:
    run("store", "import", TWO_FLOORS)
    (file,) = run.folder.rglob("*.sqlite3")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE stores SET plan = json_set(plan, '$.tz', 5)")

    done = run(*command)

    assert done.code == 1
    assert done.err == (
        "Error: the stored plan of torino-1 cannot be read"
        " (Expected `str`, got `int` - at `$.tz`): import the store again\n"
    )
    mended = run("store", "import", TWO_FLOORS)
    assert mended.code == 0, mended.err
    assert "cannot be read" not in run(*command).err

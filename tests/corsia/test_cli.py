"""The command line as a user meets it: help, settings, plans, codes; each in a real process."""

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from corsia.cli import COMMANDS, main

# Whose campaigns are live has had them read by somebody else.
REVIEWED = ("--by", "anna", "--reviewed-by", "bruno")
ADVERT = "02011a1aff4c0002150112233445566778899aabbccddeeff00001000200c5"


def a_shop(store_id: str, *, gateway: str, zone: str = "aisle") -> str:
    """A plan file of one store with one zone and one gateway."""
    return f"""version: 1
stores:
  - store_id: {store_id}
    name: Shop {store_id}
    tz: Europe/Rome
    country: IT
    floors:
      - floor_id: ground
        outline: [[0, 0], [10, 0], [10, 6], [0, 6]]
        zones:
          - zone_id: {zone}
            name: Pasta
            kind: aisle
            polygon: [[0, 0], [10, 0], [10, 3], [0, 3]]
        gateways:
          - gateway_id: {gateway}
            x_m: 5
            y_m: 3
            z_m: 3
"""


def a_campaign(campaign_id: str, *, zones: str, stores: str = "[]") -> str:
    """The part of a plan file with one live campaign."""
    return f"""campaigns:
  - campaign_id: {campaign_id}
    name: Deal
    status: live
    title: Two for one
    body: All week.
    store_ids: {stores}
    zone_ids: {zones}
    valid_from: 2026-05-01T00:00:00Z
    valid_until: 2026-06-01T00:00:00Z
"""


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.fixture
def run(corsia_command: list[str], tmp_path: Path) -> "Run":
    return Run(corsia_command, tmp_path)


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Run:
    """`corsia` with a data directory of its own: in this process, or (`alone`) in its own."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command = command
        self.folder = folder

    def __call__(self, *arguments: str, given: str | bytes = "", **settings: str) -> Done:
        done = CliRunner().invoke(
            main, arguments, input=given, env=self._environment(settings), prog_name="corsia"
        )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def alone(self, *arguments: str, given: str = "", **settings: str) -> Done:
        return self._in_a_process(self.command, arguments, given, settings)

    def without(self, module: str, *arguments: str, **settings: str) -> Done:
        """In a process of its own, in which a module is not installed."""
        code = f"import sys; sys.modules[{module!r}] = None; from corsia.cli import main; main()"
        return self._in_a_process([sys.executable, "-c", code], arguments, "", settings)

    def plan(self, name: str, text: str) -> str:
        """A plan file in this test's folder."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _in_a_process(
        self, command: list[str], arguments: tuple[str, ...], given: str, settings: dict[str, str]
    ) -> Done:
        done = subprocess.run(
            [*command, *arguments],
            input=given,
            env={**os.environ, **self._environment(settings)},  # noqa: TID251
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        return {
            "CORSIA_DATA_DIR": str(self.folder / "data"),
            "CORSIA_GATEWAY_DATA_DIR": str(self.folder / "gateway"),
            "COLUMNS": "120",
            **settings,
        }


def test_every_command_of_the_help_can_be_loaded_and_teaches() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert len(command.get_short_help_str()) > 20, name


def test_a_misspelt_setting_is_refused_by_name(run: Run) -> None:
    done = run.alone("db", "status", CORSIA_DATABASE_ULR="sqlite://")

    assert done.returncode == 1
    assert "CORSIA_DATABASE_ULR: no such setting" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_settings_without_their_secrets(run: Run) -> None:
    secret = "x" * 40
    done = run(
        "api", "--check", CORSIA_TOKEN_KEY=secret, CORSIA_REDIS_URL="redis://me:hunter2@host/0"
    )

    assert done.returncode == 0
    assert "CORSIA_API_PORT" in done.stdout
    assert secret not in done.stdout
    assert "hunter2" not in done.stdout


def test_the_demonstrations_plan_comes_back_from_the_database_as_it_went_in(run: Run) -> None:
    plan = run.folder / "shop.yaml"
    plan.write_text(run("export", "--demo").stdout)

    taken = run("import", str(plan), *REVIEWED)
    exported = run("export")

    assert taken.returncode == 0, taken.stderr
    assert "took in store supermarket: 18 zones, 12 gateways" in taken.stdout
    # What is stored comes back in the order of its ids.
    assert sorted(exported.stdout.splitlines()) == sorted(plan.read_text().splitlines())


def test_a_plan_with_faults_changes_nothing_and_names_their_lines(run: Run) -> None:
    plan = run.folder / "shop.yaml"
    good = run("export", "--demo").stdout
    plan.write_text(good.replace("kind: entrance", "kind: entrence", 1))
    line = good[: good.index("kind: entrance")].count("\n") + 1

    refused = run("import", str(plan))

    assert refused.returncode == 1
    assert f"shop.yaml:{line}:" in refused.stderr
    assert "nothing was taken in" in refused.stderr
    assert "supermarket" not in run("export").stdout


def test_a_code_is_made_for_a_gateway_of_a_plan_only(run: Run) -> None:
    plan = run.folder / "shop.yaml"
    plan.write_text(run("export", "--demo").stdout)
    run("import", str(plan), *REVIEWED)

    made = run("code", "gw-01")
    refused = run("code", "gw-99")

    assert len(made.stdout.strip()) >= 24
    assert refused.returncode == 1
    assert "there is no gateway gw-99" in refused.stderr


def test_a_gateway_is_revoked_by_its_name(run: Run) -> None:
    plan = run.folder / "shop.yaml"
    plan.write_text(run("export", "--demo").stdout)
    run("import", str(plan), *REVIEWED)

    done = run("revoke", "gw-01")
    unknown = run("revoke", "gw-99")

    assert (done.returncode, done.stdout) == (0, "gw-01 is refused from now on\n")
    with sqlite3.connect(run.folder / "data" / "corsia.sqlite3") as database:
        revoked = database.execute("SELECT id FROM gateways WHERE revoked_at IS NOT NULL")
        assert revoked.fetchall() == [("gw-01",)]
    database.close()
    assert unknown.returncode == 1
    assert "there is no gateway gw-99" in unknown.stderr


def test_a_plan_that_takes_a_gateway_from_another_store_is_refused(run: Run) -> None:
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))
    text = a_shop("second", gateway="gw-1")
    second = run.plan("second.yaml", text)
    line = line_of(text, "gateway_id")
    before = run("export").stdout

    for done in (run("import", "--dry-run", second), run("import", second)):
        assert done.returncode == 1
        assert f"second.yaml:{line}: stores[0].floors[0].gateways[0].gateway_id: " in done.stderr
        assert "gw-1 hangs in store first already" in done.stderr
    assert run("export").stdout == before


def test_a_gateway_moves_when_both_stores_are_given(run: Run) -> None:
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))

    moved = run(
        "import",
        run.plan("first.yaml", a_shop("first", gateway="gw-2")),
        run.plan("second.yaml", a_shop("second", gateway="gw-1")),
    )

    assert moved.returncode == 0, moved.stderr
    exported = run.plan("exported.yaml", run("export").stdout)
    assert run("import", "--dry-run", exported).returncode == 0


def test_ids_used_in_two_files_are_refused_at_the_second(run: Run) -> None:
    campaign = a_campaign("deal", zones="[aisle]")
    files = [
        run.plan("a.yaml", a_shop("first", gateway="gw-1") + campaign),
        run.plan("b.yaml", a_shop("first", gateway="gw-1") + campaign),
    ]

    done = run("import", *files)

    assert done.returncode == 1
    assert "b.yaml:3: stores[0].store_id: first is used twice, first in a.yaml:3" in done.stderr
    assert "gateway_id: gw-1 is used twice, first in a.yaml" in done.stderr
    assert "campaign_id: deal is used twice, first in a.yaml" in done.stderr
    assert not (run.folder / "data" / "corsia.sqlite3").exists()


@pytest.mark.parametrize(
    ("stores", "zones", "said"),
    [
        ("[]", "[aisle, ailse]", "zone_ids[1]: no store has a zone ailse"),
        ("[first]", "[ailse]", "zone_ids[0]: no store of this campaign has a zone ailse"),
        ("[first]", "[other]", "zone_ids[0]: no store of this campaign has a zone other"),
        ("[first, frist]", "[aisle]", "store_ids[1]: there is no store frist"),
    ],
)
def test_a_campaign_for_what_no_store_has_is_refused(
    run: Run, stores: str, zones: str, said: str
) -> None:
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))
    run("import", run.plan("second.yaml", a_shop("second", gateway="gw-2", zone="other")))
    text = "version: 1\n" + a_campaign("deal", zones=zones, stores=stores)
    line = line_of(text, said.partition("_ids")[0] + "_ids:")

    done = run("import", run.plan("deal.yaml", text))

    assert done.returncode == 1
    assert f"deal.yaml:{line}: campaigns[0].{said}" in done.stderr
    assert "deal" not in run("export").stdout


@pytest.mark.parametrize(("stores", "zones"), [("[]", "[aisle, other]"), ("[first]", "[aisle]")])
def test_a_campaign_is_for_stores_imported_before_or_beside_it(
    run: Run, stores: str, zones: str
) -> None:
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))
    deal = run.plan("deal.yaml", "version: 1\n" + a_campaign("deal", zones=zones, stores=stores))
    second = run.plan("second.yaml", a_shop("second", gateway="gw-2", zone="other"))

    done = run("import", deal, second, *REVIEWED)

    assert done.returncode == 0, done.stderr
    assert "took in campaign deal (live)" in done.stdout


def test_an_empty_file_is_said_to_be_empty(run: Run) -> None:
    done = run("import", run.plan("empty.yaml", ""))

    assert (done.returncode, done.stdout) == (0, "empty.yaml: nothing in it\n")


def test_a_gateway_that_is_no_longer_in_the_plan_gets_no_code(run: Run) -> None:
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))
    run("import", run.plan("first.yaml", a_shop("first", gateway="gw-2")))

    gone, there = run("code", "gw-1"), run("code", "gw-2")

    assert gone.returncode == 1
    assert "gw-1 is no longer in the plan of store first" in gone.stderr
    assert there.returncode == 0


USES_OF_A_DATABASE = [("code", "gw-1"), ("explain", "0" * 32), ("export",)]


@pytest.mark.parametrize("arguments", USES_OF_A_DATABASE)
def test_without_a_database_it_is_said_how_to_make_one(run: Run, arguments: tuple[str]) -> None:
    done = run(*arguments)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: the database cannot be used: ")
    assert done.stderr.endswith("run `corsia db upgrade`\n")
    assert not (run.folder / "data").exists()


def test_an_old_schema_is_said_to_be_old(run: Run) -> None:
    data = run.folder / "data"
    data.mkdir()
    (data / "corsia.sqlite3").touch()

    done = run("export")

    assert done.returncode == 1
    assert "the database cannot be used: its schema is at nothing" in done.stderr
    assert "run `corsia db upgrade`" in done.stderr


@pytest.mark.parametrize(
    "arguments", [*USES_OF_A_DATABASE, ("db", "status"), ("db", "upgrade"), ("import",)]
)
@pytest.mark.parametrize("kind", ["garbage", "folder", "away", "port"])
def test_a_database_that_is_none_is_one_sentence(
    run: Run, arguments: tuple[str, ...], kind: str
) -> None:
    path = run.folder / "corsia.sqlite3"
    match kind:
        case "garbage":
            path.write_bytes(b"no database at all" * 100)
            url = f"sqlite+aiosqlite:///{path}"
        case "folder":
            path.mkdir()
            url = f"sqlite+aiosqlite:///{path}"
        case "port":
            url = "postgresql+asyncpg://corsia@127.0.0.1:word/corsia"
        case _:
            url = "postgresql+asyncpg://corsia:hunter2@127.0.0.1:1/corsia"
    if arguments == ("import",):
        arguments = ("import", run.plan("first.yaml", a_shop("first", gateway="gw-1")))

    done = run(*arguments, CORSIA_DATABASE_URL=url)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: the database ")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_the_status_of_a_database_that_is_not_there_is_nothing(run: Run) -> None:
    done = run("db", "status")

    assert done.returncode == 1
    assert "the database is at nothing, this Corsia needs" in done.stdout
    assert not (run.folder / "data").exists()


def test_a_dry_run_makes_no_database(run: Run) -> None:
    done = run("import", "--dry-run", run.plan("first.yaml", a_shop("first", gateway="gw-1")))

    assert "would take in store first: 1 zones, 1 gateways" in done.stdout
    assert not (run.folder / "data").exists()


def test_decode_answers_each_line_and_goes_on_after_a_bad_one(run: Run) -> None:
    done = run.alone("gateway", "decode", given=f"{ADVERT}\nnot hex\n{ADVERT}\n")

    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["frames"][0]["type"] == "ibeacon"
    assert set(second) == {"error"}
    assert third == first
    assert done.returncode == 0


def test_decode_goes_on_after_a_line_that_is_no_text(run: Run) -> None:
    done = run("gateway", "decode", given=b"\xff\xfe02\n" + ADVERT.encode() + b"\n")

    first, second = map(json.loads, done.stdout.splitlines())
    assert set(first) == {"error"}
    assert second["frames"][0]["type"] == "ibeacon"


def test_a_gateway_that_is_not_enrolled_says_what_to_do(run: Run) -> None:
    done = run.alone("gateway", "run", CORSIA_GATEWAY_SOURCE="lines:-")

    assert done.returncode == 78
    assert "corsia gateway enrol CODE" in done.stderr


def test_a_process_on_its_own_asks_for_redis(run: Run) -> None:
    done = run.alone("engine")

    assert done.returncode == 1
    assert "CORSIA_REDIS_URL" in done.stderr


def test_an_address_that_is_no_redis_is_refused_before_anything_starts(run: Run) -> None:
    done = run.alone("api", CORSIA_REDIS_URL="foo")

    assert done.returncode == 1
    assert "CORSIA_REDIS_URL: use redis://" in done.stderr
    assert "Traceback" not in done.stderr


NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("name", ["api", "engine", "push", "jobs"])
def test_a_process_on_a_database_not_upgraded_says_so_and_ends(run: Run, name: str) -> None:
    key = run.plan("key.json", "{}")

    done = run.alone(name, CORSIA_REDIS_URL=NO_REDIS, CORSIA_FCM_KEY_FILE=key)

    assert done.returncode == 78
    assert "run `corsia db upgrade`" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (run.folder / "data" / "corsia.sqlite3").exists()


@pytest.mark.parametrize(
    ("key", "said"),
    [(None, "CORSIA_FCM_KEY_FILE"), ("not json", "service account key cannot be used")],
)
def test_push_without_a_usable_key_says_so_and_ends(run: Run, key: str | None, said: str) -> None:
    run("db", "upgrade")
    given = {} if key is None else {"CORSIA_FCM_KEY_FILE": run.plan("key.json", key)}

    done = run.alone("push", CORSIA_REDIS_URL=NO_REDIS, **given)

    assert done.returncode == 78
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_jobs_need_no_redis(run: Run) -> None:
    # It goes on to look at the database, which is what it needs.
    assert "run `corsia db upgrade`" in run.alone("jobs").stderr


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("api", "prometheus_client"),
        ("engine", "shapely"),
        ("push", "redis"),
        ("jobs", "sqlalchemy"),
    ],
)
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_process_without_its_extra_says_which_one(
    run: Run, name: str, module: str, check: tuple[str, ...]
) -> None:
    done = run.without(module, name, *check, CORSIA_REDIS_URL=NO_REDIS)

    assert done.returncode == 1
    assert f"`corsia {name}` needs what is not installed: pip install 'corsia[server]'" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_an_unknown_decision_is_said_to_be_unknown(run: Run) -> None:
    run("db", "upgrade")

    done = run("explain", "0" * 32)

    assert done.returncode == 1
    assert "there is no decision" in done.stderr


def test_the_doctor_sees_no_fault_in_an_empty_machine(run: Run) -> None:
    done = run("doctor", CORSIA_API_PORT="0")

    assert done.returncode == 0, done.stdout
    assert "redis" in done.stdout

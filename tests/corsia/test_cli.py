"""The command line as a user meets it: help, settings, plans, codes; each in a real process."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from corsia.cli import COMMANDS, main

ADVERT = "02011a1aff4c0002150112233445566778899aabbccddeeff00001000200c5"


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

    def __call__(self, *arguments: str, given: str = "", **settings: str) -> Done:
        done = CliRunner().invoke(
            main, arguments, input=given, env=self._environment(settings), prog_name="corsia"
        )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def alone(self, *arguments: str, given: str = "", **settings: str) -> Done:
        done = subprocess.run(
            [*self.command, *arguments],
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

    taken = run("import", str(plan))
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
    run("import", str(plan))

    made = run("code", "gw-01")
    refused = run("code", "gw-99")

    assert len(made.stdout.strip()) >= 24
    assert refused.returncode == 1
    assert "there is no gateway gw-99" in refused.stderr


def test_decode_answers_each_line_and_goes_on_after_a_bad_one(run: Run) -> None:
    done = run.alone("gateway", "decode", given=f"{ADVERT}\nnot hex\n{ADVERT}\n")

    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["frames"][0]["type"] == "ibeacon"
    assert set(second) == {"error"}
    assert third == first
    assert done.returncode == 0


def test_a_gateway_that_is_not_enrolled_says_what_to_do(run: Run) -> None:
    done = run.alone("gateway", "run", CORSIA_GATEWAY_SOURCE="lines:-")

    assert done.returncode == 78
    assert "corsia gateway enrol CODE" in done.stderr


def test_a_process_on_its_own_asks_for_redis(run: Run) -> None:
    done = run.alone("engine")

    assert done.returncode == 1
    assert "CORSIA_REDIS_URL" in done.stderr


def test_an_unknown_decision_is_said_to_be_unknown(run: Run) -> None:
    run("db", "upgrade")

    done = run("explain", "0" * 32)

    assert done.returncode == 1
    assert "there is no decision" in done.stderr


def test_the_doctor_sees_no_fault_in_an_empty_machine(run: Run) -> None:
    done = run("doctor", CORSIA_API_PORT="0")

    assert done.returncode == 0, done.stdout
    assert "redis" in done.stdout

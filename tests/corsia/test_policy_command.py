"""`corsia policy`: what it shows is what it takes, and what it takes is what engines take up."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from threading import Timer

from corsia.policy_files import parse_policy, write_policy
from db.connect import BUSY_TIMEOUT_MS
from offers.pressure import DEFAULT_POLICY, Policy
from tests.corsia.test_cli import Run, run

__all__ = ["run"]

LATER = replace(DEFAULT_POLICY, first_after_s=30.0)


def database(run: Run) -> Run:
    assert run("db", "upgrade").returncode == 0
    return run


def file_of(run: Run, policy: Policy) -> str:
    return run.plan("policy.yaml", write_policy(policy))


def version(run: Run) -> int:
    """The number that engines look at to see whether anything changed."""
    with closing(sqlite3.connect(run.folder / "data" / "corsia.sqlite3")) as file:
        row = file.execute("select version from catalogue_version").fetchone()
    return 0 if row is None else int(row[0])


def test_the_default_is_shown_as_what_it_is_until_another_is_set(run: Run) -> None:
    database(run)
    shown = run("policy", "show").stdout
    assert shown.startswith("# policy 0, the default; it is in force.\n")
    assert parse_policy(shown.encode(), "shown") == DEFAULT_POLICY


def test_a_policy_that_is_set_is_shown_and_engines_hear_of_it(run: Run) -> None:
    database(run)
    before = version(run)

    done = run("policy", "set", file_of(run, LATER), "--by", "Anna, marketing")

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "policy 1 is in force; against the default:",
        "  first_after_s: 30, before 10",
    ]
    assert version(run) > before
    shown = run("policy", "show").stdout
    assert shown.startswith("# policy 1, saved 20")
    assert " UTC by Anna, marketing; it is in force.\n" in shown
    assert parse_policy(shown.encode(), "shown") == LATER


def test_what_is_shown_is_set_again_without_a_change(run: Run) -> None:
    database(run)
    run("policy", "set", file_of(run, LATER))
    before = version(run)

    done = run("policy", "set", run.plan("shown.yaml", run("policy", "show").stdout))

    assert done.stdout == "policy 1 says so already: nothing was saved\n"
    assert version(run) == before


def test_earlier_policies_are_listed_and_can_be_had_again(run: Run) -> None:
    database(run)
    run("policy", "set", file_of(run, LATER), "--by", "Anna")
    run("policy", "set", file_of(run, replace(LATER, hold_out_share=0.1)), "--by", "Bruno")

    default, first, change, second, raised = run("policy", "show", "--history").stdout.splitlines()
    assert default == "policy 0, the default"
    assert (first[:16], first[-8:]) == ("policy 1, saved ", " by Anna")
    assert change == "  first_after_s: 30, before 10"
    assert (second[:16], second[-9:]) == ("policy 2, saved ", " by Bruno")
    assert raised.startswith("  hold_out_share: 0.1, before 0.05")

    old = run("policy", "show", "1").stdout
    assert "by Anna; it is NOT in force any more.\n" in old
    assert parse_policy(old.encode(), "old") == LATER
    default_again = run("policy", "show", "0").stdout
    assert default_again.startswith("# policy 0, the default; it is NOT in force any more.\n")
    done = run("policy", "show", "7")
    assert (done.returncode, "there is no policy 7" in done.stderr) == (1, True)
    assert run("policy", "show", "9" * 30).returncode == 2
    assert run("policy", "show", "1", "--history").returncode == 2


def test_the_login_name_stands_for_whoever_names_nobody(run: Run) -> None:
    database(run)
    run("policy", "set", file_of(run, LATER), LOGNAME="carla")
    assert " UTC by carla; " in run("policy", "show").stdout


def test_a_dry_run_says_all_and_changes_nothing(run: Run) -> None:
    database(run)
    risky = replace(LATER, hold_out_share=0.0)

    done = run("policy", "set", file_of(run, risky), "--dry-run")

    assert "warning: hold_out_share is 0: " in done.stderr
    assert done.stdout.splitlines()[:2] == [
        "would change against the default:",
        "  first_after_s: 30, before 10",
    ]
    assert run("policy", "show", "--history").stdout == "policy 0, the default\n"
    done = run("policy", "set", file_of(run, DEFAULT_POLICY), "--dry-run")
    assert done.stdout == "would change nothing against the default\n"


def test_the_default_can_be_written_down_as_the_retailers_own(run: Run) -> None:
    database(run)
    done = run("policy", "set", file_of(run, DEFAULT_POLICY))
    assert done.stdout.startswith("policy 1 is in force: the same as the default")


def test_a_file_with_faults_changes_nothing(run: Run) -> None:
    database(run)
    bad = write_policy(LATER).replace("most: 1", "most: -1").replace("0.05", "5%")

    done = run("policy", "set", run.plan("bad.yaml", bad))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: 3 fault(s); nothing was taken in"
    assert [line.partition(": ")[2] for line in done.stderr.splitlines()[:-1]] == [
        "caps[0].most: must be at least 0",
        "caps[2].most: must be at least 0",
        "hold_out_share: must be a number",
    ]
    assert run("policy", "show", "--history").stdout == "policy 0, the default\n"


def test_a_file_that_is_not_there_and_a_database_that_is_not_made_are_said(run: Run) -> None:
    done = run("policy", "set", str(run.folder / "nowhere.yaml"))
    assert done.stderr.startswith("nowhere.yaml: cannot be read: ")
    done = run("policy", "show")
    assert "run `corsia db upgrade`" in done.stderr


def test_a_name_that_the_database_cannot_keep_is_refused(run: Run) -> None:
    assert run("policy", "set", file_of(run, LATER), "--by", "a" * 121).returncode == 2
    assert run("policy", "set", file_of(run, LATER), "--by", " ").returncode == 2


def test_a_database_that_is_busy_is_asked_again(run: Run) -> None:
    database(run)
    other = sqlite3.connect(
        run.folder / "data" / "corsia.sqlite3", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    ends = Timer(BUSY_TIMEOUT_MS / 1_000 + 0.3, lambda: other.execute("ROLLBACK"))
    ends.start()
    done = run("policy", "set", file_of(run, LATER))
    ends.join()
    other.close()

    assert done.stdout.startswith("policy 1 is in force")
    assert "the database is busy or away: trying again" in done.stderr

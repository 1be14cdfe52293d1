"""The kill switch on the command line: what it says, and that it lasts until it is lifted."""

import sqlite3
from threading import Timer

from db.connect import BUSY_TIMEOUT_MS
from tests.corsia.test_cli import REVIEWED, Run, a_campaign, a_shop, run

__all__ = ["run"]


def shop(run: Run) -> None:
    plan = a_shop("milano-1", gateway="gw-1") + a_campaign("rice", zones="[aisle]")
    done = run("import", run.plan("shop.yaml", plan), *REVIEWED)
    assert done.returncode == 0, done.stderr


def test_what_is_halted_is_listed_until_it_is_resumed(run: Run) -> None:
    shop(run)
    assert run("halt").stdout == "nothing is halted\n"

    assert run("halt", "--store", "milano-1", "--why", "wrong prices").stdout == (
        "store milano-1 is halted\n"
    )
    assert run("halt", "--campaign", "rice").stdout == "campaign rice is halted\n"
    assert run("halt", "--everything", "--why", "drill").stdout == "everything is halted\n"

    listed = run("halt").stdout.splitlines()
    assert len(listed) == 3
    assert listed[0].startswith("store milano-1, since 20")
    assert listed[0].endswith(" UTC: wrong prices")
    assert listed[1].startswith("campaign rice, since 20")
    assert run("halt", "--campaign", "rice").stdout.endswith("halted already; the reason stays\n")

    resumed = run("resume", "--everything").stdout.splitlines()
    assert resumed[0] == "everything is resumed; still halted:"
    assert len(resumed) == 3
    assert run("resume", "--store", "milano-1").returncode == 0
    assert run("resume", "--campaign", "rice").stdout == "campaign rice is resumed\n"
    assert run("halt").stdout == "nothing is halted\n"


def test_a_name_that_is_not_there_is_said(run: Run) -> None:
    shop(run)
    done = run("halt", "--store", "milano-2")
    assert done.returncode == 1
    assert "there is no store milano-2; there are: milano-1" in done.stderr
    done = run("halt", "--campaign", "rise")
    assert done.returncode == 1
    assert "there is no campaign rise" in done.stderr
    done = run("resume", "--store", "milano-1")
    assert done.returncode == 1
    assert "store milano-1 is not halted" in done.stderr


def test_one_thing_at_a_time(run: Run) -> None:
    assert run("halt", "--everything", "--store", "milano-1").returncode == 2
    assert run("halt", "--why", "drill").returncode == 2
    assert run("resume").returncode == 2


def test_a_database_that_is_busy_is_asked_again(run: Run) -> None:
    shop(run)
    other = sqlite3.connect(
        run.folder / "data" / "corsia.sqlite3", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    ends = Timer(BUSY_TIMEOUT_MS / 1_000 + 0.3, lambda: other.execute("ROLLBACK"))
    ends.start()
    done = run("halt", "--everything")
    ends.join()
    other.close()

    assert done.stdout == "everything is halted\n"
    assert "the database is busy or away: trying again" in done.stderr

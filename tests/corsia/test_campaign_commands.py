"""`corsia campaign ...`: from a draft to what is sent, by two people, told in sentences."""

import sqlite3
from threading import Timer

import pytest

from db.connect import BUSY_TIMEOUT_MS
from tests.corsia.test_cli import REVIEWED, Run, a_campaign, a_shop, run

__all__ = ["run"]


def deal(*changes: tuple[str, str], status: str = "draft") -> str:
    """A plan with one campaign for the shop's aisle."""
    text = "version: 1\n" + a_campaign("rice", zones="[aisle]").replace(
        "status: live", f"status: {status}"
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def taken(run: Run, text: str, *options: str) -> str:
    done = run("import", run.plan("deal.yaml", text), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def shop(run: Run) -> Run:
    """A store, and a draft of anna's."""
    done = run("import", run.plan("shop.yaml", a_shop("milano-1", gateway="gw-1")))
    assert done.returncode == 0, done.stderr
    said = taken(run, deal(), "--by", "anna")
    assert said == "took in campaign rice (version 1, a draft)\n"
    return run


def test_a_draft_goes_live_through_a_second_person(shop: Run) -> None:
    early = shop("campaign", "publish", "rice", "--by", "anna")
    submitted = shop("campaign", "submit", "rice", "--by", "anna")
    own = shop("campaign", "review", "rice", "--by", "Anna")
    reviewed = shop("campaign", "review", "rice", "--by", "bruno")
    published = shop("campaign", "publish", "rice", "--by", "anna", "--why", "for May")

    assert early.stderr == (
        "Error: version 1 of rice is a draft: `corsia campaign submit rice` comes first\n"
    )
    assert submitted.stdout == (
        "version 1 of rice waits for a review by anybody but anna: `corsia campaign review rice`\n"
    )
    assert own.returncode == 1
    assert "was written by anna: somebody else must review it" in own.stderr
    assert reviewed.stdout == (
        "version 1 of rice is reviewed; `corsia campaign publish rice` sends it\n"
    )
    assert published.stdout == "version 1 of rice is published\n"
    history = [
        line.split("  ")[1] for line in shop("campaign", "history", "rice").stdout.splitlines()
    ]
    assert history == [
        "version 1 written by anna",
        "version 1 submitted by anna",
        "version 1 reviewed by bruno",
        "version 1 published by anna: for May",
    ]
    assert shop("campaign", "list").stdout.split() == [
        "rice", "live", "version", "1", "0", "sent",
    ]  # fmt: skip


def test_a_live_file_is_refused_until_somebody_else_has_read_it(run: Run) -> None:
    run("import", run.plan("shop.yaml", a_shop("milano-1", gateway="gw-1")))
    text = deal(status="live")
    file = run.plan("deal.yaml", text)

    for options in (("--dry-run",), (), ("--by", "anna", "--reviewed-by", "anna")):
        done = run("import", file, *options)
        assert done.returncode == 1
        assert "deal.yaml:5: campaigns[0].status: rice" in done.stderr
        assert "nothing was taken in" in done.stderr
    assert run("campaign", "list").stdout.startswith("there is no campaign")
    assert taken(run, text, *REVIEWED) == "took in campaign rice (live)\n"
    # What is so already needs nobody.
    assert taken(run, text) == "campaign rice (live) is as it was\n"


def test_an_edit_waits_beside_what_is_live_and_is_told_line_by_line(shop: Run) -> None:
    taken(shop, deal(status="live"), *REVIEWED)
    new = deal(("title: Two for one", "title: Rice, 3 for 2"))

    assert taken(shop, new, "--by", "bruno") == (
        "took in campaign rice (version 2, a draft; version 1 stays live)\n"
    )
    assert "title: Two for one" in shop("campaign", "show", "rice").stdout
    shown = shop("campaign", "show", "rice", "--version", "2").stdout
    assert shown.startswith("# version 2 of rice: draft, written by bruno, 20")
    assert "title: Rice, 3 for 2" in shown
    assert "# locked Android: Rice, 3 for 2 | " in shown
    assert "# locked iOS: Rice, 3 for 2 | " in shown
    assert "version 2 by bruno waits to be submitted" in shop("campaign", "list").stdout
    told = shop("campaign", "diff", "rice").stdout.splitlines()
    assert told[:2] == ["--- version 1 of rice", "+++ version 2 of rice"]
    assert {"-    title: Two for one", "+    title: Rice, 3 for 2"} <= set(told)

    shop("campaign", "submit", "rice", "--by", "bruno")
    back = shop("campaign", "review", "rice", "--by", "anna", "--return", "the price is wrong")
    assert back.stdout == "version 2 of rice is a draft again\n"
    assert "version 2 returned by anna: the price is wrong" in (
        shop("campaign", "history", "rice").stdout
    )
    # What is shown is a file that import reads, and knows again.
    file = shop.plan("shown.yaml", shop("campaign", "show", "rice").stdout)
    assert shop("import", file).stdout == "campaign rice (live) is as it was\n"


def test_a_campaign_is_paused_resumed_and_ended(shop: Run) -> None:
    live = deal(status="live")
    taken(shop, live, *REVIEWED)

    assert shop("campaign", "pause", "rice").stdout == "campaign rice is paused\n"
    assert taken(shop, live) == (
        "campaign rice (paused) is as it was; it stays paused until `corsia campaign resume rice`\n"
    )
    assert shop("campaign", "resume", "rice").stdout == "campaign rice is live\n"
    again = shop("campaign", "resume", "rice")
    assert again.stderr == "Error: rice is live; only what is paused can be resumed\n"
    assert shop("campaign", "end", "rice").stdout == "campaign rice has ended\n"
    assert "rice has ended and stays so" in shop("campaign", "pause", "rice").stderr


def test_weak_texts_are_warned_of_as_they_are_taken_in_and_submitted(shop: Run) -> None:
    weak = deal(("title: Two for one", "title: Now 50 % off"), ("body: All week.", "body: Hurry"))
    line = weak[: weak.index("title")].count("\n") + 1
    done = shop("import", shop.plan("weak.yaml", weak), "--by", "anna")
    submitted = shop("campaign", "submit", "rice", "--by", "anna")

    assert f"warning: weak.yaml:{line}: campaigns[0].title: promises '50 %' without" in done.stderr
    assert "warning: title promises '50 %' without saying" in submitted.stderr
    assert submitted.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("submit", "rise"), "there is no campaign rise; `corsia campaign list` names them all"),
        (("show", "rise"), "there is no campaign rise"),
        (("history", "rise"), "there is no campaign rise"),
        (("diff", "rise"), "there is no campaign rise"),
        (("show", "rice", "--version", "3"), "rice has no version 3; its last is 1"),
        (("pause", "rice"), "rice is draft; only what is live can be paused"),
        (("pause", "rice", "--by", "  "), "a name has 1 to 120 printable characters"),
        (("pause", "rice", "--why", "x" * 401), "why has 401 characters; the history keeps 400"),
    ],
)
def test_what_cannot_be_is_said(shop: Run, arguments: tuple[str, ...], said: str) -> None:
    done = shop("campaign", *arguments)

    assert done.returncode in {1, 2}
    assert said in done.stderr


def test_a_database_that_is_busy_is_asked_again(shop: Run) -> None:
    other = sqlite3.connect(
        shop.folder / "data" / "corsia.sqlite3", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    ends = Timer(BUSY_TIMEOUT_MS / 1_000 + 0.3, lambda: other.execute("ROLLBACK"))
    ends.start()
    done = shop("campaign", "end", "rice")
    ends.join()
    other.close()

    assert done.stdout == "campaign rice has ended\n"
    assert "the database is busy or away: trying again" in done.stderr

"""docs/pressure.md says what the code does: the default, the scopes, the numbers, the reasons."""

import re
from pathlib import Path

from corsia.policy_files import DAYS_MAX, parse_policy
from mobile_api.app import OPERATIONS
from offers.filters import CAP_REASONS
from offers.pressure import DEFAULT_POLICY, IGNORED_AFTER, IGNORED_MAX, LOOKS_BACK, Scope
from offers.reasons import why
from offers.situation import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "pressure.md").read_text()
WEEK_S, DAY_S = 604_800.0, 86_400.0
# What the caps of the page's examples are: most, rolling seconds, calendar days.
CAPS = {
    Reason.OWN_CAP: (2, WEEK_S, None),
    Reason.VISIT_CAP: (1, None, None),
    Reason.ZONE_VISIT_CAP: (1, None, None),
    Reason.COOL_DOWN: (1, 1_200.0, None),
    Reason.DAY_CAP: (1, None, 1),
    Reason.WEEK_CAP: (2, WEEK_S, None),
    Reason.CAMPAIGN_CAP: (1, 30 * DAY_S, None),
    Reason.CATEGORY_CAP: (1, None, 1),
    Reason.CHANNEL_CAP: (2, WEEK_S, None),
    Reason.STORE_CAP: (1, None, 1),
}
SEEN = {
    "moment": {"visit_age_s": 4.0},
    "caps": [
        {"reason": reason, "most": most, "sent": most, "within_s": within_s, "days": days}
        for reason, (most, within_s, days) in CAPS.items()
    ],
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that has this first heading."""
    table = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    lines = table.rstrip().split("\n")[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_policy_of_the_page_is_the_default() -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert parse_policy(written.encode(), "pressure.md") == DEFAULT_POLICY


def test_every_scope_is_explained_with_a_cap_that_can_be_set() -> None:
    table = rows("scope")
    assert [Scope(scope.strip("`")) for scope, _, _ in table] == list(Scope)
    for scope, _, cap in table:
        text = f"caps: [{cap.strip('`')}]\nfirst_after_s: 0\nhold_out_share: 0"
        (read,) = parse_policy(text.encode(), "pressure.md").caps
        assert f"`{read.scope}`" == scope


def test_the_reasons_stand_there_in_the_words_that_people_are_told() -> None:
    table = {Reason(reason.strip("`")): words for reason, _, words in rows("reason")}
    assert table.keys() >= CAP_REASONS
    assert table == {reason: why(reason, SEEN) for reason in table}


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert (IGNORED_MAX, IGNORED_AFTER.days, LOOKS_BACK.days, DAYS_MAX) == (3, 1, 30, 29)
    assert "Three promotions in a row that a day later" in PAGE
    assert "more than\n30 days old is forgotten" in PAGE
    assert "At most `30d`" in PAGE
    assert "At most 29" in PAGE


def test_the_call_that_the_page_names_is_one_of_the_api() -> None:
    (call,) = re.findall(r"`(PUT|GET) (/v1/[^`]*)`", PAGE)
    assert call in {(op.method, op.path) for op in OPERATIONS}

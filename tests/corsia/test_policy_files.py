"""Policy files: there and back, every fault at its line and column, what is risky, what changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corsia.policy_files import DAYS_MAX, PolicyFileError, cap_words, parse_policy, write_policy
from corsia.policy_said import changes, risks
from offers.pressure import DEFAULT_POLICY, LOOKS_BACK, Cap, Policy, Scope
from tests.corsia.policies import POLICIES

DAY = timedelta(days=1)
ROME = ZoneInfo("Europe/Rome")
SCOPES = "'shopper', 'visit', 'zone_visit', 'campaign', 'category', 'channel' or 'store'"
BOTH = "a cap has `within` (rolling) or `days` (calendar), not both; write two caps"
EXAMPLE = """caps:
  - {scope: visit, most: 1}
  - {scope: shopper, most: 2, within: 7d}
  - {scope: category, most: 1, days: 1}
first_after_s: 10
hold_out_share: 0.05
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(text.encode(), "p.yaml")
    return str(caught.value).splitlines()


def with_cap(row: str) -> str:
    return EXAMPLE.replace("{scope: visit, most: 1}", row)


def a_policy(*caps: Cap, first_after_s: float = 10.0, hold_out_share: float = 0.05) -> Policy:
    return Policy(caps, first_after_s, hold_out_share)


def test_the_example_means_what_it_says() -> None:
    assert parse_policy(EXAMPLE.encode(), "p.yaml") == a_policy(
        Cap(Scope.VISIT, 1), Cap(Scope.SHOPPER, 2, within=7 * DAY), Cap(Scope.CATEGORY, 1, days=1)
    )


@given(POLICIES)
def test_what_is_written_reads_back_as_the_same(policy: Policy) -> None:
    written = write_policy(policy, ["policy 3, saved by Anna: marketing"])
    assert parse_policy(written.encode(), "p.yaml") == policy
    assert not list(changes(policy, parse_policy(written.encode(), "p.yaml")))


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_whatever_else_a_file_holds_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(PolicyFileError):
        parse_policy(data, "p.yaml")


def test_a_cap_that_code_saved_without_a_time_is_written_with_it() -> None:
    before = a_policy(Cap(Scope.SHOPPER, 4))
    after = parse_policy(write_policy(before).encode(), "p.yaml")
    assert after.caps == (Cap(Scope.SHOPPER, 4, within=LOOKS_BACK),)


def test_every_line_of_what_is_written_fits_a_terminal() -> None:
    assert max(map(len, write_policy(DEFAULT_POLICY).splitlines())) <= 100


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{scope: visit, most: -1}", "2:20: caps[0].most: must be at least 0"),
        ("{scope: visit, most: two}", "2:20: caps[0].most: must be a whole number"),
        ("{scope: visit, most: 1001}", "2:20: caps[0].most: must be at most 1000"),
        ("{scope: visit}", "2:5: caps[0].most: is missing"),
        (
            "{scope: visits, most: 1}",
            "2:6: caps[0].scope: must be " + SCOPES,
        ),
        (
            "{scope: store, most: 1, wihtin: 7d}",
            "2:29: caps[0].wihtin: no such key here; known are scope, most, within, days",
        ),
        (
            "{scope: store, most: 1, within: week}",
            "2:29: caps[0].within: must be a time such as 20m, 12h or 7d",
        ),
        (
            "{scope: store, most: 1, within: 0m}",
            "2:29: caps[0].within: must be more than nothing and at most 30d",
        ),
        (
            "{scope: store, most: 1, within: 31d}",
            "2:29: caps[0].within: must be more than nothing and at most 30d",
        ),
        ("{scope: store, most: 1, days: 0}", "2:29: caps[0].days: must be at least 1"),
        ("{scope: store, most: 1, days: 30}", "2:29: caps[0].days: must be at most 29"),
        (
            "{scope: store, most: 1, within: 7d, days: 7}",
            "2:41: caps[0].days: " + BOTH,
        ),
        (
            "{scope: store, most: 1}",
            "2:5: caps[0]: says no time: add `within: 30d` or `days: 1`, for example",
        ),
        ("visit", "2:5: caps[0]: must be a mapping (key: value)"),
        (
            "{scope: shopper, most: 3, within: 168h}",
            "3:5: caps[1]: counts the same as caps[0], in the same time: leave one of them",
        ),
    ],
)
def test_a_fault_of_a_cap_is_named_at_its_place(row: str, fault: str) -> None:
    assert faults_of(with_cap(row)) == [f"p.yaml:{fault}"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("first_after_s: 10", "first_after_s: -1", "5:1: first_after_s: must be at least 0.0"),
        ("first_after_s: 10", "first_after_s: nan", "5:1: first_after_s: must be a number"),
        ("first_after_s: 10", "first_after_s: 7200", "5:1: first_after_s: must be at most 3600.0"),
        ("first_after_s: 10\n", "", "1:1: first_after_s: is missing"),
        ("0.05", "5%", "6:1: hold_out_share: must be a number"),
        ("0.05", "5", "6:1: hold_out_share: must be at most 1.0"),
        ("0.05", "", "6:1: hold_out_share: is empty"),
        (
            "hold_out_share: 0.05",
            "hold_out_share: 0.05\nquiet: 1",
            "7:1: quiet: no such key here; known are caps, first_after_s, hold_out_share",
        ),
    ],
)
def test_a_fault_beside_the_caps_is_named_at_its_place(old: str, new: str, fault: str) -> None:
    assert faults_of(EXAMPLE.replace(old, new)) == [f"p.yaml:{fault}"]


def test_all_faults_are_found_at_once_in_the_order_of_their_lines() -> None:
    text = with_cap("{scope: visit, most: -1}").replace("most: 2", "most: x").replace("10", "x")
    assert [fault.split(": ")[0] for fault in faults_of(text)] == [
        "p.yaml:2:20", "p.yaml:3:22", "p.yaml:5:1",
    ]  # fmt: skip


def test_a_file_without_caps_is_no_policy_without_limits() -> None:
    assert faults_of("") == [
        "p.yaml: caps: is missing",
        "p.yaml: first_after_s: is missing",
        "p.yaml: hold_out_share: is missing",
    ]


@given(POLICIES, st.timedeltas(timedelta(0), 365 * DAY))
def test_no_cap_counts_what_decisions_do_not_look_back_to(policy: Policy, ago: timedelta) -> None:
    """Rome loses an hour in March and has one twice in October."""
    local = (datetime(2027, 1, 1, tzinfo=UTC) - ago).astimezone(ROME)
    for cap in policy.caps:
        assert cap.since(local).astimezone(UTC) > local.astimezone(UTC) - LOOKS_BACK


def test_one_calendar_day_more_would_be_counted_short_when_the_clocks_go_back() -> None:
    late = datetime(2026, 11, 1, 23, 30, tzinfo=ROME)
    since = Cap(Scope.SHOPPER, 1, days=DAYS_MAX + 1).since(late)
    assert since.astimezone(UTC) < late.astimezone(UTC) - LOOKS_BACK


def test_the_default_is_not_called_risky() -> None:
    assert list(risks(DEFAULT_POLICY)) == []


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (a_policy(Cap(Scope.SHOPPER, 2, within=timedelta(hours=1))), "no cap on the visit"),
        (
            a_policy(Cap(Scope.VISIT, 2), Cap(Scope.SHOPPER, 4, within=7 * DAY)),
            "2 messages in one visit are allowed",
        ),
        (a_policy(Cap(Scope.VISIT, 1)), "no cap on the shopper over several visits"),
        (replace(DEFAULT_POLICY, first_after_s=0.0), "first_after_s is 0"),
        (replace(DEFAULT_POLICY, hold_out_share=0.0), "hold_out_share is 0:"),
        (replace(DEFAULT_POLICY, hold_out_share=0.2), "hold_out_share is 0.2: more than 0.15"),
        (
            replace(DEFAULT_POLICY, caps=(*DEFAULT_POLICY.caps, Cap(Scope.STORE, 0, days=1))),
            "at most 0 from a store a calendar day: no offer is ever sent",
        ),
        (
            replace(DEFAULT_POLICY, caps=(*DEFAULT_POLICY.caps, Cap(Scope.SHOPPER, 3, within=DAY))),
            "at most 3 to a shopper in any 1d: never reached, as at most 2 to a shopper in any 7d",
        ),
    ],
)
def test_what_is_risky_is_said_and_nothing_else(policy: Policy, said: str) -> None:
    (risk,) = risks(policy)
    assert risk.startswith(said)


def test_a_cap_on_the_shopper_over_days_is_one_on_the_visit_too() -> None:
    assert list(risks(a_policy(Cap(Scope.SHOPPER, 1, within=7 * DAY)))) == []


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered"),
    [
        (Cap(Scope.STORE, 1, within=7 * DAY), Cap(Scope.STORE, 1, days=6), True),
        # Seven calendar days may have an hour more than seven times 24.
        (Cap(Scope.STORE, 1, within=7 * DAY), Cap(Scope.STORE, 1, days=7), False),
        (Cap(Scope.STORE, 1, days=8), Cap(Scope.STORE, 1, within=6 * DAY), True),
        # Just after midnight, seven calendar days are hardly more than six.
        (Cap(Scope.STORE, 1, days=7), Cap(Scope.STORE, 1, within=6 * DAY), False),
        (Cap(Scope.STORE, 1, days=7), Cap(Scope.STORE, 1, days=6), True),
        (Cap(Scope.STORE, 2, days=7), Cap(Scope.STORE, 1, days=6), False),
        (Cap(Scope.SHOPPER, 1, days=7), Cap(Scope.STORE, 1, days=6), False),
    ],
)
def test_a_cap_is_idle_only_where_another_is_full_whenever_it_is(
    wide: Cap, narrow: Cap, is_covered: bool
) -> None:
    idle = [risk for risk in risks(a_policy(narrow, wide)) if "never reached" in risk]
    assert [risk.startswith(cap_words(narrow)) for risk in idle] == [True] * is_covered


@given(POLICIES, POLICIES)
def test_two_policies_that_differ_have_a_change_to_tell(before: Policy, after: Policy) -> None:
    assume(before != replace(after, caps=before.caps) or {*before.caps} != {*after.caps})
    assert list(changes(before, after))
    assert not list(changes(before, replace(before, caps=before.caps[::-1])))


def test_what_changes_is_said() -> None:
    after = Policy((Cap(Scope.VISIT, 2), Cap(Scope.CATEGORY, 1, days=1)), 20.0, 0.1)
    assert list(changes(DEFAULT_POLICY, after)) == [
        "at most 2 in a visit, before 1",
        "new: at most 1 of a category a calendar day",
        "gone: at most 2 to a shopper in any 7d",
        "gone: at most 1 to a shopper in any 20m",
        "first_after_s: 20, before 10",
        "hold_out_share: 0.1, before 0.05: some shoppers join it, nobody the other way",
    ]

"""Consent: the ledger's last word counts, and silence is a no."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shoppers.consent import NEEDED_IN_AISLE, Grant, Purpose, standing

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

_GRANTS = st.builds(
    Grant, st.sampled_from(Purpose), st.booleans(), st.just("v1"), st.just("it-IT"), st.just(AT)
)


def _grant(purpose: Purpose, *, granted: bool) -> Grant:
    return Grant(purpose, granted, "v1", "it-IT", AT)


def test_nothing_is_allowed_that_was_never_asked() -> None:
    assert standing([]) == frozenset()


def test_the_last_answer_counts_even_at_the_same_instant() -> None:
    yes, no = (_grant(Purpose.PUSH_MARKETING, granted=granted) for granted in (True, False))

    assert standing([yes, no]) == frozenset()
    assert standing([no, yes]) == {Purpose.PUSH_MARKETING}


def test_one_purpose_says_nothing_of_another() -> None:
    ledger = [
        _grant(Purpose.LOCATION_BLE, granted=True),
        _grant(Purpose.PROFILING, granted=True),
        _grant(Purpose.PROFILING, granted=False),
    ]

    assert standing(ledger) == {Purpose.LOCATION_BLE}


def test_a_push_in_the_aisle_needs_to_follow_and_to_advertise() -> None:
    assert {Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING} == NEEDED_IN_AISLE


@given(st.lists(_GRANTS))
def test_a_purpose_stands_only_when_its_last_answer_was_yes(ledger: list[Grant]) -> None:
    allowed = standing(ledger)

    for purpose in Purpose:
        answers = [grant.granted for grant in ledger if grant.purpose is purpose]
        assert (purpose in allowed) is (bool(answers) and answers[-1])

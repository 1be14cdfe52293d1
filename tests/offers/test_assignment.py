"""Arms: for ever the same, unrelated among campaigns, and the ones that stored decisions have."""

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.assignment import (
    Arm,
    BadSalts,
    NoSaltYet,
    Salt,
    Salts,
    arm,
    campaign_draw,
    hold_out_draw,
)

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = datetime(2026, 6, 1, tzinfo=UTC)
SALTS = Salts((Salt("old", FIRST),))
SHOPPERS = [f"shopper-{n}" for n in range(20_000)]


def test_the_draw_is_what_stored_decisions_rest_on() -> None:
    # blake2b("salt|pasta|shopper-1") in 8 octets: another formula deals everybody anew.
    assert campaign_draw("salt", "pasta", "shopper-1") == 0x3896AC7BFEED3650 / 2**64


def test_an_arm_can_be_told_again_after_the_salt_was_renewed() -> None:
    renewed = SALTS.renewed("new", SECOND)
    before = [arm(SALTS, one, "pasta", 0.5, FIRST) for one in SHOPPERS[:200]]

    assert [arm(renewed, one, "pasta", 0.5, FIRST) for one in SHOPPERS[:200]] == before
    last = SECOND - timedelta(microseconds=1)
    assert [arm(renewed, one, "pasta", 0.5, last) for one in SHOPPERS[:200]] == before
    assert [arm(renewed, one, "pasta", 0.5, SECOND) for one in SHOPPERS[:200]] != before


def test_a_trial_that_spans_two_salts_is_noticed() -> None:
    renewed = SALTS.renewed("new", SECOND)

    assert renewed.change_between(FIRST, SECOND + timedelta(days=1))
    assert not renewed.change_between(FIRST, SECOND)
    assert not renewed.change_between(SECOND, SECOND + timedelta(days=1))


def test_nobody_has_an_arm_before_the_first_salt() -> None:
    with pytest.raises(NoSaltYet, match="no salt at 2025-12-31"):
        arm(SALTS, "s", "pasta", 0.1, FIRST - timedelta(seconds=1))


@pytest.mark.parametrize(
    "history",
    [
        (),
        (Salt("a", SECOND), Salt("b", FIRST)),
        (Salt("a", FIRST), Salt("b", FIRST)),
    ],
)
def test_a_history_out_of_order_is_refused(history: tuple[Salt, ...]) -> None:
    with pytest.raises(BadSalts, match="oldest first"):
        Salts(history)


@given(st.text(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_a_share_keeps_everybody_in(
    shopper: str, one: float, other: float, out: float
) -> None:
    low, high = sorted((one, other))

    if arm(SALTS, shopper, "pasta", low, FIRST, hold_out_share=out) is Arm.CONTROL:
        assert arm(SALTS, shopper, "pasta", high, FIRST, hold_out_share=out) is Arm.CONTROL
    if arm(SALTS, shopper, "pasta", out, FIRST, hold_out_share=low) is Arm.HELD_OUT:
        assert arm(SALTS, shopper, "pasta", out, FIRST, hold_out_share=high) is Arm.HELD_OUT


def test_shares_are_kept_and_the_hold_out_goes_first() -> None:
    arms = [arm(SALTS, one, "pasta", 0.2, FIRST, hold_out_share=0.1) for one in SHOPPERS]

    # Five standard errors at 20,000 shoppers are at most 0.015.
    assert arms.count(Arm.HELD_OUT) / len(arms) == pytest.approx(0.1, abs=0.011)
    assert arms.count(Arm.CONTROL) / len(arms) == pytest.approx(0.9 * 0.2, abs=0.014)


def test_the_hold_out_is_the_same_for_every_campaign() -> None:
    for one in SHOPPERS[:500]:
        arms = {arm(SALTS, one, each, 0.0, FIRST, hold_out_share=0.3) for each in "abc"}
        assert len(arms) == 1


def test_campaigns_and_the_hold_out_are_drawn_apart() -> None:
    draws = {each: [campaign_draw("salt", each, one) for one in SHOPPERS] for each in ("a", "b")}
    draws["a, other salt"] = [campaign_draw("pepper", "a", one) for one in SHOPPERS]
    draws["no id"] = [campaign_draw("salt", "", one) for one in SHOPPERS]
    draws["hold-out"] = [hold_out_draw("salt", one) for one in SHOPPERS]

    for one, other in combinations(draws.values(), 2):
        # In the lowest tenth of both: 1 in 100, within five standard errors.
        both = sum(x < 0.1 and y < 0.1 for x, y in zip(one, other, strict=True)) / len(one)
        assert both == pytest.approx(0.01, abs=5 * math.sqrt(0.01 * 0.99 / len(one)))
        # Of uniform draws the mean product is 1/4, with a variance of 7/144.
        mean = math.fsum(x * y for x, y in zip(one, other, strict=True)) / len(one)
        assert mean == pytest.approx(0.25, abs=5 * math.sqrt(7 / 144 / len(one)))

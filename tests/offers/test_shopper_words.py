"""Every reason has words for the shopper, and none of them is an operator's."""

import pytest

from offers.shopper_words import otherwise_to_shopper, to_shopper
from offers.situation import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_said_to_the_shopper(reason: Reason) -> None:
    (said,) = to_shopper([reason.value])
    unless = otherwise_to_shopper([reason])
    assert unless is not None
    for words in (said, unless):
        assert words.endswith(".")
        assert not {"shopper", "campaign", "cap", "control", "hold-out"} & set(
            words.lower().rstrip(".").split()
        )


def test_what_says_the_same_is_said_once() -> None:
    assert len(to_shopper([Reason.VISIT_CAP, Reason.WEEK_CAP, Reason.QUIET_ZONE])) == 2
    said = otherwise_to_shopper([Reason.VISIT_CAP, Reason.WEEK_CAP])
    assert said == "It would have been sent had less been sent to you before."
    assert otherwise_to_shopper([]) is None


@pytest.mark.parametrize("reason", [Reason.CONTROL_GROUP, Reason.HELD_OUT])
def test_whoever_asks_is_told_of_the_lot(reason: Reason) -> None:
    (said,) = to_shopper([reason.value])
    assert "drawn by lot" in said

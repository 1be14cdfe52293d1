"""Which send meets which failure."""

from collections import Counter
from random import Random

import pytest

from firmware_sim.fcm_delivery import Platform
from firmware_sim.fcm_faults import EVERY_FAULT, OF_OTHERS, Fault, FaultPlan, Trouble

REFUSED_KEY = Fault(Trouble.THIRD_PARTY_AUTH)


def test_every_trouble_is_among_the_faults_that_are_dealt() -> None:
    assert {fault.trouble for fault in EVERY_FAULT} == set(Trouble)
    assert len(set(EVERY_FAULT)) == len(EVERY_FAULT)


def test_dealt_failures_come_in_their_share_and_none_twice_before_all_have_come() -> None:
    plan = FaultPlan(Random(7))
    plan.deal(0.3)
    met = [plan.pick(f"target {number}", "ios") for number in range(2_000)]

    troubled = [fault for fault in met if fault is not None]
    assert 0.27 < len(troubled) / len(met) < 0.33
    for first in range(0, len(troubled) - len(EVERY_FAULT), len(EVERY_FAULT)):
        assert set(troubled[first : first + len(EVERY_FAULT)]) == set(EVERY_FAULT)


def test_android_never_meets_a_failure_of_apple_and_apple_meets_all() -> None:
    plan = FaultPlan(Random(7))
    plan.deal(1.0)
    met: dict[str, Counter[Trouble]] = {"android": Counter(), "ios": Counter()}
    for number in range(600):
        platform: Platform = "ios" if number % 3 == 0 else "android"
        fault = plan.pick("target", platform)
        assert fault is not None
        met[platform][fault.trouble] += 1

    assert not met["android"].keys() & OF_OTHERS
    assert met["android"].keys() == set(Trouble) - OF_OTHERS
    assert met["ios"].keys() >= OF_OTHERS


def test_a_platform_keeps_its_failure_until_it_is_well_again() -> None:
    plan = FaultPlan(Random(7))
    plan.for_platform("ios", REFUSED_KEY)

    assert plan.pick("target", "ios") == REFUSED_KEY
    assert plan.pick("target", "android") is None
    assert plan.pick("a topic") is None
    plan.for_platform("ios", None)
    assert plan.pick("target", "ios") is None


def test_after_clear_nothing_fails() -> None:
    plan = FaultPlan(Random(7))
    plan.deal(1.0)
    plan.for_platform("ios", REFUSED_KEY)
    plan.clear()

    assert plan.pick("target", "ios") is None


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        FaultPlan(Random(7)).deal(share)

"""What a preview counts, and how sure it is of earnings."""

from dataclasses import replace
from random import Random

import pytest

from offers.campaign import Campaign, Offer, Tier
from offers.decide import decide
from offers.learning import PRIOR_WEIGHT, rivals_max
from offers.preview import Rehearsed, Tally, stood
from offers.situation import Reason, Situation
from tests.offers.situations import a_campaign, a_situation

RICH = Offer("t", "b", margin_cents=900, cost_cents=100)


def tallied(tried: Campaign, *moments: tuple[Situation, str, str]) -> Rehearsed:
    """moments: as they would be, shopper, visit; as it is there was silence."""
    tally = Tally([tried])
    for situation, shopper_id, visit_id in moments:
        taken = decide(situation)
        silence = decide(replace(situation, candidates=()))
        there = stood(situation, taken, {tried.campaign_id})
        tally.add(shopper_id, visit_id, silence, taken, there)
    (found,) = tally.preview().campaigns
    return found


def test_a_visit_counts_once_as_the_best_that_came_of_it() -> None:
    deal = a_campaign("deal")
    sent = a_situation(deal)
    lost = a_situation(deal, a_campaign("first", tier=Tier.PERSONAL))
    young = replace(sent, policy=replace(sent.policy, first_after_s=1_000.0))
    ghost = a_situation(replace(deal, control_share=1.0))

    found = tallied(
        deal,
        (young, "anna", "1"), (lost, "anna", "1"), (sent, "anna", "1"),
        (young, "bruno", "2"), (lost, "bruno", "2"),
        (lost, "carla", "3"), (ghost, "carla", "3"),
        (young, "carla", "4"),
    )  # fmt: skip

    assert (found.visits, found.sends, found.reach, found.ghosts) == (4, 1, 1, 1)
    assert found.lost == {"first": 1}
    assert found.held == {Reason.VISIT_TOO_YOUNG: 1}


def test_whom_it_is_not_for_did_not_meet_it() -> None:
    deal = a_campaign("deal")
    there = a_situation(deal)
    other = replace(there, candidates=())
    assert tallied(deal, (other, "anna", "1")).visits == 0


def test_one_that_stands_far_behind_is_told_of_too() -> None:
    """A decision keeps the best-placed candidates only."""
    deal = a_campaign("deal", offer=replace(RICH, margin_cents=800))
    crowd = [a_campaign(f"better-{n}", offer=RICH) for n in range(40)]
    situation = a_situation(deal, *crowd, chance=_no_floor())

    taken = decide(situation)

    assert "deal" not in {one.campaign_id for one in taken.weighed}
    (found,) = stood(situation, taken, {"deal"})
    assert found.against == (Reason.OUTRANKED,)
    assert 0 < found.score < taken.weighed[0].score
    spent = replace(deal, budget_sends=0)
    (held,) = stood(a_situation(spent, *crowd, chance=_no_floor()), taken, {"deal"})
    assert held.against == (Reason.BUDGET_SPENT,)


def _no_floor() -> int:
    """A number of which the draw is between the best alone."""
    chance = Random(1)
    return next(n for n in (chance.getrandbits(64) for _ in range(99)) if rivals_max(n))


@pytest.mark.parametrize("sends", [100, 1_000])
def test_the_range_of_earnings_is_that_of_a_belief_and_of_luck(sends: int) -> None:
    """Judged by drawing both, thousands of times."""
    deal = a_campaign("deal", offer=RICH)
    situation = a_situation(deal)
    found = tallied(deal, *((situation, f"s{n}", f"v{n}") for n in range(sends)))
    response = found.expected_cents / sends / 800
    chance = Random(7)
    earned = []
    for _ in range(4_000):
        share = chance.betavariate(PRIOR_WEIGHT * response, PRIOR_WEIGHT * (1 - response))
        earned.append(800 * sum(chance.random() < share for _ in range(sends)))
    low, high = found.likely_cents
    # Responses come whole, so that the ends cut off as much as 0.1 or less.
    below = sum(cents < low for cents in earned) / len(earned)
    above = sum(cents > high for cents in earned) / len(earned)
    assert below < 0.12
    assert 0.05 < above < 0.12
    assert sum(cents <= low for cents in earned) / len(earned) > 0.08


def test_of_hardly_any_sends_nothing_is_likely() -> None:
    deal = a_campaign("deal", offer=RICH)
    found = tallied(deal, (a_situation(deal), "anna", "1"))
    assert found.expected_cents > 0
    assert found.likely_cents == (0.0, 0.0)

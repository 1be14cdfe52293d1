"""Thompson sampling: it finds the better campaign, starves none, and is the same every time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from offers.learning import (
    FLOOR_SHARE,
    PRIOR_WEIGHT,
    RIVALS_MAX,
    Belief,
    Rival,
    Tried,
    Warmth,
    belief_of,
    drawn,
    rivals_max,
    share_drawn,
    warmth_of,
)

PRIOR = 0.01


def _rivals(tried: Mapping[str, Tried], gain_cents: float = 100.0) -> list[Rival]:
    """As a decision would rank them: the most expected first."""
    found = [Rival(name, belief_of(PRIOR, seen), gain_cents, 0.5) for name, seen in tried.items()]
    return sorted(found, key=lambda one: (-one.belief.mean, one.campaign_id))


def _shopping(
    truth: Mapping[str, float], decisions: int, seed: int, *, nightly: int = 200
) -> tuple[list[str], float]:
    """What was sent, one decision after another, and the regret: responses that were missed.

    truth: the share that responds. What was seen is learnt once a night.
    """
    world, best = Random(seed), max(truth.values())
    seen = {name: Tried(0, 0) for name in truth}
    shown, responded = Counter[str](), Counter[str]()
    sent: list[str] = []
    regret = 0.0
    for number in range(decisions):
        chance = world.getrandbits(64)
        rivals = _rivals(seen)
        most = rivals_max(chance)
        among = rivals if most is None else rivals[:most]
        name = among[drawn(among, chance)].campaign_id
        sent.append(name)
        regret += best - truth[name]
        shown[name] += 1
        responded[name] += world.random() < truth[name]
        if number % nightly == nightly - 1:
            seen = {one: Tried(shown[one], responded[one]) for one in truth}
    return sent, regret


def test_it_converges_to_the_better_campaign() -> None:
    truth = {"better": 0.04, "worse": 0.01}
    lately = []
    for seed in range(8):
        sent, _ = _shopping(truth, 6_000, seed)
        lately.append(sent[-1_000:].count("better") / 1_000)
    # All but half of the floor share; a run or two may still be in doubt.
    assert sorted(lately)[1] > 0.9
    assert sum(lately) / len(lately) > 0.93


def test_expected_regret_is_far_below_that_of_choosing_evenly() -> None:
    truth = {f"campaign-{n}": 0.05 if n == 3 else 0.01 for n in range(6)}
    decisions, seeds = 8_000, range(6)
    regrets = [_shopping(truth, decisions, seed)[1] for seed in seeds]
    evenly = decisions * (0.05 - sum(truth.values()) / len(truth))
    assert sum(regrets) / len(regrets) < evenly / 3


def test_nobody_starves_however_hopeless() -> None:
    """Seven campaigns, two more than are drawn between, and the last is known to be worthless."""
    names = [f"campaign-{n}" for n in range(RIVALS_MAX + 2)]
    tried = {name: Tried(10_000, 500) for name in names[:-1]} | {names[-1]: Tried(10_000, 0)}
    rivals, world, runs = _rivals(tried), Random(5), 40_000
    sent: Counter[str] = Counter()
    for _ in range(runs):
        chance = world.getrandbits(64)
        most = rivals_max(chance)
        among = rivals if most is None else rivals[:most]
        sent[among[drawn(among, chance)].campaign_id] += 1
    each = FLOOR_SHARE / len(names)
    assert sent[names[-1]] / runs == pytest.approx(each, rel=0.15)
    assert min(sent.values()) / runs > 0.8 * each


@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.15, 99.85), (0.8, 99.2), (1.0, 99.0), (5.0, 95.0), (40.0, 60.0)]
)
def test_shares_are_drawn_from_the_belief(alpha: float, beta: float) -> None:
    """Beside the standard library's own variates: quantiles, not only the mean."""
    rival, world, runs = Rival("any", Belief(alpha, beta), 1.0, 0.0), Random(11), 20_000
    found = sorted(share_drawn(rival, world.getrandbits(64)) for _ in range(runs))
    exact = sorted(world.betavariate(alpha, beta) for _ in range(runs))
    sd = (alpha * beta / (alpha + beta) ** 2 / (alpha + beta + 1)) ** 0.5
    for share in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99):
        place = round(share * runs)
        assert found[place] == pytest.approx(exact[place], rel=0.05, abs=0.05 * sd)
    assert sum(found) / runs == pytest.approx(alpha / (alpha + beta), abs=0.04 * sd)


def test_equal_chances_draw_alike_and_others_in_the_zone_move_nobodys_luck() -> None:
    tried = {f"campaign-{n}": Tried(50, n) for n in range(4)}
    rivals, world = _rivals(tried), Random(3)
    chances = [world.getrandbits(64) for _ in range(2_000)]

    def winners(among: Sequence[Rival]) -> list[str]:
        return [among[drawn(among, chance)].campaign_id for chance in chances]

    first = winners(rivals)
    assert first == winners(rivals)
    assert len(set(first)) == 4
    # Without one that did not win, the same one wins, but where any of them may be sent.
    loser = rivals[-1].campaign_id
    fewer = winners(rivals[:-1])
    drawn_between = [number for number, chance in enumerate(chances) if rivals_max(chance)]
    assert all(fewer[number] == first[number] for number in drawn_between if first[number] != loser)


def test_a_belief_starts_from_the_score_and_follows_what_was_seen() -> None:
    assert belief_of(0.02, None).mean == pytest.approx(0.02)
    assert belief_of(0.02, None) == Belief(0.02 * PRIOR_WEIGHT, 0.98 * PRIOR_WEIGHT)
    as_much_as_the_prior = belief_of(0.02, Tried(round(PRIOR_WEIGHT), round(0.1 * PRIOR_WEIGHT)))
    assert as_much_as_the_prior.mean == pytest.approx(0.06)
    assert belief_of(0.02, Tried(100_000, 10_000)).mean == pytest.approx(0.1, rel=0.01)


def test_what_it_earns_counts_not_only_how_often_it_is_answered() -> None:
    often = Rival("often", belief_of(0.05, Tried(10_000, 500)), 20.0, 0.5)
    dear = Rival("dear", belief_of(0.01, Tried(10_000, 100)), 900.0, 0.5)
    chances = [n for n in range(500) if rivals_max(n) is not None]
    assert {drawn([often, dear], chance) for chance in chances} == {1}


@pytest.mark.parametrize(
    ("gain", "warmth"),
    [(-2.0, Warmth.COLD), (0.4, Warmth.COLD), (0.5, Warmth.WARM), (2.0, Warmth.KEEN)],
)
def test_the_context_is_how_keen_the_score_takes_the_shopper_to_be(
    gain: float, warmth: Warmth
) -> None:
    assert warmth_of(gain) is warmth

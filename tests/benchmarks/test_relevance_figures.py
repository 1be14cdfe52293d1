"""The benchmark of relevance, on a made-up grocer whose truth is known."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from benchmarks.groceries import CouponCampaign, Groceries, Visit, midnight, week_start
from benchmarks.planted import recovered
from benchmarks.relevance import RANKERS, Task, basket_tasks, coupon_task
from benchmarks.shopped import (
    History,
    by_engine,
    by_engine_cart_unseen,
    by_own_frequency,
    by_popularity,
    by_recency,
)

NOW = datetime(2017, 6, 5, 12, tzinfo=UTC)
PASTA, SAUCE, MILK, GUM = "pasta", "sauce", "milk", "gum"
LABELS = (PASTA, SAUCE, MILK, GUM)


def _visit(household: int, days_ago: float, *labels: str) -> Visit:
    return Visit(household, NOW - timedelta(days=days_ago), 20, frozenset(labels))


def _history(*visits: Visit) -> History:
    history = History([1, 2, 3], LABELS)
    for visit in sorted(visits, key=lambda one: one.at):
        history.add(visit)
    history.learn(NOW)
    return history


HISTORY = _history(
    *(_visit(1, days, PASTA) for days in (60, 50, 40)),
    _visit(1, 10, SAUCE),
    *(_visit(2, days, MILK, GUM) for days in range(1, 30)),
    *(_visit(3, days, MILK) for days in range(1, 20)),
)


def test_each_baseline_is_what_its_name_says() -> None:
    assert by_popularity(HISTORY, 1, NOW, ())[:2] == [MILK, GUM]
    assert by_own_frequency(HISTORY, 1, NOW, ()) == [PASTA, SAUCE, MILK, GUM]
    assert by_recency(HISTORY, 1, NOW, ()) == [SAUCE, PASTA, MILK, GUM]


def test_the_engine_starts_from_everybody_and_learns_the_household() -> None:
    habit = [_visit(1, days, PASTA) for days in range(1, 60, 2)]
    others = [_visit(2, days, MILK) for days in range(1, 60)]

    assert by_engine(_history(habit[0], *others), 1, NOW, ())[0] == MILK
    assert by_engine(_history(*habit, *others), 1, NOW, ())[0] == PASTA


def test_what_is_in_the_cart_is_not_offered_again() -> None:
    for rank in (by_engine, by_engine_cart_unseen, by_own_frequency, by_recency, by_popularity):
        assert set(rank(HISTORY, 1, NOW, {PASTA, MILK})) == {SAUCE, GUM}


def test_the_engine_sees_what_the_cart_calls_for() -> None:
    milk, sauce = [_visit(2, days, MILK) for days in (1, 2, 3, 4)], [_visit(3, 1, SAUCE)] * 3
    history = _history(*milk, *sauce)
    history.learn_complements([(PASTA, SAUCE)] * 30 + [(MILK,)] * 50 + [(GUM,)] * 50)

    assert by_engine_cart_unseen(history, 1, NOW, {PASTA})[0] == MILK
    assert by_engine(history, 1, NOW, {PASTA})[0] == SAUCE


def test_a_task_means_over_households_first() -> None:
    task = Task(RANKERS)
    for household, relevant in ((1, {"a"}), (1, {"a"}), (1, {"a"}), (2, {"z"})):
        task.add(household, {name: ["a", "b"] for name in RANKERS}, relevant)

    lines = task.table("made up").splitlines()

    assert re.match(r"Corsia +0\.500 \(0\.000 to 1\.000\)", lines[1])
    assert re.search(r"popularity .* \+0\.0000 \(\+0\.0000 to \+0\.0000\)", "\n".join(lines))
    assert lines[-1] == "4 moments of 2 households; 95 % intervals"


class _MadeGroceries(Groceries):
    """Three households of fixed habits, twelve weeks, one visit each week; nothing is read."""

    def __init__(self) -> None:
        self.households = [1, 2, 3]
        self.coupons: Mapping[int, str] = {1: PASTA, 2: SAUCE, 3: MILK}

    def visits(self) -> list[Visit]:
        basket = {1: (PASTA, GUM), 2: (SAUCE, GUM), 3: (MILK, GUM)}
        return [
            Visit(one, week_start(week) + timedelta(hours=one), week, frozenset(basket[one]))
            for week in range(2, 14)
            for one in self.households
        ]

    def visits_by_coupon(self, _campaign: CouponCampaign, before: datetime) -> list[Visit]:
        return [visit for visit in self.visits() if visit.at < before]


def test_habits_that_never_change_are_all_found() -> None:
    week, visit, rest = basket_tasks(_MadeGroceries(), range(10, 14))

    assert (week.moments, visit.moments, rest.moments) == (12, 12, 0)
    row = next(line for line in week.table("").splitlines() if line.startswith("Corsia"))
    assert re.findall(r"1\.000", row) == ["1.000"] * 6


def test_coupons_are_ranked_from_what_was_known_the_day_before() -> None:
    starts = week_start(10).date()
    campaign = CouponCampaign(
        1,
        starts,
        frozenset({1, 2, 3}),
        {label: frozenset() for label in LABELS},
        {
            1: (starts, frozenset({PASTA})),
            2: (starts + timedelta(days=3), frozenset({SAUCE})),
            3: (starts, frozenset()),  # redeemed only what is on no shelf
        },
    )

    task = coupon_task(_MadeGroceries(), [campaign])

    assert task.moments == 2


@pytest.mark.parametrize("planted_share", [0.0, 0.3])
def test_a_planted_effect_is_found_again(planted_share: float) -> None:
    chance = Random(5)
    households = frozenset(range(2_000))
    redeemed = {
        one: (date(2017, 6, 1), frozenset({"c"})) for one in chance.sample(range(2_000), 400)
    }
    campaign = CouponCampaign(9, date(2017, 6, 1), households, {"c": frozenset({1})}, redeemed)

    deals = [recovered(campaign, planted_share, seed) for seed in range(60)]

    assert deals[0].truth == pytest.approx(planted_share * 0.8)
    mean = sum(deal.found.difference for deal in deals) / len(deals)
    assert mean == pytest.approx(deals[0].truth, abs=0.01)
    assert sum(deal.holds for deal in deals) >= 52  # of 60 at 95 %, fewer once in 1,000


def test_weeks_of_the_data_begin_on_mondays() -> None:
    assert week_start(2) == midnight(date(2017, 1, 2))
    assert week_start(45) == midnight(date(2017, 10, 30))


def test_the_installed_data_are_those_the_figures_are_of() -> None:
    groceries = Groceries()
    campaigns = {one.campaign_id: one for one in groceries.campaigns()}

    assert len(groceries.households) == 2_467  # of 2,469; two bought nothing that is on a shelf
    assert len(campaigns) == 27
    assert campaigns[18].starts == date(2017, 10, 30)
    assert len(campaigns[18].redeemed) == 214
    assert len(campaigns[18].households) == 1_133

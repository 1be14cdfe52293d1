"""The audit's own counting of caps and budgets: each kind finds the message too many."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from corsia.audit_caps import (
    Law,
    Limit,
    OwnCap,
    Taken,
    Terms,
    limit_of,
    over_budgets,
    over_limits,
    terms_of,
)
from offers.campaign import CampaignLimits, Tier
from offers.pressure import WEEK, Cap, Scope
from tests.offers.situations import a_campaign

NOON_S = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HOUR_S = 3_600.0
TERMS = {
    "pasta": Terms(categories=frozenset({"pasta", "dry"})),
    "rice": Terms(categories=frozenset({"rice", "dry"})),
    "wine": Terms(categories=frozenset({"wine"})),
    "recall": Terms(is_promotion=False, categories=frozenset({"dry"})),
    "once": Terms(limit=Limit("limit of the campaign", 1, same_campaign=True, within_s=HOUR_S)),
}


def taken(
    campaign_id: str = "pasta",
    at_s: float = 0.0,
    *,
    visit: str = "v1",
    truly: str | None = None,
    zone_id: str = "aisle-1",
    shopper_id: str = "ada",
) -> Taken:
    """A message that FCM took, so many seconds after noon."""
    visits = (visit, visit if truly is None else truly)
    return Taken(f"{campaign_id} {at_s}", shopper_id, campaign_id, zone_id, visits, NOON_S + at_s)


def law(*caps: Cap, own: tuple[OwnCap, ...] = (), tz: str = "UTC") -> Law:
    return Law([limit_of(cap) for cap in caps], TERMS, {"ada": own}, ZoneInfo(tz))


def too_many(messages: list[Taken], bound_by: Law) -> list[str]:
    return [what for _, what in over_limits(messages, bound_by)]


# A cap; the second message that it counts, and one that it does not.
CASES = [
    (Cap(Scope.SHOPPER, 1), taken("wine", visit="v2"), taken("wine", shopper_id="bea")),
    (Cap(Scope.STORE, 1), taken("wine", visit="v2"), taken("wine", shopper_id="bea")),
    (Cap(Scope.CHANNEL, 1), taken("wine", visit="v2"), taken("wine", shopper_id="bea")),
    (Cap(Scope.VISIT, 1), taken("wine"), taken("wine", visit="v2")),
    (Cap(Scope.ZONE_VISIT, 1), taken("wine"), taken("wine", zone_id="aisle-2")),
    (Cap(Scope.ZONE_VISIT, 1), taken("wine"), taken("wine", visit="v2")),
    (Cap(Scope.CAMPAIGN, 1), taken(visit="v2"), taken("rice", visit="v2")),
    (Cap(Scope.CATEGORY, 1), taken("rice"), taken("wine")),
    (Cap(Scope.SHOPPER, 1, within=timedelta(hours=1)),
     taken("wine", HOUR_S - 0.001), taken("wine", HOUR_S)),
    (Cap(Scope.SHOPPER, 1, days=1), taken("wine", 11 * HOUR_S), taken("wine", 12 * HOUR_S)),
    (Cap(Scope.SHOPPER, 1, days=2), taken("wine", 35 * HOUR_S), taken("wine", 36 * HOUR_S)),
]  # fmt: skip


@pytest.mark.parametrize(("cap", "counted", "other"), CASES)
def test_each_kind_of_cap_counts_what_it_is_about_and_nothing_else(
    cap: Cap, counted: Taken, other: Taken
) -> None:
    (what,) = too_many([taken(), counted], law(cap))
    assert what.endswith(": 2 of 1")
    assert too_many([taken(), other], law(cap)) == []


def test_every_scope_has_a_case_above() -> None:
    assert {cap.scope for cap, _, _ in CASES} == set(Scope)


def test_a_visit_is_sqls_and_the_true_one_and_each_is_counted_apart() -> None:
    cap = Cap(Scope.VISIT, 1)

    assert too_many([taken(truly="t"), taken("wine", visit="v2", truly="t")], law(cap)) != []
    assert too_many([taken(truly="t"), taken("wine", truly="t2")], law(cap)) != []
    # One shares SQL's visit with the last, the other the true one: in none are three.
    split = [
        taken("pasta", visit="v3", truly="t1"),
        taken("rice", visit="v1", truly="t3"),
        taken("wine", visit="v3", truly="t3"),
    ]
    assert too_many(split, law(Cap(Scope.VISIT, 2))) == []


def test_a_calendar_day_is_the_stores() -> None:
    # 12:00 and 22:30 UTC; in Rome the latter is 23:30, in Moscow half past one of the next day.
    both = [taken(), taken("wine", 10.5 * HOUR_S)]

    assert too_many(both, law(Cap(Scope.SHOPPER, 1, days=1), tz="Europe/Rome")) != []
    assert too_many(both, law(Cap(Scope.SHOPPER, 1, days=1), tz="Europe/Moscow")) == []


def test_a_service_message_passes_the_retailers_caps_and_counts() -> None:
    cap = law(Cap(Scope.SHOPPER, 1), Cap(Scope.CATEGORY, 1))

    assert too_many([taken(), taken("recall")], cap) == []
    assert len(too_many([taken("recall"), taken()], cap)) == 2


def test_the_shoppers_own_cap_binds_service_too_from_the_answer_on() -> None:
    own = law(own=(OwnCap(NOON_S + 5, 1), OwnCap(NOON_S + 50, None)))

    assert too_many([taken(), taken("recall", 4.0)], own) == []
    assert too_many([taken(), taken("recall", 5.0)], own) == ["their own cap: 2 of 1"]
    assert too_many([taken(), taken("recall", 50.0)], own) == []
    a_week_on = taken("wine", WEEK.total_seconds(), visit="v2")
    assert too_many([taken(), a_week_on], law(own=(OwnCap(NOON_S, 1),))) == []
    assert too_many([taken()], law(own=(OwnCap(NOON_S, 0),))) == ["their own cap: 1 of 0"]


def test_a_campaigns_own_limit_and_once_in_a_visit_hold_without_a_policy() -> None:
    again = [taken("once"), taken("once", 60.0, visit="v2")]
    assert too_many(again, law()) == ["limit of the campaign: 2 of 1"]
    assert too_many([taken("once"), taken("once", HOUR_S, visit="v2")], law()) == []
    twice = [taken("recall"), taken("recall", 60.0)]
    assert too_many(twice, law()) == ["campaign in a visit: 2 of 1"]


def test_a_budget_is_counted_in_sends_and_in_cents() -> None:
    terms = {
        "pasta": Terms(budget_sends=1),
        "rice": Terms(cost_cents=40, budget_cents=100),
        "wine": Terms(cost_cents=50, budget_cents=100),
    }
    of = [taken(name, n) for name, times in (("pasta", 2), ("rice", 3), ("wine", 2))
          for n in range(times)]  # fmt: skip

    assert list(over_budgets(of, terms)) == ["pasta: 2 of 1", "rice: 120 of 100 cents"]


def test_a_campaigns_terms_are_what_its_author_wrote() -> None:
    terms = terms_of(
        a_campaign(
            tier=Tier.SERVICE, budget_cents=300, budget_sends=4,
            limits=CampaignLimits(per_shopper=2, per_days=3),
        )
    )  # fmt: skip

    assert not terms.is_promotion
    assert (terms.budget_sends, terms.budget_cents) == (4, 300)
    assert terms.limit is not None
    assert (terms.limit.most, terms.limit.within_s) == (2, 3 * 24 * HOUR_S)

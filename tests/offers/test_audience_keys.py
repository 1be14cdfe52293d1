"""What an index of audiences may go by, and what it may not."""

from datetime import timedelta

import pytest
from hypothesis import given

from offers.audience import Audience
from offers.audience_checks import holds
from offers.audience_fields import Bought, Facts, Lifecycle
from offers.audience_keys import Key, keys_of, required
from offers.audience_text import parse
from tests.offers import audiences

NOW = audiences.NOW


@given(audiences.audiences, audiences.facts)
def test_who_is_in_an_audience_has_a_required_key(audience: Audience, facts: Facts) -> None:
    keys = required(audience)

    if holds(audience, facts, NOW):
        assert keys is None or keys & keys_of(facts)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("segment staff", {("segment", "staff")}),
        ("lifecycle in (customer, lapsing)", {("lifecycle", "customer"), ("lifecycle", "lapsing")}),
        ("interest coffee >= 0.3", {("interest", "coffee")}),
        ("not interest coffee < 0.3", {("interest", "coffee")}),
        ("times_bought coffee > 0", {("bought", "coffee")}),
        ("carted tea within 2h", {("browsed", "tea")}),
        # Of `and` the rarest, of `or` all of them.
        ("country IT and browsed tea and lifecycle customer", {("browsed", "tea")}),
        ("segment a or (segment b and country IT)", {("segment", "a"), ("segment", "b")}),
        ("visits > 3 and segment a", {("segment", "a")}),
        # Here the wider `or` loses to the single key.
        ("(segment a or segment b or segment c) and bought tea", {("bought", "tea")}),
    ],
)
def test_the_fewest_keys_are_required(text: str, keys: set[Key]) -> None:
    assert required(parse(text)) == frozenset(keys)


@pytest.mark.parametrize(
    "text",
    [
        "visits > 3",
        "not segment staff",
        "not bought tea",
        "segment a or visits > 3",
        "interest coffee < 0.3",
        "interest coffee >= 0",
        "times_bought tea = 0",
    ],
)
def test_nothing_is_required_where_a_shopper_without_keys_may_be_in(text: str) -> None:
    assert required(parse(text)) is None


def test_a_shopper_has_a_key_for_each_word_and_each_subject() -> None:
    facts = Facts(
        country="IT",
        locale="zh-Hant-TW",
        platforms=frozenset({"ios"}),
        lifecycle=Lifecycle.LAPSING,
        segments=frozenset({"a", "b"}),
        visits=3,
        interests={"coffee": 0.2, "tea": 0.0},
        purchases={"milk": Bought(NOW, 1, 100)},
        browsing={"bread": {"viewed": NOW - timedelta(days=1)}},
    )

    assert keys_of(facts) == {
        ("country", "IT"),
        ("locale", "zh"),
        ("locale", "zh-Hant"),
        ("locale", "zh-Hant-TW"),
        ("platform", "ios"),
        ("lifecycle", "lapsing"),
        ("segment", "a"),
        ("segment", "b"),
        ("interest", "coffee"),
        ("bought", "milk"),
        ("browsed", "bread"),
    }

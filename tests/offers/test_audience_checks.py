"""Who is in an audience, who is not, and that nobody unknown is."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offers.audience import Audience, Not, plain
from offers.audience_checks import holds
from offers.audience_fields import Bought, Facts, Lifecycle
from offers.audience_text import parse
from tests.offers import audiences

NOW = audiences.NOW

ANNA = Facts(
    country="IT",
    locale="it-IT",
    platforms=frozenset({"android", "web"}),
    lifecycle=Lifecycle.CUSTOMER,
    segments=frozenset({"students"}),
    value_class="B",
    loyalty_tier="silver",
    visits=3,
    days_since_visit=6,
    age=30,
    interests={"coffee": 0.3},
    purchases={"coffee": Bought(NOW - timedelta(days=30), count=2, cents=1_500)},
    browsing={"tea": {"viewed": NOW - timedelta(hours=3), "carted": NOW - timedelta(hours=5)}},
)


@pytest.mark.parametrize(
    "text",
    [
        """
        lifecycle in (customer, lapsing) and not segment "staff" and interest "coffee" >= 0.3
        and bought "coffee" within 30d and not browsed "tea" within 2h and visits >= 3
        """,
        "country IT",
        "locale it",
        "locale it-IT",
        "platform web",
        "not platform ios",
        "segment in (students, staff)",
        "value_class B and loyalty_tier silver",
        "visits = 3 and visits != 4 and visits < 4 and visits <= 3 and visits > 2 and visits >= 3",
        "days_since_visit < 7 and age >= 18",
        "interest tea < 0.1",
        "not interest tea >= 0.1",
        "times_bought coffee = 2 and spent_cents coffee >= 1500",
        "times_bought tea = 0 and spent_cents tea = 0",
        "bought coffee",
        "bought coffee within 30d",
        "not bought coffee within 43199m",
        "not bought tea",
        "browsed tea within 3h",
        "viewed tea within 3h and not carted tea within 4h and carted tea within 5h",
        "not searched tea and not listed tea",
        "not browsed coffee and not viewed coffee",
        "age < 18 or country IT",
    ],
)
def test_who_meets_the_terms_is_in(text: str) -> None:
    assert holds(parse(text), ANNA, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "country DE",
        "locale it-CH",
        "locale de",
        "platform ios",
        "segment staff",
        "not segment students",
        "visits > 3",
        "interest coffee > 0.3",
        "interest tea > 0",
        "bought coffee within 43199m",
        "bought tea",
        "browsed tea within 179m",
        "carted tea within 4h",
        "browsed coffee",
        "not (country IT or age > 90)",
    ],
)
def test_who_misses_a_term_is_out(text: str) -> None:
    assert not holds(parse(text), ANNA, NOW)


def test_a_look_in_the_future_of_a_wrong_clock_is_one_of_now() -> None:
    ahead = replace(ANNA, browsing={"tea": {"viewed": NOW + timedelta(minutes=5)}})

    assert holds(parse("browsed tea within 1m"), ahead, NOW)


@given(audiences.terms)
def test_of_whom_nothing_is_known_no_term_holds_and_no_not_of_one(term: Audience) -> None:
    assert not holds(term, Facts(), NOW)
    assert not holds(plain(term, wanted=False), Facts(), NOW)


@given(audiences.terms, audiences.facts)
@settings(max_examples=500)
def test_a_term_is_true_false_or_unknown(term: Audience, facts: Facts) -> None:
    answer = audiences.truth(term, facts, NOW)

    assert holds(term, facts, NOW) is (answer is True)
    assert holds(Not(term), facts, NOW) is (answer is False)


@given(audiences.audiences, audiences.facts)
def test_an_audience_holds_when_it_is_true_in_kleenes_logic(
    audience: Audience, facts: Facts
) -> None:
    assert holds(audience, facts, NOW) is (audiences.truth(audience, facts, NOW) is True)


@given(audiences.audiences, audiences.facts)
def test_a_plain_audience_holds_for_the_same_facts(audience: Audience, facts: Facts) -> None:
    answer = audiences.truth(audience, facts, NOW)

    assert audiences.truth(plain(audience), facts, NOW) is answer
    opposite = None if answer is None else not answer
    assert audiences.truth(plain(audience, wanted=False), facts, NOW) is opposite


@given(audiences.audiences, audiences.facts, st.data())
def test_what_holds_with_facts_unknown_holds_whatever_they_are(
    audience: Audience, facts: Facts, data: st.DataObject
) -> None:
    learned: dict[str, Any] = {
        field.name: data.draw(audiences.known[field.name])
        for field in fields(Facts)
        if getattr(facts, field.name) is None
    }

    if holds(audience, facts, NOW):
        assert holds(audience, replace(facts, **learned), NOW)

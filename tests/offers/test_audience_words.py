"""Which parts of an audience keep a shopper out, in words."""

from datetime import timedelta

import pytest
from hypothesis import given

from offers.audience import Audience
from offers.audience_checks import holds
from offers.audience_fields import Bought, Facts, Lifecycle
from offers.audience_text import parse
from offers.audience_words import explain
from tests.offers import audiences

NOW = audiences.NOW
SHOPPER = Facts(
    country="IT",
    lifecycle=Lifecycle.CUSTOMER,
    segments=frozenset({"staff"}),
    visits=2,
    purchases={"coffee": Bought(NOW - timedelta(days=40), 1, 300)},
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("country IT", ()),
        ("country DE", ("country DE",)),
        # All that fail, without those that hold.
        (
            "lifecycle customer and not segment staff and visits >= 3",
            ('not segment "staff"', "visits >= 3"),
        ),
        # Neither branch of an `or` alone keeps anybody out.
        (
            "country IT and (visits > 5 or (lifecycle customer and bought coffee within 30d))",
            ('visits > 5 or bought "coffee" within 30d',),
        ),
        ("visits > 5 or country IT", ()),
        ("not (segment staff or country IT)", ('not segment "staff"', "not country IT")),
        (
            "visits > 9 or (lifecycle customer and (visits > 8 or visits > 7))",
            ("visits > 9 or visits > 8 or visits > 7",),
        ),
        (
            "visits > 9 or (visits > 8 and country DE)",
            ("visits > 9 or (visits > 8 and country DE)",),
        ),
        # An unknown fact says so, also under `not`.
        ("age >= 18", ("age >= 18 (not known)",)),
        ("not viewed tea", ('not viewed "tea" (not known)',)),
        ("not age < 18", ("age >= 18 (not known)",)),
    ],
)
def test_the_smallest_parts_that_fail_are_named(text: str, parts: tuple[str, ...]) -> None:
    assert explain(parse(text), SHOPPER, NOW) == parts


@given(audiences.audiences, audiences.facts)
def test_a_shopper_is_out_for_reasons_each_of_which_suffices(
    audience: Audience, facts: Facts
) -> None:
    parts = explain(audience, facts, NOW)

    assert (parts == ()) is holds(audience, facts, NOW)
    for part in parts:
        assert not holds(parse(part.replace(" (not known)", "")), facts, NOW)

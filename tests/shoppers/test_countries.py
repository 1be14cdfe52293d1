"""The law of a country: what is not known is a no."""

import pytest

from shoppers.countries import COUNTRIES, PushRule, marketing_kept_days


@pytest.mark.parametrize("country", ["XX", "", "it", "ITA", "Italy"])
def test_a_country_that_we_do_not_know_has_no_row_and_the_strictest_retention(
    country: str,
) -> None:
    assert country not in COUNTRIES
    strictest = min(rules.marketing_kept_days for rules in COUNTRIES.values())
    assert marketing_kept_days(country) == strictest


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_every_country_asks_first_and_keeps_for_a_sensible_time(country: str) -> None:
    rules = COUNTRIES[country]

    assert len(country) == 2
    assert country.isupper()
    assert rules.push is PushRule.OPT_IN
    assert 13 <= rules.no_profiled_offers_under <= 18
    assert marketing_kept_days(country) == rules.marketing_kept_days
    assert 365 <= rules.marketing_kept_days <= 3 * 365


def test_france_keeps_for_three_years() -> None:
    # CNIL: marketing data of prospects may be kept for three years after the last contact.
    assert marketing_kept_days("FR") == 1_095

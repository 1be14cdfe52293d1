"""The law of a country, as far as an in-store push asks for it.

Facts, not advice: each row names where it was read. A country without a row is a country where
nobody is messaged.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class PushRule(Enum):
    """When a marketing push is allowed."""

    OPT_IN = "only after the shopper asked for it"


@dataclass(frozen=True, slots=True)
class CountryRules:
    """What one country asks for. Ages in years, retention in days after the last activity."""

    push: PushRule
    no_profiled_offers_under: int
    marketing_kept_days: int


# Apple's App Store rule 4.5.4 demands an in-app opt-in everywhere; the laws vary below that.
# Under 18: the EU Digital Services Act art. 28(2) and its like; US and Canada have lower ages.
# Source: the countries' statutes and regulators as read for 2026-11; to be confirmed by counsel.
COUNTRIES: Final[dict[str, CountryRules]] = {
    "AU": CountryRules(PushRule.OPT_IN, 18, 730),
    "BR": CountryRules(PushRule.OPT_IN, 18, 730),
    "CA": CountryRules(PushRule.OPT_IN, 14, 730),
    "CH": CountryRules(PushRule.OPT_IN, 18, 730),
    "DE": CountryRules(PushRule.OPT_IN, 18, 730),
    "ES": CountryRules(PushRule.OPT_IN, 18, 730),
    "FR": CountryRules(PushRule.OPT_IN, 18, 1095),
    "GB": CountryRules(PushRule.OPT_IN, 18, 730),
    "IN": CountryRules(PushRule.OPT_IN, 18, 730),
    "IT": CountryRules(PushRule.OPT_IN, 18, 730),
    "JP": CountryRules(PushRule.OPT_IN, 18, 730),
    "MX": CountryRules(PushRule.OPT_IN, 18, 730),
    "NL": CountryRules(PushRule.OPT_IN, 18, 730),
    "PL": CountryRules(PushRule.OPT_IN, 18, 730),
    "PT": CountryRules(PushRule.OPT_IN, 18, 730),
    "US": CountryRules(PushRule.OPT_IN, 16, 730),
}

# Where the law of a shopper's country is not known, the strictest retention that we know.
STRICTEST_KEPT_DAYS: Final = 730


def marketing_kept_days(country: str) -> int:
    """Days after the last activity for which a shopper's data may be kept."""
    rules = COUNTRIES.get(country)
    return rules.marketing_kept_days if rules else STRICTEST_KEPT_DAYS

"""Where a campaign runs: zones by id or by tag, in all stores or in some."""

from collections.abc import Set as AbstractSet

import pytest

from tests.offers.situations import a_campaign


@pytest.mark.parametrize(
    ("store_id", "zone_id", "tags", "is_for"),
    [
        ("milano", "aisle-7", frozenset(), True),
        ("milano", "aisle-8", frozenset(), False),
        ("milano", "aisle-8", frozenset({"coffee", "hot"}), True),
        ("milano", "aisle-8", frozenset({"tea"}), False),
        ("roma", "aisle-7", frozenset({"coffee"}), False),
    ],
)
def test_a_campaign_runs_in_zones_by_id_or_by_tag(
    store_id: str, zone_id: str, tags: AbstractSet[str], is_for: bool
) -> None:
    campaign = a_campaign(
        zone_ids=frozenset({"aisle-7"}),
        zone_tags=frozenset({"coffee", "cocoa"}),
        store_ids=frozenset({"milano", "torino"}),
    )
    assert campaign.is_for(store_id, zone_id, tags) is is_for


def test_without_stores_it_runs_in_all() -> None:
    assert a_campaign().is_for("anywhere", "aisle-7", frozenset())

"""The index of campaigns: what it leaves out is never for the shopper, and nothing else matters."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from offers.audience import And, Audience, Did, IsOneOf, Not, Or
from offers.audience_checks import holds
from offers.audience_fields import Bought, DeedField, Facts, Lifecycle, WordField
from offers.audience_keys import keys_of
from offers.campaign import Campaign
from offers.catalogue import Catalogue, Live
from tests.offers.situations import NOW, a_campaign

STAFF = IsOneOf(WordField.SEGMENT, frozenset({"staff"}))
BUYERS = Did(DeedField.BOUGHT, "coffee", timedelta(days=7))
ZONES = ("aisle-1", "aisle-2")
TAGS = {"aisle-1": frozenset({"coffee"}), "aisle-2": frozenset({"coffee", "hot"})}


def found(catalogue: Catalogue, zone_id: str, facts: Facts, store_id: str = "milano") -> list[str]:
    candidates = catalogue.find(store_id, zone_id, TAGS[zone_id], keys_of(facts))
    return [one.campaign.campaign_id for one in candidates]


def test_a_campaign_is_found_by_its_zone_its_tag_and_the_key_it_requires() -> None:
    catalogue = Catalogue(
        [
            Live(a_campaign("here", zone_ids=frozenset({"aisle-1"})), 0),
            Live(a_campaign("tagged", zone_ids=frozenset(), zone_tags=frozenset({"hot"})), 0),
            Live(a_campaign("staff", zone_ids=frozenset(ZONES)), 0, STAFF),
            Live(a_campaign("others", zone_ids=frozenset(ZONES)), 0, Not(STAFF)),
            Live(
                a_campaign("away", zone_ids=frozenset(ZONES), store_ids=frozenset({"roma"})), 0
            ),
        ]
    )  # fmt: skip
    assert found(catalogue, "aisle-1", Facts()) == ["here", "others"]
    assert found(catalogue, "aisle-2", Facts()) == ["tagged", "others"]
    staff = Facts(segments=frozenset({"staff"}))
    assert found(catalogue, "aisle-1", staff) == ["here", "staff", "others"]
    assert found(catalogue, "aisle-1", Facts(), "roma") == ["here", "others", "away"]
    assert len(catalogue) == 5


def test_what_is_sent_is_counted_and_shown_to_the_next() -> None:
    catalogue = Catalogue([Live(a_campaign("a"), 7), Live(a_campaign("b"), 0)])
    catalogue.sent("a")
    catalogue.sent("a")

    candidates = catalogue.find("milano", "aisle-7", frozenset(), ())

    assert [(one.campaign.campaign_id, one.sends) for one in candidates] == [("a", 9), ("b", 0)]


def test_a_zone_that_is_tagged_anew_has_other_campaigns() -> None:
    catalogue = Catalogue(
        [
            Live(a_campaign("wine", zone_ids=frozenset(), zone_tags=frozenset({"alcohol"})), 0),
            Live(a_campaign("toys", zone_ids=frozenset(), zone_tags=frozenset({"children"})), 0),
        ]
    )
    for tag, campaign_id in (("alcohol", "wine"), ("children", "toys"), ("alcohol", "wine")):
        (only,) = catalogue.find("milano", "aisle-1", frozenset({tag}), ())
        assert only.campaign.campaign_id == campaign_id


def test_what_is_not_in_the_catalogue_can_be_counted_without_harm() -> None:
    catalogue = Catalogue([Live(a_campaign("a"), 1)])
    catalogue.sent("b")
    catalogue.sends_are({"b": 3})
    (only,) = catalogue.find("milano", "aisle-7", frozenset(), ())
    assert only.sends == 1


WORDS = st.sampled_from(["staff", "parents", "students"])
TERMS: st.SearchStrategy[Audience] = st.one_of(
    st.builds(IsOneOf, st.just(WordField.SEGMENT), st.frozensets(WORDS, min_size=1)),
    st.builds(
        IsOneOf,
        st.just(WordField.LIFECYCLE),
        st.frozensets(st.sampled_from(Lifecycle), min_size=1),
    ),
    st.builds(
        Did,
        st.sampled_from(DeedField),
        st.sampled_from(["coffee", "tea"]),
        st.none() | st.integers(1, 30 * 1_440).map(lambda n: timedelta(minutes=n)),
    ),
)
AUDIENCES: st.SearchStrategy[Audience] = st.recursive(
    TERMS,
    lambda of: st.one_of(
        st.builds(Not, of),
        st.builds(And, st.lists(of, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(of, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
CAMPAIGNS: st.SearchStrategy[Campaign] = st.builds(
    a_campaign,
    st.uuids().map(str),
    zone_ids=st.frozensets(st.sampled_from(ZONES)),
    zone_tags=st.frozensets(st.sampled_from(["coffee", "hot", "cold"])),
    store_ids=st.frozensets(st.sampled_from(["milano", "roma"])),
)
LIVE = st.lists(st.builds(Live, CAMPAIGNS, st.just(0), st.none() | AUDIENCES), max_size=12)
FACTS = st.builds(
    Facts,
    lifecycle=st.none() | st.sampled_from(Lifecycle),
    segments=st.none() | st.frozensets(WORDS),
    purchases=st.none()
    | st.dictionaries(
        st.sampled_from(["coffee", "tea"]),
        st.builds(
            Bought,
            st.integers(0, 40).map(lambda d: NOW - timedelta(days=d)),
            st.just(1),
            st.just(1),
        ),
    ),
)


@settings(max_examples=300, deadline=None)
@given(LIVE, FACTS, st.sampled_from(ZONES), st.sampled_from(["milano", "roma"]))
def test_nobody_is_left_out_who_is_in_the_audience(
    live: list[Live], facts: Facts, zone_id: str, store_id: str
) -> None:
    ids = found(Catalogue(live), zone_id, facts, store_id)

    here = [one for one in live if one.campaign.is_for(store_id, zone_id, TAGS[zone_id])]
    wanted = [
        one.campaign.campaign_id
        for one in here
        if one.audience is None or holds(one.audience, facts, NOW)
    ]
    assert [name for name in ids if name in wanted] == wanted
    assert set(ids) <= {one.campaign.campaign_id for one in here}

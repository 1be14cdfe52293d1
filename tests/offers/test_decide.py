"""The decision: tiers, scores, ties, ghost moments; and what holds for every situation."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offers.audience_fields import Facts
from offers.campaign import Offer, Status, Tier
from offers.decide import WEIGHED_MAX, decide
from offers.filters import reasons_against, reasons_for_restraint, reasons_for_silence
from offers.pressure import WEEK, Cap, Message, Policy, Pressure, Scope, is_promotion
from offers.relevance import RELEVANCE_THRESHOLD_CENTS, Kept
from offers.situation import (
    Browsed,
    Candidate,
    Hold,
    Moment,
    Reason,
    Send,
    ShopperView,
    Situation,
    ZoneRole,
)
from offers.stops import Stops
from shoppers.consent import Purpose
from tests.offers.situations import NOW, a_campaign, a_situation

RICH = Offer("Truffle oil", "Shelf 3", margin_cents=5_000)
POOR = Offer("Salt", "Shelf 1", margin_cents=101)


def test_without_a_campaign_there_is_nothing_to_say() -> None:
    decision = decide(replace(a_situation(), candidates=()))

    assert decision == Hold((Reason.NO_CAMPAIGN,), ())


def test_the_best_score_wins_and_the_rest_are_outranked() -> None:
    decision = decide(a_situation(a_campaign("a"), a_campaign("b", offer=RICH)))

    assert isinstance(decision, Send)
    assert decision.campaign.campaign_id == "b"
    assert decision.valid_for_s == 25.0
    assert [(one.campaign_id, one.against) for one in decision.weighed] == [
        ("b", ()),
        ("a", (Reason.OUTRANKED,)),
    ]
    assert decision.weighed[0].score > decision.weighed[1].score > 0


def test_a_tier_beats_any_score() -> None:
    decision = decide(
        a_situation(
            a_campaign("generic", offer=RICH),
            a_campaign("personal", offer=RICH, tier=Tier.PERSONAL),
            a_campaign("service", offer=RICH, tier=Tier.SERVICE),
            a_campaign("recovery", offer=POOR, tier=Tier.RECOVERY),
        )
    )

    assert isinstance(decision, Send)
    assert [one.campaign_id for one in decision.weighed] == [
        "recovery", "service", "personal", "generic",
    ]  # fmt: skip


def test_a_tie_falls_the_same_way_whatever_the_order() -> None:
    campaigns = [a_campaign(name) for name in ("c", "a", "d", "b")]
    drawn = decide(a_situation(*campaigns))
    assert isinstance(drawn, Send)
    first = drawn.campaign.campaign_id
    for seed in range(10):
        Random(seed).shuffle(campaigns)

        decision = decide(a_situation(*campaigns))

        assert isinstance(decision, Send)
        told = [one.campaign_id for one in decision.weighed]
        assert told == [first, *(name for name in "abcd" if name != first)]


def test_the_draw_falls_by_the_chance_alone_and_between_promotions_of_a_tier() -> None:
    rivals = [a_campaign(name, tier=Tier.PERSONAL) for name in "ab"]
    worse = a_campaign("generic", offer=RICH)
    wins: Counter[str] = Counter()
    for number in range(200):
        situation = a_situation(*rivals, worse, chance=Random(number).getrandbits(64))
        decision = decide(situation)
        assert decision == decide(situation)
        assert isinstance(decision, Send)
        wins[decision.campaign.campaign_id] += 1

    assert wins.keys() <= {"a", "b", "generic"}
    assert min(wins["a"], wins["b"]) > 60
    # The floor share alone, in which whatever may be sent is sent.
    assert wins["generic"] < 15


def test_what_is_forbidden_makes_room_for_the_next() -> None:
    decision = decide(
        a_situation(a_campaign("best", offer=RICH, status=Status.PAUSED), a_campaign("next"))
    )

    assert isinstance(decision, Send)
    assert [(one.campaign_id, one.against) for one in decision.weighed] == [
        ("next", ()),
        ("best", (Reason.NOT_LIVE,)),
    ]


def test_the_control_group_gets_silence_and_not_the_runner_up() -> None:
    ghost = a_campaign("ghost", offer=RICH, control_share=1.0)

    decision = decide(a_situation(a_campaign("runner-up"), ghost))

    assert isinstance(decision, Hold)
    assert decision.ghost == ghost
    assert decision.why == (Reason.CONTROL_GROUP,)
    assert [(one.campaign_id, one.against) for one in decision.weighed] == [
        ("ghost", (Reason.CONTROL_GROUP,)),
        ("runner-up", (Reason.OUTRANKED,)),
    ]


def test_a_control_group_that_would_not_have_won_changes_nothing() -> None:
    decision = decide(
        a_situation(
            a_campaign("winner", offer=RICH), a_campaign("other", offer=POOR, control_share=1.0)
        )
    )

    assert isinstance(decision, Send)
    assert decision.campaign.campaign_id == "winner"
    assert decision.weighed[1].against == (Reason.CONTROL_GROUP,)


def test_what_would_not_have_been_sent_anyway_is_no_ghost() -> None:
    decision = decide(
        a_situation(a_campaign("a", offer=RICH, control_share=1.0, status=Status.DRAFT))
    )

    assert isinstance(decision, Hold)
    assert decision.ghost is None
    assert decision.why == (Reason.NOT_LIVE, Reason.CONTROL_GROUP)


def test_what_is_not_worth_it_is_no_ghost_either() -> None:
    worthless = Offer("Sand", "Outside", margin_cents=1)

    decision = decide(a_situation(a_campaign("a", offer=worthless, control_share=1.0)))

    assert isinstance(decision, Hold)
    assert decision.ghost is None


def test_when_all_are_forbidden_the_best_placed_says_why() -> None:
    decision = decide(
        a_situation(
            a_campaign("poor", offer=POOR, status=Status.DRAFT),
            a_campaign("rich", offer=RICH, valid_until=NOW),
        )
    )

    assert isinstance(decision, Hold)
    assert decision.why == (Reason.OUTSIDE_DATES,)
    assert [one.campaign_id for one in decision.weighed] == ["rich", "poor"]
    assert decision.weighed[1].against == (Reason.NOT_LIVE,)


def test_below_the_threshold_nothing_is_sent() -> None:
    # Odds of 1 in 100 are a probability of 1 in 101.
    just, short = Offer("x", "y", margin_cents=101), Offer("x", "y", margin_cents=100)

    assert isinstance(decide(a_situation(a_campaign(offer=just))), Send)
    held = decide(a_situation(a_campaign(offer=short)))
    assert isinstance(held, Hold)
    assert held.why == (Reason.BELOW_RELEVANCE,)


@pytest.mark.parametrize("tier", [Tier.RECOVERY, Tier.SERVICE])
def test_what_is_no_promotion_need_not_pay(tier: Tier) -> None:
    free = Offer("Your order is ready", "At the desk.")

    assert isinstance(decide(a_situation(a_campaign(offer=free, tier=tier))), Send)
    held = decide(a_situation(a_campaign(offer=free, tier=Tier.PERSONAL)))
    assert isinstance(held, Hold)
    assert held.why == (Reason.BELOW_RELEVANCE,)


def test_of_a_thousand_candidates_the_best_placed_are_told() -> None:
    paused = [a_campaign(f"p-{n:03d}", offer=RICH, status=Status.PAUSED) for n in range(500)]
    poor = [a_campaign(f"q-{n:03d}") for n in range(500)]

    decision = decide(a_situation(*poor, *paused))

    assert isinstance(decision, Send)
    assert [one.campaign_id for one in decision.weighed] == [
        "q-000", *(f"p-{n:03d}" for n in range(WEIGHED_MAX - 1)),
    ]  # fmt: skip

    quiet = decide(a_situation(*poor, moment=replace(a_situation().moment, role=ZoneRole.QUIET)))
    assert isinstance(quiet, Hold)
    assert [one.campaign_id for one in quiet.weighed] == [f"q-{n:03d}" for n in range(WEIGHED_MAX)]
    assert {one.against for one in quiet.weighed} == {(Reason.QUIET_ZONE,)}


_CAMPAIGNS = st.builds(
    a_campaign,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    offer=st.builds(
        Offer,
        st.just("title"),
        st.just("body"),
        margin_cents=st.integers(-100, 5_000),
        cost_cents=st.integers(0, 1_000),
    ),
    tier=st.sampled_from(Tier),
    status=st.sampled_from([Status.LIVE, Status.LIVE, Status.LIVE, Status.PAUSED]),
    budget_sends=st.none() | st.integers(0, 5),
    control_share=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    valid_until=st.sampled_from([NOW + timedelta(days=1), NOW]),
)
MESSAGES = st.builds(
    Message,
    st.uuids().map(str),
    st.timedeltas(timedelta(0), timedelta(days=8)).map(lambda ago: NOW - ago),
    st.sampled_from(["a", "b", "elsewhere"]),
    st.sampled_from(["v-0", "v-1"]),
    st.sampled_from(["aisle-7", "aisle-8"]),
    st.sampled_from(["store-1", "store-2"]),
    categories=st.frozensets(st.sampled_from(["pasta", "rice"]), max_size=1),
    is_answered=st.booleans(),
)
CAPS = st.builds(Cap, st.sampled_from(Scope), st.integers(0, 2)) | st.builds(
    Cap,
    st.sampled_from(Scope),
    st.integers(0, 2),
    within=st.sampled_from([timedelta(minutes=20), timedelta(days=1), WEEK]),
)
SITUATIONS = st.builds(
    Situation,
    shopper=st.builds(
        ShopperView,
        st.sampled_from(["s-1", "s-2"]),
        st.sampled_from(["IT", "IT", "XX"]),
        st.frozensets(st.sampled_from(Purpose), min_size=1),
        has_push_target=st.sampled_from([True, True, False]),
    ),
    facts=st.just(Facts()),
    moment=st.builds(
        Moment,
        store_id=st.just("store-1"),
        visit_id=st.just("v-1"),
        zone_id=st.just("aisle-7"),
        role=st.sampled_from([ZoneRole.SELLING, ZoneRole.SELLING, ZoneRole.QUIET]),
        confidence=st.floats(0.5, 1.0),
        visit_age_s=st.floats(0, 1_000),
        zone_dwell_s=st.floats(0, 100),
        residual_dwell_s=st.floats(0, 60),
        still_here_p=st.floats(0, 1),
    ),
    browsed=st.lists(
        st.builds(
            Browsed,
            st.sampled_from(["viewed", "searched", "listed", "carted", "unheard of"]),
            st.sampled_from(["pasta", "rice"]),
            st.timedeltas(timedelta(days=-8), timedelta(hours=1)).map(lambda delta: NOW + delta),
        ),
        max_size=4,
    ).map(tuple),
    pressure=st.builds(
        Pressure,
        st.lists(MESSAGES, max_size=4).map(tuple),
        st.frozensets(st.sampled_from(["a", "b", "c"])),
        st.sampled_from([(), (), (Cap(Scope.SHOPPER, 1, within=WEEK, is_own=True),)]),
    ),
    candidates=st.lists(
        st.builds(Candidate, _CAMPAIGNS, st.integers(0, 5)),
        max_size=5,
        unique_by=lambda candidate: candidate.campaign.campaign_id,
    ).map(tuple),
    stops=st.sampled_from([Stops(), Stops(), Stops(campaign_ids=frozenset("ab"))]),
    policy=st.builds(
        Policy,
        st.lists(CAPS, max_size=3).map(tuple),
        st.just(10.0),
        st.sampled_from([0.0, 0.0, 0.5]),
    ),
    now=st.just(NOW),
    local=st.just(NOW),
    is_holiday=st.just(False),
    control_salt=st.sampled_from(["salt", "pepper"]),
)


@settings(max_examples=150, deadline=None)
@given(SITUATIONS)
def test_whatever_is_sent_has_no_reason_against_it(situation: Situation) -> None:
    decision = decide(situation)

    if isinstance(decision, Hold):
        assert decision.why
        return
    (sent,) = [one for one in situation.candidates if one.campaign == decision.campaign]
    assert reasons_for_silence(situation) == ()
    assert not is_promotion(sent.campaign.tier) or reasons_for_restraint(situation) == ()
    assert reasons_against(situation, sent) == ()
    assert decision.weighed[0].campaign_id == sent.campaign.campaign_id
    assert decision.weighed[0].against == ()
    if is_promotion(sent.campaign.tier):
        assert decision.weighed[0].score >= RELEVANCE_THRESHOLD_CENTS
    assert situation.shopper.consents >= {Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING}


@settings(max_examples=150, deadline=None)
@given(SITUATIONS)
def test_every_candidate_is_weighed_and_every_loser_says_why(situation: Situation) -> None:
    decision = decide(situation)

    ids = sorted(one.campaign_id for one in decision.weighed)
    assert ids == sorted(one.campaign.campaign_id for one in situation.candidates)
    losers = decision.weighed[1:] if isinstance(decision, Send) else decision.weighed
    assert all(one.against for one in losers)


@settings(max_examples=100, deadline=None)
@given(SITUATIONS, st.randoms(use_true_random=False))
def test_equal_situations_give_equal_decisions_in_any_order(
    situation: Situation, chance: Random
) -> None:
    shuffled = list(situation.candidates)
    chance.shuffle(shuffled)

    assert decide(replace(situation, candidates=tuple(shuffled))) == decide(situation)


@settings(max_examples=100, deadline=None)
@given(SITUATIONS)
def test_a_ghost_is_what_would_have_been_sent_without_the_experiment(situation: Situation) -> None:
    decision = decide(situation)

    everybody = tuple(
        replace(one, campaign=replace(one.campaign, control_share=0.0))
        for one in situation.candidates
    )
    without = decide(replace(situation, candidates=everybody))
    if isinstance(decision, Hold) and decision.ghost is not None:
        assert isinstance(without, Send)
        assert without.campaign.campaign_id == decision.ghost.campaign_id
    elif isinstance(decision, Hold):
        assert isinstance(without, Hold)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SITUATIONS, st.sampled_from([0, 1, 59, 60, 3_600, 90_000])), max_size=6))
def test_what_was_kept_of_the_decision_before_changes_nothing(
    visits: list[tuple[Situation, int]],
) -> None:
    kept = Kept()
    for situation, later_s in visits:
        now = situation.now + timedelta(seconds=later_s)
        for one in (situation, replace(situation, now=now), situation):
            assert decide(one, kept) == decide(one)

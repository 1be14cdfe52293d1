"""Who is where and what they were shown, from the logs of a run."""

import pytest

from corsia.live_shop import GONE_AFTER_S, KEPT_S, STALE_AFTER_S, Belief, Reaction, Shop
from corsia.truth import TruthSample
from db.live import Here
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    Failed,
    HandsetEvent,
    LeftStore,
    PushReceived,
    ReceiptSent,
    Redeemed,
    Registered,
    TruthPoint,
)
from shoppers.consent import Purpose

YES = {purpose.value: True for purpose in Purpose}
NO_PLACE = YES | {Purpose.LOCATION_BLE.value: False}


def registered(handset: str = "h1", consents: dict[str, bool] = YES) -> Registered:
    return Registered(0.0, handset, f"shopper of {handset}", consents, "all yes")


def point(at_s: float, zone: str | None = "pasta", handset: str = "h1") -> TruthPoint:
    return TruthPoint(at_s, handset, 1.0, 2.0, zone)


def stay(since_s: float, until_s: float, zone: str | None = "pasta") -> list[TruthPoint]:
    return [point(since_s + n / 2, zone) for n in range(int(2 * (until_s - since_s)))]


def here(zone_id: str | None) -> Here:
    return Here(zone_id, 0.9, 1.0, 2.0, 10.0)


def push(shown_s: float | None, shown_zone: str | None = "pasta") -> PushReceived:
    return PushReceived(
        at_s=shown_s or 0.0,
        handset_id="h1",
        decision_id="d1",
        campaign_id=None,
        zone_id="pasta",
        accepted_at=shown_s or 0.0,
        shown=shown_s is not None,
        duplicate=shown_s is None,
        shown_at=shown_s,
        shown_zone=shown_zone,
    )


@pytest.mark.parametrize(
    ("believed", "belief"),
    [
        ({"h1": here("pasta")}, Belief.RIGHT),
        ({"h1": here("wine")}, Belief.WRONG),
        ({"h1": here(None)}, Belief.UNSURE),
        ({}, Belief.UNSURE),
    ],
)
def test_a_belief_is_held_against_the_truth(believed: dict[str, Here], belief: Belief) -> None:
    shop = Shop()
    shop.take([point(10.0)], [registered()])

    assert [dot.belief for dot in shop.dots(believed, now_s=10.2)] == [belief]


def test_a_belief_in_a_zone_is_wrong_when_the_shopper_is_in_none() -> None:
    shop = Shop()
    shop.take([point(10.0, zone=None)], [registered()])

    assert shop.dots({"h1": here("pasta")}, now_s=10.2)[0].belief is Belief.WRONG


def test_who_refuses_or_withdraws_location_is_shown_as_not_located() -> None:
    shop = Shop()
    withdrawn = ConsentChanged(9.0, "h1", NO_PLACE, 9.0)
    shop.take(
        [point(10.0), point(10.0, handset="h2")],
        [registered(), withdrawn, registered("h2", NO_PLACE)],
    )

    beliefs = {dot.belief for dot in shop.dots({"h1": here("pasta")}, now_s=10.2)}

    assert beliefs == {Belief.UNLOCATED}


def test_who_is_missing_from_the_newest_points_has_left() -> None:
    shop = Shop()
    shop.take([point(10.0), point(10.0 + GONE_AFTER_S + 0.5, handset="h2")], [])

    assert len(shop.dots({}, now_s=12.1)) == 1


def test_nobody_is_there_when_the_simulator_is_down() -> None:
    shop = Shop()
    shop.take([point(10.0)], [])

    assert shop.dots({}, now_s=10.0 + STALE_AFTER_S + 0.1) == ()


def test_zones_count_the_true_and_the_believed() -> None:
    shop = Shop()
    shop.take([point(10.0), point(10.0, handset="h2"), point(10.0, None, "h3")], [])

    counts = shop.zone_counts(["pasta", "wine"], {"h1": here("wine")}, now_s=10.2)

    assert [(each.zone_id, each.truly, each.believed) for each in counts] == [
        ("pasta", 2, 0),
        ("wine", 0, 1),
    ]


def test_a_push_is_timed_from_the_true_entry_into_its_zone() -> None:
    shop = Shop()
    shop.take([*stay(5.0, 10.0, "wine"), *stay(10.0, 15.0)], [registered(), push(14.8)])

    (shown,) = shop.pushes()

    assert shown.after_s == pytest.approx(4.8)
    assert shop.first_shown_s == 14.8


def test_a_push_shown_elsewhere_has_no_time_since_the_entry() -> None:
    shop = Shop()
    shop.take([*stay(5.0, 10.0), *stay(10.0, 15.0, "wine")], [push(14.8, shown_zone="wine")])

    (shown,) = shop.pushes()

    assert shown.after_s is None
    assert shown.shown_zone == "wine"


def test_a_repeat_that_was_not_shown_is_no_push() -> None:
    shop = Shop()
    shop.take(stay(10.0, 15.0), [push(None)])

    assert shop.pushes() == ()
    assert shop.shown == 0


def test_a_push_flashes_for_a_moment() -> None:
    shop = Shop()
    shop.take(stay(10.0, 20.0), [push(14.8)])

    assert [dot.is_flashing for dot in shop.dots({}, now_s=15.0)] == [True]
    assert [dot.is_flashing for dot in shop.dots({}, now_s=19.5)] == [False]


@pytest.mark.parametrize(
    ("events", "reaction"),
    [
        ([], Reaction.SHOWN),
        ([ReceiptSent(15.0, "h1", "d1", "displayed")], Reaction.SHOWN),
        ([ReceiptSent(15.0, "h1", "d1", "opened")], Reaction.OPENED),
        (
            [Redeemed(16.0, "h1", "d1", "c1"), ReceiptSent(17.0, "h1", "d1", "opened")],
            Reaction.REDEEMED,
        ),
    ],
)
def test_a_push_says_how_far_it_has_come(events: list[HandsetEvent], reaction: Reaction) -> None:
    shop = Shop()
    shop.take(stay(10.0, 15.0), [push(14.8), *events])

    assert shop.pushes()[0].reaction is reaction


def test_a_push_gets_its_words_from_its_decision() -> None:
    shop = Shop()
    shop.take(stay(10.0, 15.0), [push(14.8)])
    assert shop.untitled() == {"d1"}

    shop.entitle({"d1": "Pasta 2 for 1", "d2": "Wine"})

    assert shop.pushes()[0].title == "Pasta 2 for 1"
    assert shop.untitled() == frozenset()


def test_comings_are_counted() -> None:
    shop = Shop()
    shop.take([], [EnteredStore(1.0, "h1"), EnteredStore(2.0, "h2"), LeftStore(3.0, "h1")])

    assert shop.came == 2


def test_a_handset_that_never_registered_is_nobody() -> None:
    shop = Shop()
    shop.take([], [Failed(1.0, None, "register", 503)])

    assert shop.to_score()[0] == frozenset()


def test_a_handset_long_gone_is_forgotten_whole() -> None:
    shop = Shop()
    shop.take(
        [point(10.0), point(500.0, handset="h2")],
        [registered(), registered("h2")],
    )

    shop.forget(now_s=10.0 + KEPT_S + 1.0)
    handsets, samples, events = shop.to_score()

    assert handsets == {"h2"}
    assert samples == [TruthSample(500.0, "h2", "pasta")]
    assert events == [registered("h2")]


def test_the_shoppers_present_are_known_by_their_ids() -> None:
    shop = Shop()
    shop.take([point(10.0)], [registered(), registered("h2")])

    assert shop.shopper_ids(now_s=10.2) == {"shopper of h1"}

"""The weights of the signs: their order, their ceilings, and how they add up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offers.fading import Tally
from offers.habits import Habit, basket_share
from offers.interests import (
    DWELL_HALF_LIFE_S,
    DWELL_SCALE_S,
    MAX_ALIKE,
    MAX_BOUGHT,
    MAX_DWELL,
    MAX_LIST,
    MAX_LOOKS,
    MIN_BOUGHT,
    category_parts,
    look_parts,
)
from offers.known import Known, Learnt, Profile
from offers.odds import log_odds, share_of

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SHARE = 0.1
LEARNT = Learnt(shares={"milk": SHARE})


def _known(**profile: Any) -> Known:
    return Known(replace(Profile(), **profile), LEARNT)


def _every_other_basket(of: float) -> Known:
    habit = Habit(NOW - timedelta(days=100), 20, Tally(of / 2, NOW))
    return _known(baskets=Tally(of, NOW), habits={"milk": habit})


def test_the_ceilings_are_in_the_promised_order() -> None:
    assert MAX_LOOKS > MAX_LIST > MAX_BOUGHT > MAX_DWELL > MAX_ALIKE


def test_looking_and_the_list_are_two_signs_each_with_its_ceiling() -> None:
    looks = [(kind, NOW) for kind in ("searched", "viewed", "listed", "carted")] * 5

    in_app, on_list = look_parts(looks, NOW)

    assert (in_app.log_odds, on_list.log_odds) == (MAX_LOOKS, MAX_LIST)


def test_an_unknown_kind_of_look_adds_nothing() -> None:
    assert sum(part.log_odds for part in look_parts([("stared at", NOW)], NOW)) == 0.0


def test_a_look_too_faint_is_not_given_as_a_reason() -> None:
    (faint, _) = look_parts([("viewed", NOW - timedelta(days=5))], NOW)

    assert 0 < faint.log_odds < 0.2
    assert faint.because is None


def test_purchases_and_similar_shoppers_add_up_to_the_households_own_odds() -> None:
    known = _every_other_basket(40)
    known = replace(known, profile=replace(known.profile, alike={"milk": 0.7}))
    expected = share_of(log_odds(SHARE) + 0.7)
    profile = known.profile

    parts = category_parts(known, "milk", (), NOW)

    own = basket_share(profile.habits["milk"], profile.baskets, expected, NOW)
    assert sum(part.log_odds for part in parts) == pytest.approx(log_odds(own) - log_odds(SHARE))


def test_similar_shoppers_matter_less_the_more_baskets_there_are() -> None:
    gains = []
    for of in (0.0, 10.0, 100.0):
        known = _every_other_basket(of)
        like = replace(known, profile=replace(known.profile, alike={"milk": 0.9}))
        gains.append(
            sum(part.log_odds for part in category_parts(like, "milk", (), NOW))
            - sum(part.log_odds for part in category_parts(known, "milk", (), NOW))
        )

    assert gains[0] > gains[1] > gains[2] > 0


def test_purchases_add_and_subtract_within_bounds() -> None:
    rare = Learnt(shares={"milk": 0.0001})
    always = replace(_every_other_basket(10_000), learnt=rare)
    never = _known(baskets=Tally(10_000, NOW))

    assert category_parts(always, "milk", (), NOW)[0].log_odds == MAX_BOUGHT
    assert category_parts(never, "milk", (), NOW)[0].log_odds == MIN_BOUGHT


def test_without_the_share_of_all_baskets_purchases_add_nothing() -> None:
    known = replace(_every_other_basket(40), learnt=Learnt())

    assert category_parts(known, "milk", (), NOW) == ()


def test_standing_at_the_shelf_counts_by_its_time_and_fades() -> None:
    old = NOW - timedelta(seconds=DWELL_HALF_LIFE_S)
    stood = _known(dwelt={"milk": Tally(DWELL_SCALE_S, old)})
    long = _known(dwelt={"milk": Tally(100 * DWELL_SCALE_S, NOW)})

    assert category_parts(stood, "milk", (), NOW)[-1].log_odds == pytest.approx(0.5)
    assert category_parts(long, "milk", (), NOW)[-1].log_odds == MAX_DWELL


def test_no_reason_says_that_we_watch() -> None:
    known = replace(_every_other_basket(40), learnt=LEARNT)
    known = replace(
        known,
        profile=replace(
            known.profile, dwelt={"milk": Tally(DWELL_SCALE_S, NOW)}, alike={"milk": 1.0}
        ),
    )

    said = [part.because or "" for part in category_parts(known, "milk", (), NOW)]

    assert len(said) == 3
    assert not any(
        word in text
        for text in said
        for word in ("saw", "see", "watch", "notice", "stood", "track")
    )

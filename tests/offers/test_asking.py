"""Which trial is asked of a campaign, and when it is cut."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from offers.asking import (
    Asked,
    Cut,
    Step,
    asked,
    asked_since,
    question_of,
    question_of_all,
    target_as_asked,
    target_of,
)
from offers.assignment import Salt, Salts
from offers.attribution import Window, followed
from offers.campaign import Campaign, Offer
from offers.trial import Trial
from tests.offers.trials import AT, DAY, MINUTE, PLACE, a_moment, a_purchase, a_stay

UNTIL = AT + 28 * DAY
CAMPAIGN = Campaign(
    "pasta", "Pasta", Offer("Pasta", "Two for one", product_ids=frozenset({"penne"})),
    frozenset({"aisle-7"}), AT, UNTIL, control_share=0.5,
)  # fmt: skip
QUESTION = question_of(CAMPAIGN)
SALTS = Salts((Salt("first", datetime(1970, 1, 1, tzinfo=UTC)),))
TRIAL = Trial("pasta", Window.BASKET, AT, UNTIL, 0.5)


def test_a_trial_begins_with_its_campaign_and_not_before() -> None:
    assert asked(QUESTION, None, SALTS, AT, AT - DAY) == Asked()
    assert asked(QUESTION, None, SALTS, AT, AT) == Asked(None, TRIAL)
    assert asked(QUESTION, TRIAL, SALTS, AT, AT + DAY) == Asked()


def test_without_a_control_group_nothing_is_asked() -> None:
    for share in (0.0, 1.0):
        none = replace(QUESTION, control_share=share)
        assert asked(none, None, SALTS, AT, AT) == Asked()
        assert asked(none, TRIAL, SALTS, AT + DAY, AT + 2 * DAY) == Asked(AT + DAY)


@pytest.mark.parametrize(
    "change",
    [{"control_share": 0.2}, {"goal": Window.SHELF}, {"within": 15 * MINUTE}],
    ids=str,
)
def test_another_question_cuts_the_trial_where_it_changed(change: dict[str, object]) -> None:
    changed = replace(QUESTION, **change)  # type: ignore[arg-type]
    done = asked(changed, TRIAL, SALTS, AT + 3 * DAY, AT + 4 * DAY)
    assert done.cut_at == AT + 3 * DAY
    assert done.begins == replace(TRIAL, since=AT + 3 * DAY, **change)  # type: ignore[arg-type]


def test_no_trial_spans_a_change_of_salt() -> None:
    salts = SALTS.renewed("second", AT + 5 * DAY)
    done = asked(QUESTION, TRIAL, salts, AT, AT + 9 * DAY)
    assert done == Asked(AT + 5 * DAY, replace(TRIAL, since=AT + 5 * DAY))
    # Nor does one that begins late, with two changes behind it.
    twice = salts.renewed("third", AT + 6 * DAY)
    done = asked(QUESTION, TRIAL, twice, AT, AT + 9 * DAY)
    assert done == Asked(AT + 5 * DAY, replace(TRIAL, since=AT + 6 * DAY))


def test_the_end_does_not_move_and_what_is_added_is_asked_after_it() -> None:
    longer = replace(QUESTION, until=UNTIL + 7 * DAY)
    assert asked(longer, TRIAL, SALTS, AT + DAY, AT + 2 * DAY) == Asked()
    after = replace(TRIAL, since=UNTIL, until=UNTIL + 7 * DAY)
    assert asked(longer, TRIAL, SALTS, AT + DAY, UNTIL) == Asked(None, after)
    assert asked(QUESTION, TRIAL, SALTS, AT, UNTIL + DAY) == Asked()


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        ((2026, 11, 21), (2026, 10, 1), (2027, 1, 1)),
        ((2026, 1, 1), (2026, 1, 1), (2026, 4, 1)),
        ((2026, 9, 30), (2026, 7, 1), (2026, 10, 1)),
    ],
)
def test_all_together_are_asked_about_by_the_quarter(
    now: tuple[int, int, int], since: tuple[int, int, int], until: tuple[int, int, int]
) -> None:
    question = question_of_all(0.05, datetime(*now, tzinfo=UTC))
    assert question.since == datetime(*since, tzinfo=UTC)
    assert question.until == datetime(*until, tzinfo=UTC)
    assert question.campaign_id is None


def test_a_campaign_by_tag_is_after_every_place_that_bears_it() -> None:
    tagged = replace(CAMPAIGN, zone_tags=frozenset({"coffee"}), categories=frozenset({"pasta"}))
    by_tag = {
        "coffee": frozenset({("store-1", "a"), ("store-2", "b")}),
        "tea": frozenset({("store-1", "c")}),
    }
    by_zone = {"aisle-7": frozenset({("store-1", "aisle-7")}), "a": frozenset({("store-2", "a")})}
    target = target_of(tagged, by_zone, by_tag)
    assert target.places == {("store-1", "aisle-7"), ("store-1", "a"), ("store-2", "b")}
    assert target.product_ids == {"penne"}
    assert target.offers(a_purchase())
    # In the other store that zone holds something else.
    stay = a_stay(zone_id="a", since=AT + MINUTE, until=AT + 3 * MINUTE)
    for store_id, is_in in (("store-1", True), ("store-2", False)):
        assert bool(followed(a_moment(), [replace(stay, store_id=store_id)], target)) is is_in

    here = target_of(replace(tagged, store_ids=frozenset({"store-2"})), by_zone, by_tag)
    assert here.places == {("store-2", "b")}


@pytest.mark.parametrize(
    ("goal", "within_min", "outcome", "is_in"),
    [
        (Window.BASKET, 30, a_purchase(at=AT + 20 * MINUTE), True),
        (Window.BASKET, 15, a_purchase(at=AT + 20 * MINUTE), False),
        (Window.SHELF, 15, a_stay(since=AT + 12 * MINUTE, until=AT + 14 * MINUTE), True),
        (Window.BASKET, 15, a_stay(since=AT + 12 * MINUTE, until=AT + 14 * MINUTE), False),
    ],
)
def test_a_campaign_may_set_the_window_of_its_goal(
    goal: Window, within_min: int, outcome: object, is_in: bool
) -> None:
    timed = replace(CAMPAIGN, goal=goal, goal_within_min=within_min)
    target = target_of(timed, {"aisle-7": frozenset({PLACE})}, {})
    assert bool(followed(a_moment(), [outcome], target)) is is_in  # type: ignore[list-item]


def test_a_trial_of_returns_waits_as_long_as_its_campaign_says() -> None:
    within = timedelta(days=14)
    longer = replace(
        CAMPAIGN, goal=Window.RETURN, goal_within_min=int(within.total_seconds() // 60)
    )
    begins = asked(question_of(longer), None, SALTS, AT, AT).begins
    assert begins is not None
    assert begins.settled_after == within + DAY


def test_an_earlier_trial_keeps_the_time_that_it_was_asked_with() -> None:
    now_shorter = replace(CAMPAIGN, goal_within_min=15)
    target = target_of(now_shorter, {}, {})
    assert target.basket_within == 15 * MINUTE
    assert target_as_asked(target, TRIAL).basket_within is None


def test_every_change_since_the_last_look_is_seen_also_one_that_was_undone() -> None:
    other = replace(QUESTION, control_share=0.2)
    steps = [
        Step(AT, QUESTION),
        Step(AT + 2 * DAY, other),
        Step(AT + 3 * DAY, QUESTION),
    ]
    begins, cuts = asked_since(steps, TRIAL, SALTS, AT + 4 * DAY, is_cut=False)
    assert begins == [
        replace(TRIAL, since=AT + 2 * DAY, control_share=0.2),
        replace(TRIAL, since=AT + 3 * DAY),
    ]
    assert cuts == [
        Cut("pasta", AT, AT + 2 * DAY),
        Cut("pasta", AT + 2 * DAY, AT + 3 * DAY),
    ]
    # Looked at again, nothing is new.
    assert asked_since(steps[2:], begins[-1], SALTS, AT + 5 * DAY, is_cut=False) == ([], [])


def test_a_change_that_is_seen_only_after_the_end_has_cut_the_trial() -> None:
    steps = [Step(AT, QUESTION), Step(AT + DAY, replace(QUESTION, control_share=0.2))]
    begins, cuts = asked_since(steps, TRIAL, SALTS, UNTIL + DAY, is_cut=False)
    assert cuts == [Cut("pasta", AT, AT + DAY)]
    assert begins == [replace(TRIAL, since=AT + DAY, control_share=0.2)]


def test_what_was_sent_before_there_was_a_control_group_is_in_no_trial() -> None:
    steps = [Step(AT, replace(QUESTION, control_share=0.0)), Step(AT + 2 * DAY, QUESTION)]
    begins, cuts = asked_since(steps, None, SALTS, AT + 3 * DAY, is_cut=False)
    assert (begins, cuts) == ([replace(TRIAL, since=AT + 2 * DAY)], [])


def test_what_was_sent_while_nothing_was_asked_is_in_no_trial() -> None:
    cut = replace(TRIAL, until=AT + DAY)
    steps = [Step(AT + DAY, replace(QUESTION, control_share=0.0)), Step(AT + 2 * DAY, QUESTION)]
    begins, cuts = asked_since(steps, cut, SALTS, AT + 3 * DAY, is_cut=True)
    assert (begins, cuts) == ([replace(TRIAL, since=AT + 2 * DAY)], [])

"""When what a decision rests on had been accepted, and not what came after it."""

from engine.acceptance import TICKS_KEPT, Acceptance


def test_the_last_sighting_that_was_needed_counts_and_no_later_one() -> None:
    accepted = Acceptance()
    accepted.note("h", 10.0, 10.7)
    accepted.note("h", 10.0, 10.9)  # another gateway's
    accepted.note("h", 10.5, 11.3)
    accepted.note("other", 10.0, 12.0)

    assert accepted.last_s("h", 10.5) == 10.9
    assert accepted.last_s("h", 11.0) == 11.3
    assert accepted.last_s("h", 30.0) == 11.3


def test_an_old_sighting_that_was_accepted_late_counts() -> None:
    accepted = Acceptance()
    accepted.note("h", 11.0, 11.6)
    accepted.note("h", 10.0, 12.4)

    assert accepted.last_s("h", 11.5) == 12.4


def test_what_nobody_heard_was_never_accepted() -> None:
    accepted = Acceptance()
    accepted.note("h", 10.0, 10.7)

    assert accepted.last_s("h", 10.0) is None
    assert accepted.last_s("other", 20.0) is None
    accepted.forget("h")
    assert accepted.last_s("h", 20.0) is None


def test_one_that_stays_for_hours_takes_no_more_room() -> None:
    accepted = Acceptance()
    for tick in range(10 * TICKS_KEPT):
        accepted.note("h", tick / 2, tick / 2 + 0.8)

    assert accepted.last_s("h", 5 * TICKS_KEPT) == 5 * TICKS_KEPT + 0.3
    # Of long ago only the last is known: late rather than early.
    kept_from_s = 4.5 * TICKS_KEPT
    assert accepted.last_s("h", kept_from_s) is None
    assert accepted.last_s("h", kept_from_s + 0.5) == kept_from_s + 0.8

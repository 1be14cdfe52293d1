"""A gateway is alive because it reports or is heard, not because shoppers are about."""

from beacons.liveness import LISTENS_WITHIN_S, SENDS_WITHIN_S, Life, Liveness

NOW_S = 1_790_000_000.0


def _liveness() -> Liveness:
    return Liveness(["a", "b"], NOW_S)


def test_nobody_is_dead_before_there_was_time_to_be_heard() -> None:
    lives = _liveness()
    assert lives.life("a", NOW_S + SENDS_WITHIN_S - 1) is Life.UNKNOWN
    assert lives.life("a", NOW_S + SENDS_WITHIN_S + 1) is Life.DEAD


def test_a_gateway_that_reports_listens_until_it_has_been_silent_too_long() -> None:
    lives = _liveness()
    lives.reported("a", NOW_S)
    assert lives.listening(NOW_S + LISTENS_WITHIN_S) == {"a"}
    assert lives.listening(NOW_S + LISTENS_WITHIN_S + 1) == frozenset()


def test_a_gateway_that_reports_each_second_is_soon_known_to_be_silent() -> None:
    lives = _liveness()
    for second in range(30):
        lives.reported("a", NOW_S + second)
    for window in range(3):
        lives.reported("b", NOW_S + 10 * window)
    last_s = NOW_S + 29

    assert lives.listening(last_s + 5) == {"a", "b"}
    assert lives.listening(last_s + 8) == {"b"}
    # One that comes back after an hour is not thought to be slow for ever.
    lives.reported("a", last_s + 3_600)
    for second in range(30):
        lives.reported("a", last_s + 3_601 + second)
    assert lives.listening(last_s + 3_630 + 10) == frozenset()


def test_gateways_that_stay_are_known_when_others_come_and_go() -> None:
    lives = _liveness()
    lives.reported("a", NOW_S + 100)

    lives.follow(["a", "c"], NOW_S + 101)

    assert [lives.life(one, NOW_S + 102) for one in ("a", "b", "c")] == [
        Life.LISTENING,
        Life.UNKNOWN,
        Life.UNKNOWN,
    ]
    assert lives.life("c", NOW_S + 101 + SENDS_WITHIN_S) is Life.DEAD


def test_one_that_is_heard_and_says_nothing_is_deaf() -> None:
    lives = _liveness()
    lives.reported("a", NOW_S)
    lives.was_heard("a", NOW_S + 100)
    assert lives.life("a", NOW_S + 101) is Life.DEAF
    assert lives.life("a", NOW_S + 101 + SENDS_WITHIN_S) is Life.DEAD


def test_a_late_spool_brings_nobody_back() -> None:
    lives = _liveness()
    lives.reported("a", NOW_S + 300)
    lives.reported("a", NOW_S + 100)
    assert lives.life("a", NOW_S + 310) is Life.LISTENING
    lives.reported("b", NOW_S + 100)
    assert lives.life("b", NOW_S + 310) is Life.DEAD


def test_a_gateway_of_another_store_is_nobody() -> None:
    lives = _liveness()
    lives.reported("c", NOW_S)
    lives.was_heard("c", NOW_S)
    assert lives.life("c", NOW_S) is Life.UNKNOWN
    assert lives.listening(NOW_S) == frozenset()

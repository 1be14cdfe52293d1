"""How many pushes may be under way: it grows while FCM takes them, and is cut when it does not."""

from random import Random

import pytest

from engine.push_limit import CUT, IDLE_S, START, USUAL_SPAN_S, Limit, Sign

CEILING = 200


class Line:
    """A limit in front of a server that takes so many a second, and answers the others with 429."""

    def __init__(self, limit: Limit, *, takes_per_s: float, answer_s: float = 0.05) -> None:
        self.limit = limit
        self.takes_per_s = takes_per_s
        self.answer_s = answer_s
        self.now_s = 0.0
        self.taken = self.refused = 0

    def run(self, seconds: float) -> None:
        """Keep the limit full for that long, in rounds of one answer each."""
        for _ in range(round(seconds / self.answer_s)):
            begun = self.limit.room
            for _ in range(begun):
                self.limit.begin(self.now_s)
            began_s, self.now_s = self.now_s, self.now_s + self.answer_s
            quota = self.takes_per_s * self.answer_s
            for place in range(begun):
                is_taken = place < quota
                self.taken += is_taken
                self.refused += not is_taken
                sign = Sign.TAKEN if is_taken else Sign.TOO_MUCH
                at_s = began_s + self.answer_s * (0.8 + 0.2 * (place + 1) / begun)
                self.limit.end(sign, began_s, at_s)


def test_it_starts_small_and_ramps_to_the_ceiling_within_seconds() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    assert line.limit.allowed == START

    line.run(1.0)
    assert START < line.limit.allowed < 4 * START
    line.run(3.0)

    assert line.limit.allowed == CEILING


def test_it_never_passes_its_ceiling_and_never_allows_none() -> None:
    chance = Random(3)
    limit = Limit(7)
    now_s, under_way = 0.0, list[float]()
    for _ in range(5_000):
        now_s += chance.random() * 0.01
        if limit.room and chance.random() < 0.6:
            limit.begin(now_s)
            under_way.append(now_s)
        elif under_way:
            began_s = under_way.pop(chance.randrange(len(under_way)))
            limit.end(chance.choice(list(Sign)), began_s, now_s)
        assert 1 <= limit.allowed <= 7
        assert limit.in_flight == len(under_way) <= 7


def test_it_settles_near_what_the_server_takes_with_few_refusals() -> None:
    line = Line(Limit(CEILING), takes_per_s=1_000)  # 50 under way at 50 ms
    line.run(10.0)  # to find it
    line.taken = line.refused = 0

    line.run(60.0)

    assert line.taken / 60 > 0.8 * 1_000
    assert line.refused / line.taken < 0.05


def test_many_refusals_of_one_round_cut_it_once() -> None:
    limit = Limit(CEILING)
    for _ in range(START):
        limit.begin(1.0)
    for _ in range(START):
        limit.end(Sign.TOO_MUCH, 1.0, 1.05)

    assert limit.cuts == 1
    assert limit.allowed == int(START * CUT)


def test_after_a_cut_it_grows_by_no_more_than_one_a_round() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(4.0)
    line.limit.begin(line.now_s)
    line.limit.end(Sign.TOO_MUCH, line.now_s, line.now_s)
    after_cut = line.limit.allowed
    assert after_cut == int(CEILING * CUT)

    line.run(10 * line.answer_s)

    # Half of it: towards the end of these rounds the limit is no longer used.
    assert after_cut + 4 <= line.limit.allowed <= after_cut + 10


def test_answers_that_take_much_longer_than_usual_cut_it() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(5.0)
    assert line.limit.cuts == 0

    line.answer_s = 0.5
    line.run(2.0)

    assert line.limit.cuts >= 1


def test_a_little_slower_is_no_sign_of_load() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(5.0)

    line.answer_s = 0.12
    line.run(10.0)

    assert line.limit.cuts == 0


def test_a_server_that_is_slow_for_good_becomes_the_usual() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(5.0)
    line.answer_s = 0.5
    line.run(2.5 * USUAL_SPAN_S)
    cuts = line.limit.cuts

    line.run(USUAL_SPAN_S)

    assert line.limit.cuts == cuts


def test_what_never_reached_fcm_neither_raises_nor_cuts_it() -> None:
    limit = Limit(CEILING)
    for round_s in range(100):
        limit.begin(float(round_s))
        limit.end(Sign.NONE, float(round_s), round_s + 0.05)

    assert (limit.allowed, limit.cuts, limit.in_flight) == (START, 0, 0)


def test_a_limit_that_is_hardly_used_does_not_grow() -> None:
    limit = Limit(CEILING)
    for round_s in range(100):
        limit.begin(float(round_s))
        limit.end(Sign.TAKEN, float(round_s), round_s + 0.05)

    assert limit.allowed == START


@pytest.mark.parametrize(("idle_s", "allowed"), [(IDLE_S - 1, CEILING), (IDLE_S + 1, START)])
def test_after_a_long_silence_it_starts_small_again(idle_s: float, allowed: int) -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(5.0)

    line.limit.begin(line.now_s + idle_s)

    assert line.limit.allowed == allowed


def test_a_server_that_is_slow_from_now_on_is_still_used() -> None:
    line = Line(Limit(CEILING), takes_per_s=1e9)
    line.run(20.0)
    line.answer_s = 0.3
    least = CEILING
    for _ in range(200):
        line.run(0.3)
        least = min(least, line.limit.allowed)
    assert least >= START
    line.run(120.0)
    assert line.limit.allowed == CEILING

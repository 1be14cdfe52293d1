"""What presence says is judged by where the handset is at that moment."""

from collections.abc import Sequence

import numpy as np
import pytest

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.presence import Estimate
from beacons.zone_events import Dwelling, Entered, ZoneEvent
from benchmarks.store_score import Judge, StoreScore, store_score
from benchmarks.store_walks import START_S, StoreWalks, Truth, store_walks

WEST = ((0.0, 0.0), (5.0, 0.0), (5.0, 5.0), (0.0, 5.0))
EAST = ((5.0, 0.0), (10.0, 0.0), (10.0, 5.0), (5.0, 5.0))
TILLS = ((10.0, 0.0), (15.0, 0.0), (15.0, 5.0), (10.0, 5.0))
PLAN = FloorPlan(
    floor_id="ground",
    outline=((0.0, 0.0), (20.0, 0.0), (20.0, 5.0), (0.0, 5.0)),
    obstacles=(),
    zones=(
        Zone("west", "West", ZoneKind.AISLE, WEST),
        Zone("east", "East", ZoneKind.AISLE, EAST),
        Zone("tills", "Tills", ZoneKind.CHECKOUT, TILLS),
    ),
    gateways=(GatewayPlace("g", 5.0, 2.5, 3.0),),
)
NAMES = ("west", "east", "tills")


def walked(*spans: tuple[int, float]) -> StoreWalks:
    """One handset that is in each of these zones (-1: none) for so many seconds."""
    zone = np.concatenate([np.full(round(2 * lasts_s), number) for number, lasts_s in spans])
    t_s = np.array([START_S + 0.5 * number for number in range(len(zone))])
    nowhere = np.zeros(len(zone))
    truth = Truth(np.zeros(len(zone), dtype=np.int64), t_s, nowhere, nowhere, zone)
    return StoreWalks(1, PLAN, ("me",), (), truth, 0)


def told(zone_id: str | None, confidence: float, likeliest: str | None = None) -> Estimate:
    return Estimate(zone_id, confidence, zone_id or likeliest, "ground", 0.0, 0.0, START_S)


def judged(run: StoreWalks, said: Sequence[Estimate | None]) -> StoreScore:
    """One thing said each half second; a stay that is told makes its events."""
    judge = Judge(run)
    last: str | None = None
    since_s = START_S
    for number, one in enumerate(said):
        now_s = START_S + 0.5 * number
        zone_id = None if one is None else one.zone_id
        events: list[ZoneEvent] = []
        if zone_id is not None and one is not None:
            if zone_id != last:
                since_s = now_s
                events.append(Entered("me", zone_id, now_s, since_s, one.confidence))
            if now_s - since_s == 2.0:
                events.append(Dwelling("me", zone_id, now_s, since_s, one.confidence, 2.0))
        last = zone_id
        judge.take(events, {} if one is None else {"me": one}, now_s)
    return judge.done()


def test_time_in_zones_is_right_wrong_or_unknown() -> None:
    run = walked((0, 10), (-1, 5))
    said: list[Estimate | None] = [None] * 4
    said += [told("east", 0.7)] * 6 + [told("west", 0.8)] * 14 + [None] * 6
    score = judged(run, said)

    assert (score.right, score.wrong, score.unknown) == (10, 6, 4)
    assert (score.nowhere, score.nowhere_named) == (10, 4)
    assert score.present_min == 0.25


def test_a_moment_comes_after_two_seconds_in_a_zone_that_sells() -> None:
    run = walked((0, 10), (2, 10))
    said = [told("west", 0.7)] * 20 + [told("tills", 0.9)] * 20
    score = judged(run, said)

    moments = score.moments[0.0]
    assert (moments.made, moments.right, moments.stays) == (1, 1, 1)
    assert moments.delays_s == [2.0]
    assert score.stays_worth == 1  # nobody is addressed at the tills
    assert score.moments[0.8].made == 0


def test_whoever_waits_for_certainty_speaks_later_or_never() -> None:
    run = walked((0, 12))
    said = [told("west", 0.55)] * 10 + [told("west", 0.85)] * 14
    score = judged(run, said)

    assert score.moments[0.5].delays_s == [2.0]
    assert score.moments[0.8].delays_s == [5.0]
    assert score.moments[0.9].made == 0


def test_a_moment_for_another_zone_is_wrong_and_serves_no_stay() -> None:
    score = judged(walked((0, 10)), [told("east", 0.9)] * 20)

    moments = score.moments[0.0]
    assert (moments.made, moments.right, moments.stays) == (1, 0, 0)
    assert (score.stays_told, score.flaps) == (1, 1)


def test_a_stay_told_a_little_early_is_no_flap() -> None:
    run = walked((0, 10), (1, 10))
    early = [told("west", 0.9)] * 15 + [told("east", 0.9)] * 25
    much_too_early = [told("west", 0.9)] * 10 + [told("east", 0.9)] * 30

    assert judged(run, early).flaps == 0
    assert judged(run, much_too_early).flaps == 1


def test_the_first_answer_counts_from_the_true_entry() -> None:
    run = walked((0, 10), (1, 10), (0, 10))
    said = [told("west", 0.9)] * 26 + [told("east", 0.9)] * 34
    score = judged(run, said)

    assert score.answer_s == [0.0, 3.0]
    assert score.stays_answerable == 3


def test_a_claim_is_the_likeliest_zone_told_or_not() -> None:
    run = walked((0, 1), (-1, 1))
    said = [
        told(None, 0.4, likeliest="west"),
        told(None, 0.0),  # silent for long: nothing is claimed
        told(None, 0.6),  # the open floor
        None,
    ]
    score = judged(run, said)

    assert [(claim.confidence, claim.is_right) for claim in score.claims] == [
        (0.4, True),
        (0.6, True),
    ]


def test_runs_add_up() -> None:
    whole = StoreScore()
    for seed in (1, 2):
        whole.add(store_score(store_walks(seed, 0.5, 8)))
    parts = [store_score(store_walks(seed, 0.5, 8)) for seed in (1, 2)]

    assert whole.right == sum(part.right for part in parts)
    assert len(whole.claims) == sum(len(part.claims) for part in parts) > 0
    assert whole.present_min == pytest.approx(sum(part.present_min for part in parts))

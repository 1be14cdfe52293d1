"""The modelled store as a scene: who is where, who hears what, and all of it from one seed."""

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest

from firmware_sim.advertiser import Identity
from firmware_sim.air import HeardAdvert
from firmware_sim.floor import Floor, ZoneKind, supermarket
from firmware_sim.persona import TEMPERS, agreeable, personas
from firmware_sim.plan import Browse, Pay, Withdraw
from firmware_sim.scene import Shopper, Visit, shopper
from firmware_sim.world import World, arrivals_s

START_S = 1_790_000_000.0
NAMESPACE = bytes.fromhex("c0451a01")


@pytest.fixture(scope="module")
def floor() -> Floor:
    return supermarket()


def audible(count: int, seed: int = 7) -> list[Shopper]:
    """Shoppers whose handsets may be heard."""
    chance = random.Random(seed)
    made = []
    for number, persona in enumerate(personas(count, "IT", chance)):
        one = shopper(number, persona, seed)
        secret = random.Random(number).randbytes(32)
        one.advertiser.allow(Identity(secret, "demo", NAMESPACE))
        made.append(one)
    return made


def opened(floor: Floor, seed: int = 7, count: int = 6) -> tuple[World, list[Visit]]:
    world = World(floor, seed, START_S)
    visits = [world.admit(one, START_S + 2.0 * one.number) for one in audible(count, seed)]
    return world, visits


def played(world: World, span_s: float, step_s: float) -> dict[str, list[HeardAdvert]]:
    """Everything heard in the first seconds, played in steps."""
    heard: dict[str, list[HeardAdvert]] = {}
    for number in range(round(span_s / step_s)):
        from_s, until_s = START_S + number * step_s, START_S + (number + 1) * step_s
        for gateway_id, adverts in world.adverts(from_s, until_s).items():
            heard.setdefault(gateway_id, []).extend(adverts)
    return heard


def test_the_same_seed_plays_the_same_adverts_in_steps_of_any_length(floor: Floor) -> None:
    fine = played(opened(floor)[0], 40, 0.125)
    coarse = played(opened(floor)[0], 40, 8.0)

    assert fine == coarse
    assert sum(map(len, fine.values())) > 500


def test_another_seed_plays_other_adverts(floor: Floor) -> None:
    def levels(seed: int) -> list[int]:
        heard = played(opened(floor, seed)[0], 10, 1.0)
        return [advert.rssi_dbm for adverts in heard.values() for advert in adverts]

    assert levels(7) != levels(8)


def test_each_gateway_hears_in_order_of_time(floor: Floor) -> None:
    world, _ = opened(floor)

    for adverts in world.adverts(START_S, START_S + 30).values():
        assert all(one.at_ms <= two.at_ms for one, two in pairwise(adverts))


def test_a_shopper_comes_in_at_the_door_and_leaves_at_the_till(floor: Floor) -> None:
    _, visits = opened(floor)
    kinds = {zone.zone_id: zone.kind for zone in floor.zones}

    for visit in visits:
        first = visit.place_at(visit.arrives_at_s)
        last = visit.place_at(visit.leaves_at_s - 0.01)
        assert first is not None
        assert last is not None
        assert kinds[first.zone_id or ""] is ZoneKind.ENTRANCE
        assert kinds[last.zone_id or ""] is ZoneKind.CHECKOUT
        assert visit.place_at(visit.arrives_at_s - 0.01) is None
        assert visit.place_at(visit.leaves_at_s + 0.01) is None


def test_nothing_is_heard_before_the_first_shopper_and_after_the_last(floor: Floor) -> None:
    world, visits = opened(floor)
    over_s = max(visit.leaves_at_s for visit in visits)

    assert world.adverts(START_S - 60, START_S) == {}
    assert world.adverts(START_S, START_S + 10)
    assert world.adverts(over_s, over_s + 60) == {}


def test_a_handset_is_heard_only_while_it_is_allowed(floor: Floor) -> None:
    world, visits = opened(floor, count=1)
    (one,) = (visit.shopper for visit in visits)
    assert world.adverts(START_S, START_S + 20)

    one.advertiser.forbid()

    assert world.adverts(START_S + 20, START_S + 40) == {}


def test_the_nearest_gateways_hear_loudest(floor: Floor) -> None:
    world, (visit,) = opened(floor, count=1)
    gateways = {gateway.gateway_id: gateway for gateway in floor.gateways}

    hits = 0
    for second in range(1, 61):
        at_s = START_S + second
        heard = world.adverts(at_s - 1, at_s)
        place = visit.place_at(at_s)
        assert place is not None
        if not heard:
            continue
        loudest = max(heard, key=lambda name: max(advert.rssi_dbm for advert in heard[name]))
        distances = sorted(
            gateways,
            key=lambda name: (
                (gateways[name].x_m - place.x_m) ** 2 + (gateways[name].y_m - place.y_m) ** 2
            ),
        )
        hits += loudest in distances[:4]
    assert hits > 40


def test_forty_shoppers_are_in_the_store_for_a_good_part_of_three_minutes(floor: Floor) -> None:
    world = World(floor, 7, START_S)
    arrivals = arrivals_s(40, 180, random.Random(7))
    visits = [
        world.admit(one, START_S + at_s) for one, at_s in zip(audible(40), arrivals, strict=True)
    ]

    waiting = sum(visit.arrives_at_s <= START_S + 10 for visit in visits)
    present = [
        max(0.0, min(visit.leaves_at_s, START_S + 180) - visit.arrives_at_s) for visit in visits
    ]
    assert waiting >= 20
    assert all(visit.arrives_at_s <= START_S + 90 for visit in visits)
    assert sum(present) / 40 > 110
    assert sum(visit.leaves_at_s < START_S + 180 for visit in visits) >= 3  # and some redeem


def test_shoppers_look_up_what_they_go_for_and_pay_last(floor: Floor) -> None:
    _, visits = opened(floor)
    categories = {zone.category for zone in floor.zones}

    for visit in visits:
        times = [action.at_s for action in visit.plan]
        assert times == sorted(times)
        assert visit.arrives_at_s <= times[0]
        assert times[-1] <= visit.leaves_at_s
        browsed = [action.category for action in visit.plan if isinstance(action, Browse)]
        assert set(browsed) <= categories
        assert isinstance(visit.plan[-1], Pay)
    assert any(isinstance(action, Browse) for visit in visits for action in visit.plan)


def test_who_stops_something_does_so_inside_the_visit(floor: Floor) -> None:
    temper = next(temper for temper in TEMPERS if temper.withdraws)
    persona = agreeable("android", "IT", random.Random(1), temper=temper)

    visit = World(floor, 7, START_S).admit(shopper(0, persona, 7), START_S)

    (withdrawal,) = [action for action in visit.plan if isinstance(action, Withdraw)]
    assert withdrawal.purposes == temper.withdraws
    assert visit.arrives_at_s < withdrawal.at_s < visit.leaves_at_s


@pytest.mark.parametrize("count", [25, 40, 60])
def test_every_crowd_holds_its_share_of_each_temper(count: int) -> None:
    def named(seed: int) -> list[str]:
        return [one.temper.name for one in personas(count, "IT", random.Random(seed))]

    for temper in TEMPERS:
        assert named(1).count(temper.name) == pytest.approx(temper.share * count, abs=1)
        assert named(1).count(temper.name) >= 1
    assert sorted(named(1)) == sorted(named(2))
    assert named(1) != named(2)


def test_no_handset_gives_itself_away_by_its_platform(floor: Floor) -> None:
    """Octets on air tell Android from iOS only by flags, as in the world."""
    world, _ = opened(floor, count=10)

    lengths = {len(data) for data in _data(world.adverts(START_S, START_S + 30).values())}
    assert lengths == {18, 21}


def _data(heard: Iterable[list[HeardAdvert]]) -> Iterable[bytes]:
    return (advert.data for adverts in heard for advert in adverts)

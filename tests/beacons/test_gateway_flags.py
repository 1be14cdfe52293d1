"""What a calibration says of gateways: the right thing, and nothing about those that are well."""

from beacons.gateway_flags import Before, Calibrated, calibrate
from beacons.link_changes import Flag, FlagKind
from beacons.links import Link
from tests.beacons.made_links import MadeStore, made_store


def _before(store: MadeStore) -> Before:
    links = store.links(100)
    return Before(calibrate(store.floor, links).fit.radios, tuple(links))


def _without(links: list[Link], hearer: str | None = None, heard: str | None = None) -> list[Link]:
    return [link for link in links if link.hearer_id != hearer and link.heard_id != heard]


def _kinds(found: Calibrated) -> list[tuple[str, FlagKind]]:
    return [(flag.gateway_id, flag.kind) for flag in found.flags]


def test_stores_where_nothing_has_happened_are_not_flagged() -> None:
    said: list[Flag] = []
    for seed in range(25):
        store = made_store(seed)
        said += calibrate(store.floor, store.links(seed)).flags
        said += calibrate(store.floor, store.links(seed), _before(store)).flags
    assert said == []


def test_a_gateway_that_moved_is_named_with_its_new_place() -> None:
    store = made_store(1)
    now = store.moved(3, 4.8, 9.0)  # 20 m from where the plan has it
    found = calibrate(store.floor, now.links(7), _before(store))
    (flag,) = found.flags
    assert (flag.gateway_id, flag.kind) == ("g03", FlagKind.MOVED)
    assert "m away better" in flag.sentence
    # What its links show belongs to another place.
    assert (found.fit.radios[3].links, abs(found.fit.radios[3].offset_db) < 1.0) == (0, True)


def test_who_moved_yesterday_is_still_elsewhere_today() -> None:
    store = made_store(1)
    now = store.moved(3, 4.8, 9.0)
    yesterday = calibrate(store.floor, now.links(7), _before(store))
    before = Before(yesterday.fit.radios, tuple(now.links(7)), frozenset({"g03"}))
    assert _kinds(calibrate(store.floor, now.links(8), before)) == [("g03", FlagKind.MOVED)]
    # Until the plan has it where it hangs.
    assert calibrate(now.floor, now.links(8), before).flags == ()


def test_most_moves_are_seen_and_nobody_else_is_blamed() -> None:
    seen = 0
    for seed in range(20):
        store = made_store(seed)
        place = store.floor.gateways[3]
        now = store.moved(3, 30.0 - place.x_m, 20.0 - place.y_m, seed)
        kinds = _kinds(calibrate(store.floor, now.links(seed), _before(store)))
        assert {gateway_id for gateway_id, _ in kinds} <= {"g03"}
        far = abs(30.0 - 2 * place.x_m) + abs(20.0 - 2 * place.y_m) > 12
        seen += not far or ("g03", FlagKind.MOVED) in kinds
    assert seen >= 17


def test_a_covered_gateway_is_told_from_a_moved_one() -> None:
    store = made_store(2)
    found = calibrate(store.floor, store.covered(5, 9.0).links(7), _before(store))
    assert _kinds(found) == [("g05", FlagKind.COVERED)]
    assert "heard 9 dB and hears 9 dB more weakly" in found.flags[0].sentence
    assert found.fit.radios[5].links > 0  # and its offsets are what they are now


def test_a_louder_air_is_nobodys_fault() -> None:
    store = made_store(2)
    quieter = store
    for gateway in range(12):
        quieter = quieter.covered(gateway, 5.0)
    assert calibrate(store.floor, quieter.links(7), _before(store)).flags == ()


def test_a_refitted_store_is_not_a_dozen_moves() -> None:
    store = made_store(2)
    refitted = store
    for gateway in range(12):
        place = store.floor.gateways[gateway]
        refitted = refitted.moved(gateway, place.x_m, place.y_m, seed=gateway)
    assert calibrate(store.floor, refitted.links(7), _before(store)).flags == ()


def test_a_gateway_that_died_is_told_from_one_that_was_never_heard() -> None:
    store = made_store(4)
    links = _without(store.links(1), "g07", "g07")
    assert _kinds(calibrate(store.floor, links, _before(store))) == [("g07", FlagKind.DIED)]
    assert _kinds(calibrate(store.floor, links)) == [("g07", FlagKind.ALONE)]


def test_a_gateway_that_is_off_for_a_day_keeps_its_values() -> None:
    store = made_store(4)
    before = _before(store)
    now = calibrate(store.floor, _without(store.links(1), "g07", "g07"), before).fit.radios[7]
    assert (now.offset_db, now.transmit_db) == (
        before.radios[7].offset_db,
        before.radios[7].transmit_db,
    )
    assert now.links == 0


def test_deaf_and_mute_are_said_as_such() -> None:
    store = made_store(4)
    deaf = calibrate(store.floor, _without(store.links(1), hearer="g07"))
    assert _kinds(deaf) == [("g07", FlagKind.DEAF)]
    assert "is heard by" in deaf.flags[0].sentence
    mute = calibrate(store.floor, _without(store.links(1), heard="g07"))
    assert _kinds(mute) == [("g07", FlagKind.MUTE)]
    assert "does not advertise" in mute.flags[0].sentence


def test_a_new_gateway_is_said_to_be_new() -> None:
    store = made_store(4)
    before = _before(store)
    links = tuple(_without(list(before.links), "g11", "g11"))
    found = calibrate(store.floor, store.links(1), Before(before.radios[:11], links))
    assert _kinds(found) == [("g11", FlagKind.NEW)]


def test_a_store_without_canaries_is_not_full_of_dead_gateways() -> None:
    assert calibrate(made_store(4).floor, []).flags == ()

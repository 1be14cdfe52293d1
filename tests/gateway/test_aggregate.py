"""Adverts in, sightings out: windows, who counts, and what is forgotten."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from beacons import advert as ad
from beacons import canary, codec
from beacons.altbeacon import AltBeacon
from beacons.eddystone import EddystoneEid, EddystoneUid
from beacons.ibeacon import IBeacon
from beacons.sighting import Batch, Sighting, decode_batch, encode_batch
from gateway.aggregate import Aggregator
from gateway.known_beacons import KnownBeacons
from gateway.source import RSSI_UNAVAILABLE_DBM, Advert
from tests.gateway.ingest_server import NAMESPACE
from tests.gateway.made import AT_MS, advert

SHELF = bytes.fromhex("f7826da64fa24e988024bc5b71e0893e")
OTHERS = bytes.fromhex("e2c56db5dffb48d2b060d0f5a71096e0")


def aggregator(*beacons: str, max_identifiers: int = 1_000) -> Aggregator:
    return Aggregator(NAMESPACE, KnownBeacons.named(beacons), max_identifiers)


def frame_advert(frame: codec.Frame) -> Advert:
    return Advert(AT_MS, "c0:ff:ee:00:00:02", -70, ad.build([codec.encode(frame)]))


def test_adverts_of_one_window_become_one_sighting() -> None:
    # The vector of DESIGN section 4: its UUID as it is on air, octets reversed.
    data = b"\x11\x07" + bytes.fromhex("ed936b121837e7924def1810c0451a01")[::-1]
    gathered = aggregator()
    for at_ms, rssi_dbm in ((AT_MS, -60), (AT_MS + 200, -70), (AT_MS + 499, -65)):
        gathered.add(Advert(at_ms, "c0:ff:ee:00:00:01", rssi_dbm, data))

    (sighting,) = gathered.all()

    assert sighting == Sighting("ceid", "ed936b121837e7924def1810", AT_MS, 3, -65.0, -60)


def test_identifiers_and_windows_are_kept_apart() -> None:
    gathered = aggregator()
    for number, at_ms in ((1, AT_MS), (2, AT_MS), (1, AT_MS + 500)):
        gathered.add(advert(number, at_ms))

    assert [(one.identifier[:20], one.at_ms) for one in gathered.all()] == [
        (f"{1:020x}", AT_MS),
        (f"{2:020x}", AT_MS),
        (f"{1:020x}", AT_MS + 500),
    ]


def test_a_fellows_canary_is_one_sighting_in_ten_seconds() -> None:
    frame = canary.canary(NAMESPACE, "gw-02")
    gathered = aggregator()
    for second in range(25):
        heard = frame_advert(frame)
        gathered.add(replace(heard, at_ms=AT_MS + 700 + 1_000 * second, rssi_dbm=-60 - second % 2))
        if second == 10:
            assert len(gathered.closed(AT_MS + 500 + 10_049)) == 0
            early = gathered.closed(AT_MS + 500 + 10_050)

    assert early == [Sighting("ibeacon", frame.identifier, AT_MS + 500, 11, -60.45, -60)]
    assert gathered.open_sightings == 1
    # Windows follow each other as canaries come, not by the clock: not all report at once.
    assert [one.at_ms - AT_MS for one in gathered.all()] == [11_500]


def test_canaries_of_another_operator_are_strangers() -> None:
    gathered = aggregator()
    gathered.add(frame_advert(canary.canary(bytes.fromhex("c0451a02"), "gw-02")))
    assert (gathered.all(), gathered.counts.strangers) == ([], 1)


def test_a_flood_of_canaries_is_bounded_and_displaces_no_handset() -> None:
    gathered = aggregator(max_identifiers=5)
    for number in range(20):
        gathered.add(frame_advert(canary.canary(NAMESPACE, f"gw-{number}")))
    gathered.add(advert(1, AT_MS))

    assert sorted(one.kind for one in gathered.all()) == ["ceid"] + ["ibeacon"] * 5
    assert gathered.counts.over_ceiling == 15


def test_a_canary_does_not_wait_for_a_clock_that_was_set_back() -> None:
    gathered = aggregator()
    gathered.add(frame_advert(canary.canary(NAMESPACE, "gw-02")))
    assert len(gathered.closed(AT_MS - 3_600_000)) == 1


def test_a_window_is_given_once_and_only_when_it_is_over() -> None:
    gathered = aggregator()
    gathered.add(advert(1, AT_MS))

    assert gathered.closed(AT_MS + 500) == []
    assert len(gathered.closed(AT_MS + 550)) == 1
    assert gathered.closed(AT_MS + 10_000) == []
    assert gathered.all() == []


def test_adverts_out_of_order_find_their_window() -> None:
    gathered = aggregator()
    for at_ms in (AT_MS + 600, AT_MS + 100, AT_MS + 900, AT_MS):
        gathered.add(advert(1, at_ms))

    assert [(one.at_ms, one.count) for one in gathered.closed(AT_MS + 2_000)] == [
        (AT_MS, 2),
        (AT_MS + 500, 2),
    ]


def test_an_advert_after_the_closing_is_not_lost() -> None:
    gathered = aggregator()
    gathered.add(advert(1, AT_MS))
    first = gathered.closed(AT_MS + 1_000)

    gathered.add(advert(1, AT_MS + 300))
    second = gathered.closed(AT_MS + 1_000)

    assert [one.count for one in first + second] == [1, 1]
    assert {one.at_ms for one in first + second} == {AT_MS}


def test_a_clock_set_back_does_not_hold_windows_for_hours() -> None:
    gathered = aggregator()
    gathered.add(advert(1, AT_MS))

    assert len(gathered.closed(AT_MS - 3_600_000)) == 1


def test_other_namespaces_and_unknown_beacons_leave_no_trace() -> None:
    gathered = aggregator(SHELF.hex())
    gathered.add(advert(1, namespace=b"\xde\xad\xbe\xef"))
    gathered.add(frame_advert(IBeacon(OTHERS, 1, 2, -59)))
    gathered.add(frame_advert(EddystoneUid(-20, OTHERS[:10], OTHERS[:6])))
    gathered.add(Advert(AT_MS, "c0:ff:ee:00:00:03", -40, b"\x02\x01\x06"))

    assert gathered.all() == []
    assert (gathered.counts.adverts, gathered.counts.strangers) == (4, 4)


def test_configured_beacons_of_every_format_are_reported() -> None:
    gathered = aggregator("F7826DA6-4FA2-4E98-8024-BC5B71E0893E", SHELF[:10].hex(), "eddystone_eid")
    gathered.add(frame_advert(IBeacon(SHELF, 1, 2, -59)))
    gathered.add(frame_advert(AltBeacon(0x0118, SHELF + b"\x00\x01\x00\x02", -59, 0)))
    gathered.add(frame_advert(EddystoneUid(-20, SHELF[:10], b"\0\0\0\0\0\1")))
    gathered.add(frame_advert(EddystoneEid(-20, b"12345678")))

    kinds = [one.kind for one in gathered.all()]

    assert kinds == ["ibeacon", "altbeacon", "eddystone_uid", "eddystone_eid"]


def test_a_reading_that_is_not_there_is_not_folded_in() -> None:
    gathered = aggregator()
    gathered.add(advert(1, rssi_dbm=-60))
    for no_reading in (RSSI_UNAVAILABLE_DBM, -127):
        gathered.add(advert(1, rssi_dbm=no_reading))

    (sighting,) = gathered.all()

    assert (sighting.count, sighting.mean_rssi_dbm, sighting.max_rssi_dbm) == (1, -60.0, -60)
    assert gathered.counts.without_rssi == 2


def test_a_flood_of_identifiers_is_bounded_and_counted() -> None:
    gathered = aggregator(max_identifiers=10)
    for number in range(25):
        gathered.add(advert(number))
    gathered.add(advert(3))

    sightings = gathered.all()

    assert len(sightings) == 10
    assert gathered.counts.over_ceiling == 15
    assert sum(one.count for one in sightings) == 11


def test_malformed_frames_are_counted() -> None:
    gathered = aggregator(SHELF.hex())
    gathered.add(Advert(AT_MS, "c0:ff:ee:00:00:04", -60, bytes.fromhex("06ff4c00021500")))

    assert gathered.all() == []
    assert gathered.counts.malformed == 1


def test_the_same_identifier_twice_in_an_advert_counts_once() -> None:
    gathered = aggregator()
    once = advert(1)
    gathered.add(Advert(once.at_ms, once.address, once.rssi_dbm, once.data + once.data))

    assert [one.count for one in gathered.all()] == [1]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.integers(0, 5_000), st.integers(-127, 127), st.integers(0, 6_000)
        ),
        max_size=60,
    )
)
def test_nothing_counted_is_lost_and_every_sighting_can_be_sent(
    heard: list[tuple[int, int, int, int]],
) -> None:
    gathered = aggregator()
    sightings = []
    for number, after_ms, rssi_dbm, asked_after_ms in heard:
        gathered.add(advert(number, AT_MS + after_ms, rssi_dbm))
        sightings += gathered.closed(AT_MS + asked_after_ms)
    sightings += gathered.all()

    counts = gathered.counts
    assert sum(one.count for one in sightings) == counts.counted
    assert counts.counted + counts.without_rssi == len(heard)
    if sightings:
        batch = Batch(1, "00" * 8, 1, tuple(sightings))
        assert decode_batch(encode_batch(batch)) == batch


@given(st.binary(max_size=70))
def test_no_bytes_on_air_stop_the_aggregator(data: bytes) -> None:
    gathered = aggregator(SHELF.hex(), "eddystone_eid")

    gathered.add(Advert(AT_MS, "c0:ff:ee:00:00:05", -60, data))

    assert gathered.counts.adverts == 1

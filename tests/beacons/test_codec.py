"""Frames in adverts: order, counts, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import advert, ceid, codec, fields
from beacons.altbeacon import AltBeacon
from beacons.ceid import Ceid
from beacons.codec import Decoded, Frame
from beacons.eddystone import (
    EddystoneEid,
    EddystoneEtlm,
    EddystoneTlm,
    EddystoneUid,
    EddystoneUrl,
)
from beacons.frame import MalformedFrame, UnencodableFrame
from beacons.ibeacon import IBeacon
from beacons.overflow import AppleOverflow
from beacons.sighting import IDENTIFIER_OCTETS

NAMESPACE = bytes.fromhex("c0451a01")

_I8 = st.integers(-128, 127)
_U16 = st.integers(0, 0xFFFF)
_U32 = st.integers(0, 0xFFFFFFFF)
_POWER_0M = st.integers(-100, 20)


def _octets(count: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=count, max_size=count)


FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(IBeacon, _octets(16), _U16, _U16, _I8),
    st.builds(AltBeacon, _U16, _octets(20), st.integers(-127, 0), st.integers(0, 255)),
    st.builds(AppleOverflow, _octets(16)),
    st.builds(EddystoneUid, _POWER_0M, _octets(10), _octets(6)),
    st.builds(
        EddystoneUrl,
        _POWER_0M,
        st.text("abcXYZ012-/?", min_size=1, max_size=16).map(
            lambda path: f"https://x{path}".lower()
        ),
    ),
    st.builds(
        EddystoneTlm,
        _U16,
        st.one_of(st.none(), st.integers(-0x7FFF, 0x7FFF).map(lambda raw: raw / 256)),
        _U32,
        _U32,
    ),
    st.builds(EddystoneEtlm, _octets(12), _octets(2), _octets(2)),
    st.builds(EddystoneEid, _POWER_0M, _octets(8)),
    st.builds(Ceid, _octets(10), st.integers(0, 255), st.just(1), st.integers(0, 15)),
)


@given(st.lists(FRAMES, max_size=4))
def test_frames_come_back_in_the_order_in_which_they_were_built(frames: list[Frame]) -> None:
    data = advert.build((codec.encode(f, NAMESPACE) for f in frames), limit_octets=200)
    assert codec.decode(data, NAMESPACE) == frames


@given(FRAMES)
def test_named_values_make_the_same_frame(frame: Frame) -> None:
    assert fields.to_frame(fields.of(frame)) == frame


@given(st.binary(max_size=300), st.one_of(st.none(), st.just(NAMESPACE)))
def test_any_octets_can_be_decoded(data: bytes, namespace: bytes | None) -> None:
    decoded = codec.decode_counted(data, namespace)
    assert codec.decode(data, namespace) == list(decoded.frames)
    for frame in decoded.frames:
        assert fields.of(frame)["type"] == frame.kind


# Noise alone seldom gets past the first octets of a format, so this begins as the formats do.
_HEADS = (b"\x4c\x00\x02\x15", b"\x4c\x00\x01", b"\x18\x01\xbe\xac", b"\xaa\xfe", NAMESPACE[::-1])


@given(
    st.sampled_from([0x06, 0x07, 0x16, 0xFF]),
    st.sampled_from(_HEADS),
    st.sampled_from([b"", b"\x00", b"\x10", b"\x20\x00", b"\x20\x01", b"\x30"]),
    st.binary(max_size=40),
)
def test_any_rest_after_a_good_beginning_can_be_decoded(
    ad_type: int, head: bytes, frame_type: bytes, rest: bytes
) -> None:
    structure = advert.Structure(ad_type, head + frame_type + rest)
    decoded = codec.decode_counted(advert.build([structure], limit_octets=256), NAMESPACE)
    assert len(decoded.frames) + decoded.malformed <= 3  # 46 octets hold two UUIDs


def test_malformed_structures_are_counted_and_the_rest_is_kept() -> None:
    good = IBeacon(bytes(16), 1, 2, -59)
    data = advert.build(
        [
            advert.manufacturer(0x004C, b"\x02\x15short"),
            codec.encode(good),
            advert.manufacturer(0x004C, b"\x01" + bytes(15)),
            advert.service_data(0xFEAA, b"\x20"),
            advert.manufacturer(0x0118, b"\xbe\xac"),
        ],
        limit_octets=100,
    )
    assert codec.decode_counted(data) == Decoded((good,), malformed=4)


def test_strangers_are_neither_frames_nor_malformed() -> None:
    data = advert.build(
        [
            advert.manufacturer(0x004C, b"\x10\x05\x01\x02\x03\x04\x05"),
            advert.manufacturer(0x0075, b"\x02\x15"),
            advert.service_data(0xFEAA, b"\x41" + bytes(20)),  # Find My Device
            advert.service_data(0xFEAA, b"\x20\x02"),  # a telemetry version to come
            advert.service_data(0xFD6F, bytes(20)),
            advert.Structure(advert.MANUFACTURER, b"\x4c"),
            advert.Structure(advert.SERVICE_DATA16, b"\xaa"),
        ],
        limit_octets=200,
    )
    assert codec.decode_counted(data, NAMESPACE) == Decoded((), malformed=0)


def test_a_ceid_is_seen_under_its_namespace_only() -> None:
    data = ceid.advert_data(bytes(range(10)), 0x1E8480, NAMESPACE, device_class=3, flags=0x1A)
    assert codec.decode(data) == []
    assert codec.decode(data, b"else") == []
    assert codec.decode(data, NAMESPACE) == [Ceid(bytes(range(10)), 0x80, 1, 3)]


def test_a_ceid_is_found_behind_another_uuid_and_in_an_incomplete_list() -> None:
    ours = ceid.service_uuid(bytes(range(10)), 1, NAMESPACE)
    on_air = bytes(16) + ours[::-1] + b"cut"
    data = advert.build([advert.Structure(advert.INCOMPLETE_UUID128S, on_air)], limit_octets=40)
    assert codec.decode(data, NAMESPACE) == [Ceid(bytes(range(10)), 1, 1, 0)]


def test_eddystone_in_service_data_of_a_long_uuid_is_not_eddystone() -> None:
    frame = codec.encode(EddystoneEid(0, bytes(8)))
    long_form = b"\xaa\xfe\x00\x00" + frame.data[2:]
    assert codec.decode(advert.build([advert.Structure(0x20, long_form)])) == []


@pytest.mark.parametrize(
    "frame",
    [
        Ceid(bytes(10), 0, 1, 0),
        IBeacon(bytes(16), 0, 0, 0),
        AltBeacon(0, bytes(20), 0, 0),
        EddystoneUid(0, bytes(10), bytes(6)),
        EddystoneEid(0, bytes(8)),
    ],
)
def test_kind_and_identifier_are_those_of_a_sighting(frame: codec.IdentifiedFrame) -> None:
    assert len(bytes.fromhex(frame.identifier)) == IDENTIFIER_OCTETS[frame.kind]


def test_the_identifier_of_an_ibeacon_is_uuid_major_minor() -> None:
    assert IBeacon(bytes(16), 0x0102, 0xFFFE, -59).identifier == "00" * 16 + "0102" + "fffe"


def test_a_malformed_field_raises_where_it_is_asked_for_alone() -> None:
    with pytest.raises(MalformedFrame, match="malformed ibeacon: 9 octets, not 23"):
        codec.from_manufacturer(0x004C, b"\x02\x15invalid")
    with pytest.raises(MalformedFrame, match="malformed eddystone_url: a reserved octet"):
        codec.from_service_data(0xFEAA, b"\x10\x00\x04a")
    assert codec.from_service_data(0xFEAB, b"\x10\x00\x04a") is None


@pytest.mark.parametrize(
    "frame",
    [
        IBeacon(bytes(15), 0, 0, 0),
        IBeacon(bytes(16), 0, 0, 128),
        AltBeacon(0x10000, bytes(20), 0, 0),
        AltBeacon(0, bytes(19), 0, 0),
        AltBeacon(0, bytes(20), -128, 0),
        AltBeacon(0, bytes(20), 0, None),
        AltBeacon(0, bytes(20), 0, 256),
        AppleOverflow(bytes(15)),
        EddystoneUid(-101, bytes(10), bytes(6)),
        EddystoneUrl(21, "https://a.com"),
        EddystoneTlm(0x10000, None, 0, 0),
        EddystoneTlm(0, float("nan"), 0, 0),
        EddystoneTlm(0, None, -1, 0),
        EddystoneTlm(0, None, 0, 1 << 32),
        EddystoneEtlm(bytes(11), bytes(2), bytes(2)),
        EddystoneEtlm(bytes(12), bytes(2), bytes(3)),
        EddystoneEid(0, bytes(9)),
        Ceid(bytes(9), 0, 1, 0),
        Ceid(bytes(10), 256, 1, 0),
        Ceid(bytes(10), 0, 2, 0),
        Ceid(bytes(10), 0, 1, 16),
    ],
    ids=repr,
)
def test_what_a_format_cannot_carry_is_refused(frame: Frame) -> None:
    with pytest.raises(UnencodableFrame, match="cannot encode"):
        codec.encode(frame, NAMESPACE)


def test_a_ceid_needs_its_namespace() -> None:
    with pytest.raises(UnencodableFrame, match="the namespace is missing"):
        codec.encode(Ceid(bytes(10), 0, 1, 0))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "no such type"),
        ({"type": "estimote"}, "no such type"),
        ({"type": "eddystone_eid", "tx_power_0m": True, "eid": "00" * 8}, "no whole number"),
        ({"type": "eddystone_eid", "tx_power_0m": 0, "eid": 8}, "eid is no text"),
        ({"type": "eddystone_eid", "tx_power_0m": 0, "eid": "0x"}, "eid is no hex"),
        ({"type": "ibeacon", "uuid": "e2c56db5"}, "uuid is no UUID"),
        ({"type": "eddystone_tlm", "battery_mv": 0, "temperature_c": "warm"}, "no number"),
    ],
)
def test_values_that_make_no_frame_say_which_is_wrong(
    values: dict[str, object], problem: str
) -> None:
    with pytest.raises(UnencodableFrame, match=problem):
        fields.to_frame(values)

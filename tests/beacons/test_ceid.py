"""CEID v1: keys and windows. Its byte vectors are in tests/vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import advert, ceid
from beacons.ceid import Ceid
from beacons.frame import UnencodableFrame

SECRET = bytes(range(32))
NAMESPACE = bytes.fromhex("c0451a01")


@pytest.mark.parametrize(
    ("unix_s", "window"), [(0, 0), (899.999, 0), (900, 1), (1_790_000_000, 1_988_888)]
)
def test_a_window_lasts_900_seconds(unix_s: float, window: int) -> None:
    assert ceid.window(unix_s) == window


def test_the_published_identifiers_across_a_day() -> None:
    # Source: DESIGN section 4.
    windows = [1_988_887, 1_988_888, 1_988_889, 1_988_928]
    assert [eid.hex() for eid in ceid.eids(SECRET, "demo", windows)] == [
        "a28546c0b1e0fc4e5fde",
        "ed936b121837e7924def",
        "283f404ecb85af7feaac",
        "eee69ca2b28655ab4737",
    ]


@given(st.lists(st.integers(1_988_800, 1_989_100), max_size=12))
def test_many_windows_at_once_are_each_as_alone(windows: list[int]) -> None:
    alone = [ceid.eid(ceid.day_key(SECRET, "demo", w // 96), w) for w in windows]
    assert ceid.eids(SECRET, "demo", windows) == alone


def test_tenants_devices_and_days_share_no_key() -> None:
    keys = {
        ceid.day_key(SECRET, "demo", 20_717),
        ceid.day_key(SECRET, "acme", 20_717),
        ceid.day_key(SECRET, "demo", 20_718),
        ceid.day_key(bytes(32), "demo", 20_717),
    }
    assert len(keys) == 4


@given(st.binary(min_size=10, max_size=10), st.integers(0, 2**32 - 1), st.integers(0, 15))
def test_a_service_uuid_reads_back(eid: bytes, window: int, device_class: int) -> None:
    uuid16 = ceid.service_uuid(eid, window, NAMESPACE, device_class)
    heard = ceid.from_service_uuid(uuid16, NAMESPACE)
    assert heard == Ceid(eid, window & 0xFF, 1, device_class)
    assert heard.identifier == uuid16[:12].hex()


@given(st.binary(max_size=20), st.binary(max_size=6))
def test_any_uuid_and_namespace_can_be_asked(uuid16: bytes, namespace: bytes) -> None:
    heard = ceid.from_service_uuid(uuid16, namespace)
    assert heard is None or uuid16.endswith(namespace)


def test_another_namespace_version_or_length_is_no_ceid() -> None:
    uuid16 = ceid.service_uuid(bytes(10), 0, NAMESPACE)
    assert ceid.from_service_uuid(uuid16, b"else") is None
    assert ceid.from_service_uuid(uuid16[:11] + b"\x20" + NAMESPACE, NAMESPACE) is None
    assert ceid.from_service_uuid(uuid16[1:], NAMESPACE) is None


def test_the_advert_fits_with_flags_and_begins_with_the_namespace_on_air() -> None:
    data = ceid.advert_data(bytes(10), 0, NAMESPACE, flags=0x1A)
    flags, uuids = advert.structures(data)
    assert flags == (advert.FLAGS, b"\x1a")
    assert uuids.type == advert.COMPLETE_UUID128S
    assert uuids.data.startswith(NAMESPACE[::-1])
    assert ceid.advert_data(bytes(10), 0, NAMESPACE) == data[3:]


def test_what_cannot_be_carried_is_refused() -> None:
    with pytest.raises(UnencodableFrame, match="secret has 31 octets, not 32"):
        ceid.day_key(bytes(31), "demo", 1)
    with pytest.raises(UnencodableFrame, match="day is -1"):
        ceid.day_key(SECRET, "demo", -1)
    with pytest.raises(UnencodableFrame, match="window is 4294967296"):
        ceid.eid(bytes(16), 1 << 32)
    with pytest.raises(UnencodableFrame, match="eid has 8 octets"):
        ceid.service_uuid(bytes(8), 0, NAMESPACE)
    with pytest.raises(UnencodableFrame, match="namespace has 3 octets"):
        ceid.service_uuid(bytes(10), 0, NAMESPACE[1:])
    with pytest.raises(UnencodableFrame, match="device_class is 16"):
        ceid.service_uuid(bytes(10), 0, NAMESPACE, 16)

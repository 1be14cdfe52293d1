"""Adverts in HCI events, management events and link-layer PDUs."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import hci, mgmt, pdu
from beacons.frame import MalformedEvent
from beacons.hci import Report
from beacons.mgmt import DeviceFound

_ADDRESSES = st.binary(min_size=6, max_size=6)
_RSSI = st.one_of(st.none(), st.integers(-128, 126))
_REPORTS = st.lists(
    st.builds(
        Report,
        st.integers(0, 4),
        st.integers(0, 3),
        _ADDRESSES.map(lambda octets: octets.hex(":")),
        st.binary(max_size=31),
        _RSSI,
    ),
    min_size=1,
    max_size=5,
)


def _packet(reports: list[Report]) -> bytes:
    body = bytes([0x02, len(reports)])
    for r in reports:
        on_air = bytes.fromhex(r.address.replace(":", ""))[::-1]
        rssi_dbm = 127 if r.rssi_dbm is None else r.rssi_dbm
        body += bytes([r.event_type, r.address_type]) + on_air + bytes([len(r.data)]) + r.data
        body += rssi_dbm.to_bytes(1, signed=True)
    return bytes([0x04, 0x3E, len(body)]) + body


@given(_REPORTS)
def test_all_reports_of_an_event_are_returned(reports: list[Report]) -> None:
    assert hci.decode(_packet(reports)) == tuple(reports)


@given(_REPORTS, st.data())
def test_an_event_is_taken_whole_or_not_at_all(reports: list[Report], data: st.DataObject) -> None:
    packet = _packet(reports)
    cut = data.draw(st.integers(0, len(packet) - 1))
    for damaged in (packet[:cut], packet + b"\x00"):
        with pytest.raises(MalformedEvent):
            hci.decode(damaged)


@given(st.binary(max_size=60))
def test_any_octets_are_reports_or_a_malformed_event(data: bytes) -> None:
    for packet in (data, bytes([0x04, 0x3E, len(data) + 1, 0x02]) + data):
        with contextlib.suppress(MalformedEvent):
            assert all(len(report.address) == 17 for report in hci.decode(packet))


def test_where_an_event_breaks_is_told() -> None:
    with pytest.raises(MalformedEvent, match="the data of report 1 overrun the event, at octet 13"):
        hci.decode(bytes.fromhex("043e0e0201000000000000000005010101"))


@given(
    st.integers(0, 0xFFFF),
    st.one_of(st.none(), st.integers(0, 0xFFFF)),
    _ADDRESSES,
    _RSSI,
    st.binary(max_size=62),
)
def test_a_management_event_reads_back(
    index: int, monitor_handle: int | None, on_air: bytes, rssi_dbm: int | None, data: bytes
) -> None:
    handle = b"" if monitor_handle is None else struct.pack("<H", monitor_handle)
    rssi = 127 if rssi_dbm is None else rssi_dbm
    body = handle + on_air + struct.pack("<BbIH", 2, rssi, 4, len(data)) + data
    code = 0x12 if monitor_handle is None else 0x2F
    event = struct.pack("<HHH", code, index, len(body)) + body
    assert mgmt.decode(event) == DeviceFound(
        event="DEVICE_FOUND" if monitor_handle is None else "ADV_MONITOR_DEVICE_FOUND",
        index=index,
        monitor_handle=monitor_handle,
        address=on_air[::-1].hex(":"),
        address_type=2,
        rssi_dbm=rssi_dbm,
        flags=4,
        data=data,
    )
    for cut in range(len(event)):
        with pytest.raises(MalformedEvent):
            mgmt.decode(event[:cut])


@given(st.sampled_from([b"\x12\x00", b"\x2f\x00", b"\x13\x00", b""]), st.binary(max_size=60))
def test_any_octets_are_an_advert_or_a_malformed_event(code: bytes, data: bytes) -> None:
    for event in (code + data, code + b"\x00\x00" + struct.pack("<H", len(data)) + data):
        with contextlib.suppress(MalformedEvent):
            found = mgmt.decode(event)
            assert found is None or event.endswith(found.data)


@given(st.binary(max_size=60))
def test_any_octets_are_a_pdu_or_a_malformed_one(data: bytes) -> None:
    for packet in (data, data[:1] + bytes([len(data)]) + data):
        with contextlib.suppress(MalformedEvent):
            heard = pdu.decode(packet)
            assert (heard.data is None) == (heard.target_address is not None)

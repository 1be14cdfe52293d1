"""What a setting of beacons may say."""

import pytest

from gateway.known_beacons import BeaconNameError, KnownBeacons


def test_uuids_and_namespaces_are_told_apart_by_length() -> None:
    known = KnownBeacons.named(
        ["F7826DA6-4FA2-4E98-8024-BC5B71E0893E", "00112233445566778899", "eddystone_eid"]
    )

    assert known.uuids == {"f7826da64fa24e988024bc5b71e0893e"}
    assert known.eddystone_namespaces == {"00112233445566778899"}
    assert known.any_eddystone_eid


@pytest.mark.parametrize("name", ["", "f7826da6", "g" * 32, "ibeacon", "٣" * 32])
def test_what_names_no_beacon_is_refused(name: str) -> None:
    with pytest.raises(BeaconNameError, match="is no beacon"):
        KnownBeacons.named([name])

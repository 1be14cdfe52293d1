"""The canary: the same for whoever knows namespace and id, different for every gateway."""

import uuid

from beacons import canary, codec, ibeacon
from beacons.advert import build

NAMESPACE = bytes.fromhex("c0451a01")


def test_a_canary_never_changes_from_one_version_to_the_next() -> None:
    # Written down when it was first released: gateways and servers are not updated together.
    assert canary.canary(NAMESPACE, "gw-01").identifier == (
        "948092f1246b800fbbf466ef5ebb54f0c25cbbe8"
    )


def test_the_region_is_a_uuid_of_version_8() -> None:
    region = uuid.UUID(bytes=canary.region(NAMESPACE))
    assert (region.version, region.variant) == (8, uuid.RFC_4122)


def test_another_operator_has_another_region() -> None:
    assert canary.region(NAMESPACE) != canary.region(bytes.fromhex("c0451a02"))


def test_what_is_sent_is_an_ibeacon_that_fits_one_advert() -> None:
    frame = canary.canary(NAMESPACE, "gw-01")
    assert codec.decode(build([ibeacon.encode(frame)]), NAMESPACE) == [frame]


def test_a_sighting_shows_its_gateway() -> None:
    ids = [f"gw-{number:02d}" for number in range(60)]
    found = canary.gateway_of(ids)
    sent = [canary.canary(NAMESPACE, one).identifier for one in ids]
    assert [found[canary.numbers_of(identifier)] for identifier in sent] == ids
    assert canary.clashes(ids) == []


def test_gateways_that_share_a_canary_are_named_and_left_out() -> None:
    # Their hashes begin alike: the first such pair of "gw-" and a number.
    ids = ["gw-01", "gw-155597", "gw-31907"]
    (sentence,) = canary.clashes(ids)
    assert "gw-155597 and gw-31907" in sentence
    assert "give one of them another id" in sentence
    assert set(canary.gateway_of(ids).values()) == {"gw-01"}

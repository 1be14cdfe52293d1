"""What a handset's radio sends, and when."""

from itertools import pairwise

import pytest

from beacons import advert, ceid
from firmware_sim.advertiser import (
    ADV_DELAY_S,
    IOS_FLAGS,
    ROTATION_SPREAD_S,
    Advertiser,
    Identity,
    Transmission,
)

START_S = 1_790_000_000.0
BORDER_S = 1_988_889 * 900.0  # the first border of windows after START_S
NAMESPACE = bytes.fromhex("c0451a01")
IDENTITY = Identity(bytes(range(32)), "demo", NAMESPACE)


def advertiser(seed: int = 1, flags: int | None = None) -> Advertiser:
    made = Advertiser(seed, 0.25, flags)
    made.allow(IDENTITY)
    return made


def window_of(sent: Transmission) -> int:
    """The window whose identifier an advert carries, found as the backend finds it."""
    (uuid,) = [
        structure.data[::-1] for structure in advert.structures(sent.data) if structure.type == 0x07
    ]
    heard = ceid.from_service_uuid(uuid, NAMESPACE)
    assert heard is not None
    around = range(ceid.window(sent.at_s) - 1, ceid.window(sent.at_s) + 2)
    (window,) = [
        window
        for window, eid in zip(around, ceid.eids(bytes(range(32)), "demo", around), strict=True)
        if eid == heard.eid
    ]
    assert window & 0xFF == heard.window_low
    return window


def test_an_allowed_handset_sends_four_times_a_second_with_jitter() -> None:
    sent = advertiser().transmissions(START_S, START_S + 60)

    gaps = [two.at_s - one.at_s for one, two in pairwise(sent)]
    assert 232 <= len(sent) <= 241
    assert all(0.25 - 1e-6 <= gap <= 0.25 + ADV_DELAY_S + 1e-6 for gap in gaps)
    assert max(gaps) - min(gaps) > ADV_DELAY_S / 2


def test_the_length_of_the_steps_changes_nothing() -> None:
    whole = advertiser().transmissions(START_S, START_S + 30)

    stepping = advertiser()
    steps = [
        sent
        for step in range(300)
        for sent in stepping.transmissions(START_S + step / 10, START_S + (step + 1) / 10)
    ]

    assert steps == whole


def test_identifier_and_address_change_together_near_the_border_of_the_window() -> None:
    for seed in range(20):
        sent = advertiser(seed).transmissions(
            BORDER_S - 2 * ROTATION_SPREAD_S, BORDER_S + 2 * ROTATION_SPREAD_S
        )
        faces = {(each.address, window_of(each)) for each in sent}
        addresses = {address for address, _ in faces}
        rotated_s = next(two.at_s for one, two in pairwise(sent) if one.data != two.data)

        assert len(faces) == len(addresses) == 2
        assert {window for _, window in faces} == {1_988_888, 1_988_889}
        assert abs(rotated_s - BORDER_S) <= ROTATION_SPREAD_S + 0.3


def test_handsets_do_not_rotate_in_one_instant() -> None:
    rotations = set()
    for seed in range(10):
        sent = advertiser(seed).transmissions(BORDER_S - 130, BORDER_S + 130)
        rotations.add(next(round(b.at_s) for a, b in pairwise(sent) if a.data != b.data))

    assert len(rotations) >= 8


def test_the_address_is_a_resolvable_private_one() -> None:
    (sent, *_) = advertiser().transmissions(START_S, START_S + 1)

    assert int(sent.address[:2], 16) >> 6 == 0b01


@pytest.mark.parametrize(("flags", "octets"), [(None, 18), (IOS_FLAGS, 21)])
def test_only_connectable_adverts_carry_flags(flags: int | None, octets: int) -> None:
    (sent, *_) = advertiser(flags=flags).transmissions(START_S, START_S + 1)

    types = [structure.type for structure in advert.structures(sent.data)]
    assert types == ([0x07] if flags is None else [0x01, 0x07])
    assert len(sent.data) == octets


def test_a_handset_that_is_not_allowed_is_silent() -> None:
    made = Advertiser(1, 0.25, None)
    assert made.transmissions(START_S, START_S + 10) == []

    made.allow(IDENTITY)
    assert made.transmissions(START_S + 10, START_S + 11)

    made.forbid()
    assert made.transmissions(START_S + 11, START_S + 20) == []


def test_a_wrong_clock_puts_the_handset_into_another_window() -> None:
    made = advertiser()
    made.clock_error_s = 1800.0

    with pytest.raises(ValueError, match="not enough values"):  # no window that the backend knows
        window_of(made.transmissions(BORDER_S - 450, BORDER_S - 449)[0])

"""Whose identifier is this: three windows, no strangers, nobody twice."""

import pytest

from beacons.ceid import eids, window
from engine.identities import Identities, Owner

# DESIGN section 4, the vector: tenant demo, SK = 00..1f, unix 1790000000 is in window 1988888.
SECRET, NOW_S, W = bytes(range(32)), 1_790_000_000.0, 1_988_888
VECTOR = {W - 1: "a28546c0b1e0fc4e5fde", W: "ed936b121837e7924def", W + 1: "283f404ecb85af7feaac"}
ME, OTHER = Owner("handset-1", "shopper-1"), Owner("handset-2", "shopper-2")
CLASS = "10"


def identifier(secret: bytes, w: int) -> str:
    (heard,) = eids(secret, "demo", [w])
    return f"{heard.hex()}{w & 0xFF:02x}{CLASS}"


@pytest.fixture
def identities() -> Identities:
    """One handset is known, and the time."""
    known = Identities("demo")
    known.learn(ME, SECRET)
    known.turn_to(NOW_S)
    return known


@pytest.mark.parametrize("w", [W - 1, W, W + 1])
def test_the_window_before_this_and_the_next_resolve(identities: Identities, w: int) -> None:
    assert identities.owner(f"{VECTOR[w]}{w & 0xFF:02x}{CLASS}") == ME


@pytest.mark.parametrize("w", [W - 2, W + 2, 0])
def test_other_windows_do_not(identities: Identities, w: int) -> None:
    assert identities.owner(identifier(SECRET, w)) is None


def test_windows_move_on_with_the_time(identities: Identities) -> None:
    identities.turn_to(NOW_S + 900)

    assert identities.owner(identifier(SECRET, W - 1)) is None
    assert identities.owner(identifier(SECRET, W + 2)) == ME
    assert window(NOW_S + 900) == W + 1


def test_the_day_changes_without_a_gap(identities: Identities) -> None:
    first_of_the_next_day = 1_988_928
    identities.turn_to(first_of_the_next_day * 900.0)

    # DESIGN section 4: the first identifier of the next day.
    assert identities.owner("eee69ca2b28655ab4737" + "40" + CLASS) == ME
    assert identities.owner(identifier(SECRET, first_of_the_next_day - 1)) == ME


def test_before_the_time_is_known_nobody_is() -> None:
    identities = Identities("demo")
    identities.learn(ME, SECRET)

    assert identities.owner(identifier(SECRET, W)) is None


def test_a_stranger_is_nobody(identities: Identities) -> None:
    assert identities.owner(identifier(b"x" * 32, W)) is None


def test_another_operators_handset_is_a_stranger() -> None:
    identities = Identities("other")
    identities.learn(ME, SECRET)
    identities.turn_to(NOW_S)

    assert identities.owner(identifier(SECRET, W)) is None


def test_a_handset_learned_later_resolves_at_once(identities: Identities) -> None:
    identities.learn(OTHER, b"o" * 32)

    assert identities.owner(identifier(b"o" * 32, W)) == OTHER
    assert len(identities) == 2


def test_a_withdrawn_secret_stops_resolving(identities: Identities) -> None:
    identities.learn(ME, None)

    assert identities.owner(identifier(SECRET, W)) is None
    identities.turn_to(NOW_S + 900)
    assert identities.owner(identifier(SECRET, W + 1)) is None
    assert len(identities) == 0


def test_a_new_secret_replaces_the_old(identities: Identities) -> None:
    identities.learn(ME, b"n" * 32)

    assert identities.owner(identifier(SECRET, W)) is None
    assert identities.owner(identifier(b"n" * 32, W)) == ME


def test_learning_again_changes_nothing(identities: Identities) -> None:
    for _ in range(3):
        identities.learn(ME, SECRET)

    assert identities.owner(identifier(SECRET, W)) == ME


def test_an_identifier_that_two_claim_belongs_to_nobody(identities: Identities) -> None:
    identities.learn(OTHER, SECRET)
    assert identities.owner(identifier(SECRET, W)) is None

    # Neither learning again nor the next window settles who is who.
    identities.learn(ME, SECRET)
    assert identities.owner(identifier(SECRET, W)) is None
    identities.turn_to(NOW_S + 900)
    assert identities.owner(identifier(SECRET, W + 1)) is None

    identities.learn(OTHER, None)
    identities.turn_to(NOW_S + 1_800)
    assert identities.owner(identifier(SECRET, W + 2)) == ME


def test_the_erased_are_forgotten(identities: Identities) -> None:
    identities.learn(OTHER, b"o" * 32)

    identities.keep_only(["handset-2", "handset-3"])

    assert identities.owner(identifier(SECRET, W)) is None
    assert identities.owner(identifier(b"o" * 32, W)) == OTHER
    assert len(identities) == 1

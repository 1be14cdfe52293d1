"""Who is spoken to and who is not: the arm of a shopper, told again for any moment of the past."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

# Keeps the draw of the hold-out apart from that of any campaign, whatever its id.
_HOLD_OUT: Final = b"corsia/hold-out"


class Arm(StrEnum):
    """The side of a shopper in a campaign's experiment. The names are stored: never renamed."""

    TREATED = "treated"
    CONTROL = "control"  # never gets this campaign
    HELD_OUT = "held_out"  # never gets any campaign


class AssignmentError(Exception):
    """An arm was asked for that cannot be told."""


class BadSalts(AssignmentError):
    def __init__(self) -> None:
        super().__init__("a history of salts has at least one, oldest first, no two of one instant")


class NoSaltYet(AssignmentError):
    def __init__(self, at: datetime, first: datetime) -> None:
        super().__init__(f"no salt at {at.isoformat()}: the first is of {first.isoformat()}")


@dataclass(frozen=True, slots=True)
class Salt:
    """A secret that deals the shoppers into arms, from an instant until the next salt."""

    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Salts:
    """Every salt there ever was, oldest first. None is ever taken out: arms are told by them.

    Raises BadSalts when there is none or their order is not that of time.
    """

    history: tuple[Salt, ...]

    def __post_init__(self) -> None:
        instants = [salt.since for salt in self.history]
        if not instants or instants != sorted(set(instants)):
            raise BadSalts

    def at(self, at: datetime) -> str:
        """The salt of an instant. Raises NoSaltYet before the first."""
        for salt in reversed(self.history):
            if salt.since <= at:
                return salt.text
        raise NoSaltYet(at, self.history[0].since)

    def renewed(self, text: str, since: datetime) -> "Salts":
        """With another salt from then on. Raises BadSalts unless it is later than the last."""
        return Salts((*self.history, Salt(text, since)))

    def change_between(self, since: datetime, until: datetime) -> bool:
        """Whether shoppers are dealt anew within (since, until): no trial may span that."""
        return any(since < salt.since < until for salt in self.history)


def arm(
    salts: Salts,
    shopper_id: str,
    campaign_id: str,
    share: float,
    at: datetime,
    *,
    hold_out_share: float = 0.0,
) -> Arm:
    """The arm of a shopper in a campaign at an instant.

    share, hold_out_share: 0..1, of the campaign's control group and of the hold-out from all
    campaigns. Raising one keeps everybody in who was in. The hold-out goes first: of the others,
    `share` are the control group.
    Raises NoSaltYet before the first salt.
    """
    salt = salts.at(at)
    if hold_out_draw(salt, shopper_id) < hold_out_share:
        return Arm.HELD_OUT
    if campaign_draw(salt, campaign_id, shopper_id) < share:
        return Arm.CONTROL
    return Arm.TREATED


def campaign_draw(salt: str, campaign_id: str, shopper_id: str) -> float:
    """A number from 0 to 1, for ever the same for a shopper and a campaign under one salt."""
    return _draw(f"{salt}|{campaign_id}|{shopper_id}", b"")


def hold_out_draw(salt: str, shopper_id: str) -> float:
    """A number from 0 to 1 for a shopper under one salt, unrelated to that of any campaign."""
    return _draw(f"{salt}|{shopper_id}", _HOLD_OUT)


def _draw(text: str, person: bytes) -> float:
    digest = blake2b(text.encode(), digest_size=8, person=person).digest()
    return int.from_bytes(digest, "big") / 2**64

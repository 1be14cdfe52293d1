"""A store with known truth, as the simulator plays it: from the model, or from recorded walks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.advertiser import IOS_FLAGS, Advertiser
from firmware_sim.air import HeardAdvert
from firmware_sim.floor import Floor
from firmware_sim.persona import Persona
from firmware_sim.plan import Action


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shopper stands. zone_id is None between zones."""

    x_m: float
    y_m: float
    zone_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Shopper:
    """A person with a phone. number: their place in the run, from 0; all chance follows from it."""

    number: int
    persona: Persona
    advertiser: Advertiser


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One shopper's way through the store, settled when they were let in. Unix seconds.

    place_at: where they are at an instant; None outside the store.
    """

    shopper: Shopper
    arrives_at_s: float
    leaves_at_s: float
    plan: tuple[Action, ...]
    place_at: Callable[[float], Place | None]


class Scene(Protocol):
    """What the simulator plays."""

    @property
    def floor(self) -> Floor:
        """The store; its gateways are those that hear."""

    def admit(self, shopper: Shopper, at_s: float) -> Visit:
        """Let a shopper come in at that instant, which must not have been played yet."""

    def transmit(self, gateway_id: str, data: bytes | None, interval_s: float) -> None:
        """From now on that gateway's radio sends this so often; None: nothing any more."""

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway hears in that span, in order of time; spans follow each other."""


def shopper(number: int, persona: Persona, seed: int) -> Shopper:
    """A shopper whose adverts follow from the run's seed and their number."""
    advertiser = Advertiser(
        seed=seed * 1_000_003 + number,
        interval_s=persona.advert_interval_s,
        flags=IOS_FLAGS if persona.is_connectable else None,
    )
    return Shopper(number, persona, advertiser)

"""What simulated shoppers are like: what they allow, which phone they carry, what they do with it.

Shares come out exact for every number of shoppers, so that a rehearsal of 40 always holds some who
refuse; only who is which depends on the seed.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from firmware_sim.client import PURPOSES, Purpose

Platform = Literal["android", "ios"]

# 160/400/1600 x 0.625 ms are Android's modes; an app in a store uses the middle one.
# Source: AOSP AdvertisingSetParameters.
ANDROID_INTERVAL_S: Final = 0.25
# Assumed: an app in the foreground. Apple publishes no figure for apps; of the intervals that it
# asks of accessories this is the second. Source: Accessory Design Guidelines, Advertising Interval.
IOS_INTERVAL_S: Final = 0.21125
# Assumed; in Italy about three phones in ten are Apple's.
IOS_SHARE: Final = 0.3
# Assumed: one phone in ten has a clock set by hand, up to ten minutes off. The app must take the
# server's time from `Date`, or its identifiers would be of another window.
WRONG_CLOCK_SHARE: Final = 0.1
WORST_CLOCK_SKEW_S: Final = 600.0
# Fewer than a retailer allows itself: a pause, or one a week.
OWN_CAPS: Final = (0, 1)


@dataclass(frozen=True, slots=True)
class Temper:
    """A way to answer the consent questions. `withdraws` is taken back in the middle of a visit."""

    name: str
    share: float
    refuses: frozenset[Purpose] = frozenset()
    withdraws: frozenset[Purpose] = frozenset()


# Assumed shares: most agree to all, and each way to say no occurs in any run of 25 shoppers.
TEMPERS: Final = (
    Temper("all yes", 0.80),
    Temper("no push", 0.06, refuses=frozenset({"push_marketing"})),
    Temper("no location", 0.06, refuses=frozenset({"location_ble"})),
    Temper("stops push", 0.04, withdraws=frozenset({"push_marketing"})),
    Temper("stops location", 0.04, withdraws=frozenset({"location_ble"})),
)


@dataclass(frozen=True, slots=True)
class Persona:
    """One shopper and their phone. opens, redeems: how likely, for each push that was shown.
    pushes_per_week: what they set in the app; None: nothing."""

    temper: Temper
    platform: Platform
    locale: str
    country: str
    advert_interval_s: float
    clock_skew_s: float
    opens: float
    redeems: float
    pushes_per_week: int | None = None

    @property
    def consents(self) -> dict[Purpose, bool]:
        """The answers at registration."""
        return {purpose: purpose not in self.temper.refuses for purpose in PURPOSES}

    @property
    def is_connectable(self) -> bool:
        """iOS apps always advertise connectably, and so with Flags; our Android app does not."""
        return self.platform == "ios"


def personas(count: int, country: str, chance: random.Random) -> tuple[Persona, ...]:
    """That many personas in the shares above, shuffled."""
    tempers = [_temper((number + 0.5) / count) for number in range(count)]
    platforms: list[Platform] = [
        "ios" if (number + 0.5) / count < IOS_SHARE else "android" for number in range(count)
    ]
    has_wrong_clock = [(number + 0.5) / count < WRONG_CLOCK_SHARE for number in range(count)]
    for column in (tempers, platforms, has_wrong_clock):
        chance.shuffle(column)
    return tuple(
        agreeable(platform, country, chance, temper=temper, has_wrong_clock=wrong)
        for temper, platform, wrong in zip(tempers, platforms, has_wrong_clock, strict=True)
    )


def with_own_caps(
    people: Iterable[Persona], share: float, chance: random.Random
) -> tuple[Persona, ...]:
    """The same people, each of whom sets a cap of their own with that chance. share: 0..1."""
    return tuple(
        replace(one, pushes_per_week=chance.choice(OWN_CAPS)) if chance.random() < share else one
        for one in people
    )


def agreeable(
    platform: Platform,
    country: str,
    chance: random.Random,
    *,
    temper: Temper = TEMPERS[0],
    has_wrong_clock: bool = False,
) -> Persona:
    """A persona who allows everything, unless told otherwise."""
    return Persona(
        temper=temper,
        platform=platform,
        locale=_LOCALES.get(country, "en-GB"),
        country=country,
        advert_interval_s=IOS_INTERVAL_S if platform == "ios" else ANDROID_INTERVAL_S,
        clock_skew_s=(
            chance.uniform(-WORST_CLOCK_SKEW_S, WORST_CLOCK_SKEW_S) if has_wrong_clock else 0.0
        ),
        opens=chance.uniform(0.2, 0.6),
        redeems=chance.uniform(0.1, 0.5),
    )


_LOCALES: Final = {"IT": "it-IT", "DE": "de-DE", "FR": "fr-FR", "ES": "es-ES"}


def _temper(position: float) -> Temper:
    """The temper at that point of 0..1 when the shares are laid end to end."""
    for temper in TEMPERS:
        if position < temper.share:
            return temper
        position -= temper.share
    return TEMPERS[0]

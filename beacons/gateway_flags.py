"""A calibration with what it says of the gateways themselves: moved, covered, dead, new.

Found by comparing the links with the law that their fellows follow, and with what they were at the
calibration before, if there was one (`beacons.link_changes`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.calibration import (
    NEAREST_M,
    OFFSET_PRIOR_DB,
    T_FREEDOM,
    Fit,
    GatewayRadio,
    fit,
    usable,
)
from beacons.floor import FloorPlan, GatewayPlace
from beacons.link_changes import Changes, Flag, FlagKind
from beacons.links import Link

Floats = npt.NDArray[np.float64]

# Twice the log-likelihood by which another place must explain a gateway's links better. Measured
# (benchmarks/calibration.py): shadows of 3.4 dB reach 14 for none of 1,440 gateways, and half of
# those that hang 10 m and more elsewhere do. Where the links have also changed, 7 is enough to say
# where to.
MOVED_LIKELIHOOD: Final = 14.0
MOVED_AND_CHANGED_LIKELIHOOD: Final = 7.0
# Nearer than this the shadows of two places are alike, and a plan is drawn no better.
LEAST_MOVE_M: Final = 4.0
LEAST_LINKS_TO_PLACE: Final = 4
PLACES: Final = 2_000
# A gateway's own loudness is tried in such steps and then a third to either side: a third of the
# shadows' spread, so no best value lies hidden between.
OWN_STEP_DB: Final = 1.5
# Each is at most some 10,000, for 100 dB off where 1 dB is usual: no product overflows.
FACTORS_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Before:
    """What was known before.

    radios: of the last calibration; moved: which of them it said had moved. links: that an earlier
    calibration was made from, none of whose hours are looked at now.
    """

    radios: tuple[GatewayRadio, ...]
    links: tuple[Link, ...]
    moved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One floor's gateways as they are now."""

    floor_id: str
    fit: Fit
    flags: tuple[Flag, ...]

    @property
    def is_measured(self) -> bool:
        """Whether any link told of it: otherwise its law is only what is assumed of all."""
        return any(radio.links for radio in self.fit.radios)


def calibrate(floor: FloorPlan, links: Iterable[Link], before: Before | None = None) -> Calibrated:
    """The radios of a floor and what is to be said of its gateways, in the order of the plan.

    A gateway that is not where the plan says gets the store's common values: what its links show
    belongs to another place. One without any link, which may be off for a day, keeps its earlier
    values.
    """
    here = {place.gateway_id for place in floor.gateways}
    links = [link for link in links if {link.hearer_id, link.heard_id} <= here]
    changes = Changes(floor, links, before.links if before else ())
    changed = changes.spread_out | (before.moved if before else frozenset())
    moved = _moves(floor, links, changes, changed)
    gone = {flag.gateway_id for flag in moved}
    covered = [flag for flag in changes.covered() if flag.gateway_id not in gone]
    order = {place.gateway_id: number for number, place in enumerate(floor.gateways)}
    found = [*_silent(floor, links, before), *moved, *covered]
    found.sort(key=lambda flag: order[flag.gateway_id])
    fitted = fit(floor, links, frozenset(gone))
    earlier = {radio.gateway_id: radio for radio in before.radios} if before else {}
    radios = tuple(
        replace(earlier[radio.gateway_id], links=0)
        if radio.links == 0 and radio.gateway_id in earlier.keys() - gone
        else radio
        for radio in fitted.radios
    )
    return Calibrated(floor.floor_id, replace(fitted, radios=radios), tuple(found))


def _moves(
    floor: FloorPlan, links: Sequence[Link], changes: Changes, changed: frozenset[str]
) -> list[Flag]:
    """The gateways that do not hang where the plan says.

    changed: of which less evidence will do; who moved yesterday has most likely not moved back.
    """
    suspects: frozenset[str] = frozenset()
    flags: list[Flag] = []
    by_gateway: dict[str, list[Link]] = {one.gateway_id: [] for one in floor.gateways}
    for link in usable(links, by_gateway):
        by_gateway[link.heard_id].append(link)
        by_gateway[link.hearer_id].append(link)
    for _ in range(2):
        # One that hangs elsewhere pulls its fellows: the second time, each suspect is looked at
        # beside those that nobody doubts.
        among = [one for one in floor.gateways if not suspects or one.gateway_id in suspects]
        fitted = fit(floor, links, suspects)
        flags = []
        for one in among:
            has_changed = one.gateway_id in changed
            own = by_gateway[one.gateway_id]
            flag = _moved(floor, fitted, own, one, suspects, has_changed=has_changed)
            flag = flag or changes.elsewhere(one.gateway_id)
            flags += [flag] if flag is not None else []
        suspects = frozenset(flag.gateway_id for flag in flags)
        if not suspects:
            break
    return flags


def _silent(floor: FloorPlan, links: Sequence[Link], before: Before | None) -> list[Flag]:
    """What is new, and what hears nobody or is heard by nobody."""
    heard_by = Counter(link.heard_id for link in links)
    hears = Counter(link.hearer_id for link in links)
    knew = {radio.gateway_id for radio in before.radios} if before else set()
    had = (
        {end for link in before.links for end in (link.hearer_id, link.heard_id)} if before else ()
    )
    flags = []
    for place in floor.gateways if links else ():
        one = place.gateway_id
        if before is not None and one not in knew:
            flags.append(Flag(one, FlagKind.NEW, "is calibrated for the first time"))
        if one not in heard_by and one not in hears and one in had:
            sentence = "hears no fellow and is heard by none any more"
            flags.append(Flag(one, FlagKind.DIED, sentence))
        elif one not in heard_by and one not in hears:
            sentence = "hears no fellow and is heard by none: it is off, or too far away"
            flags.append(Flag(one, FlagKind.ALONE, sentence))
        elif one not in hears:
            sentence = (
                f"is heard by {heard_by[one]} of its fellows but reports hearing none: its receiver"
                " or its network is broken"
            )
            flags.append(Flag(one, FlagKind.DEAF, sentence))
        elif one not in heard_by:
            sentence = (
                f"hears {hears[one]} of its fellows but is heard by none: its adapter does not"
                " advertise, or its canary is turned off"
            )
            flags.append(Flag(one, FlagKind.MUTE, sentence))
    return flags


def _moved(
    floor: FloorPlan,
    fitted: Fit,
    links: Sequence[Link],
    place: GatewayPlace,
    doubtful: frozenset[str],
    *,
    has_changed: bool,
) -> Flag | None:
    """Whether another place explains the gateway's own links much better than the planned one."""
    radios = {radio.gateway_id: radio for radio in fitted.radios}
    others = {
        other.gateway_id: other
        for other in floor.gateways
        if other.gateway_id != place.gateway_id and other.gateway_id not in doubtful
    }
    looks = _looks(place.gateway_id, links, radios, others)
    if len(looks) < LEAST_LINKS_TO_PLACE:
        return None
    at = np.array([(others[one].x_m, others[one].y_m, others[one].z_m) for one in looks])
    level_dbm = np.array([look[0] for look in looks.values()])
    variance_db2 = np.array([look[1] for look in looks.values()]) + fitted.law.sigma_db**2
    spots = np.vstack([[place.x_m, place.y_m], _spots(floor)])
    rise_m = at[:, 2] - place.z_m
    away_m = np.sqrt(
        (spots[:, None, 0] - at[:, 0]) ** 2 + (spots[:, None, 1] - at[:, 1]) ** 2 + rise_m**2
    )
    fall_db = (
        10 * fitted.law.exponent * np.log10(np.maximum(away_m, NEAREST_M) / fitted.law.pivot_m)
    )
    likelihood = _likelihood(level_dbm - fitted.law.level_dbm + fall_db, variance_db2)
    best = int(np.argmax(likelihood))
    better = 2 * float(likelihood[best] - likelihood[0])
    moved_m = float(np.hypot(*(spots[best] - spots[0])))
    enough = MOVED_AND_CHANGED_LIKELIHOOD if has_changed else MOVED_LIKELIHOOD
    if better < enough or moved_m < LEAST_MOVE_M:
        return None
    since = "has moved: its links" if has_changed else "hangs elsewhere than planned: its links"
    return Flag(
        place.gateway_id,
        FlagKind.MOVED,
        f"{since} fit a place {moved_m:.0f} m away better, near"
        f" x {spots[best][0]:.0f} m, y {spots[best][1]:.0f} m",
    )


def _looks(
    gateway_id: str,
    links: Sequence[Link],
    radios: dict[str, GatewayRadio],
    others: dict[str, GatewayPlace],
) -> dict[str, tuple[float, float]]:
    """How loud the path to each fellow is without the fellow's own part, and the variance."""
    paths: dict[str, list[tuple[float, float]]] = {}
    for link in links:
        if link.heard_id == gateway_id and link.hearer_id in others:
            radio = radios[link.hearer_id]
            own_db, se_db = radio.offset_db, radio.offset_se_db
        elif link.hearer_id == gateway_id and link.heard_id in others:
            radio = radios[link.heard_id]
            own_db, se_db = radio.transmit_db, radio.transmit_se_db
        else:
            continue
        paths.setdefault(radio.gateway_id, []).append((link.mean_rssi_dbm - own_db, se_db**2))
    return {
        fellow: (float(np.mean([p[0] for p in path])), float(np.mean([p[1] for p in path])))
        for fellow, path in paths.items()
    }


def _spots(floor: FloorPlan) -> Floats:
    """Places all over the floor, about a metre apart or, on a large one, further."""
    outline = ShapelyPolygon(floor.outline)
    step_m = max(1.0, float(np.sqrt(outline.area / PLACES)))
    left_m, low_m, right_m, high_m = outline.bounds
    x_m, y_m = np.meshgrid(
        np.arange(left_m + step_m / 2, right_m, step_m),
        np.arange(low_m + step_m / 2, high_m, step_m),
    )
    spots = np.column_stack([x_m.ravel(), y_m.ravel()])
    return spots[shapely.contains_xy(outline, spots[:, 0], spots[:, 1])]


def _likelihood(over_db: Floats, variance_db2: Floats) -> Floats:
    """Log likelihood of each place; the gateway's own loudness is whatever suits the place best.

    over_db: what the links are louder than the law, (places, links).
    """
    scale = 1.0 / np.sqrt(T_FREEDOM * variance_db2)
    over = over_db * scale

    def given(own_db: Floats) -> Floats:
        """own_db: (places,) or (1,)."""
        factors = 1.0 + (over - own_db[:, None] * scale) ** 2
        # Logarithms of products: one a link would take most of the time.
        logs = sum(
            np.log(factors[:, first : first + FACTORS_AT_ONCE].prod(axis=1))
            for first in range(0, factors.shape[1], FACTORS_AT_ONCE)
        )
        found: Floats = -0.5 * (T_FREEDOM + 1) * logs - 0.5 * (own_db / OFFSET_PRIOR_DB) ** 2
        return found

    best = np.full(len(over_db), -np.inf)
    best_db = np.zeros(len(over_db))
    reach_db = 3 * OFFSET_PRIOR_DB
    for one_db in np.arange(-reach_db, reach_db + OWN_STEP_DB / 2, OWN_STEP_DB):
        likelihood = given(np.array([one_db]))
        best_db[likelihood > best] = one_db
        best = np.maximum(best, likelihood)
    for less_db in (-OWN_STEP_DB / 3, OWN_STEP_DB / 3):
        best = np.maximum(best, given(best_db + less_db))
    return best

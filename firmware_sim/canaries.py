"""Canaries on the simulated air: what the store's own gateways transmit, and hear of each other.

Gateways stand still and hang above the shelves, so a path between two of them is simpler than a
handset's: the same law, one shadow that is the same both ways, fading by what moves below, no body.
A radio is deaf while it sends; at one advert a second that is 0.1 % of its time, and left out.
"""

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.advertiser import ADV_DELAY_S
from firmware_sim.air import HeardAdvert
from firmware_sim.floor import Floor
from firmware_sim.radio import (
    MAX_SHELF_LOSS_DB,
    NEAREST_M,
    PATH_LOSS_EXPONENT,
    REFERENCE_DBM,
    SHADOWING_SD_DB,
    SHELF_LOSS_DB,
    Floats,
    Handsets,
    Radio,
    crosses,
)

# What a gateway sends beside what it hears: antenna and box act both ways, only the chip's power is
# a thing of its own. Datasheets of BLE chips allow +-2 to +-4 dB. Assumed.
CHIP_POWER_SD_DB: Final = 2.0
# The two upper bits of a static random address. Source: Core Specification 5.4, Vol 6, Part B,
# 1.3.2.1.
STATIC_BITS: Final = 0xC0
# Handsets are numbered from 0: canaries fade by keys of their own.
_FIRST_KEY: Final = 1 << 40


@dataclass(slots=True)
class _Sender:
    """A gateway that transmits; next_s: unix, when it does so next."""

    data: bytes
    interval_s: float
    address: str
    next_s: float
    delay: random.Random


class Canaries:
    """The gateways of a floor as senders. start_s: the unix time at which the store opens."""

    def __init__(self, floor: Floor, seed: int, radio: Radio, start_s: float) -> None:
        self._seed = seed
        self._radio = radio
        self._start_s = start_s
        self._ids = tuple(gateway.gateway_id for gateway in floor.gateways)
        self._x_m = np.array([gateway.x_m for gateway in floor.gateways])
        self._y_m = np.array([gateway.y_m for gateway in floor.gateways])
        # A stream of chance of its own, so that handsets are heard as if there were no canaries.
        draw = np.random.default_rng([seed & 0xFFFF_FFFF_FFFF_FFFF, _FIRST_KEY])
        count = len(self._ids)
        chip_db = draw.normal(0.0, CHIP_POWER_SD_DB, count)
        shadow_db = np.triu(draw.normal(0.0, SHADOWING_SD_DB, (count, count)), 1)
        sent_dbm = REFERENCE_DBM + radio.gateway_offset_db + chip_db
        # A radio does not hear itself.
        self._level_dbm = np.where(
            np.eye(count, dtype=np.bool_),
            np.nan,
            sent_dbm[:, None]
            + radio.gateway_offset_db
            + shadow_db
            + shadow_db.T
            - _path_loss_db(floor),
        )
        self._senders: dict[int, _Sender] = {}

    def transmit(self, gateway_id: str, data: bytes | None, interval_s: float) -> None:
        """From now on that gateway sends this so often; None: nothing any more."""
        number = self._ids.index(gateway_id)
        before = self._senders.get(number)
        if data is None:
            self._senders.pop(number, None)
        elif before is None or (before.data, before.interval_s) != (data, interval_s):
            delay = random.Random(f"canary {self._seed} {gateway_id}")
            address = bytearray(delay.randbytes(6))
            address[0] |= STATIC_BITS
            self._senders[number] = _Sender(data, interval_s, address.hex(":"), -math.inf, delay)

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway hears of the others in that span, in order of time."""
        sent = sorted(
            (at_s, number)
            for number, sender in self._senders.items()
            for at_s in _instants(sender, from_s, until_s)
        )
        if not sent:
            return {}
        at_s = np.array([at_s for at_s, _ in sent])
        number = np.array([number for _, number in sent])
        where = Handsets(
            key=_FIRST_KEY + number,
            x_m=self._x_m[number],
            y_m=self._y_m[number],
            heading_rad=np.zeros(len(sent)),
            offset_db=np.zeros(len(sent)),
        )
        rssi_dbm = self._radio.received(at_s - self._start_s, where, self._level_dbm[number])
        heard: dict[str, list[HeardAdvert]] = defaultdict(list)
        for row, hearer in np.argwhere(~np.isnan(rssi_dbm)).tolist():
            sender = self._senders[sent[row][1]]
            heard[self._ids[hearer]].append(
                HeardAdvert(
                    at_ms=int(sent[row][0] * 1000),
                    address=sender.address,
                    rssi_dbm=int(rssi_dbm[row, hearer]),
                    data=sender.data,
                )
            )
        return dict(heard)


def _instants(sender: _Sender, from_s: float, until_s: float) -> list[float]:
    if sender.next_s < from_s:
        sender.next_s = from_s + sender.delay.uniform(0.0, sender.interval_s)
    instants = []
    while sender.next_s < until_s:
        instants.append(sender.next_s)
        sender.next_s += sender.interval_s + sender.delay.uniform(0.0, ADV_DELAY_S)
    return instants


def _path_loss_db(floor: Floor) -> Floats:
    """Between each two gateways: the law, and shelves where a path dips below their tops."""
    places = np.array([(one.x_m, one.y_m, one.z_m) for one in floor.gateways])
    away_m = np.maximum(np.linalg.norm(places[:, None] - places, axis=2), NEAREST_M)
    shelves_db = np.minimum(SHELF_LOSS_DB * _shelves_crossed(floor, places), MAX_SHELF_LOSS_DB)
    loss_db: Floats = 10 * PATH_LOSS_EXPONENT * np.log10(away_m) + shelves_db
    return loss_db


def _shelves_crossed(floor: Floor, places: Floats) -> Floats:
    """How many shelves stand in the way of each two gateways, [gateway, gateway]."""
    z_m = places[:, 2]
    low_m, high_m = np.minimum(z_m[:, None], z_m), np.maximum(z_m[:, None], z_m)
    level = high_m - low_m < 1e-6
    rise_m = np.where(level, 1.0, high_m - low_m)
    share = np.where(level, low_m < floor.shelf_height_m, (floor.shelf_height_m - low_m) / rise_m)
    below = np.clip(share, 0.0, 1.0)
    # From the lower end as far as the path is below the tops.
    is_lower = (places[:, None, 2] <= places[:, 2])[..., None]
    start = np.where(is_lower, places[:, None, :2], places[:, :2])
    end = np.where(is_lower, places[:, :2], places[:, None, :2])
    end = start + below[..., None] * (end - start)
    crossed = np.zeros(below.shape)
    for shelf in floor.shelves:
        crossed += crosses(shelf, start[..., 0], start[..., 1], end[..., 0], end[..., 1])
    return np.where(below > 0, crossed, 0.0)


def merged(
    one: dict[str, list[HeardAdvert]], other: dict[str, list[HeardAdvert]]
) -> dict[str, list[HeardAdvert]]:
    """What both say each gateway hears, in order of time."""
    return {
        gateway_id: sorted(
            one.get(gateway_id, []) + other.get(gateway_id, []), key=lambda advert: advert.at_ms
        )
        for gateway_id in one.keys() | other.keys()
    }

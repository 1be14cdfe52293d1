"""A store that is always equally full, for as long as one likes: input for measuring speed.

The simulator's walks, phones and radio, reckoned for all handsets of a half second at once. Who
has left is replaced at once by somebody new, so that identities come and go as in a store.
"""

import random
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.heard import Heard
from corsia import demo
from firmware_sim.advertiser import ADV_DELAY_S
from firmware_sim.floor import Floor, supermarket
from firmware_sim.persona import ANDROID_INTERVAL_S, IOS_INTERVAL_S, IOS_SHARE
from firmware_sim.radio import LOUDEST_HANDSET_DB, QUIETEST_HANDSET_DB, Handsets, Radio
from firmware_sim.walker import Walker

WINDOW_S: Final = 0.5
START_S: Final = 1_790_000_000.0
# Different ways through the store; each is walked many times, by different phones.
WALKS: Final = 100
MIX: Final = (
    f"{1 - IOS_SHARE:.0%} Android every {ANDROID_INTERVAL_S * 1000:.0f} ms,"
    f" {IOS_SHARE:.0%} iOS every {IOS_INTERVAL_S * 1000:.0f} ms,"
    f" {QUIETEST_HANDSET_DB:+.0f} to {LOUDEST_HANDSET_DB:+.0f} dB, built-in radios of Pis"
)


class PresenceCrowd:
    """So many handsets in the supermarket, at every moment."""

    def __init__(self, handsets: int, seed: int) -> None:
        floor = supermarket()
        (self.plan,) = demo.store_plan(floor).floors
        self._radio = Radio(floor, seed)
        self._draw = np.random.default_rng(seed)
        self._gateway_ids = [place.gateway_id for place in floor.gateways]
        poses = _poses(floor, seed)
        self._poses = np.concatenate(poses)
        self._lasts = np.array([len(walk) for walk in poses])  # windows
        self._first = np.cumsum(self._lasts) - self._lasts
        self._window = 0
        self._people = 0

        # A visit found under way is more likely a long one.
        share = self._lasts / self._lasts.sum()
        self._walk = self._draw.choice(WALKS, size=handsets, p=share)
        self._began = -(self._draw.uniform(size=handsets) * self._lasts[self._walk]).astype(int)
        self._number = np.zeros(handsets, dtype=np.int64)
        self._offset_db = np.zeros(handsets)
        self._interval_s = np.zeros(handsets)
        self._next_s = np.zeros(handsets)
        self._admit(np.arange(handsets))

    @property
    def now_s(self) -> float:
        """The end of the last window, unix."""
        return START_S + self._window * WINDOW_S

    def window(self) -> list[Heard]:
        """What the gateways hear in the next half second."""
        over = np.flatnonzero(self._window - self._began >= self._lasts[self._walk])
        self._walk[over] = self._draw.integers(WALKS, size=len(over))
        self._began[over] = self._window
        self._admit(over)
        pose = self._poses[self._first[self._walk] + self._window - self._began]

        shape = (len(self._walk), len(self._gateway_ids))
        count, total_dbm = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        loudest_dbm = np.full(shape, -np.inf)
        until_s = (self._window + 1) * WINDOW_S
        while len(due := np.flatnonzero(self._next_s < until_s)):
            handsets = Handsets(
                key=self._number[due],
                x_m=pose[due, 0],
                y_m=pose[due, 1],
                heading_rad=pose[due, 2],
                offset_db=self._offset_db[due],
            )
            rssi_dbm = self._radio.hear(self._next_s[due], handsets)
            count[due] += ~np.isnan(rssi_dbm)
            total_dbm[due] += np.nan_to_num(rssi_dbm)
            loudest_dbm[due] = np.fmax(loudest_dbm[due], rssi_dbm)
            self._next_s[due] += self._interval_s[due]
            self._next_s[due] += self._draw.uniform(0.0, ADV_DELAY_S, len(due))
        at_s = self.now_s
        self._window += 1
        return self._heard(at_s, count, total_dbm, loudest_dbm)

    def _admit(self, slots: npt.NDArray[np.intp]) -> None:
        """Somebody new with a phone of their own in each of these places."""
        self._number[slots] = self._people + np.arange(len(slots))
        self._people += len(slots)
        self._offset_db[slots] = self._draw.uniform(
            QUIETEST_HANDSET_DB, LOUDEST_HANDSET_DB, len(slots)
        )
        is_ios = self._draw.uniform(size=len(slots)) < IOS_SHARE
        self._interval_s[slots] = np.where(is_ios, IOS_INTERVAL_S, ANDROID_INTERVAL_S)
        start_s = self._window * WINDOW_S
        self._next_s[slots] = start_s + self._draw.uniform(size=len(slots)) * ANDROID_INTERVAL_S

    def _heard(
        self,
        at_s: float,
        count: npt.NDArray[np.int64],
        total_dbm: npt.NDArray[np.float64],
        loudest_dbm: npt.NDArray[np.float64],
    ) -> list[Heard]:
        slot, gateway = np.nonzero(count)
        n = count[slot, gateway]
        rows = zip(
            self._number[slot].tolist(),
            gateway.tolist(),
            n.tolist(),
            np.round(total_dbm[slot, gateway] / n, 2).tolist(),
            loudest_dbm[slot, gateway].tolist(),
            strict=True,
        )
        return [
            Heard(f"handset-{number:06}", self._gateway_ids[place], at_s, adverts, mean, loudest)
            for number, place, adverts, mean, loudest in rows
        ]


@cache
def _poses(floor: Floor, seed: int) -> list[npt.NDArray[np.float64]]:
    """Ways through the store: where a shopper is in the middle of each window, (windows, 3)."""
    walker = Walker(floor)
    walks = [walker.visit(random.Random(f"walk {seed} {number}")) for number in range(WALKS)]
    return [
        np.array(
            [walk.position(at_s) for at_s in np.arange(WINDOW_S / 2, walk.ends_at_s, WINDOW_S)]
        )
        for walk in walks
    ]

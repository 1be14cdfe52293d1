"""Stores made up for the tests of calibration: gateways of known loudness, and what they hear."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from beacons.floor import FloorPlan, GatewayPlace
from beacons.links import Link, LinkHour

Floats = npt.NDArray[np.float64]

SHADOW_DB = 3.4
NOISE_DB = 0.3
UNHEARD_DBM = -96.0


@dataclass(frozen=True, slots=True)
class MadeStore:
    """receive_db, transmit_db: planted. shadow_db: of each path, the same both ways."""

    floor: FloorPlan
    receive_db: Floats
    transmit_db: Floats
    shadow_db: Floats
    exponent: float = 2.0

    @property
    def ids(self) -> list[str]:
        return [place.gateway_id for place in self.floor.gateways]

    def links(self, seed: int = 0) -> list[Link]:
        """What is heard, in one measurement."""
        draw = np.random.default_rng(seed)
        found = []
        for i, sender in enumerate(self.floor.gateways):
            for j, hearer in enumerate(self.floor.gateways):
                if i == j:
                    continue
                away_m = max(1.0, np.hypot(sender.x_m - hearer.x_m, sender.y_m - hearer.y_m))
                level_dbm = -59.0 + self.transmit_db[i] + self.receive_db[j] + self.shadow_db[i, j]
                level_dbm += draw.normal(0.0, NOISE_DB) - 10 * self.exponent * np.log10(away_m)
                if level_dbm > UNHEARD_DBM:
                    ids = hearer.gateway_id, sender.gateway_id
                    found.append(Link(*ids, float(level_dbm), 2.0, 60, 1, 1.0))
        return found

    def moved(self, gateway: int, x_m: float, y_m: float, seed: int = 0) -> Self:
        """The same store with one gateway elsewhere, and so with other shadows."""
        draw = np.random.default_rng(seed)
        shadow_db = self.shadow_db.copy()
        shadow_db[gateway] = draw.normal(0.0, SHADOW_DB, len(shadow_db))
        shadow_db[:, gateway] = shadow_db[gateway]
        places = list(self.floor.gateways)
        places[gateway] = replace(places[gateway], x_m=x_m, y_m=y_m)
        return replace(self, shadow_db=shadow_db, floor=replace(self.floor, gateways=tuple(places)))

    def covered(self, gateway: int, by_db: float) -> Self:
        """The same store with something before one gateway."""
        drop_db = np.zeros(len(self.ids))
        drop_db[gateway] = by_db
        return replace(
            self, receive_db=self.receive_db - drop_db, transmit_db=self.transmit_db - drop_db
        )


def made_store(seed: int, gateways: int = 12, size_m: tuple[float, float] = (30, 20)) -> MadeStore:
    """A store without shelves; gateways anywhere at the ceiling."""
    draw = np.random.default_rng(seed)
    width_m, depth_m = size_m
    places = tuple(
        GatewayPlace(f"g{i:02d}", float(x_m), float(y_m), 3.5)
        for i, (x_m, y_m) in enumerate(draw.uniform((0, 0), size_m, (gateways, 2)))
    )
    outline = ((0.0, 0.0), (width_m, 0.0), (width_m, depth_m), (0.0, depth_m))
    shadow_db = np.triu(draw.normal(0.0, SHADOW_DB, (gateways, gateways)), 1)
    return MadeStore(
        FloorPlan("f", outline, (), (), places),
        draw.normal(0.0, 3.0, gateways),
        draw.normal(0.0, 3.0, gateways),
        shadow_db + shadow_db.T,
    )


def hour_of(links: list[Link], hour_s: int) -> list[LinkHour]:
    """Sums of one hour that make up these links; hour_s: unix."""
    return [
        LinkHour(
            link.hearer_id,
            link.heard_id,
            hour_s,
            link.windows,
            4 * link.windows,
            link.windows * link.mean_rssi_dbm,
            link.windows * (link.mean_rssi_dbm**2 + link.sd_db**2),
        )
        for link in links
    ]

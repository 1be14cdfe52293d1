"""The air of a simulated store: how loud each gateway hears an advert, if it does.

received = reference - path loss - shelves - body + shadowing + fading + the two radios' own offsets

Everything is a function of the seed, the handset, the place and the instant. Nothing is remembered
between calls, so it does not matter how the adverts are batched. Constants come from physics or
literature where they can, and are then set against the recorded walks ("tetam": an office, one
tag, 12 receivers on Raspberry Pis); `realism` prints both sides.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware_sim.floor import Floor, Polygon

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

# At 1 m with offset 0. The usual calibration of iBeacons, and what the recorded tag shows: its fit
# gives -52 to -66 dBm by receiver, -59 in the mean.
REFERENCE_DBM: Final = -59.0
# Free space is 2.0; a corridor that guides the waves less. The recording fits 1.69 to 1.93 for
# receivers 0.5 to 2 m above the tag (the height is not published), without any shelf.
PATH_LOSS_EXPONENT: Final = 1.8
# Nearer than this the law above has no meaning.
NEAREST_M: Final = 0.5
# Spread of the receivers' own offsets (antenna, box, bracket). The recording fits 3.2 dB.
GATEWAY_OFFSET_SD_DB: Final = 3.0
# Where a phone is while its owner looks at it.
HANDSET_HEIGHT_M: Final = 1.1

# One gondola full of goods between handset and gateway. Knife-edge diffraction over its top gives
# 6 dB at grazing and 10 to 15 dB below; part of that is made good by the ceiling's reflection.
SHELF_LOSS_DB: Final = 6.0
# Two gondolas deep, what arrives has come over the top by reflection, whatever else stands there.
MAX_SHELF_LOSS_DB: Final = 12.0
# The body behind the phone, when the gateway is behind the body: 5 to 15 dB in free space at
# 2.4 GHz, less where reflections come from all sides. The recorded tag was carried clear of the
# body (heading explains under 0.5 dB), so the recording cannot say.
BODY_LOSS_DB: Final = 7.0

# What stands about and is no shelf: slow in space, the same for everyone who passes. In the
# recording the residuals (27 dB2) of windows 5 to 15 cm apart correlate by 0.3, those 40 cm apart
# by 0.2 and those 90 cm apart by 0.12. The fit of the law takes a part of it away, so 40 % of the
# variance falling off over 1 m give that curve.
SHADOWING_SD_DB: Final = 3.4
SHADOWING_LENGTH_M: Final = 1.0

# The other 60 % are gone after 5 cm, as multipath at 12 cm wavelength must be, and have the long
# lower tail of Rician fading. Power of the steady wave over that of the scattered ones; 2 gives
# 4.4 dB, pure Rayleigh fading would give 5.6.
RICIAN_K: Final = 2.0
# Scattered waves in the sum. Eight are enough for a Rician law in all but the last percent.
WAVES: Final = 8
# Scattering people and trolleys move too: a handset at rest sees the same fade for about 2 s.
SCATTERER_DOPPLER_HZ: Final = 0.1
# Advertising channels 37, 38 and 39. They are 24 MHz and more apart, several times the coherence
# bandwidth of a room, so each fades by itself; the scanner listens on one at a time.
CHANNELS_HZ: Final = (2.402e9, 2.426e9, 2.480e9)
LIGHT_M_PER_S: Final = 299_792_458.0

# Thermal noise and the step of the receiver's gain: +-1.5 dB, evenly spread.
NOISE_DB: Final = 1.5
# From certainly lost to certainly decoded within about 4 dB.
SENSITIVITY_SLOPE_DB: Final = 1.0

# How much louder or quieter than the reference phones are. Three phones in one recorded library
# differ by 20 dB.
QUIETEST_HANDSET_DB: Final = -18.0
LOUDEST_HANDSET_DB: Final = 2.0

GRID_M: Final = 0.25  # of the maps below: a quarter of the shadowing length


@dataclass(frozen=True, slots=True)
class Receiver:
    """A kind of radio in the gateways."""

    listening: float  # share of strong adverts that it decodes
    sensitivity_dbm: float  # half of the adverts this weak are decoded


# The radio inside a Raspberry Pi, which shares antenna and time with Wi-Fi: of 16 beacons at 1 Hz
# it hears 30 to 40 % within a second (IanHarvey/bluepy issue 310).
PI_BUILT_IN: Final = Receiver(listening=0.38, sensitivity_dbm=-95.0)
# A dongle with nothing else to do, as in the recording: by strength, 81 to 89 %
# of the packets arrive (the rest falls into a change of channel or a collision); the weakest
# reading is -101 dBm.
USB_DONGLE: Final = Receiver(listening=0.87, sensitivity_dbm=-97.0)


@dataclass(frozen=True, slots=True, eq=False)
class Handsets:
    """Advertising handsets, or several adverts of some: one row each, all arrays equally long."""

    key: Indices  # names the handset; the same key has the same fades
    x_m: Floats
    y_m: Floats
    heading_rad: Floats  # where the owner looks, 0 along x, counter-clockwise
    offset_db: Floats  # loudness of the handset; see `drawn_offset_db`


def drawn_offset_db(chance: random.Random) -> float:
    """The loudness of one more handset of the crowd."""
    return chance.uniform(QUIETEST_HANDSET_DB, LOUDEST_HANDSET_DB)


class Radio:
    """The air between the handsets on a floor and its gateways."""

    def __init__(
        self,
        floor: Floor,
        seed: int,
        receiver: Receiver = PI_BUILT_IN,
        body_loss_db: float = BODY_LOSS_DB,
    ) -> None:
        self._receiver = receiver
        self._body_loss_db = body_loss_db
        self._seed = np.uint64(seed & 0xFFFF_FFFF_FFFF_FFFF)
        self._x_m = np.array([gateway.x_m for gateway in floor.gateways])
        self._y_m = np.array([gateway.y_m for gateway in floor.gateways])
        self._rise_m = np.array([gateway.z_m for gateway in floor.gateways]) - HANDSET_HEIGHT_M
        draw = np.random.default_rng(self._seed)
        count = len(floor.gateways)
        self._offset_db = draw.normal(0.0, GATEWAY_OFFSET_SD_DB, count)
        nodes_x_m = np.arange(0.0, floor.size_m[0] + 2 * GRID_M, GRID_M)
        nodes_y_m = np.arange(0.0, floor.size_m[1] + 2 * GRID_M, GRID_M)
        shape = (count, len(nodes_y_m), len(nodes_x_m))
        shelves = self._shelves_crossed(floor, nodes_x_m, nodes_y_m)
        loss_db = np.minimum(shelves * SHELF_LOSS_DB, MAX_SHELF_LOSS_DB)
        self._map_db = _shadowing_db(draw, shape) - loss_db
        self._last_cell = (shape[2] - 2, shape[1] - 2)
        # One set of scattered waves per channel and gateway: where each comes from, how its
        # phase starts, and how fast the moving scatterer turns it.
        waves = (len(CHANNELS_HZ), count, WAVES)
        wave_number = 2 * math.pi * np.array(CHANNELS_HZ) / LIGHT_M_PER_S
        bearing = draw.uniform(0, 2 * math.pi, waves)
        self._wave_x = wave_number[:, None, None] * np.cos(bearing)
        self._wave_y = wave_number[:, None, None] * np.sin(bearing)
        self._wave_t = draw.normal(0, 2 * math.pi * SCATTERER_DOPPLER_HZ, waves)
        self._wave_phase = draw.uniform(0, 2 * math.pi, waves)

    @property
    def gateway_offset_db(self) -> Floats:
        """How much louder than the common one each gateway hears."""
        return self._offset_db

    def median_dbm(self, handsets: Handsets) -> Floats:
        """What a receiver would measure without fading and noise, [handset, gateway]."""
        dx = self._x_m - handsets.x_m[:, None]
        dy = self._y_m - handsets.y_m[:, None]
        flat_m = np.hypot(dx, dy)
        distance_m = np.maximum(np.hypot(flat_m, self._rise_m), NEAREST_M)
        # The cosine of the angle between where the owner looks and the gateway, in three
        # dimensions: to a gateway overhead the body makes no difference of front and back.
        look_x = np.cos(handsets.heading_rad)[:, None]
        look_y = np.sin(handsets.heading_rad)[:, None]
        behind = (1 - (look_x * dx + look_y * dy) / distance_m) / 2
        law_db = 10 * PATH_LOSS_EXPONENT * np.log10(distance_m)
        level_dbm = REFERENCE_DBM + handsets.offset_db[:, None] + self._offset_db - law_db
        return level_dbm + self._mapped_db(handsets) - self._body_loss_db * behind

    def hear(self, t_s: float | Floats, handsets: Handsets) -> Floats:
        """The RSSI of one advert of each handset, [handset, gateway]; NaN where it is not heard.

        t_s: the instant of the adverts, or of each. Whole dBm, as receivers report them.
        """
        return self.received(t_s, handsets, self.median_dbm(handsets))

    def received(self, t_s: float | Floats, senders: Handsets, median_dbm: Floats) -> Floats:
        """The RSSI of one advert of each sender, as `hear` gives it.

        median_dbm: what a receiver would measure without fading and noise, [sender, gateway].
        """
        at_s = np.broadcast_to(np.asarray(t_s, dtype=np.float64), senders.x_m.shape)
        bits = self._chance_bits(at_s, senders.key)
        heard_roll = (bits >> np.uint64(40)) / 2.0**24
        noise_roll = ((bits >> np.uint64(16)) & np.uint64(0xFFFFFF)) / 2.0**24
        channel = ((bits & np.uint64(0xFFFF)) % np.uint64(len(CHANNELS_HZ))).astype(np.int64)
        level_dbm = median_dbm + self._fading_db(at_s, senders, channel)
        level_dbm += NOISE_DB * (2 * noise_roll - 1)
        above_db = (level_dbm - self._receiver.sensitivity_dbm) / SENSITIVITY_SLOPE_DB
        decoded = self._receiver.listening / (1 + np.exp(-np.clip(above_db, -50.0, 50.0)))
        return np.where(heard_roll < decoded, np.rint(level_dbm), np.nan)

    def _chance_bits(self, at_s: Floats, key: Indices) -> Bits:
        """64 random bits for each advert at each gateway, from what names it and nothing else."""
        instant = np.rint(at_s * 1000).astype(np.int64).astype(np.uint64)
        advert = _mixed(_mixed(key.astype(np.uint64) ^ self._seed) ^ instant)
        gateways = np.arange(len(self._x_m), dtype=np.uint64)
        return _mixed(advert[:, None] ^ _mixed(gateways))

    def _mapped_db(self, handsets: Handsets) -> Floats:
        """Shadowing less shelves, between the four nodes around each handset."""
        column = np.clip(handsets.x_m / GRID_M, 0, self._last_cell[0])
        row = np.clip(handsets.y_m / GRID_M, 0, self._last_cell[1])
        i = column.astype(np.int64)
        j = row.astype(np.int64)
        u = column - i
        v = row - j
        nodes = self._map_db
        lower = nodes[:, j, i] * (1 - u) + nodes[:, j, i + 1] * u
        upper = nodes[:, j + 1, i] * (1 - u) + nodes[:, j + 1, i + 1] * u
        mapped: Floats = (lower * (1 - v) + upper * v).T
        return mapped

    def _fading_db(self, at_s: Floats, handsets: Handsets, channel: Indices) -> Floats:
        """Rician fading: one steady wave and the sum of the scattered ones (Clarke's model)."""
        # Two handsets at one place do not share their fades: antennas are held differently. Each
        # walks through its own part of the pattern.
        own = _mixed(handsets.key.astype(np.uint64) + np.uint64(1))
        x_m = handsets.x_m + (own >> np.uint64(32)) / 2.0**32 * 1000
        y_m = handsets.y_m + (own & np.uint64(0xFFFF_FFFF)) / 2.0**32 * 1000
        gateways = np.arange(len(self._x_m))
        phase = self._wave_phase[channel, gateways]
        phase += self._wave_x[channel, gateways] * x_m[:, None, None]
        phase += self._wave_y[channel, gateways] * y_m[:, None, None]
        phase += self._wave_t[channel, gateways] * at_s[:, None, None]
        scattered = math.sqrt(1 / (RICIAN_K + 1) / WAVES)
        real = math.sqrt(RICIAN_K / (RICIAN_K + 1)) + scattered * np.cos(phase).sum(axis=2)
        imaginary = scattered * np.sin(phase).sum(axis=2)
        # 60 dB down: deeper than any fade that could still be heard, and no logarithm of 0.
        power: Floats = np.maximum(real**2 + imaginary**2, 1e-6)
        return 10 * np.log10(power)

    def _shelves_crossed(self, floor: Floor, nodes_x_m: Floats, nodes_y_m: Floats) -> Floats:
        """How many shelves stand in the line of sight, [gateway, row, column] of the map.

        Only the part of the line below the tops of the shelves can meet one.
        """
        x_m, y_m = np.meshgrid(nodes_x_m, nodes_y_m)
        crossed = np.zeros((len(self._x_m), *x_m.shape))
        for gateway, rise_m in enumerate(self._rise_m):
            clearance_m = floor.shelf_height_m - HANDSET_HEIGHT_M
            below = min(max(clearance_m / rise_m, 0.0), 1.0) if rise_m > 0 else 1.0
            end_x_m = x_m + below * (self._x_m[gateway] - x_m)
            end_y_m = y_m + below * (self._y_m[gateway] - y_m)
            for shelf in floor.shelves:
                crossed[gateway] += crosses(shelf, x_m, y_m, end_x_m, end_y_m)
        return crossed


def crosses(
    polygon: Polygon, x0: Floats, y0: Floats, x1: Floats, y1: Floats
) -> npt.NDArray[np.bool_]:
    """Which of the segments cross an edge of the polygon."""
    crossing = np.zeros(x0.shape, dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        side_0 = (bx - ax) * (y0 - ay) - (by - ay) * (x0 - ax)
        side_1 = (bx - ax) * (y1 - ay) - (by - ay) * (x1 - ax)
        side_a = (x1 - x0) * (ay - y0) - (y1 - y0) * (ax - x0)
        side_b = (x1 - x0) * (by - y0) - (y1 - y0) * (bx - x0)
        crossing |= (side_0 * side_1 < 0) & (side_a * side_b < 0)
    return crossing


def _shadowing_db(draw: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Gaussian fields whose correlation falls off as exp(-distance / length) (Gudmundson, 1991).

    White noise, filtered on a torus so much larger than the map that its far side does not meet.
    """
    margin = math.ceil(4 * SHADOWING_LENGTH_M / GRID_M)
    rows, columns = shape[1] + margin, shape[2] + margin
    lag_y_m = GRID_M * np.minimum(np.arange(rows), rows - np.arange(rows))
    lag_x_m = GRID_M * np.minimum(np.arange(columns), columns - np.arange(columns))
    distance_m = np.hypot(lag_y_m[:, None], lag_x_m[None, :])
    spectrum = np.fft.fft2(np.exp(-distance_m / SHADOWING_LENGTH_M)).real
    white = draw.normal(0.0, 1.0, (shape[0], rows, columns))
    field = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(np.maximum(spectrum, 0.0))).real
    return SHADOWING_SD_DB * field[:, : shape[1], : shape[2]]


def _mixed(x: Bits) -> Bits:
    """A hash of each 64-bit number (the finaliser of SplitMix64; Steele, Lea, Flood 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

"""Is the simulated radio like a real one? The same three figures of both, from the same code.

The simulated tag repeats the recorded walks: the recorded true path, the recorded places of the
receivers, the recorded advertising rate, dongles as in the recording, and a tag clear of the body.
So only the radio differs, and a difference in a figure is a fault of the radio alone. It cannot
judge what the recording does not hold: shelves, bodies, phones, and the slower radio of a Pi. Of
the last there is one published figure, and `store_heard_share` is what to hold against it.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.floor import Floor, GatewayPlace
from firmware_sim.radio import (
    HANDSET_HEIGHT_M,
    PI_BUILT_IN,
    USB_DONGLE,
    Floats,
    Handsets,
    Radio,
    drawn_offset_db,
)
from firmware_sim.recording import Recording, Trace
from firmware_sim.walker import Walker

# The windows of the gateways' sightings, and the spacing of the recorded truth.
WINDOW_S: Final = 0.5
# The recording does not say how high its receivers stand above the tag. From 0 to 2 m the spread
# about the fitted law stays within 0.2 %, the exponent moves from 1.67 to 1.93.
RISE_M: Final = 1.0
# The Bluetooth specification adds 0 to 10 ms by chance to every advertising interval
# (Core 5.4, volume 6, part B, 4.4.2.2). The recorded gaps show it: 450 to 460 ms.
ADVERT_DELAY_S: Final = 0.010
# "In range": without fading, this far above the sensitivity, so that what is missed is missed by
# the receiver's other business and by single fades, not by distance.
RANGE_MARGIN_DB: Final = 5.0
STORE_VISITS: Final = 30  # enough that the share below moves by under 0.01 with the seed

# Room around the recorded places, so that the map of the shadowing covers all of them.
BORDER_M: Final = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """How a radio scatters, how long that lasts, and how much it misses."""

    residual_db: float  # standard deviation of windows about the fitted log-distance law
    exponent: float  # of that law, common to all receivers
    lag_1_correlation: float  # of the residual with that of the next window
    heard_share: float  # of (receiver, window) pairs with at least one advert


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One line of the comparison."""

    name: str
    unit: str
    simulated: float
    recorded: float

    @property
    def ratio(self) -> float:
        """Simulated over recorded; 1 is perfect."""
        return self.simulated / self.recorded


def figures_table(recording: Recording, seed: int) -> list[FigureRow]:
    """The figures of the recording and of its simulated repetition, side by side."""
    simulated = figures(repeated(recording, seed))
    recorded = figures(recording)
    return [
        FigureRow("residual spread", "dB", simulated.residual_db, recorded.residual_db),
        FigureRow(
            "lag-1 correlation at 0.5 s",
            "1",
            simulated.lag_1_correlation,
            recorded.lag_1_correlation,
        ),
        FigureRow("windows heard", "share", simulated.heard_share, recorded.heard_share),
    ]


def figures(recording: Recording) -> Figures:
    """The figures of recorded or simulated walks."""
    places = np.array(list(recording.anchors.values()))
    windows = [_windowed(trace, len(places)) for trace in recording.traces]
    loss = [
        -10 * np.log10(_distance_m(trace, at_s, places))
        for trace, (_, at_s) in zip(recording.traces, windows, strict=True)
    ]
    level_dbm = [mean_dbm for mean_dbm, _ in windows]
    residuals, exponent = _residuals(level_dbm, loss)
    both = np.concatenate(
        [np.stack([each[:, :-1].ravel(), each[:, 1:].ravel()]) for each in residuals], axis=1
    )
    both = both[:, ~np.isnan(both).any(axis=0)]
    flat = np.concatenate([each.ravel() for each in residuals])
    return Figures(
        residual_db=float(np.nanstd(flat)),
        exponent=exponent,
        lag_1_correlation=float(np.corrcoef(both)[0, 1]),
        heard_share=float(np.mean(~np.isnan(flat))),
    )


def store_heard_share(floor: Floor, seed: int) -> float:
    """Of a handset's adverts, one a second, the share that a Pi in range of it hears.

    Over the visits of a crowd of handsets to that floor; 0.30 to 0.40 on real Pis (see `radio`).
    """
    radio = Radio(floor, seed, receiver=PI_BUILT_IN)
    walker = Walker(floor)
    chance = random.Random(seed)
    in_range = heard = 0
    for key in range(STORE_VISITS):
        walk = walker.visit(chance)
        at_s = np.arange(walk.starts_at_s, walk.ends_at_s, 1.0)
        poses = np.array([walk.position(float(each)) for each in at_s])
        handset = Handsets(
            key=np.full(len(at_s), key),
            x_m=poses[:, 0],
            y_m=poses[:, 1],
            heading_rad=poses[:, 2],
            offset_db=np.full(len(at_s), drawn_offset_db(chance)),
        )
        is_near = radio.median_dbm(handset) >= PI_BUILT_IN.sensitivity_dbm + RANGE_MARGIN_DB
        in_range += int(is_near.sum())
        heard += int((is_near & ~np.isnan(radio.hear(at_s, handset))).sum())
    return heard / in_range


def repeated(recording: Recording, seed: int) -> Recording:
    """The same walks past the same receivers, heard through the simulated air."""
    corner_x_m, corner_y_m, floor = _bench(recording)
    radio = Radio(floor, seed, receiver=USB_DONGLE, body_loss_db=0.0)
    interval_s = advert_interval_s(recording)
    draw = np.random.default_rng(seed)
    traces = []
    for key, trace in enumerate(recording.traces):
        count = math.ceil((trace.t_s[-1] - trace.t_s[0]) / interval_s)
        gaps_s = interval_s + draw.uniform(-ADVERT_DELAY_S / 2, ADVERT_DELAY_S / 2, count)
        at_s = np.concatenate([[0.0], np.cumsum(gaps_s)]) + trace.t_s[0]
        # Each walk has a key of its own: on another day the reflections are others.
        tag = Handsets(
            key=np.full(len(at_s), key),
            x_m=np.interp(at_s, trace.truth_t_s, trace.truth_x_m) - corner_x_m,
            y_m=np.interp(at_s, trace.truth_t_s, trace.truth_y_m) - corner_y_m,
            heading_rad=np.zeros(len(at_s)),
            offset_db=np.zeros(len(at_s)),
        )
        rssi_dbm = radio.hear(at_s, tag)
        advert, anchor = np.nonzero(~np.isnan(rssi_dbm))
        traces.append(
            Trace(
                trace_id=trace.trace_id,
                device="simulated",
                t_s=at_s[advert],
                anchor=anchor,
                rssi_dbm=rssi_dbm[advert, anchor],
                truth_t_s=trace.truth_t_s,
                truth_x_m=trace.truth_x_m,
                truth_y_m=trace.truth_y_m,
                truth_zone=trace.truth_zone,
            )
        )
    return Recording(recording.dataset, recording.anchors, recording.zones, tuple(traces))


def advert_interval_s(recording: Recording) -> float:
    """The mean gap between adverts, from the receiver that heard most.

    It hears most adverts, so half of its gaps or more are one interval: the median is.
    """
    anchors = np.concatenate([trace.anchor for trace in recording.traces])
    best = int(np.bincount(anchors).argmax())
    gaps_s = [np.diff(trace.t_s[trace.anchor == best]) for trace in recording.traces]
    return float(np.median(np.concatenate(gaps_s)))


def _bench(recording: Recording) -> tuple[float, float, Floor]:
    """The recorded floor without walls or shelves, and the recorded place of its origin."""
    places = np.concatenate(
        [np.array(list(recording.anchors.values()))]
        + [np.stack([each.truth_x_m, each.truth_y_m], axis=1) for each in recording.traces]
    )
    low = places.min(axis=0) - BORDER_M
    high = places.max(axis=0) + BORDER_M
    gateways = tuple(
        GatewayPlace(anchor_id, x_m - low[0], y_m - low[1], HANDSET_HEIGHT_M + RISE_M)
        for anchor_id, (x_m, y_m) in recording.anchors.items()
    )
    floor = Floor(
        store_id=recording.dataset,
        name=recording.dataset,
        tz="UTC",
        country="XX",
        size_m=(float(high[0] - low[0]), float(high[1] - low[1])),
        shelf_height_m=HANDSET_HEIGHT_M,
        walls=(),
        shelves=(),
        fixtures=(),
        zones=(),
        gateways=gateways,
        racetrack=(),
        tills=(),
    )
    return float(low[0]), float(low[1]), floor


def _windowed(trace: Trace, anchors: int) -> tuple[Floats, Floats]:
    """Mean RSSI and mean instant of each [anchor, window], NaN where nothing was heard."""
    window = (trace.t_s // WINDOW_S).astype(np.int64)
    cell = trace.anchor * (window.max() + 1) + window
    size = int(anchors * (window.max() + 1))
    count = np.bincount(cell, minlength=size).astype(np.float64)
    count[count == 0] = np.nan
    mean_dbm = np.bincount(cell, trace.rssi_dbm, size) / count
    at_s = np.bincount(cell, trace.t_s, size) / count
    return mean_dbm.reshape(anchors, -1), at_s.reshape(anchors, -1)


def _distance_m(trace: Trace, at_s: Floats, places: Floats) -> Floats:
    """From the true place at those instants to each anchor, [anchor, window]."""
    dx = np.interp(at_s, trace.truth_t_s, trace.truth_x_m) - places[:, :1]
    dy = np.interp(at_s, trace.truth_t_s, trace.truth_y_m) - places[:, 1:]
    distance_m: Floats = np.sqrt(dx**2 + dy**2 + RISE_M**2)
    return distance_m


def _residuals(level_dbm: list[Floats], loss: list[Floats]) -> tuple[list[Floats], float]:
    """What a least-squares fit of one offset per anchor and one exponent leaves over."""
    levels = np.concatenate(level_dbm, axis=1)
    losses = np.concatenate(loss, axis=1)
    # With one offset per anchor free, the slope is that of the values about their anchors' means.
    losses = np.where(np.isnan(levels), np.nan, losses)
    level_mean = np.nanmean(levels, axis=1, keepdims=True)
    loss_mean = np.nanmean(losses, axis=1, keepdims=True)
    slope = np.nansum((losses - loss_mean) * (levels - level_mean))
    exponent = float(slope / np.nansum((losses - loss_mean) ** 2))
    return [
        (level - level_mean) - exponent * (each - loss_mean)
        for level, each in zip(level_dbm, loss, strict=True)
    ], exponent

"""From probabilities to edges: when a device has entered a zone, dwells in it, has left it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.presence_rows import Rows
from beacons.zone_events import Dwelling, Entered, Left, ZoneEvent

# A zone becomes the answer when it beats the present one by this much, so that two zones of one
# half each do not take turns.
SWITCH_MARGIN: Final = 0.2
# Told when it is twice as likely as everything else, given up when it is clearly not.
ENTER_AT: Final = 0.65
LEAVE_AT: Final = 0.3
# A first impression is one fade at each gateway, and the handset's own loudness is not known yet.
FIRST_LOOK_S: Final = 1.5
# A shop speaks after 2 to 5 s at the soonest; the later marks let a decision wait for a longer
# look at the shelf, and learn from it afterwards.
DWELL_MARKS_S: Final = (2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0)
_MARKS_S: Final = np.array([*DWELL_MARKS_S, np.inf])
# Becoming this sure of a stay is news too, between the marks: who waits for certainty need not wait
# for the next mark.
SURE_AT: Final = (0.7, 0.8, 0.9)
# Six usual gaps without a sighting are not chance any more; between 6 s (one advert a second,
# one in three heard) and 30 s (a slow advertiser could have crossed the store).
_GAPS_OF_SILENCE: Final = 6.0
_SILENT_AFTER_S: Final = (6.0, 30.0)


def judge(
    rows: Rows, zone_ids: Sequence[str], at_s: float, silent: npt.NDArray[np.bool_]
) -> list[ZoneEvent]:
    """The edges of this tick, from `rows.zone_p`; at most one Left, then one Entered a device.

    at_s: the end of the tick. silent: see `is_silent`.
    """
    n = len(rows)
    every = np.arange(n)
    zone_p = rows.zone_p[:n]

    best = zone_p.argmax(axis=1)
    best_changed = best != rows.best[:n]
    rows.best[:n] = best
    rows.best_s[:n][best_changed] = at_s
    likely = rows.likely[:n]
    present_p = np.where(likely < 0, -1.0, zone_p[every, likely])
    switched = (best != likely) & (zone_p[every, best] > present_p + SWITCH_MARGIN)
    likely[switched] = best[switched]
    rows.likely_s[:n][switched] = rows.best_s[:n][switched]
    likely[silent] = -1
    rows.best[:n][silent] = -1

    confidence = np.where(likely < 0, 0.0, zone_p[every, likely])
    entered = rows.entered[:n]
    staying = (entered >= 0) & (entered == likely) & (confidence >= LEAVE_AT)
    leaving = (entered >= 0) & ~staying
    # Lost from sight in the same zone: what follows is another stay.
    doubted = leaving & (entered == likely)
    rows.likely_s[:n][doubted] = at_s
    looked = at_s - rows.begun_s[:n] >= FIRST_LOOK_S
    somewhere = (likely >= 0) & (likely < len(zone_ids))
    entering = ~staying & somewhere & looked & (confidence >= ENTER_AT)
    began_s = np.where(entering, rows.likely_s[:n], rows.entered_s[:n])
    told = np.where(entering, 0, rows.marks[:n])
    here_s = np.where(staying | entering, at_s - began_s, -np.inf)
    surer = _levels(confidence) > np.where(entering, 0, rows.sure[:n])
    dwelling = (here_s >= _MARKS_S[told]) | (surer & (here_s >= DWELL_MARKS_S[0]))

    events: list[ZoneEvent] = []
    for row in np.flatnonzero(leaving | entering | dwelling).tolist():
        device = rows.devices[row]
        if leaving[row]:
            events.append(left(rows, zone_ids, row, at_s))
        if entering[row]:
            rows.entered[row] = rows.likely[row]
            rows.entered_s[row] = rows.likely_s[row]
            rows.marks[row] = rows.sure[row] = 0
            zone, since_s = int(rows.entered[row]), float(rows.entered_s[row])
            events.append(Entered(device, zone_ids[zone], at_s, since_s, float(confidence[row])))
        if dwelling[row]:
            events += _dwellings(rows, zone_ids, row, at_s, float(confidence[row]))
    return events


def _levels(confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """How many of SURE_AT each confidence reaches."""
    return np.searchsorted(SURE_AT, confidence, side="right")


def _dwellings(
    rows: Rows, zone_ids: Sequence[str], row: int, at_s: float, confidence: float
) -> list[ZoneEvent]:
    """The dwell marks that are due, or else the news that the stay has become surer."""
    zone_id, since_s = zone_ids[int(rows.entered[row])], float(rows.entered_s[row])
    here_s = at_s - since_s
    reached = int(np.searchsorted(DWELL_MARKS_S, here_s, side="right"))
    due = DWELL_MARKS_S[int(rows.marks[row]) : reached] or (here_s,)
    rows.marks[row] = reached
    rows.sure[row] = max(int(rows.sure[row]), int(_levels(np.array(confidence))))
    device = rows.devices[row]
    return [Dwelling(device, zone_id, at_s, since_s, confidence, dwell_s) for dwell_s in due]


def left(rows: Rows, zone_ids: Sequence[str], row: int, at_s: float) -> Left:
    """End the stay of a row."""
    zone = int(rows.entered[row])
    rows.entered[row] = -1
    return Left(
        rows.devices[row],
        zone_ids[zone],
        at_s,
        float(rows.entered_s[row]),
        float(rows.zone_p[row, zone]),
    )


def is_silent(rows: Rows, at_s: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which devices were not heard for longer than their own adverts explain."""
    n = len(rows)
    soonest_s, latest_s = _SILENT_AFTER_S
    after_s = np.minimum(np.maximum(_GAPS_OF_SILENCE * rows.gap_s[:n], soonest_s), latest_s)
    silent: np.ndarray[tuple[int], np.dtype[np.bool_]] = at_s - rows.last_s[:n] > after_s
    return silent

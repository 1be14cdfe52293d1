"""From probabilities to edges: when a device has entered a zone, dwells in it, has left it."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.presence_rows import Rows
from beacons.zone_events import Dwelling, Entered, Left, ZoneEvent

# A zone becomes the answer when it beats the present one by this much, so that two zones of one
# half each do not take turns.
SWITCH_MARGIN: Final = 0.2
# Told when it is clearly likelier than everything else, given up when it is clearly not.
ENTER_AT: Final = 0.6
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
_SURE_AT: Final = np.array([*SURE_AT, np.inf])
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
    zone_p = rows.zone_p[:n]
    kept_best, likely, entered = rows.best[:n], rows.likely[:n], rows.entered[:n]

    best, best_p = zone_p.argmax(axis=1), zone_p.max(axis=1)
    np.copyto(rows.best_s[:n], at_s, where=best != kept_best)
    kept_best[:] = best
    confidence = zone_p[np.arange(n), likely]
    confidence[likely < 0] = -1.0
    switched = best_p > confidence + SWITCH_MARGIN
    np.copyto(likely, best, where=switched)
    np.copyto(rows.likely_s[:n], rows.best_s[:n], where=switched)
    np.copyto(confidence, best_p, where=switched)
    if silent.any():
        likely[silent] = kept_best[silent] = -1
    confidence[likely < 0] = 0.0

    # The likeliest is in no stay, or is the stay.
    same = entered == likely
    staying = same & (confidence >= LEAVE_AT)
    leaving = (entered >= 0) & ~staying
    # Lost from sight in the same zone: what follows is another stay.
    np.copyto(rows.likely_s[:n], at_s, where=leaving & same)
    looked = at_s - rows.begun_s[:n] >= FIRST_LOOK_S
    entering = (confidence >= ENTER_AT) & (likely < len(zone_ids)) & looked & ~staying
    marks = rows.marks[:n]
    due = at_s - rows.entered_s[:n] >= _MARKS_S[marks]
    surer = (confidence >= _SURE_AT[rows.sure[:n]]) & (marks > 0)
    dwelling = staying & (due | surer)

    events: list[ZoneEvent] = []
    for row in np.flatnonzero(leaving | entering | dwelling).tolist():
        device, sure = rows.devices[row], float(confidence[row])
        if leaving[row]:
            events.append(left(rows, zone_ids, row, at_s))
        if entering[row]:
            rows.entered[row] = rows.likely[row]
            rows.entered_s[row] = rows.likely_s[row]
            rows.marks[row] = rows.sure[row] = 0
            zone, since_s = int(rows.entered[row]), float(rows.entered_s[row])
            events.append(Entered(device, zone_ids[zone], at_s, since_s, sure))
            dwelling[row] = at_s - since_s >= DWELL_MARKS_S[0]
        if dwelling[row]:
            events.append(_dwelling(rows, zone_ids, row, at_s, sure))
    return events


def _dwelling(
    rows: Rows, zone_ids: Sequence[str], row: int, at_s: float, confidence: float
) -> Dwelling:
    """The latest dwell mark that is due, or else the news that the stay has become surer."""
    zone_id, since_s = zone_ids[int(rows.entered[row])], float(rows.entered_s[row])
    here_s = at_s - since_s
    reached = bisect_right(DWELL_MARKS_S, here_s)
    dwell_s = DWELL_MARKS_S[reached - 1] if reached > rows.marks[row] else here_s
    rows.marks[row] = reached
    rows.sure[row] = max(int(rows.sure[row]), bisect_right(SURE_AT, confidence))
    return Dwelling(rows.devices[row], zone_id, at_s, since_s, confidence, dwell_s)


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

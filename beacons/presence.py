"""Who is in which zone: sightings to zone events, for all handsets of a floor at once.

A Bayesian filter over the walkable cells and the handset's own offset (`beacons.cell_filter`).
Time is `now_s`, unix seconds; it advances in ticks of half a second, the gateways' window. A tick
is worked off `lag_s` after its end, when the batches of all gateways have come: within that, the
order of arrival does not matter. What comes later joins the next tick for a while (a shopper moves
less than 3 m in it); after that it is counted and dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons import cell_filter
from beacons.cell_filter import FORGETS_AFTER_S, TICK_S
from beacons.floor import FloorPlan
from beacons.grid import Grid, build_grid
from beacons.heard import Heard, Inbox, Refusal, Window, tick_of
from beacons.presence_rows import Rows
from beacons.radio_map import RadioMap, map_from_positions
from beacons.zone_events import Appeared, Gone, ZoneEvent
from beacons.zone_judge import is_silent, judge, left

__all__ = ["Estimate", "Heard", "PresenceModel", "PresenceState", "estimates", "step"]

# Gateways send once a second; most batches are here a second after their windows closed.
LAG_S: Final = 1.0
# A visit has ended: long enough for a handset that dozes or lies in a bag, shorter than a return.
GONE_AFTER_S: Final = 90.0
# The fullest store planned for has 1,000 handsets at once.
CEILING: Final = 2_000
# After so long without a call everything is as wide as it gets: nothing is gained by catching up.
MAX_CATCH_UP_S: Final = 120.0
# The engine's clock is stepped by NTP now and then; further back than this it was set anew.
MAX_STEP_BACK_S: Final = 60.0

# Of the spread of a sighting, what more packets in its window do not average out.
_SLOW_DB2: Final = 25.0
_FAST_DB2: Final = 16.0
# A gateway that heard nobody at all for this long may be dead: its silence says nothing.
GATEWAY_ALIVE_S: Final = 3.0
# Silence has many causes that are not distance (a body, a busy radio), so it counts less.
SILENCE_WEIGHT: Final = 0.5

# Handsets worked on at once: a quarter of a megabyte of floats, so that they and the scratch arrays
# beside them stay in the processor's cache.
_BLOCK_FLOATS: Final = 60_000


class PresenceModel:
    """What is fixed about a floor: grid, zones, radio map, tables. Build it once per plan."""

    def __init__(
        self,
        plan: FloorPlan,
        radio_map: Callable[[FloorPlan, Grid], RadioMap] = map_from_positions,
        lag_s: float = LAG_S,
    ) -> None:
        """Raises PlanError when the plan has faults."""
        self.plan = plan
        self.lag_s = lag_s
        self.grid = build_grid(plan)
        self.tables = cell_filter.build_tables(self.grid, radio_map(plan, self.grid))
        self.zone_ids = tuple(zone.zone_id for zone in plan.zones)
        self.gateway_of = {place.gateway_id: i for i, place in enumerate(plan.gateways)}
        self.zone_share = self.grid.zone_share.astype(np.float32)
        self.xy = self.grid.xy.astype(np.float32)


class PresenceState:
    """What is known now about the handsets of one floor. Only `step` changes it.

    evicted: silent handsets given up for new ones at the ceiling; crowded_out: times that a new
    one found no room; refused: sightings not used, by reason; lost: times that the evidence on a
    handset fitted nowhere; stepped_back: times that the clock was set back.
    """

    def __init__(self, model: PresenceModel, ceiling: int = CEILING) -> None:
        tables = model.tables
        self.rows = Rows(
            len(model.gateway_of), len(model.zone_ids), tables.offsets, tables.cells, ceiling
        )
        self.inbox = Inbox()
        self.gateway_heard_s = np.full(len(model.gateway_of), -np.inf)
        self.next_tick: int | None = None
        self.evicted = 0
        self.crowded_out = 0
        self.lost = 0
        self.stepped_back = 0

    @property
    def refused(self) -> dict[Refusal, int]:
        return dict(self.inbox.refused)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where a device is, for the live view and the check before a push.

    zone_id: the zone of its stay; None when it is in none or nobody can say.
    confidence: the probability of that zone, or of `likeliest_zone_id` when zone_id is None.
    likeliest_zone_id: the best guess however weak; None when the open floor is likelier.
    x_m, y_m: the mean of where it may be. heard_s: when it was last heard.
    """

    zone_id: str | None
    confidence: float
    likeliest_zone_id: str | None
    x_m: float
    y_m: float
    heard_s: float


def step(
    model: PresenceModel, state: PresenceState, heard: Sequence[Heard], now_s: float
) -> list[ZoneEvent]:
    """Take in sightings, advance to now_s - lag_s, tell what changed (in the order of time).

    now_s: unix. A clock that was set back a little waits; one set back far starts anew.
    """
    if not np.isfinite(now_s):
        raise ValueError(f"now_s is {now_s}")
    end_tick = tick_of(now_s - model.lag_s)
    if state.next_tick is not None and end_tick < state.next_tick - 1:
        state.stepped_back += 1
        if (state.next_tick - end_tick) * TICK_S > MAX_STEP_BACK_S:
            return _start_anew(model, state, end_tick)
    state.inbox.put(heard, model.gateway_of, state.next_tick, now_s)
    if state.next_tick is None:
        first = state.inbox.first_tick()
        if first is None:
            return []
        state.next_tick = min(first, end_tick)
    state.next_tick = max(state.next_tick, end_tick - round(MAX_CATCH_UP_S / TICK_S))
    events: list[ZoneEvent] = []
    while state.next_tick < end_tick:
        events += _work_off(model, state, state.next_tick)
        state.next_tick += 1
    return events


def estimates(model: PresenceModel, state: PresenceState) -> dict[str, Estimate]:
    """Where everybody was at the end of the last tick."""
    rows = state.rows
    found = {}
    for row, device in enumerate(rows.devices):
        entered, likely = int(rows.entered[row]), int(rows.likely[row])
        zone = entered if entered >= 0 else likely
        found[device] = Estimate(
            zone_id=model.zone_ids[entered] if entered >= 0 else None,
            confidence=float(rows.zone_p[row, zone]) if zone >= 0 else 0.0,
            likeliest_zone_id=model.zone_ids[likely] if 0 <= likely < len(model.zone_ids) else None,
            x_m=float(rows.xy[row, 0]),
            y_m=float(rows.xy[row, 1]),
            heard_s=float(rows.last_s[row]),
        )
    return found


def _work_off(model: PresenceModel, state: PresenceState, tick: int) -> list[ZoneEvent]:
    """One tick: who was heard, where everybody is, what that means."""
    rows = state.rows
    at_s = (tick + 1) * TICK_S
    windows = state.inbox.take(tick)
    events = _admit(model, state, windows, at_s)
    evidence = _evidence(model, state, windows, at_s)
    awake = np.flatnonzero(~is_silent(rows, at_s))
    block = max(1, _BLOCK_FLOATS // (model.tables.offsets * model.tables.cells))
    for first in range(0, len(awake), block):
        _update(model, state, awake[first : first + block], evidence, tick)
    events += judge(rows, model.zone_ids, at_s)
    for row in np.flatnonzero(at_s - rows.last_s[: len(rows)] > GONE_AFTER_S)[::-1].tolist():
        events += _end(model, state, row, at_s)
    return events


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The sightings of a tick, sorted by row.

    weight: how much each sighting says, beside one that is alone and fresh. silence: the same for
    each row and gateway that did not hear it, shape (rows, gateways).
    """

    row: npt.NDArray[np.intp]
    gateway: npt.NDArray[np.intp]
    rssi_dbm: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    silence: npt.NDArray[np.float32]


def _start_anew(model: PresenceModel, state: PresenceState, end_tick: int) -> list[ZoneEvent]:
    """The clock was set far back: end every visit, at the new time, and begin again."""
    state.inbox.clear()
    state.gateway_heard_s[:] = -np.inf
    at_s = end_tick * TICK_S
    events: list[ZoneEvent] = []
    for row in reversed(range(len(state.rows))):
        events += _end(model, state, row, at_s)
    state.next_tick = None
    return events


def _admit(
    model: PresenceModel, state: PresenceState, windows: Sequence[Window], at_s: float
) -> list[ZoneEvent]:
    """Give every device a row; those that are back after a silence may be anywhere."""
    rows = state.rows
    devices = dict.fromkeys(window.device for window in windows)
    known = np.array([rows.row_of[d] for d in devices if d in rows.row_of], dtype=np.intp)
    for row in known[is_silent(rows, at_s)[known]].tolist():
        rows.begin(row, model.tables.prior, at_s)
    rows.hear(known, at_s)

    events: list[ZoneEvent] = []
    for device in devices:
        if device in rows.row_of:
            continue
        if rows.is_full:
            longest = rows.longest_unheard()
            if not is_silent(rows, at_s)[longest]:
                state.crowded_out += 1
                continue
            state.evicted += 1
            events += _end(model, state, longest, at_s)
        rows.add(device, model.tables.prior, at_s)
        events.append(Appeared(device, at_s))
    return events


def _evidence(
    model: PresenceModel, state: PresenceState, windows: Sequence[Window], at_s: float
) -> _Evidence:
    rows = state.rows
    # Sorted by device, and so in one piece for each row; rows need not be in order.
    seen = [window for window in windows if window.device in rows.row_of]
    seen.sort(key=lambda window: rows.row_of[window.device])
    row = np.array([rows.row_of[window.device] for window in seen], dtype=np.intp)
    gateway = np.array([model.gateway_of[window.gateway_id] for window in seen], dtype=np.intp)
    count = np.array([window.count for window in seen], dtype=np.float64)
    fresh = -np.expm1((rows.heard_s[row, gateway] - at_s) / FORGETS_AFTER_S)
    packets = (_SLOW_DB2 + _FAST_DB2) / (_SLOW_DB2 + _FAST_DB2 / count)

    state.gateway_heard_s[gateway] = at_s
    alive = at_s - state.gateway_heard_s <= GATEWAY_ALIVE_S
    silence = np.zeros((len(rows), len(model.gateway_of)), dtype=np.float32)
    silence[row] = np.where(alive, SILENCE_WEIGHT * -np.expm1(-TICK_S / FORGETS_AFTER_S), 0.0)
    silence[row, gateway] = 0.0
    rows.heard_s[row, gateway] = at_s
    rssi_dbm = np.array([window.mean_rssi_dbm for window in seen], dtype=np.float64)
    return _Evidence(row, gateway, rssi_dbm, fresh * packets, silence)


def _update(
    model: PresenceModel,
    state: PresenceState,
    block: npt.NDArray[np.intp],
    evidence: _Evidence,
    tick: int,
) -> None:
    """Move and weigh one block of rows, and sum up their cells."""
    rows, tables = state.rows, model.tables
    p = cell_filter.spread(tables, rows.p[block], rows_first=tick % 2 == 0)
    silence = evidence.silence[block]
    # In a large store most gateways are far from most handsets of a block.
    quiet = np.flatnonzero(silence.any(axis=0))
    logs = (silence[:, quiet] @ tables.silence[quiet]).reshape(p.shape)
    first = np.searchsorted(evidence.row, block, side="left").tolist()
    last = np.searchsorted(evidence.row, block, side="right").tolist()
    weighted = np.empty(p.shape[1:], dtype=np.float32)
    for i in range(len(block)):
        for j in range(first[i], last[i]):
            likelihood = cell_filter.loudness_rows(
                tables, int(evidence.gateway[j]), float(evidence.rssi_dbm[j])
            )
            np.multiply(likelihood, np.float32(evidence.weight[j]), out=weighted)
            logs[i] += weighted
    state.lost += int(cell_filter.weigh(tables, p, logs).sum())
    rows.p[block] = p
    where = p.sum(axis=1)
    rows.zone_p[block] = where @ model.zone_share
    rows.xy[block] = where @ model.xy


def _end(model: PresenceModel, state: PresenceState, row: int, at_s: float) -> list[ZoneEvent]:
    """The visit of a row is over."""
    rows = state.rows
    events: list[ZoneEvent] = []
    if rows.entered[row] >= 0:
        events.append(left(rows, model.zone_ids, row, at_s))
    events.append(Gone(rows.devices[row], at_s, float(rows.last_s[row])))
    rows.remove(row)
    return events

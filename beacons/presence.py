"""Who is in which zone: sightings to zone events, for all handsets of a store at once.

A Bayesian filter over the walkable cells and the handset's own offset (`beacons.cell_filter`).
Time is `now_s`, unix seconds; it advances in ticks of half a second, the gateways' window. A tick
is worked off `lag_s` after its end; within that, the order of arrival does not matter. What comes
later joins the next tick for a while (a shopper moves less than 3 m in it); after that it is
counted and dropped.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons import cell_filter, filter_tables
from beacons.calibration import GatewayRadio
from beacons.filter_tables import LOOKS_KEPT, TICK_S
from beacons.floor import FloorPlan
from beacons.gateway_offsets import GatewayOffsets
from beacons.grid import build_grid
from beacons.heard import Heard, Inbox, Refusal, Waiting, tick_of
from beacons.presence_rows import Rows
from beacons.radio_map import map_from_positions
from beacons.shelves import SHELF_LOSS_DB
from beacons.store_plan import Connector
from beacons.survey import Survey
from beacons.survey_map import surveyed_map
from beacons.zone_events import Appeared, Gone, ZoneEvent
from beacons.zone_judge import is_silent, judge, left

__all__ = ["Estimate", "Heard", "PresenceModel", "PresenceState", "estimates", "step"]

# Gateways send once a second, so a window's batch comes up to that late; one that misses its tick
# joins the next, when the shopper is still within half a metre. Waiting a second for all would
# make every push that much later, and no more of them right (seen in the simulated store).
LAG_S: Final = 0.25
# A visit has ended: long enough for a handset that dozes or lies in a bag, shorter than a return.
GONE_AFTER_S: Final = 90.0
# The fullest store planned for has 1,000 handsets at once.
CEILING: Final = 2_000
# After so long without a call everything is as wide as it gets: nothing is gained by catching up.
MAX_CATCH_UP_S: Final = 120.0
# The engine's clock is stepped by NTP now and then; further back than this it was set anew.
MAX_STEP_BACK_S: Final = 60.0

# Unless the caller knows better: a gateway that heard nobody at all for this long may be dead, and
# its silence says nothing.
GATEWAY_ALIVE_S: Final = 3.0

# Sightings of the next ticks share their errors: they would tell no more of the gateways.
_LEARNS_EVERY_TICKS: Final = 4

# Handsets worked on at once: a quarter of a megabyte of floats, so that they and the scratch arrays
# beside them stay in the processor's cache.
_BLOCK_FLOATS: Final = 60_000

# Some of the rows.
Block = npt.NDArray[np.intp] | slice


class PresenceModel:
    """What is fixed about a store: grid, zones, radio map, tables. Build it once per plan."""

    def __init__(
        self,
        floors: Sequence[FloorPlan],
        connectors: Sequence[Connector] = (),
        radios: Sequence[GatewayRadio] = (),
        surveys: Sequence[Survey] = (),
        lag_s: float = LAG_S,
        shelf_loss_db: float = SHELF_LOSS_DB,
    ) -> None:
        """radios, surveys: what is known of the gateways and their reach beside their places.
        shelf_loss_db: what one obstacle in the way takes from a signal.

        Takes some seconds on a large store with a survey. Raises PlanError when a plan has faults.
        """
        self.lag_s = lag_s
        self.floor_ids = tuple(plan.floor_id for plan in floors)
        self.grid = build_grid(floors, connectors)
        radio_map = map_from_positions(floors, self.grid, radios, shelf_loss_db)
        if surveys:
            radio_map = surveyed_map(radio_map, floors, self.grid, surveys)
        self.tables = filter_tables.build_tables(self.grid, radio_map)
        self.zone_ids = tuple(zone.zone_id for plan in floors for zone in plan.zones)
        gateway_ids = [place.gateway_id for plan in floors for place in plan.gateways]
        self.gateway_of = {gateway_id: i for i, gateway_id in enumerate(gateway_ids)}
        # Summed up over the cells: zones, none; then of each floor its share, and x and y in it.
        on_floor = self.grid.floor[:, None] == np.arange(len(floors))
        along = [on_floor * self.grid.xy[:, [axis]] for axis in (0, 1)]
        self._sums = filter_tables.as_float32(np.hstack([self.grid.zone_share, on_floor, *along]))

    def sum_up(self, rows: Rows, block: Block) -> None:
        """Which zone, which floor, and where on it, from the probabilities of the cells."""
        sums = rows.p[block] @ self._sums
        floors, zones = len(self.floor_ids), len(self.zone_ids) + 1
        rows.zone_p[block] = sums[:, :zones]
        if floors == 1:
            rows.xy[block] = sums[:, zones + 1 :]
            return
        share, x_m, y_m = np.split(sums[:, zones:], 3, axis=1)
        floor = share.argmax(axis=1)
        at = np.arange(len(sums)), floor
        rows.floor[block] = floor
        rows.xy[block] = np.stack([x_m[at], y_m[at]], axis=1) / share[at][:, None]


class PresenceState:
    """What is known now about the handsets of one store. Only `step` changes it.

    gateways: what the crowd told of each gateway's loudness. listening, audience: the gateways
    whose silence says something, and what follows from it, kept until they change.
    evicted: silent handsets given up for new ones at the ceiling; crowded_out: times that a new
    one found no room; refused: sightings not used, by reason; lost: times that the evidence on a
    handset fitted nowhere; stepped_back: times that the clock was set back.
    """

    def __init__(self, model: PresenceModel, ceiling: int = CEILING) -> None:
        tables = model.tables
        self.rows = Rows(len(model.gateway_of), len(model.zone_ids), tables.cells, ceiling)
        self.inbox = Inbox()
        self.gateway_heard_s = np.full(len(model.gateway_of), -np.inf)
        self.gateways = GatewayOffsets(model.tables)
        self.listening = np.ones(len(model.gateway_of), dtype=np.bool_)
        self.audience = tables.everybody
        self.next_tick: int | None = None
        self.asked_tick: int | None = None
        self.evicted = 0
        self.crowded_out = 0
        self.lost = 0
        self.stepped_back = 0

    @property
    def refused(self) -> dict[Refusal, int]:
        return dict(self.inbox.refused)

    @property
    def counts(self) -> Counter[str]:
        """Everything counted here, by names for an operator."""
        return Counter(
            {f"sightings_{why.value}": count for why, count in self.inbox.refused.items()}
            | {
                "handsets_evicted": self.evicted,
                "handsets_crowded_out": self.crowded_out,
                "handsets_lost": self.lost,
                "clock_set_back": self.stepped_back,
            }
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where a device is, for the live view and the check before a push.

    zone_id: the zone of its stay; None when it is in none or nobody can say.
    confidence: the probability of that zone, or of `likeliest_zone_id` when zone_id is None.
    likeliest_zone_id: the best guess however weak; None when the open floor is likelier.
    floor_id, x_m, y_m: the likeliest floor, and the mean of where it may be there.
    heard_s: when it was last heard.
    """

    zone_id: str | None
    confidence: float
    likeliest_zone_id: str | None
    floor_id: str
    x_m: float
    y_m: float
    heard_s: float


def step(
    model: PresenceModel,
    state: PresenceState,
    heard: Sequence[Heard],
    now_s: float,
    listening: Collection[str] | None = None,
) -> list[ZoneEvent]:
    """Take in sightings, advance to now_s - lag_s, tell what changed (in the order of time).

    now_s: unix. A clock that was set back a little waits; one set back far starts anew.
    listening: the gateways that are known to be at work, so that their silence about a handset says
    something; None: those that heard somebody lately.
    """
    if not np.isfinite(now_s):
        raise ValueError(f"now_s is {now_s}")
    end_tick = tick_of(now_s - model.lag_s)
    events: list[ZoneEvent] = []
    if state.next_tick is not None:
        state.stepped_back += state.asked_tick is not None and end_tick < state.asked_tick
        if (state.next_tick - end_tick) * TICK_S > MAX_STEP_BACK_S:
            events += _start_anew(model, state, end_tick)
        else:
            state.next_tick = max(state.next_tick, end_tick - round(MAX_CATCH_UP_S / TICK_S))
            state.inbox.forget_before(state.next_tick)
    state.asked_tick = end_tick
    state.inbox.put(heard, model.gateway_of, state.next_tick, now_s)
    if state.next_tick is None:
        first = state.inbox.first_tick()
        if first is None:
            return events
        state.next_tick = min(first, end_tick)
    while state.next_tick < end_tick:
        events += _work_off(model, state, state.next_tick, listening)
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
            floor_id=model.floor_ids[rows.floor[row]],
            x_m=float(rows.xy[row, 0]),
            y_m=float(rows.xy[row, 1]),
            heard_s=float(rows.last_s[row]),
        )
    return found


def _work_off(
    model: PresenceModel, state: PresenceState, tick: int, listening: Collection[str] | None
) -> list[ZoneEvent]:
    """One tick: who was heard, where everybody is, what that means."""
    rows = state.rows
    at_s = (tick + 1) * TICK_S
    waiting = state.inbox.take(tick)
    events = _admit(model, state, waiting, at_s)
    looks = _looks(model, state, waiting, at_s)
    audience = _audience(model, state, listening, at_s)
    silent = is_silent(rows, at_s)
    awake = np.flatnonzero(~silent)
    block = max(1, _BLOCK_FLOATS // model.tables.cells)
    for first in range(0, len(awake), block):
        surprise = _update(model, state, _rows(awake[first : first + block]), looks, audience)
        if surprise is not None and tick % _LEARNS_EVERY_TICKS == 0:
            state.gateways.learn(surprise)
    events += judge(rows, model.zone_ids, at_s, silent)
    for row in np.flatnonzero(at_s - rows.last_s[: len(rows)] > GONE_AFTER_S)[::-1].tolist():
        events += _end(model, state, row, at_s)
    return events


def _start_anew(model: PresenceModel, state: PresenceState, end_tick: int) -> list[ZoneEvent]:
    """The clock was set far back: end every visit, once it was last heard, and begin again."""
    state.inbox.clear()
    state.gateway_heard_s[:] = -np.inf
    at_s = end_tick * TICK_S
    events: list[ZoneEvent] = []
    for row in reversed(range(len(state.rows))):
        events += _end(model, state, row, max(at_s, float(state.rows.last_s[row])))
    state.next_tick = None
    return events


def _admit(
    model: PresenceModel, state: PresenceState, waiting: Sequence[Waiting], at_s: float
) -> list[ZoneEvent]:
    """Give every device a row; those that are back after a silence may be anywhere."""
    rows = state.rows
    devices = sorted({one[0] for one in waiting})
    known = np.array([rows.row_of[d] for d in devices if d in rows.row_of], dtype=np.intp)
    for row in known[is_silent(rows, at_s)[known]].tolist():
        rows.begin(row, model.tables.where, at_s)
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
        rows.add(device, model.tables.where, at_s)
        events.append(Appeared(device, at_s))
    return events


def _looks(
    model: PresenceModel, state: PresenceState, waiting: Sequence[Waiting], at_s: float
) -> cell_filter.Looks:
    """The sightings of a tick, summed by row and gateway; (rows, gateways)."""
    row_of, gateways = state.rows.row_of, len(model.gateway_of)
    shape = (len(row_of), gateways)
    kept = state.rows.looks[: shape[0]]
    seen = [
        (row_of[device] * gateways + gateway, count, dbm)
        for device, gateway, count, dbm in waiting
        if device in row_of
    ]
    level, precision = np.zeros((2, *shape), dtype=np.float32)
    if not seen:
        kept *= LOOKS_KEPT
        return cell_filter.Looks(level, precision)
    # Sums in one order, whatever the order of arrival.
    seen.sort()
    places, counts, dbms = zip(*seen, strict=True)
    place, count = np.array(places), np.array(counts)
    fresh = np.bincount(place, count, level.size)
    total_dbm = np.bincount(place, count * np.array(dbms), level.size)
    at = np.flatnonzero(fresh)
    gateway, fresh_at = at % gateways, fresh[at]
    state.gateway_heard_s[gateway] = at_s
    level_db = filter_tables.relative_db(total_dbm[at] / fresh_at)
    level.ravel()[at] = level_db - state.gateways.offset_db[gateway]
    slow_db2 = state.gateways.slow_db2(model.tables)[gateway]
    precision.ravel()[at] = cell_filter.looks_precision(
        slow_db2, kept.ravel()[at], fresh_at.astype(np.float32)
    )
    kept *= LOOKS_KEPT
    kept.ravel()[at] += fresh_at
    return cell_filter.Looks(level, precision)


def _audience(
    model: PresenceModel, state: PresenceState, listening: Collection[str] | None, at_s: float
) -> npt.NDArray[np.float32]:
    if listening is None:
        alive = at_s - state.gateway_heard_s <= GATEWAY_ALIVE_S
    else:
        alive = np.array([gateway_id in listening for gateway_id in model.gateway_of])
    if not np.array_equal(alive, state.listening):
        state.listening = alive
        state.audience = filter_tables.audience(model.tables.heard[alive])
    return state.audience


def _rows(block: npt.NDArray[np.intp]) -> Block:
    """The same rows as a slice, which copies nothing, where they follow each other."""
    first, last = int(block[0]), int(block[-1])
    return slice(first, last + 1) if last - first + 1 == len(block) else block


def _update(
    model: PresenceModel,
    state: PresenceState,
    block: Block,
    looks: cell_filter.Looks,
    audience: npt.NDArray[np.float32],
) -> cell_filter.Surprise | None:
    """Move and weigh one block of rows, and sum up their cells."""
    rows, tables = state.rows, model.tables
    belief = cell_filter.Belief(rows.p[block], rows.offset_db[block], rows.offset_db2[block])
    own = cell_filter.Looks(looks.level_db[block], looks.precision[block])
    belief, surprise, lost = cell_filter.advance(tables, belief, own, audience)
    state.lost += len(lost)
    rows.p[block] = belief.p
    rows.offset_db[block] = belief.offset_db
    rows.offset_db2[block] = belief.offset_db2
    model.sum_up(rows, block)
    return surprise


def _end(model: PresenceModel, state: PresenceState, row: int, at_s: float) -> list[ZoneEvent]:
    """The visit of a row is over."""
    rows = state.rows
    events: list[ZoneEvent] = []
    if rows.entered[row] >= 0:
        events.append(left(rows, model.zone_ids, row, at_s))
    events.append(Gone(rows.devices[row], at_s, float(rows.last_s[row])))
    rows.remove(row)
    return events

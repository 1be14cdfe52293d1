"""Presence as bytes, so that an engine that starts again goes on where the last one stopped.

What is kept of a handset are its stay and the marks told, and its belief in half precision: about
4 kB. It holds only for the model that it was made with, or one of the same geometry whose radio map
has changed; a fingerprint of the grid, zones and gateways says which.
"""

import hashlib
import io
import zipfile
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.cell_filter import TICK_S
from beacons.heard import tick_of
from beacons.presence import PresenceModel, PresenceState

# Changed whenever an older checkpoint would be misread.
FORMAT: Final = 1
# Beyond this everybody has walked on: presence forms anew as quickly.
MAX_AGE_S: Final = 30.0
# The fullest store in the largest grid, and no more.
MAX_BYTES: Final = 64_000_000
# Probabilities as logarithms: half precision has no number below 6e-8.
_LEAST_P: Final = 1e-12

_PLAIN: Final = (
    "offset_db2", "looks", "last_s", "begun_s", "gap_s",
    "best", "best_s", "likely", "likely_s", "entered", "entered_s", "marks", "sure",
)  # fmt: skip


class MalformedCheckpoint(Exception):
    """Bytes that are no checkpoint of this model; the message says why."""


def fingerprint(model: PresenceModel) -> str:
    """What must be the same for a checkpoint to hold: cells, zones and gateways."""
    digest = hashlib.sha256()
    for names in (model.floor_ids, model.zone_ids, tuple(model.gateway_of)):
        digest.update(repr(names).encode())
    digest.update(np.round(model.grid.xy, 3).tobytes())
    digest.update(model.grid.walkable.tobytes())
    return digest.hexdigest()


def save(model: PresenceModel, state: PresenceState) -> bytes:
    """The handsets of a state; sightings that wait for their tick are not kept."""
    rows = state.rows
    count = len(rows)
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: getattr(rows, name)[:count] for name in _PLAIN
    }
    into = io.BytesIO()
    np.savez(
        into,
        format=np.array(FORMAT),
        fingerprint=np.array(fingerprint(model)),
        next_tick=np.array(-1 if state.next_tick is None else state.next_tick),
        devices=np.array(rows.devices, dtype=np.str_),
        gateway_heard_s=state.gateway_heard_s,
        log_p=np.log(np.maximum(rows.p[:count], _LEAST_P)).astype(np.float16),
        offset_db=rows.offset_db[:count].astype(np.float16),
        **columns,  # type: ignore[arg-type]
    )
    return into.getvalue()


def restore(
    model: PresenceModel, data: bytes, now_s: float, ceiling: int | None = None
) -> PresenceState:
    """The state at the time of the checkpoint. Raises MalformedCheckpoint.

    Nobody listened since: the time until `now_s` does not count as the handsets' silence.
    ceiling: of tracked handsets; None: the usual one. Of more handsets than that, none is kept.
    """
    if len(data) > MAX_BYTES:
        raise MalformedCheckpoint(f"{len(data)} bytes are more than any store fills")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
        return _restored(model, kept, now_s, ceiling)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MalformedCheckpoint(f"not a checkpoint: {type(error).__name__}") from error


def _restored(
    model: PresenceModel,
    kept: dict[str, npt.NDArray[np.generic]],
    now_s: float,
    ceiling: int | None,
) -> PresenceState:
    if int(kept["format"]) != FORMAT:
        raise MalformedCheckpoint(f"format {int(kept['format'])} is not {FORMAT}")
    if str(kept["fingerprint"]) != fingerprint(model):
        raise MalformedCheckpoint("it was made with another plan")
    state = PresenceState(model) if ceiling is None else PresenceState(model, ceiling)
    last_s = np.asarray(kept["last_s"], dtype=np.float64)
    if not last_s.size:
        return state
    if not 0.0 <= now_s - float(last_s.max()) <= MAX_AGE_S:
        raise MalformedCheckpoint(f"it is from {now_s - float(last_s.max()):.0f} s ago")
    count = len(last_s)
    if count > state.rows.ceiling:
        raise MalformedCheckpoint(f"it holds {count} handsets, {state.rows.ceiling} are possible")
    devices = [str(device) for device in kept["devices"]]
    if len(set(devices)) != count:
        raise MalformedCheckpoint("a handset is in it twice")
    columns = {name: kept[name] for name in _PLAIN}
    columns["p"] = _probabilities(model, kept["log_p"])
    columns["offset_db"] = kept["offset_db"]
    state.rows.fill(devices, columns)
    state.gateway_heard_s[:] = kept["gateway_heard_s"]
    tick = int(kept["next_tick"])
    state.next_tick = None if tick < 0 else tick
    rows = state.rows
    if state.next_tick is not None:
        missed = max(0, tick_of(now_s - model.lag_s) - state.next_tick)
        rows.last_s[:count] += missed * TICK_S
    rows.zone_p[:count] = rows.p[:count] @ model.zone_share
    rows.xy[:count] = rows.p[:count] @ model.xy
    return state


def _probabilities(model: PresenceModel, log_p: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    p = np.exp(log_p.astype(np.float32)) * (model.tables.where > 0)
    total = p.sum(axis=1, keepdims=True)
    if not (np.isfinite(total).all() and (total > 0).all()):
        raise MalformedCheckpoint("a handset in it is nowhere")
    return np.asarray(p / total, dtype=np.float32)

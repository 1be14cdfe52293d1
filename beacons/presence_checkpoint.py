"""Presence as bytes, so that an engine that starts again goes on where the last one stopped.

What is kept of a handset are its stay and the marks told, and its belief in half precision: 4 to
8 kB. It holds only for the model that it was made with, or one of the same geometry whose radio map
has changed; a fingerprint of the grid, zones and gateways says which.

The bytes come from a server that others can reach, so nothing in them is believed: sizes follow
from the bytes that are there, and values that presence cannot have had are refused.
"""

import hashlib
import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from beacons.cell_filter import OFFSET_LEAST_DB2
from beacons.filter_tables import TICK_S
from beacons.heard import tick_of
from beacons.presence import MAX_CATCH_UP_S, PresenceModel, PresenceState
from beacons.zone_judge import DWELL_MARKS_S, SURE_AT

# Changed whenever an older checkpoint would be misread.
FORMAT: Final = 2
# Beyond this everybody has walked on: presence forms anew as quickly.
MAX_AGE_S: Final = 30.0
# Nobody shops for two days; a handset that was left behind is anew after that.
MAX_STAY_S: Final = 2 * 86_400.0
# The fullest store in the largest grid, and no more.
MAX_BYTES: Final = 64_000_000
# Probabilities as logarithms: half precision has no number below 6e-8.
_LEAST_P: Final = 1e-12
# Levels span 100 dB and the map as much again: no offset is more, nor less certain than that.
_MAX_DB: Final = 200.0
# Nobody knows an offset better than to a thousandth of a decibel; and far from where 1 / x ends.
_LEAST_DB2: Final = 1e-9
# A gateway's looks at one handset, decaying: 10,000 adverts in every window would be more.
_MAX_LOOKS: Final = 1e6

# Of each handset, as the rows have it.
_PLAIN: Final = (
    "offset_db2", "looks", "last_s", "begun_s", "gap_s",
    "best", "best_s", "likely", "likely_s", "entered", "entered_s", "marks", "sure",
)  # fmt: skip
_TIMES: Final = ("last_s", "begun_s", "best_s", "likely_s", "entered_s")

Array = npt.NDArray[np.number]


class MalformedCheckpoint(Exception):
    """Bytes that are no checkpoint of this model; the message says why."""


class _Kept(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint holds. columns: by name, the octets of an array with a row a handset.

    radio_map: a digest of it; what was learned of gateways holds beside this map only.
    """

    format: int
    fingerprint: str
    next_tick: int | None
    devices: list[str]
    columns: dict[str, bytes]
    gateway_heard_s: bytes
    radio_map: str
    gateway_offset_db: bytes
    gateway_offset_db2: bytes


_DECODER: Final = msgspec.msgpack.Decoder(_Kept)
_ENCODER: Final = msgspec.msgpack.Encoder()


def fingerprint(model: PresenceModel) -> str:
    """What must be the same for a checkpoint to hold: cells, zones and gateways."""
    digest = hashlib.sha256()
    for names in (model.floor_ids, model.zone_ids, tuple(model.gateway_of)):
        digest.update(repr(names).encode())
    digest.update(np.round(model.grid.xy, 3).tobytes())
    return digest.hexdigest()


def save(model: PresenceModel, state: PresenceState) -> bytes:
    """The handsets of a state; sightings that wait for their tick are not kept."""
    rows = state.rows
    count = len(rows)
    columns: dict[str, Array] = {name: getattr(rows, name)[:count] for name in _PLAIN}
    columns["log_p"] = np.log(np.maximum(rows.p[:count], _LEAST_P)).astype(np.float16)
    columns["offset_db"] = rows.offset_db[:count].astype(np.float16)
    kept = _Kept(
        format=FORMAT,
        fingerprint=fingerprint(model),
        next_tick=state.next_tick,
        devices=rows.devices,
        columns={name: _octets(column) for name, column in columns.items()},
        gateway_heard_s=_octets(state.gateway_heard_s),
        radio_map=_radio_map(model),
        gateway_offset_db=_octets(state.gateways.offset_db),
        gateway_offset_db2=_octets(state.gateways.offset_db2),
    )
    return _ENCODER.encode(kept)


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
        kept = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedCheckpoint(f"not a checkpoint: {error}") from error
    if kept.format != FORMAT:
        raise MalformedCheckpoint(f"format {kept.format} is not {FORMAT}")
    if kept.fingerprint != fingerprint(model):
        raise MalformedCheckpoint("it was made with another plan")
    state = PresenceState(model) if ceiling is None else PresenceState(model, ceiling)
    if kept.radio_map == _radio_map(model):
        _restore_gateways(state, kept)
    if kept.devices:
        _restore_handsets(model, state, kept, now_s)
    return state


def _restore_gateways(state: PresenceState, kept: _Kept) -> None:
    learned = state.gateways
    offset_db = _array("gateway offsets", kept.gateway_offset_db, learned.offset_db)
    offset_db2 = _array("gateway offsets", kept.gateway_offset_db2, learned.offset_db2)
    _refuse_outside("gateway offsets", offset_db, -_MAX_DB, _MAX_DB)
    _refuse_outside("gateway offsets", offset_db2, _LEAST_DB2, _MAX_DB**2)
    learned.offset_db[:], learned.offset_db2[:] = offset_db, offset_db2


def _restore_handsets(
    model: PresenceModel, state: PresenceState, kept: _Kept, now_s: float
) -> None:
    rows, count = state.rows, len(kept.devices)
    if count > rows.ceiling:
        raise MalformedCheckpoint(f"it holds {count} handsets, {rows.ceiling} are possible")
    if len(set(kept.devices)) != count or "" in kept.devices:
        raise MalformedCheckpoint("a handset is in it twice, or has no name")
    if kept.next_tick is None:
        raise MalformedCheckpoint("it has handsets and no time")
    columns = _columns(model, state, kept, now_s)
    age_s = now_s - float(columns["last_s"].max())
    if age_s > MAX_AGE_S:
        raise MalformedCheckpoint(f"it is from {age_s:.0f} s ago")
    missed = tick_of(now_s - model.lag_s) - kept.next_tick
    if abs(missed) * TICK_S > MAX_CATCH_UP_S:
        raise MalformedCheckpoint(f"its clock stands {missed * TICK_S:.0f} s back")
    try:
        rows.fill(kept.devices, columns)
    except ValueError as error:
        raise MalformedCheckpoint(str(error)) from error
    heard_s = _array("gateways", kept.gateway_heard_s, state.gateway_heard_s)
    if not (heard_s <= now_s).all():
        raise MalformedCheckpoint("a gateway in it was heard in the future, or at no time")
    state.gateway_heard_s[:] = heard_s
    state.next_tick = kept.next_tick
    # One that was restored twice without a step between has had its share already.
    moved_s = rows.last_s[:count] + max(0, missed) * TICK_S
    rows.last_s[:count] = np.minimum(moved_s, now_s)
    model.sum_up(rows, slice(count))


def _columns(
    model: PresenceModel, state: PresenceState, kept: _Kept, now_s: float
) -> dict[str, Array]:
    """The columns of the rows, each with values that it can have."""
    rows, count = state.rows, len(kept.devices)
    if kept.columns.keys() != {*_PLAIN, "log_p", "offset_db"}:
        raise MalformedCheckpoint("its columns are not those of handsets")
    columns = {
        name: _array(name, kept.columns[name], getattr(rows, name), count) for name in _PLAIN
    }
    half = rows.p.astype(np.float16)
    log_p = _array("log_p", kept.columns["log_p"], half, count)
    columns["offset_db"] = _array("offset_db", kept.columns["offset_db"], half, count)
    zones = len(model.zone_ids)
    # The last zone is none: one may be likeliest there, and has not entered it.
    ranges: tuple[tuple[str, float, float], ...] = (
        ("offset_db", -_MAX_DB, _MAX_DB), ("offset_db2", float(OFFSET_LEAST_DB2), _MAX_DB**2),
        ("looks", 0.0, _MAX_LOOKS), ("gap_s", 0.0, MAX_CATCH_UP_S),
        ("best", -1, zones), ("likely", -1, zones), ("entered", -1, zones - 1),
        ("marks", 0, len(DWELL_MARKS_S)), ("sure", 0, len(SURE_AT)),
    )  # fmt: skip
    for name, least, most in ranges:
        _refuse_outside(name, columns[name], least, most)
    for name in _TIMES:
        if not ((columns[name] <= now_s) & (columns[name] >= now_s - MAX_STAY_S)).all():
            raise MalformedCheckpoint(f"{name} lies in the future, long ago or nowhere")
    _refuse_outside("log_p", log_p, math.log(_LEAST_P) - 1.0, 1.0)
    columns["p"] = _probabilities(log_p)
    return columns


def _array(name: str, octets: bytes, like: Array, count: int | None = None) -> Array:
    """The array that the octets are, of the type and width of `like`; count: of rows."""
    shape = like.shape if count is None else (count, *like.shape[1:])
    dtype = like.dtype.newbyteorder("<")
    if len(octets) != dtype.itemsize * int(np.prod(shape)):
        raise MalformedCheckpoint(f"{name} has {len(octets)} bytes, which do not fit")
    return np.frombuffer(octets, dtype=dtype).reshape(shape)


def _octets(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _refuse_outside(name: str, values: Array, least: float, most: float) -> None:
    """Raises MalformedCheckpoint; what is not a number is outside as well."""
    if not ((values >= least) & (values <= most)).all():
        raise MalformedCheckpoint(f"{name} is not between {least:g} and {most:g}")


def _radio_map(model: PresenceModel) -> str:
    """A digest of what the learned offsets of gateways stand beside."""
    digest = hashlib.sha256(_octets(model.tables.reach.expected_db))
    digest.update(_octets(model.tables.gateway_db2))
    return digest.hexdigest()


def _probabilities(log_p: Array) -> npt.NDArray[np.float32]:
    p = np.exp(log_p.astype(np.float32))
    total = p.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise MalformedCheckpoint("a handset in it is nowhere")
    return np.asarray(p / total, dtype=np.float32)

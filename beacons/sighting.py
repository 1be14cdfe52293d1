"""Sightings and their batches: the one record from gateway to engine, and its wire form.

A sighting says who was heard, by whom, how loud, when: all adverts of one identifier in one window
at one gateway. On the wire a batch is a msgpack or JSON array (fields in the order below), with the
version first.
"""

from typing import Annotated, Final, Literal

import msgspec

WINDOW_MS: Final = 500
MSGPACK: Final = "application/vnd.corsia.sightings+msgpack"
JSON: Final = "application/json"

# One window of the busiest gateway we plan for hears about 400 identifiers; one request carries a
# second of it with room to spare. More than this in one batch is a fault, not a crowd.
MAX_SIGHTINGS: Final = 2_000
# Milliseconds since 1970 that make sense: 2020 to 2100. Finer limits are the receiver's business.
_MIN_AT_MS: Final = 1_577_836_800_000
_MAX_AT_MS: Final = 4_102_444_800_000

Kind = Literal["ceid", "ibeacon", "altbeacon", "eddystone_uid", "eddystone_eid"]
# Octets of each kind's identifier: CEID is EID 10 | low byte of w | version and class.
IDENTIFIER_OCTETS: Final[dict[Kind, int]] = {
    "ceid": 12,
    "ibeacon": 20,
    "altbeacon": 20,
    "eddystone_uid": 16,
    "eddystone_eid": 8,
}


class Sighting(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One identifier in one window, at one gateway."""

    kind: Kind
    identifier: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){8,20}$")]
    at_ms: Annotated[int, msgspec.Meta(ge=_MIN_AT_MS, le=_MAX_AT_MS)]  # start of the window, unix
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)]  # adverts in the window
    mean_rssi_dbm: Annotated[float, msgspec.Meta(ge=-127, le=20)]
    max_rssi_dbm: Annotated[int, msgspec.Meta(ge=-127, le=20)]


class Batch(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a gateway sends at once; (gateway, boot, seq) names it for ever."""

    version: Literal[1]
    boot: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]  # chosen when the spool is made
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  # 1, 2, 3 ... within a boot
    sightings: Annotated[tuple[Sighting, ...], msgspec.Meta(min_length=1, max_length=MAX_SIGHTINGS)]


class MalformedBatch(Exception):
    """Bytes that are no batch; the message says where."""


_MSGPACK_DECODER: Final = msgspec.msgpack.Decoder(Batch)
_JSON_DECODER: Final = msgspec.json.Decoder(Batch)
_MSGPACK_ENCODER: Final = msgspec.msgpack.Encoder()
_JSON_ENCODER: Final = msgspec.json.Encoder()


def encode_batch(batch: Batch) -> bytes:
    """The msgpack form."""
    return _MSGPACK_ENCODER.encode(batch)


def encode_batch_json(batch: Batch) -> bytes:
    """The JSON form, for tools and people."""
    return _JSON_ENCODER.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """The batch in msgpack. Raises MalformedBatch."""
    return _checked(_MSGPACK_DECODER, data)


def decode_batch_json(data: bytes) -> Batch:
    """The batch in JSON. Raises MalformedBatch."""
    return _checked(_JSON_DECODER, data)


def _checked(
    decoder: msgspec.msgpack.Decoder[Batch] | msgspec.json.Decoder[Batch], data: bytes
) -> Batch:
    try:
        batch = decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as e:
        raise MalformedBatch(str(e)) from e
    for number, sighting in enumerate(batch.sightings):
        if len(sighting.identifier) != 2 * IDENTIFIER_OCTETS[sighting.kind]:
            raise MalformedBatch(
                f"a {sighting.kind} identifier has {IDENTIFIER_OCTETS[sighting.kind]} octets"
                f" - at `$[3][{number}][1]`"
            )
        if sighting.mean_rssi_dbm > sighting.max_rssi_dbm + 0.5:
            raise MalformedBatch(f"mean above maximum - at `$[3][{number}][4]`")
    return batch

"""Gateways: enrolment with a one-time code, and the batches that they send."""

import base64
import logging
from datetime import datetime, timedelta
from typing import Final

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from beacons.sighting import (
    JSON,
    MSGPACK,
    Batch,
    MalformedBatch,
    decode_batch,
    decode_batch_json,
)
from config.http_signature import SignatureError, SignatureInput, check_signature, signature_input
from db.gateways import Gateway, enrol, load_gateway
from mobile_api.gate import within_gateways_rate, within_rate
from mobile_api.metrics import METRICS
from mobile_api.models import BatchTaken, Enrolled, Enrolment, GatewayPath
from mobile_api.operations import RawBody, Security, operation, read_body
from mobile_api.parts import CLOCK, DB, LIVE, OPERATOR, RATES
from mobile_api.problems import (
    AWAY,
    BAD_SIGNATURE,
    CLOCK_SKEW,
    IMPOSSIBLE_TIME,
    MALFORMED_BATCH,
    NOT_READY,
    REVOKED_GATEWAY,
    UNKNOWN_CODE,
    UNKNOWN_GATEWAY,
    RefusedError,
    is_away,
)

log = logging.getLogger(__name__)

# A signed request is good for this long either way: a Pi's clock drifts by seconds, and a copy of
# the request is worth nothing within a minute (the same batch twice is a duplicate).
MAX_SKEW: Final = timedelta(seconds=60)
# Sightings carry the gateway's clock, which may be a little ahead of ours.
MAX_AHEAD: Final = timedelta(seconds=10)
# Raw sightings are kept for 24 h (DESIGN section 10): older ones may not even be taken.
MAX_AGE: Final = timedelta(hours=24)


async def enrol_gateway(request: web.Request, body: Enrolment) -> Enrolled:
    """Turn a one-time code into an enrolled gateway"""
    operator = request.app[OPERATOR]
    async with request.app[DB].begin() as tx:
        gateway = await enrol(
            tx,
            body.code,
            base64.b64decode(body.public_key),
            body.software,
            request.app[CLOCK].now(),
        )
    if gateway is None:
        raise RefusedError(UNKNOWN_CODE)
    log.info("gateway enrolled", extra={"gateway": gateway.gateway_id, "store": gateway.store_id})
    return Enrolled(
        gateway_id=gateway.gateway_id,
        store_id=gateway.store_id,
        tenant=operator.tenant,
        namespace=operator.namespace,
    )


async def take_sightings(request: web.Request, path: GatewayPath) -> BatchTaken:
    """Take a batch of sightings

    (gateway, boot, seq) names a batch for ever: sent again it is a duplicate and changes nothing.
    Nothing of a refused batch is kept.
    """
    metrics = request.app[METRICS]
    outcome = "failed"
    try:
        taken = await _take(request, path.gateway_id)
        outcome = "duplicate" if taken.duplicate else "stored"
    except RefusedError as refused:
        outcome = refused.kind.slug
        raise
    except AWAY as error:
        if not is_away(error):
            raise
        outcome = NOT_READY.slug
        raise RefusedError(NOT_READY) from error
    finally:
        metrics.batches.labels(outcome).inc()
    return taken


async def _take(request: web.Request, gateway_id: str) -> BatchTaken:
    now = request.app[CLOCK].now()
    counted = request.app[METRICS].sightings
    await within_gateways_rate(request)
    said = _signed_by(request, gateway_id)
    body = await read_body(request, (MSGPACK, JSON))
    gateway = await _proven(request, said, body, now)
    await within_rate(request, f"gateway:{gateway_id}", request.app[RATES].gateway)
    batch = _decoded(request.content_type, body)
    if not _times_are_possible(batch, now):
        counted.labels("refused").inc(len(batch.sightings))
        raise RefusedError(IMPOSSIBLE_TIME)
    new = await request.app[LIVE].append(gateway.store_id, gateway_id, batch)
    counted.labels("stored" if new else "duplicate").inc(len(batch.sightings))
    return BatchTaken(duplicate=not new)


def _signed_by(request: web.Request, gateway_id: str) -> SignatureInput:
    try:
        said = signature_input(request.headers)
    except SignatureError as error:
        raise RefusedError(BAD_SIGNATURE, str(error)) from error
    if said.keyid != gateway_id:
        raise RefusedError(BAD_SIGNATURE, "keyid is not the gateway of the path")
    return said


async def _proven(
    request: web.Request, said: SignatureInput, body: bytes, now: datetime
) -> Gateway:
    async with request.app[DB].read() as tx:
        gateway = await load_gateway(tx, said.keyid)
    if gateway is None or gateway.public_key is None:
        raise RefusedError(UNKNOWN_GATEWAY)
    key = Ed25519PublicKey.from_public_bytes(gateway.public_key)
    try:
        check_signature(key, said, request.headers, request.method, request.rel_url.raw_path, body)
    except SignatureError as error:
        raise RefusedError(BAD_SIGNATURE, str(error)) from error
    if abs(now.timestamp() - said.created_s) > MAX_SKEW.total_seconds():
        raise RefusedError(CLOCK_SKEW, "our time is in the Date header")
    if gateway.revoked_at is not None:
        raise RefusedError(REVOKED_GATEWAY)
    return gateway


def _decoded(content_type: str, body: bytes) -> Batch:
    try:
        return decode_batch(body) if content_type == MSGPACK else decode_batch_json(body)
    except MalformedBatch as error:
        raise RefusedError(MALFORMED_BATCH, str(error)) from error


def _times_are_possible(batch: Batch, now: datetime) -> bool:
    latest_ms = (now + MAX_AHEAD).timestamp() * 1_000
    earliest_ms = (now - MAX_AGE).timestamp() * 1_000
    return all(earliest_ms <= sighting.at_ms <= latest_ms for sighting in batch.sightings)


def _raw_batch() -> RawBody:
    (schema,), components = msgspec.json.schema_components(
        [Batch], ref_template="#/components/schemas/{name}"
    )
    packed = {
        "type": "string",
        "format": "binary",
        "contentMediaType": MSGPACK,
        "contentSchema": schema,
        "description": "The same arrays in MessagePack; what gateways send.",
    }
    return RawBody({MSGPACK: packed, JSON: schema}, components)


OPERATIONS: Final = (
    operation(
        "POST",
        "/v1/gateways/enrol",
        enrol_gateway,
        tag="gateways",
        security=Security.OPEN,
        status=201,
        problems=(UNKNOWN_CODE,),
    ),
    operation(
        "POST",
        "/v1/gateways/{gateway_id}/sightings",
        take_sightings,
        tag="gateways",
        security=Security.GATEWAY,
        status=202,
        problems=(
            BAD_SIGNATURE,
            CLOCK_SKEW,
            UNKNOWN_GATEWAY,
            REVOKED_GATEWAY,
            MALFORMED_BATCH,
            IMPOSSIBLE_TIME,
        ),
        raw=_raw_batch(),
    ),
)

"""Who may pass: access tokens and rate limits, before a handler runs."""

import hashlib
import logging
import math
from datetime import timedelta
from typing import Final

import redis.exceptions
from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from db.handsets import Handset, load_handset, lock_shopper
from mobile_api.operations import Security
from mobile_api.parts import CLOCK, LIVE, RATES, SIGNER, Rate
from mobile_api.problems import TOO_MANY_REQUESTS, UNAUTHENTICATED, RefusedError

log = logging.getLogger(__name__)

HANDSET_ID: Final = web.RequestKey("handset_id", str)
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


async def gate(request: web.Request, security: Security) -> None:
    """Nothing, when the caller may pass. Raises RefusedError.

    A gateway is told by its signature, which covers the body: its handler checks it, and both of
    its limits.
    """
    match security:
        case Security.HANDSET:
            handset_id = _authenticated(request)
            request[HANDSET_ID] = handset_id
            await within_rate(request, f"handset:{handset_id}", request.app[RATES].handset)
        case Security.OPEN | Security.TILL:
            # A till is told by its token, which its handler looks up.
            await within_rate(request, f"peer:{_peer(request)}", request.app[RATES].peer)
        case Security.GATEWAY | Security.SYSTEM:
            return


async def within_gateways_rate(request: web.Request) -> None:
    """Count one batch of the address it comes from. Raises RefusedError when it is one too many.

    For before the signature is checked, which costs a body, a look into the database and a curve:
    until then anybody may have sent it.
    """
    await within_rate(request, f"gateways:{_peer(request)}", request.app[RATES].gateways_peer)


async def within_rate(request: web.Request, client: str, rate: Rate) -> None:
    """Count one request of the client. Raises RefusedError when it is one too many.

    Fails open: without Redis nobody is limited, and nobody is refused for it.
    """
    try:
        wait = await request.app[LIVE].rate(
            client, request.app[CLOCK].now(), rate.per_minute, rate.burst
        )
    except redis.exceptions.RedisError as error:
        log.warning("rate limit not checked", extra={"error": type(error).__name__})
        return
    if wait > timedelta(0):
        seconds = math.ceil(wait.total_seconds())
        raise RefusedError(TOO_MANY_REQUESTS, headers={hdrs.RETRY_AFTER: str(seconds)})


async def caller(tx: AsyncConnection, request: web.Request) -> Handset:
    """The handset that asks. Raises RefusedError when it was erased after its token was made."""
    handset = await load_handset(tx, request[HANDSET_ID])
    if handset is None:
        raise RefusedError(UNAUTHENTICATED, headers=_CHALLENGE)
    return handset


async def locked_caller(tx: AsyncConnection, request: web.Request) -> Handset:
    """The handset that asks, for a call that writes: its shopper is neither erased nor changed by
    anybody else before the transaction ends. Raises RefusedError when they have been erased."""
    handset = await caller(tx, request)
    if not await lock_shopper(tx, handset.shopper_id):
        raise RefusedError(UNAUTHENTICATED, headers=_CHALLENGE)
    return handset


def _authenticated(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    handset_id = None
    if scheme.lower() == "bearer":
        handset_id = request.app[SIGNER].handset_id(token.strip(), request.app[CLOCK].now())
    if handset_id is None:
        raise RefusedError(UNAUTHENTICATED, headers=_CHALLENGE)
    return handset_id


def _peer(request: web.Request) -> str:
    # An address is personal: only a digest of it is kept, for as long as its limit is.
    return hashlib.sha256((request.remote or "").encode()).hexdigest()[:16]

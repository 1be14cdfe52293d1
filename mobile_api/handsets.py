"""Handsets: registration, tokens, consents and push targets."""

import base64
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.ceid import WINDOW_S
from db import browsing, consents, handsets, purchases, tokens
from db.handsets import Handset
from db.sealing import seal, unseal
from mobile_api.gate import caller, locked_caller
from mobile_api.models import (
    Ceid,
    ConsentChange,
    GrantBody,
    GrantState,
    HandsetState,
    PushTarget,
    RefreshRequest,
    Registered,
    Registration,
    Tokens,
)
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB, OPERATOR, SIGNER, Operator
from mobile_api.problems import (
    REFRESH_INVALID,
    REFRESH_REUSED,
    TOO_MANY_REQUESTS,
    RefusedError,
)
from mobile_api.tokens import REFRESH_LIFE, TokenSigner
from shoppers.consent import Grant, Purpose, standing

log = logging.getLogger(__name__)

# Of CEID v1 (DESIGN section 4): the key of one handset.
SECRET_OCTETS: Final = 32
# Room for more answers comes back as those of the day before grow older than a day, one by one.
TOO_MANY_CHANGES_WAIT: Final = timedelta(hours=1)


async def register_handset(request: web.Request, body: Registration) -> Registered:
    """Register a new installation of the app

    Makes a new, anonymous shopper. A consent that is not given stands at no.
    """
    now, operator = request.app[CLOCK].now(), request.app[OPERATOR]
    async with request.app[DB].begin() as tx:
        handset = await handsets.register(
            tx,
            platform=body.platform,
            app_version=body.app_version,
            country=body.country,
            locale=body.locale,
            now=now,
        )
        await consents.add_grants(tx, handset.shopper_id, _grants(body.consents, now))
        state = await _settled(tx, handset, operator, now)
        issued = await _issue(tx, request.app[SIGNER], handset.handset_id, now)
    return Registered(**dict(state), tokens=issued)


async def refresh_tokens(request: web.Request, body: RefreshRequest) -> Tokens:
    """Spend a refresh token for new tokens

    Each is good once. One that is used again was copied: all of its family are void from then on,
    and the handset registers anew.
    """
    now = request.app[CLOCK].now()
    issued = None
    async with request.app[DB].begin() as tx:
        spent = await tokens.spend(tx, body.refresh_token, now)
        if isinstance(spent, tokens.Spent):
            issued = await _issue(tx, request.app[SIGNER], spent.handset_id, now, spent.family)
            handset = await handsets.load_handset(tx, spent.handset_id)
            assert handset is not None
            await handsets.keep_until(tx, [handset.shopper_id], now)
    # Outside of the transaction: a refusal must not take back that the family is void.
    match spent:
        case tokens.Refusal.REUSED:
            log.warning("refresh token used twice")
            raise RefusedError(REFRESH_REUSED)
        case tokens.Refusal.UNKNOWN:
            raise RefusedError(REFRESH_INVALID)
    assert issued is not None
    return issued


async def handset_state(request: web.Request) -> HandsetState:
    """What is held to be true of this handset"""
    async with request.app[DB].read() as tx:
        return await _state(tx, await caller(tx, request), request.app[OPERATOR])


async def change_consents(request: web.Request, body: ConsentChange) -> HandsetState:
    """Add answers to the consent ledger

    An answer that stands already is not added again. More changes in a day than anybody makes are
    refused, except to withdraw what stands.
    Granting location_ble makes a secret where there is none. Withdrawing it deletes the secret, so
    that nothing heard before can be linked; withdrawing profiling deletes what was browsed and
    bought, but for redeemed coupons.
    """
    now = request.app[CLOCK].now()
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        if not await consents.add_grants(tx, handset.shopper_id, _grants(body.consents, now)):
            seconds = int(TOO_MANY_CHANGES_WAIT.total_seconds())
            raise RefusedError(TOO_MANY_REQUESTS, headers={hdrs.RETRY_AFTER: str(seconds)})
        return await _settled(tx, handset, request.app[OPERATOR], now)


async def set_push_target(request: web.Request, body: PushTarget) -> None:
    """Say where this handset's pushes go"""
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        target = handsets.PushTarget(handset.handset_id, body.kind, body.value, body.platform)
        await handsets.set_push_target(tx, target, request.app[CLOCK].now())


async def drop_push_target(request: web.Request) -> None:
    """Stop pushes to this handset"""
    async with request.app[DB].begin() as tx:
        await handsets.drop_push_target(tx, (await caller(tx, request)).handset_id)


async def _settled(
    tx: AsyncConnection, handset: Handset, operator: Operator, now: datetime
) -> HandsetState:
    """The state once secrets and browsing agree with what the ledger allows."""
    allowed = await consents.standing_consents(tx, handset.shopper_id)
    fresh = await handsets.load_handset(tx, handset.handset_id)
    assert fresh is not None
    if Purpose.LOCATION_BLE not in allowed:
        for handset_id in await handsets.handsets_of(tx, handset.shopper_id):
            await handsets.set_secret(tx, handset_id, None, now)
    elif fresh.sealed_secret is None:
        sealed = seal(operator.data_key, handset.handset_id, secrets.token_bytes(SECRET_OCTETS))
        await handsets.set_secret(tx, handset.handset_id, sealed, now)
    if Purpose.PROFILING not in allowed:
        await browsing.forget_browsing(tx, handset.shopper_id)
        await purchases.forget_purchases(tx, handset.shopper_id)
    settled = await handsets.load_handset(tx, handset.handset_id)
    assert settled is not None
    return await _state(tx, settled, operator)


async def _state(tx: AsyncConnection, handset: Handset, operator: Operator) -> HandsetState:
    answers = await consents.last_answers(tx, handset.shopper_id)
    return HandsetState(
        handset_id=handset.handset_id,
        shopper_id=handset.shopper_id,
        tenant=operator.tenant,
        namespace=operator.namespace,
        ceid=_ceid(handset, operator, standing(answers)),
        consents=[
            GrantState(
                purpose=grant.purpose,
                granted=grant.granted,
                text_version=grant.text_version,
                locale=grant.locale,
                at=grant.at,
            )
            for grant in sorted(answers, key=lambda grant: grant.purpose)
        ],
    )


def _ceid(handset: Handset, operator: Operator, allowed: frozenset[Purpose]) -> Ceid | None:
    if handset.sealed_secret is None or Purpose.LOCATION_BLE not in allowed:
        return None
    secret = unseal(operator.data_key, handset.handset_id, handset.sealed_secret)
    return Ceid(secret=base64.b64encode(secret).decode(), window_s=WINDOW_S)


async def _issue(
    tx: AsyncConnection,
    signer: TokenSigner,
    handset_id: str,
    now: datetime,
    family: str | None = None,
) -> Tokens:
    refresh_token = await tokens.issue(tx, handset_id, now + REFRESH_LIFE, family)
    access_token, access_expires_at = signer.access_token(handset_id, now)
    return Tokens(
        access_token=access_token,
        access_expires_at=access_expires_at,
        refresh_token=refresh_token,
    )


def _grants(bodies: Iterable[GrantBody], now: datetime) -> list[Grant]:
    return [Grant(b.purpose, b.granted, b.text_version, b.locale, now) for b in bodies]


OPERATIONS: Final = (
    operation(
        "POST",
        "/v1/handsets",
        register_handset,
        tag="handsets",
        security=Security.OPEN,
        status=201,
    ),
    operation(
        "POST",
        "/v1/tokens/refresh",
        refresh_tokens,
        tag="handsets",
        security=Security.OPEN,
        problems=(REFRESH_INVALID, REFRESH_REUSED),
    ),
    operation("GET", "/v1/me", handset_state, tag="handsets", security=Security.HANDSET),
    operation("PUT", "/v1/me/consents", change_consents, tag="handsets", security=Security.HANDSET),
    operation(
        "PUT",
        "/v1/me/push-target",
        set_push_target,
        tag="handsets",
        security=Security.HANDSET,
        status=204,
    ),
    operation(
        "DELETE",
        "/v1/me/push-target",
        drop_push_target,
        tag="handsets",
        security=Security.HANDSET,
        status=204,
    ),
)

"""Enrolment: a one-time code becomes a gateway with a key of its own."""

import asyncio
import base64
import importlib.metadata
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from gateway.answers import Problem, problem_of, read_answer
from gateway.identity import (
    IDENTITY_FILE,
    Enrolled,
    Identity,
    IdentityError,
    load_identity,
    load_key,
    make_key,
    save_identity,
)
from gateway.settings import GatewayConfig

# A person waits for it.
ENROL_TIMEOUT_S: Final = 20.0


class EnrolError(Exception):
    """An enrolment that did not happen; the message is for the person at the Pi."""


class AlreadyEnrolledError(EnrolError):
    """There is an identity already, and it is not thrown away by accident."""

    def __init__(self, identity: Identity, path: Path) -> None:
        super().__init__(
            f"this gateway is already enrolled as {identity.gateway_id} in store"
            f" {identity.store_id}: remove {path} to enrol it anew"
        )


async def enrol(config: GatewayConfig, code: str) -> Identity:
    """The identity that the server gave for `code`, kept in the data directory.

    The key is written before the code is spent and used again after a failure, so a lost answer
    can be asked for once more. Raises EnrolError.
    """
    try:
        if (identity := load_identity(config.data_dir)) is not None:
            raise AlreadyEnrolledError(identity, config.data_dir / IDENTITY_FILE)
        key = load_key(config.data_dir) or make_key(config.data_dir)
        enrolled = await _asked(config.api_url, code, key.public_key().public_bytes_raw())
        save_identity(config.data_dir, enrolled)
    except (IdentityError, OSError) as error:
        raise EnrolError(str(error)) from error
    return Identity.of(enrolled, key)


async def _asked(api_url: str, code: str, public_key: bytes) -> Enrolled:
    question = {
        "code": code.strip(),
        "public_key": base64.b64encode(public_key).decode(),
        "software": f"corsia {importlib.metadata.version('corsia')}",
    }
    url = f"{api_url.rstrip('/')}/v1/gateways/enrol"
    try:
        async with (
            asyncio.timeout(ENROL_TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.post(url, json=question, allow_redirects=False) as response,
        ):
            status = response.status
            body = await read_answer(response)
    except TimeoutError as error:
        raise EnrolError(f"{api_url} did not answer within {ENROL_TIMEOUT_S:.0f} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise EnrolError(f"{api_url} cannot be reached: {error}") from error
    if status == 201:
        try:
            return msgspec.json.decode(body, type=Enrolled)
        except msgspec.DecodeError as error:
            raise EnrolError(f"{api_url} answered what is no enrolment: {error}") from error
    match problem_of(body):
        case Problem() as problem if 400 <= status < 500:
            raise EnrolError(f"the server refused the enrolment: {problem.sentence}")
        case _:
            raise EnrolError(f"{api_url} answered {status}: is it the address of a Corsia server?")

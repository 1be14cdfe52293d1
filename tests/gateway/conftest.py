"""An ingest server, an enrolled identity and a clock for the tests of the gateway."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.clock import VirtualClock
from gateway.identity import Identity
from tests.gateway.ingest_server import GATEWAY_ID, NAMESPACE, IngestServer

NOW = datetime.fromtimestamp(1_790_000_000, UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def identity() -> Identity:
    return Identity(GATEWAY_ID, "milano-1", "demo", NAMESPACE, Ed25519PrivateKey.generate())


@pytest.fixture
async def server(identity: Identity) -> AsyncIterator[IngestServer]:
    async with IngestServer().serving() as serving:
        serving.keys[GATEWAY_ID] = identity.key.public_key()
        yield serving

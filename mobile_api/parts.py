"""What the application is made of, each part under a typed key."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from config.clock import Clock
from db.connect import Database
from db.live import Live
from mobile_api.tokens import TokenSigner


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose system this is, on paper and on air."""

    tenant: str
    namespace: str
    data_key: bytes  # seals handset secrets at rest


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one client may ask: steadily, and at once after a pause."""

    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Rate limits by kind of client."""

    # Ten batches a second is the fastest a gateway can be set to; five times that lets one that
    # was offline catch up.
    gateway: Rate = Rate(3_000, 600)
    # All gateways of a store may stand behind one address, and count here before they are known.
    # A big store: 200 gateways at two batches a second, which is half of this; the rest is for
    # catching up. The burst is ten seconds of it.
    gateways_peer: Rate = Rate(48_000, 4_000)
    # An app in use asks every few seconds; opening it asks a handful of questions at once.
    handset: Rate = Rate(120, 60)
    # All phones of a store may stand behind one address.
    peer: Rate = Rate(600, 300)


CLOCK: Final[web.AppKey[Clock]] = web.AppKey("clock")
DB: Final = web.AppKey("db", Database)
LIVE: Final = web.AppKey("live", Live)
OPERATOR: Final = web.AppKey("operator", Operator)
RATES: Final = web.AppKey("rates", Rates)
SIGNER: Final = web.AppKey("signer", TokenSigner)

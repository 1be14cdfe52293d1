"""A served API with a store, gateways, handsets and decisions to ask it about."""

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import yarl
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Table, func, select

from beacons.sighting import MSGPACK, Batch, Sighting, encode_batch
from config.clock import VirtualClock
from config.http_signature import signed_headers
from config.settings import Settings, load_settings
from db import tills
from db.campaigns import save_campaign
from db.connect import Database, insert_once
from db.decisions import StoredDecision, store_decision, store_send
from db.gateways import new_enrolment_code
from db.ids import new_id
from db.live import Live
from db.tables import gateways, stores
from db.visits import close_visit, open_visit
from mobile_api.app import make_app
from mobile_api.parts import Rates
from offers.campaign import Campaign, Offer, Status
from offers.pressure import Message
from offers.situation import Weighed

STORE = "store-1"
PROBLEMS = "https://corsia.invalid/problems/"
ALL_CONSENTS = ("location_ble", "profiling", "push_marketing")
EID = "ed936b121837e7924def1810"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str | None:
        """The slug of the problem; None when it is none."""
        if self.headers.get("Content-Type", "").partition(";")[0] != "application/problem+json":
            return None
        said = self.json()
        assert said["status"] == self.status
        assert said["title"]
        assert said["type"].startswith(PROBLEMS)
        return str(said["type"]).removeprefix(PROBLEMS)


@dataclass(frozen=True, slots=True)
class Phone:
    """A registered handset with its tokens."""

    api: "Api"
    state: dict[str, Any]

    @property
    def shopper_id(self) -> str:
        return str(self.state["shopper_id"])

    @property
    def handset_id(self) -> str:
        return str(self.state["handset_id"])

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.state['tokens']['access_token']}"}

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        return await self.api.call(method, path, body, {**self.authorization, **(headers or {})})


@dataclass(frozen=True, slots=True)
class Pi:
    """An enrolled gateway with its key."""

    api: "Api"
    gateway_id: str
    key: Ed25519PrivateKey

    async def send(
        self,
        batch: Batch | bytes,
        *,
        content_type: str = MSGPACK,
        created_at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send a signed batch; `headers` replace those that were made."""
        body = batch if isinstance(batch, bytes) else encode_batch(batch)
        path = f"/v1/gateways/{self.gateway_id}/sightings"
        signed_at = created_at or self.api.clock.now()
        signed = signed_headers(
            self.key, self.gateway_id, "POST", path, body, int(signed_at.timestamp())
        )
        return await self.api.raw(
            "POST", path, body, {"Content-Type": content_type, **signed, **(headers or {})}
        )


@dataclass(frozen=True, slots=True)
class Api:
    """The API over real HTTP, with the database and Redis behind it."""

    url: yarl.URL
    session: aiohttp.ClientSession
    app: web.Application
    clock: VirtualClock
    database: Database
    live: Live

    async def raw(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Send these bytes."""
        url = self.url.join(yarl.URL(path, encoded=True))
        async with self.session.request(method, url, data=body, headers=headers) as response:
            return Answered(response.status, response.headers.copy(), await response.read())

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send JSON."""
        if body is None:
            return await self.raw(method, path, None, headers)
        typed = {"Content-Type": "application/json", **(headers or {})}
        return await self.raw(method, path, json.dumps(body).encode(), typed)

    async def phone(self, consents: Sequence[str] = ALL_CONSENTS) -> Phone:
        answered = await self.call("POST", "/v1/handsets", registration(consents))
        assert answered.status == 201, answered
        return Phone(self, answered.json())

    async def code(self, gateway_id: str) -> str:
        """A one-time code for a gateway that is placed in the store."""
        async with self.database.begin() as tx:
            await tx.execute(gateways.insert().values(id=gateway_id, store_id=STORE))
            return await new_enrolment_code(tx, gateway_id, self.clock.now() + timedelta(hours=1))

    async def pi(self, gateway_id: str = "g01") -> Pi:
        key = Ed25519PrivateKey.generate()
        answered = await self.call(
            "POST", "/v1/gateways/enrol", enrolment(await self.code(gateway_id), key)
        )
        assert answered.status == 201, answered
        return Pi(self, gateway_id, key)

    async def till(self, name: str = "till-1") -> dict[str, str]:
        """The headers of a till of the store."""
        async with self.database.begin() as tx:
            token = await tills.add(tx, STORE, name, self.clock.now())
        assert token is not None
        return {"Authorization": f"Bearer {token}"}

    async def campaign(self, campaign_id: str = "c1", **changes: Any) -> Campaign:
        """A live campaign, stored."""
        plain = Campaign(
            campaign_id=campaign_id,
            name=campaign_id,
            offer=Offer(f"Title of {campaign_id}", "Body", margin_cents=200),
            zone_ids=frozenset({"coffee"}),
            valid_from=self.clock.now() - timedelta(days=1),
            valid_until=self.clock.now() + timedelta(days=1),
            status=Status.LIVE,
        )
        campaign = dataclasses.replace(plain, **changes)
        async with self.database.begin() as tx:
            await save_campaign(tx, campaign, self.clock.now())
        return campaign

    async def decision(
        self,
        phone: Phone,
        weighed: Sequence[Weighed],
        *,
        sent: bool = True,
        reasons: Sequence[str] = (),
    ) -> str:
        """A decision for the phone's shopper about the first weighed campaign; its id.

        Each is of a visit of its own, over by now: a handset has one open visit to a store.
        """
        now, decision_id = self.clock.now(), new_id()
        campaign_id = weighed[0].campaign_id
        async with self.database.begin() as tx:
            visit = await open_visit(tx, phone.shopper_id, STORE, phone.handset_id, now)
            await store_decision(
                tx,
                StoredDecision(
                    decision_id=decision_id,
                    visit_id=visit.visit_id,
                    shopper_id=phone.shopper_id,
                    zone_id="coffee",
                    outcome="send" if sent else "hold",
                    campaign_id=campaign_id,
                    ghost=False,
                    reasons=list(reasons),
                    weighed=msgspec.to_builtins(list(weighed)),
                    seen={},
                    heard_at=now,
                    at=now,
                ),
            )
            if sent:
                one = Message(decision_id, now, campaign_id, visit.visit_id, "aisle-7", STORE)
                assert await store_send(tx, one, phone.shopper_id)
            await close_visit(tx, visit.visit_id, now)
        return decision_id

    async def rows(self, table: Table) -> int:
        async with self.database.read() as tx:
            return int(await tx.scalar(select(func.count()).select_from(table)) or 0)

    async def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 when it is not there."""
        text = (await self.call("GET", "/metrics")).body.decode()
        for line in text.splitlines():
            sample, _, value = line.rpartition(" ")
            found, _, given = sample.partition("{")
            said = dict(part.split("=", 1) for part in given.rstrip("}").split(",") if "=" in part)
            if found == name and said == {key: f'"{value}"' for key, value in labels.items()}:
                return float(value)
        return 0.0


def settings_of(database: Database, redis_url: str, data_dir: object, **given: object) -> Settings:
    """The settings of an API over these servers."""
    url = database.engine.url.render_as_string(hide_password=False)
    plain = {"data_dir": data_dir, "database_url": url, "redis_url": redis_url, "api_port": 0}
    return load_settings(**{**plain, **given})


async def new_store(database: Database, now: datetime) -> None:
    """The store that gateways hang in, once."""
    row = {
        "id": STORE,
        "name": "Store",
        "tz": "Europe/Rome",
        "country": "IT",
        "plan": {},
        "changed_at": now,
    }
    async with database.begin() as tx:
        await insert_once(tx, stores, row)


def app_of(settings: Settings, clock: VirtualClock, rates: Rates | None) -> web.Application:
    return make_app(settings, clock) if rates is None else make_app(settings, clock, rates=rates)


def grants(purposes: Sequence[str], *, granted: bool = True) -> list[dict[str, object]]:
    return [
        {"purpose": purpose, "granted": granted, "text_version": "2026-11", "locale": "it-IT"}
        for purpose in purposes
    ]


def registration(consents: Sequence[str] = ()) -> dict[str, object]:
    return {
        "platform": "android",
        "app_version": "1.0",
        "locale": "it-IT",
        "country": "IT",
        "consents": grants(consents),
    }


def enrolment(code: str, key: Ed25519PrivateKey) -> dict[str, object]:
    return {
        "code": code,
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "software": "corsia 0.1.0",
    }


def batch(at: datetime, seq: int = 1, sightings: int = 1) -> Batch:
    """A batch of sightings of one handset, the first at `at`."""
    at_ms = int(at.timestamp() * 1_000)
    return Batch(
        1,
        "00112233445566aa",
        seq,
        tuple(Sighting("ceid", EID, at_ms, 1, -60.0, -60) for _ in range(sightings)),
    )

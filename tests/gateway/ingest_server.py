"""A small server for a gateway to talk to: it verifies, remembers batches, and fails as told."""

import base64
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from beacons.sighting import MSGPACK, Batch, Sighting, decode_batch
from config.http_signature import SignatureError, check_signature, signature_input

CODE = "ABCD-1234"
GATEWAY_ID = "gw-1"
NAMESPACE = bytes.fromhex("c0451a01")
MAX_SKEW_S = 60

Play = Callable[[web.Request], Awaitable[web.Response | None]]


class IngestServer:
    """What the gateway routes of the API answer; `plays` are answers for the next batches."""

    def __init__(self) -> None:
        self.now: Callable[[], datetime] = lambda: datetime.fromtimestamp(1_790_000_000, UTC)
        self.keys: dict[str, Ed25519PublicKey] = {}
        self.plays: deque[Play] = deque()
        self.batches: dict[tuple[str, int], Batch] = {}
        self.bodies: list[bytes] = []
        self.enrolments: list[dict[str, Any]] = []
        self.url = ""

    @property
    def sightings(self) -> list[Sighting]:
        return [one for batch in self.batches.values() for one in batch.sightings]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["IngestServer"]:
        app = web.Application()
        app.router.add_post("/v1/gateways/enrol", self._enrol)
        app.router.add_post("/v1/gateways/{gateway_id}/sightings", self._ingest)
        app.router.add_get("/livez", self._livez)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    def problem(
        self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response(
            {"type": f"https://corsia.example/problems/{kind}", "detail": detail},
            status=status,
            content_type="application/problem+json",
            headers={"Date": self._date(), **(headers or {})},
        )

    def _date(self) -> str:
        return format_datetime(self.now(), usegmt=True)

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok", headers={"Date": self._date()})

    async def _enrol(self, request: web.Request) -> web.Response:
        question = await request.json()
        self.enrolments.append(question)
        if question["code"] != CODE:
            return self.problem(404, "unknown-code", "this code is not known or was used")
        raw = base64.b64decode(question["public_key"], validate=True)
        self.keys[GATEWAY_ID] = Ed25519PublicKey.from_public_bytes(raw)
        return web.json_response(
            {
                "gateway_id": GATEWAY_ID,
                "store_id": "milano-1",
                "tenant": "demo",
                "namespace": NAMESPACE.hex(),
            },
            status=201,
        )

    async def _ingest(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        if self.plays and (played := await self.plays.popleft()(request)) is not None:
            return played
        try:
            said = signature_input(request.headers)
            if said.keyid != request.match_info["gateway_id"] or said.keyid not in self.keys:
                return self.problem(403, "unknown-gateway", "this gateway is not known")
            check_signature(
                self.keys[said.keyid], said, request.headers, "POST", request.path, body
            )
        except SignatureError as error:
            return self.problem(401, "signature", str(error))
        if abs(said.created_s - self.now().timestamp()) > MAX_SKEW_S:
            return self.problem(401, "clock-skew", "the signature is not of this minute")
        assert request.content_type == MSGPACK
        batch = decode_batch(body)
        is_duplicate = (batch.boot, batch.seq) in self.batches
        self.batches.setdefault((batch.boot, batch.seq), batch)
        return web.json_response(
            {"duplicate": is_duplicate}, status=202, headers={"Date": self._date()}
        )

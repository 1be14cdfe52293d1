"""A shopper's handset as a real client: it registers, browses, is pushed to, answers and redeems.

It knows only what a phone knows. What it did and was shown goes into the run's log, which the
scorecard compares with what the backend believes.
"""

import asyncio
import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, assert_never

from config.clock import Clock
from firmware_sim.advertiser import Identity
from firmware_sim.client import (
    PURPOSES,
    ApiClient,
    ApiError,
    ApiRefusedError,
    HandsetState,
    Purpose,
)
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.plan import Action, Browse, OpenFeed, Pay, Withdraw
from firmware_sim.scene import Shopper, Visit
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    Failed,
    LeftStore,
    NotRedeemed,
    OwnCapSet,
    PushReceived,
    ReceiptSent,
    Redeemed,
    Registered,
    RunLog,
)

APP_VERSION: Final = "1.0.0"
CONSENT_TEXT_VERSION: Final = "sim-1"
# From the handset's radio to its screen: waking the app and drawing the notification. Assumed.
SCREEN_DELAY_S: Final = (0.1, 0.5)
# The app reports what it displayed at once; people look when they look. Assumed.
DISPLAYED_DELAY_S: Final = (0.1, 1.0)
OPENED_DELAY_S: Final = (2.0, 15.0)
# Far more than anyone is sent; a sender gone wild is cut off here and shows as an error.
MOST_PUSHES_WAITING: Final = 64


@dataclass(frozen=True, slots=True)
class _Push:
    decision_id: str
    campaign_id: str | None
    zone_id: str | None
    accepted_at_s: float


class Handset:
    """One handset, from its registration to the end of the run."""

    def __init__(
        self, shopper: Shopper, client: ApiClient, log: RunLog, clock: Clock, chance: random.Random
    ) -> None:
        self._shopper = shopper
        self._client = client
        self._log = log
        self._clock = clock
        self._chance = chance
        self._state: HandsetState | None = None
        self._consents = shopper.persona.consents
        self._visit: Visit | None = None
        self._pushes: asyncio.Queue[_Push] = asyncio.Queue(MOST_PUSHES_WAITING)
        self._seen_decisions: set[str] = set()
        self._wanted: list[_Push] = []

    @property
    def shopper(self) -> Shopper:
        """Whose it is."""
        return self._shopper

    @property
    def handset_id(self) -> str | None:
        """What the backend calls it; None before it is registered."""
        return self._state.handset_id if self._state else None

    async def register(self, push_kind: str, push_target: str) -> bool:
        """Make the handset known, with its consents and where to push to; False when refused."""
        persona = self._shopper.persona
        with self._failures():
            self._state = await self._client.register(
                {
                    "platform": persona.platform,
                    "app_version": APP_VERSION,
                    "locale": persona.locale,
                    "country": persona.country,
                    "consents": self._grants(self._consents),
                }
            )
        if self._state is None:
            return False
        self._log.event(
            Registered(
                at_s=self._now_s(),
                handset_id=self._state.handset_id,
                shopper_id=self._state.shopper_id,
                consents=self._consent_facts(),
                persona=persona.temper.name,
            )
        )
        self._obey(self._state)
        if persona.pushes_per_week is not None:
            with self._failures():
                await self._limit(persona.pushes_per_week)
        with self._failures():
            await self._client.put_push_target(push_kind, push_target, persona.platform)
        return True

    def on_push(self, delivery: Delivery) -> None:
        """Take a push from the push service; never waits."""
        decision_id = delivery.data.get("decision_id")
        if decision_id is None:
            self._failed("push without a decision_id")
            return
        push = _Push(
            decision_id=decision_id,
            campaign_id=delivery.data.get("campaign_id"),
            zone_id=delivery.data.get("zone_id"),
            accepted_at_s=delivery.accepted_at.timestamp(),
        )
        # The same tag with another decision is no repeat: it takes the old one's place on the
        # screen, as both systems do it.
        if decision_id in self._seen_decisions:
            self._log_push(push, is_shown=False, is_duplicate=True)
            return
        self._seen_decisions.add(decision_id)
        try:
            self._pushes.put_nowait(push)
        except asyncio.QueueFull:
            self._failed("more pushes than a handset can show")

    async def take_pushes(self) -> None:
        """Show and answer whatever comes, for ever."""
        async with asyncio.TaskGroup() as reactions:
            while True:
                push = await self._pushes.get()
                reactions.create_task(self._react(push), name=f"push {push.decision_id}")

    async def visit(self, visit: Visit) -> None:
        """Come in, carry out the plan, and leave."""
        self._visit = visit
        await self._sleep_until(visit.arrives_at_s)
        self._log.event(EnteredStore(self._now_s(), self._id()))
        for action in visit.plan:
            await self._sleep_until(action.at_s)
            with self._failures():
                await self._carry_out(action)
        await self._sleep_until(visit.leaves_at_s)
        self._log.event(LeftStore(self._now_s(), self._id()))

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Browse(kind=kind, category=category):
                event: dict[str, object] = {
                    "event_id": uuid.uuid4().hex,
                    "kind": kind,
                    "category": category,
                    "product": None,
                    "at": self._stamp(),
                }
                await self._client.post_events([event])
            case OpenFeed():
                await self._client.feed()
            case Withdraw(purposes=purposes):
                await self._withdraw(purposes)
            case Pay():
                await self._pay()
            case _:
                assert_never(action)

    async def _limit(self, pushes_per_week: int) -> None:
        asked_s = self._now_s()
        await self._client.put_preferences(pushes_per_week)
        said = OwnCapSet(asked_s, self._id(), pushes_per_week, acked_at=self._now_s())
        self._log.event(said)

    async def _withdraw(self, purposes: frozenset[Purpose]) -> None:
        asked_s = self._now_s()
        changes = dict.fromkeys(sorted(purposes), False)
        if "location_ble" in purposes:
            self._shopper.advertiser.forbid()  # the radio does not wait for the network
        state = await self._client.put_consents(self._grants(changes))
        self._consents |= changes
        consents = self._consent_facts()
        self._log.event(ConsentChanged(asked_s, self._id(), consents, acked_at=self._now_s()))
        self._obey(state)

    async def _pay(self) -> None:
        wanted, self._wanted = self._wanted, []
        for push in wanted:
            with self._failures():
                await self._redeem(push)

    async def _redeem(self, push: _Push) -> None:
        try:
            done = await self._client.redeem(push.decision_id, key=uuid.uuid4().hex)
        except ApiRefusedError as error:
            if error.detail != "offer-over":
                raise
            no = NotRedeemed(self._now_s(), self._id(), push.decision_id, error.detail)
            self._log.event(no)
            return
        self._log.event(Redeemed(self._now_s(), self._id(), done.decision_id, done.campaign_id))

    async def _react(self, push: _Push) -> None:
        try:
            await self._clock.sleep(self._chance.uniform(*SCREEN_DELAY_S))
        except asyncio.CancelledError:
            self._log_push(push, is_shown=False)  # the run ends: it came, and nobody saw it
            raise
        self._log_push(push, is_shown=True)
        await self._send_receipt(push, "displayed", DISPLAYED_DELAY_S)
        if self._chance.random() < self._shopper.persona.redeems:
            self._wanted.append(push)
        if self._chance.random() < self._shopper.persona.opens:
            await self._send_receipt(push, "opened", OPENED_DELAY_S)

    async def _send_receipt(self, push: _Push, kind: str, delay_s: tuple[float, float]) -> None:
        receipt: dict[str, object] = {
            "receipt_id": uuid.uuid4().hex,
            "decision_id": push.decision_id,
            "kind": kind,
        }
        await self._clock.sleep(self._chance.uniform(*delay_s))
        with self._failures():
            await self._client.post_receipt({**receipt, "at": self._stamp()})
            self._log.event(ReceiptSent(self._now_s(), self._id(), push.decision_id, kind))

    def _obey(self, state: HandsetState) -> None:
        """Advertise under what the backend gave, or not at all."""
        advertiser = self._shopper.advertiser
        is_granted = self._consents["location_ble"]
        if is_granted != (state.ceid is not None):
            self._failed(
                "no identifier in spite of consent" if is_granted else "identifier without consent"
            )
        if state.ceid is None or not is_granted:
            advertiser.forbid()
            return
        advertiser.clock_error_s = self._client.clock_error_s
        advertiser.allow(Identity(state.ceid.secret, state.tenant, bytes.fromhex(state.namespace)))

    def _grants(self, answers: Mapping[Purpose, bool]) -> list[dict[str, object]]:
        return [
            {
                "purpose": purpose,
                "granted": answers[purpose],
                "text_version": CONSENT_TEXT_VERSION,
                "locale": self._shopper.persona.locale,
            }
            for purpose in PURPOSES
            if purpose in answers
        ]

    def _consent_facts(self) -> dict[str, bool]:
        return {str(purpose): answer for purpose, answer in self._consents.items()}

    def _log_push(self, push: _Push, *, is_shown: bool, is_duplicate: bool = False) -> None:
        now_s = self._now_s()
        place = self._visit.place_at(now_s) if self._visit else None
        self._log.event(
            PushReceived(
                at_s=now_s,
                handset_id=self._id(),
                decision_id=push.decision_id,
                campaign_id=push.campaign_id,
                zone_id=push.zone_id,
                accepted_at=push.accepted_at_s,
                shown=is_shown,
                duplicate=is_duplicate,
                shown_at=now_s if is_shown else None,
                shown_zone=place.zone_id if is_shown and place else None,
            )
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Write a call that failed into the log, and go on."""
        try:
            yield
        except ApiError as error:
            self._failed(error.what, error.status, error.detail)

    def _failed(self, what: str, status: int | None = None, detail: str = "") -> None:
        self._log.event(Failed(self._now_s(), self.handset_id, what, status, detail))

    def _id(self) -> str:
        assert self._state is not None, "registers first"
        return self._state.handset_id

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _stamp(self) -> str:
        return self._client.server_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def _sleep_until(self, at_s: float) -> None:
        await self._clock.sleep(max(0.0, at_s - self._now_s()))

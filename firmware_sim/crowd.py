"""The people of a run: their handsets register, come, stay reachable for a while, and are replaced.

Leaves to `handset` what one of them does, and to a scene where they walk.
"""

import asyncio
import logging
import random
from collections.abc import Iterable, Iterator
from typing import Final

import aiohttp

from config.clock import Clock
from firmware_sim.client import ApiClient
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_targets import mint_target
from firmware_sim.handset import Handset
from firmware_sim.scene import Scene, Shopper, Visit
from firmware_sim.truth import TRUTH_PERIOD_S, RunLog, TruthPoint

log = logging.getLogger(__name__)

# Enough to be quick, few enough not to look like an attack on the registration.
REGISTRATIONS_AT_ONCE: Final = 8
# A handset stays reachable so long after its owner has left: a push that comes late is seen, and
# counts as late. After it the app is removed, and sends are answered as for a removed app.
LINGER_S: Final = 60.0
# In a run without an end, somebody else comes this long after a place has become free.
NEWCOMER_AFTER_S: Final = (1.0, 30.0)
# Who comes back is away for so long: the handset's visit is over by then, and this is a new one.
COMES_BACK_AFTER_S: Final = (60.0, 120.0)
# What Firebase libraries hand out today; installation ids come with newer ones.
TARGET_KIND: Final = "token"


class Switchboard:
    """Which handset a push is for."""

    def __init__(self) -> None:
        self._handsets: dict[str, Handset] = {}

    def connect(self, target: str, handset: Handset) -> None:
        self._handsets[target] = handset

    def disconnect(self, target: str) -> None:
        self._handsets.pop(target, None)

    def handset_id(self, target: str) -> str | None:
        """Whose target it is, as the backend calls the handset; None when it is nobody's."""
        handset = self._handsets.get(target)
        return handset.handset_id if handset is not None else None

    def deliver(self, delivery: Delivery) -> None:
        """Hand the push over; a target that was removed meanwhile gets nothing."""
        handset = self._handsets.get(delivery.target_value)
        if handset is not None:
            handset.on_push(delivery)


class Crowd:
    """Everybody of one run.

    returning: 0..1, how likely somebody who has left comes in again, where there are newcomers.
    """

    def __init__(
        self,
        *,
        api_url: str,
        session: aiohttp.ClientSession,
        fcm: FakeFcm,
        switchboard: Switchboard,
        run_log: RunLog,
        clock: Clock,
        seed: int,
        returning: float = 0.0,
    ) -> None:
        self._returning = returning
        self._api_url = api_url
        self._session = session
        self._fcm = fcm
        self._switchboard = switchboard
        self._run_log = run_log
        self._clock = clock
        self._seed = seed
        self._targets: dict[Handset, str] = {}
        self._visits: dict[Handset, Visit] = {}
        self._registering = asyncio.Semaphore(REGISTRATIONS_AT_ONCE)

    async def register(self, shoppers: Iterable[Shopper]) -> list[Handset]:
        """The handsets of those whom the backend took, in the same order."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._registered(shopper), name=f"register {shopper.number}")
                for shopper in shoppers
            ]
        handsets = [handset for task in tasks if (handset := task.result()) is not None]
        log.info("handsets registered", extra={"handsets": len(handsets), "of": len(tasks)})
        return handsets

    async def live(
        self,
        scene: Scene,
        visits: Iterable[tuple[Handset, Visit]],
        newcomers: Iterator[Shopper] | None,
    ) -> None:
        """Carry out the visits; with `newcomers`, replace whoever has left, for ever."""
        async with asyncio.TaskGroup() as group:
            for handset, visit in visits:
                group.create_task(
                    self._place(scene, handset, visit, newcomers),
                    name=f"shopper {visit.shopper.number}",
                )

    async def write_truth(self) -> None:
        """Write down where everybody in the store is, each half second, for ever."""
        at_s = self._clock.now().timestamp()
        while True:
            for handset, visit in self._visits.items():
                place = visit.place_at(at_s)
                if place is not None and handset.handset_id is not None:
                    self._run_log.point(
                        TruthPoint(at_s, handset.handset_id, place.x_m, place.y_m, place.zone_id)
                    )
            # On a grid, so that a late wake-up does not shift all that follow. A grid point that
            # was missed altogether is made up for: places are known for every instant.
            at_s += TRUTH_PERIOD_S
            await self._clock.sleep(max(0.0, at_s - self._clock.now().timestamp()))

    async def _registered(self, shopper: Shopper) -> Handset | None:
        name = f"{self._seed} {shopper.number}"
        client = ApiClient(
            self._session,
            self._api_url,
            self._clock,
            random.Random(f"client {name}"),
            shopper.persona.clock_skew_s,
        )
        chance = random.Random(f"handset {name}")
        handset = Handset(shopper, client, self._run_log, self._clock, chance)
        # Not from the seed: a second run against the same backend has other handsets.
        target = mint_target(TARGET_KIND, random.SystemRandom())
        self._fcm.register(TARGET_KIND, target, shopper.persona.platform)
        self._switchboard.connect(target, handset)
        self._targets[handset] = target
        async with self._registering:
            if await handset.register(TARGET_KIND, target):
                return handset
        self._retire(handset)
        return None

    async def _place(
        self, scene: Scene, handset: Handset, visit: Visit, newcomers: Iterator[Shopper] | None
    ) -> None:
        """One shopper after the other, as long as there are any."""
        chance = random.Random(f"newcomers {self._seed} {visit.shopper.number}")
        while True:
            await self._live_one(handset, visit)
            if newcomers is not None and chance.random() < self._returning:
                await self._clock.sleep(chance.uniform(*COMES_BACK_AFTER_S))
                visit = scene.admit(handset.shopper, self._clock.now().timestamp())
                continue
            self._retire(handset)
            if newcomers is None:
                return
            followers = await self.register([next(newcomers)])
            while not followers:
                await self._clock.sleep(NEWCOMER_AFTER_S[1])
                followers = await self.register([next(newcomers)])
            handset = followers[0]
            arrives_at_s = self._clock.now().timestamp() + chance.uniform(*NEWCOMER_AFTER_S)
            visit = scene.admit(handset.shopper, arrives_at_s)

    async def _live_one(self, handset: Handset, visit: Visit) -> None:
        self._visits[handset] = visit
        async with asyncio.TaskGroup() as group:
            pushes = group.create_task(handset.take_pushes(), name=f"pushes {visit.shopper.number}")
            await handset.visit(visit)
            await self._clock.sleep(LINGER_S)
            pushes.cancel()

    def _retire(self, handset: Handset) -> None:
        self._visits.pop(handset, None)
        target = self._targets.pop(handset)
        self._switchboard.disconnect(target)
        self._fcm.unregister(TARGET_KIND, target)

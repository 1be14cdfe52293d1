"""A staff member who surveys the simulated store: a real handset of the API, a route, taps.

They know the floor plan and nothing of the radio. Their handset is as loud or quiet as any.
"""

import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np

from config.clock import Clock
from firmware_sim.advertiser import Identity
from firmware_sim.air import HeardAdvert
from firmware_sim.client import ApiClient, Purpose
from firmware_sim.floor import Floor
from firmware_sim.handset import APP_VERSION, CONSENT_TEXT_VERSION
from firmware_sim.persona import Temper, agreeable
from firmware_sim.radio import PI_BUILT_IN, Handsets, Radio, Receiver, drawn_offset_db
from firmware_sim.scene import shopper
from firmware_sim.survey_route import SurveyRoute, survey_route

log = logging.getLogger(__name__)

# Staff allow to be located for the walk, and nothing else.
STAFF: Final = Temper("staff", 0.0, refuses=frozenset({"profiling", "push_marketing"}))
# A place in the run that no shopper has: all chance follows from it.
NUMBER: Final = 1_000_000
# How often the app asks whether its survey has been opened, or closed.
ASK_EVERY_S: Final = 1.0
# From the opening to the first step: the identifier must be known to the backend.
BEGINS_AFTER_S: Final = 2.0


class SurveyRefusedError(Exception):
    """The backend will not let the staff handset be surveyed with."""


class SurveyWalk:
    """The walk of one survey: a route, and a handset that is as loud or quiet as any.

    It is heard from `begin` on, while the handset may advertise.
    """

    def __init__(self, floor: Floor, seed: int, receiver: Receiver = PI_BUILT_IN) -> None:
        """Raises WalkError."""
        chance = random.Random(f"survey {seed}")
        self.route: SurveyRoute = survey_route(floor, chance)
        self.persona = agreeable("android", floor.country, chance, temper=STAFF)
        self.advertiser = shopper(NUMBER, self.persona, seed).advertiser
        self._floor = floor
        self._offset_db = drawn_offset_db(chance)
        self._radio = Radio(floor, seed, receiver)
        self._starts_s: float | None = None

    def begin(self, starts_s: float) -> None:
        """The first step is taken then, unix."""
        self._starts_s = starts_s

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway hears of the walk in that span, in order of time; unix seconds."""
        if self._starts_s is None:
            return {}
        starts_s = self._starts_s
        sent = [
            (transmission, pose)
            for transmission in self.advertiser.transmissions(
                max(from_s, starts_s), min(until_s, starts_s + self.route.walk.ends_at_s)
            )
            if (pose := self.route.walk.position(transmission.at_s - starts_s)) is not None
        ]
        if not sent:
            return {}
        poses = np.array([pose for _, pose in sent])
        handsets = Handsets(
            key=np.full(len(sent), NUMBER),
            x_m=poses[:, 0],
            y_m=poses[:, 1],
            heading_rad=poses[:, 2],
            offset_db=np.full(len(sent), self._offset_db),
        )
        after_s = np.array([transmission.at_s for transmission, _ in sent]) - starts_s
        rssi_dbm = self._radio.hear(after_s, handsets)
        heard: dict[str, list[HeardAdvert]] = defaultdict(list)
        for row, gateway in np.argwhere(~np.isnan(rssi_dbm)).tolist():
            transmission = sent[row][0]
            heard[self._floor.gateways[gateway].gateway_id].append(
                HeardAdvert(
                    at_ms=int(transmission.at_s * 1000),
                    address=transmission.address,
                    rssi_dbm=int(rssi_dbm[row, gateway]),
                    data=transmission.data,
                )
            )
        return dict(heard)


class Surveyor:
    """One survey, from the registration to the last tap."""

    def __init__(
        self,
        floor: Floor,
        client: ApiClient,
        clock: Clock,
        seed: int,
        receiver: Receiver = PI_BUILT_IN,
    ) -> None:
        """client: of a handset that is not registered yet. Raises WalkError."""
        self._walk = SurveyWalk(floor, seed, receiver)
        self._persona = self._walk.persona
        self._client = client
        self._clock = clock

    async def register(self) -> str:
        """Make the staff handset known; its id. Raises ApiError, SurveyRefusedError."""
        state = await self._client.register(
            {
                "platform": self._persona.platform,
                "app_version": APP_VERSION,
                "locale": self._persona.locale,
                "country": self._persona.country,
                "consents": self._answers(self._persona.consents),
            }
        )
        if state.ceid is None:
            raise SurveyRefusedError("the backend gave the staff handset no identifier")
        namespace = bytes.fromhex(state.namespace)
        self._walk.advertiser.clock_error_s = self._client.clock_error_s
        self._walk.advertiser.allow(Identity(state.ceid.secret, state.tenant, namespace))
        return state.handset_id

    async def walk(self) -> None:
        """Wait until the survey is open, walk it and tap; be heard no more when it is closed.

        Raises ApiError, SurveyRefusedError.
        """
        while await self._client.survey() is None:
            await self._clock.sleep(ASK_EVERY_S)
        starts_s = self._now_s() + BEGINS_AFTER_S
        self._walk.begin(starts_s)
        floor_id = (await self._survey_floors())[0]
        log.info("survey begins", extra={"taps": len(self._walk.route.taps)})
        for tap in self._walk.route.taps:
            tapped_s = starts_s + tap.at_s
            await self._clock.sleep(max(0.0, tapped_s - self._now_s()))
            await self._tap(floor_id, tap.x_m, tap.y_m, tapped_s, is_end=tap.is_end)
        while await self._client.survey() is not None:
            await self._clock.sleep(ASK_EVERY_S)
        # Staff are no shoppers: they let themselves be located for as long as the walk took.
        await self._client.put_consents(self._answers({"location_ble": False}))
        self._walk.advertiser.forbid()
        log.info("survey over")

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway hears of the walk in that span, in order of time; unix seconds."""
        return self._walk.adverts(from_s, until_s)

    def _answers(self, answers: Mapping[Purpose, bool]) -> list[dict[str, object]]:
        return [
            {
                "purpose": purpose,
                "granted": granted,
                "text_version": CONSENT_TEXT_VERSION,
                "locale": self._persona.locale,
            }
            for purpose, granted in answers.items()
        ]

    async def _survey_floors(self) -> list[str]:
        survey = await self._client.survey()
        if survey is None or not survey.floors:
            raise SurveyRefusedError("the survey was closed before it began")
        return [floor.floor_id for floor in survey.floors]

    async def _tap(
        self, floor_id: str, x_m: float, y_m: float, tapped_s: float, *, is_end: bool
    ) -> None:
        tap_id = uuid.uuid4().hex

        def body() -> dict[str, object]:
            # Made anew for every try: a tap grows older while the network fails.
            age_ms = max(0, round((self._now_s() - tapped_s) * 1_000))
            place = {"floor_id": floor_id, "x_m": x_m, "y_m": y_m}
            kind = "end" if is_end else "here"
            return {"taps": [{"tap_id": tap_id, **place, "kind": kind, "age_ms": age_ms}]}

        await self._client.post_taps(body)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

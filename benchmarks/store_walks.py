"""The simulated store reduced to what presence sees: what was heard and when, and the truth.

The same people, radio and gateways as in `corsia rehearse --fast` (`corsia.fast_store`), without
API, SQL, Redis and pushes: a run takes seconds, and is the same for ever for a seed. So are the
night before, in which gateways calibrate each other, and a survey's walk.
"""

import random
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.calibration import GatewayRadio
from beacons.floor import FloorPlan
from beacons.gateway_flags import calibrate
from beacons.heard import Heard
from beacons.links import links_of
from beacons.sighting import Sighting
from beacons.store_plan import StorePlan
from beacons.survey import Survey
from beacons.survey_walk import Tap, TapKind, survey_of_walk
from corsia import demo
from corsia.fast_store import (
    DRAIN_S,
    FLUSH_EVERY_STEPS,
    NO_OUTAGE,
    STEP_S,
    FastGateways,
    Outage,
    admit,
    cast,
)
from corsia.night_before import night
from corsia.survey_recorder import SurveyRecorder
from engine.canaries import Canaries
from engine.identities import Identities, Owner
from firmware_sim.advertiser import Identity
from firmware_sim.floor import Floor, supermarket
from firmware_sim.plan import Withdraw
from firmware_sim.scene import Scene, Visit
from firmware_sim.surveyor import SurveyWalk
from firmware_sim.truth import TRUTH_PERIOD_S
from firmware_sim.world import World

# Any instant would do. No shop opens on a border of the gateways' windows, and identifiers change
# two minutes later, so that a run holds both.
START_S: Final = 1_790_000_000.2
# The survey was walked the day before, at the same hour.
SURVEYED_BEFORE_S: Final = 86_400.0
TENANT: Final = "demo"
NAMESPACE: Final = bytes.fromhex("c0451a01")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `beacons.presence.step`: its time, what had come by then, and which gateways
    were known to be at work."""

    now_s: float
    heard: tuple[Heard, ...]
    listening: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Where each handset was each half second, one entry a sample, in order of device and time.

    device: index in `StoreWalks.devices`. zone: index in the plan's zones, -1 for none.
    A handset has samples from the door to the door, or until its owner stopped being located.
    """

    device: npt.NDArray[np.int64]
    t_s: npt.NDArray[np.float64]
    x_m: npt.NDArray[np.float64]
    y_m: npt.NDArray[np.float64]
    zone: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StoreWalks:
    """One run. devices: the handsets whose owners let them be located, at least at first.

    sightings: all that the gateways gave out of handsets, those of nobody we know included.
    radios, surveys: what was known of the store before it opened; none unless asked for.
    """

    seed: int
    plan: FloorPlan
    devices: tuple[str, ...]
    calls: tuple[Call, ...]
    truth: Truth
    sightings: int
    radios: tuple[GatewayRadio, ...] = ()
    surveys: tuple[Survey, ...] = ()


def store_walks(
    seed: int,
    minutes: float = 3.0,
    shoppers: int = 40,
    outage: Outage = NO_OUTAGE,
    floor: Floor | None = None,
    *,
    calibrated: bool = False,
    survey: bool = False,
) -> StoreWalks:
    """Play the supermarket, or `floor`. outage: its times are unix; the store opens at START_S.

    calibrated: by the night before. survey: walked then too; nobody else is heard differently.
    """
    floor = floor or supermarket()
    store = demo.store_plan(floor)
    scene: Scene = World(floor, seed, START_S)
    visits = [
        _Located.of(visit, seed)
        for visit in admit(scene, cast(floor, shoppers, seed), minutes, seed, START_S)
        if visit.shopper.persona.consents["location_ble"]
    ]
    identities = Identities(TENANT)
    identities.turn_to(START_S)
    for one in visits:
        one.visit.shopper.advertiser.allow(one.identity)
        identities.learn(Owner(one.device, one.device), one.identity.secret)
    gateways = FastGateways(floor, NAMESPACE, outage)
    canaries = Canaries((place.gateway_id for place in floor.gateways), START_S)
    calls, told = [], 0
    for step in range(round((minutes * 60 + DRAIN_S) / STEP_S)):
        now_s = START_S + (step + 1) * STEP_S
        for one in visits:
            if now_s >= one.until_s:
                one.visit.shopper.advertiser.forbid()
        if step * STEP_S < minutes * 60:
            gateways.transmit(scene, now_s - STEP_S)
            gateways.hear(scene.adverts(now_s - STEP_S, now_s), now_s)
        heard: list[Heard] = []
        if step % FLUSH_EVERY_STEPS == 0:
            for one in visits:
                if now_s >= one.until_s:
                    identities.learn(Owner(one.device, one.device), None)
            sightings = _flushed(gateways, canaries, now_s)
            told += len(sightings)
            heard = _resolved(sightings, identities, now_s)
        calls.append(Call(now_s, tuple(heard), canaries.liveness.listening(now_s)))
    (plan,) = store.floors
    return StoreWalks(
        seed=seed,
        plan=plan,
        devices=tuple(one.device for one in visits),
        calls=tuple(calls),
        truth=_truth(visits, plan, START_S + minutes * 60),
        sightings=told,
        radios=overnight(floor, plan, seed, outage) if calibrated else (),
        surveys=(surveyed(floor, store, seed, outage),) if survey else (),
    )


def overnight(floor: Floor, plan: FloorPlan, seed: int, outage: Outage) -> tuple[GatewayRadio, ...]:
    """What the gateways have learned of each other by the time at which the store opens."""
    links = links_of(night(floor, seed, NAMESPACE, START_S, outage).hours())
    return calibrate(plan, links).fit.radios


def surveyed(floor: Floor, store: StorePlan, seed: int, outage: Outage) -> Survey:
    """What a staff member's walk measures before the store opens."""
    walk = SurveyWalk(floor, seed)
    starts_s = START_S - SURVEYED_BEFORE_S
    staff = Owner("staff", "staff")
    secret = random.Random(f"survey secret {seed}").randbytes(32)
    walk.advertiser.allow(Identity(secret, TENANT, NAMESPACE))
    walk.begin(starts_s)
    recorder = SurveyRecorder(staff, secret, TENANT)
    gateways = FastGateways(floor, NAMESPACE, outage)
    for step in range(round((walk.route.walk.ends_at_s + DRAIN_S) / STEP_S)):
        now_s = starts_s + (step + 1) * STEP_S
        gateways.hear(walk.adverts(now_s - STEP_S, now_s), now_s)
        for gateway in gateways.alive(now_s):
            recorder.take(gateway.entries(now_s), now_s)
    floor_id = store.floors[0].floor_id
    taps = [
        Tap(starts_s + tap.at_s, floor_id, tap.x_m, tap.y_m,
            TapKind.END if tap.is_end else TapKind.HERE)
        for tap in walk.route.taps
    ]  # fmt: skip
    return survey_of_walk("survey", store, taps, recorder.heard, since_s=starts_s).survey


@dataclass(frozen=True, slots=True, eq=False)
class _Located:
    """A visit whose handset may be heard, until its owner says no."""

    visit: Visit
    device: str
    identity: Identity
    until_s: float

    @classmethod
    def of(cls, visit: Visit, seed: int) -> "_Located":
        number = visit.shopper.number
        secret = random.Random(f"secret {seed} {number}").randbytes(32)
        withdrawn_s = [
            action.at_s
            for action in visit.plan
            if isinstance(action, Withdraw) and "location_ble" in action.purposes
        ]
        return cls(
            visit=visit,
            device=f"handset-{number:04}",
            identity=Identity(secret, TENANT, NAMESPACE),
            until_s=min(withdrawn_s, default=float("inf")),
        )


def _flushed(
    gateways: FastGateways, canaries: Canaries, now_s: float
) -> list[tuple[str, Sighting]]:
    """What each gateway sends now of handsets; canaries go where they belong."""
    return [
        (gateway.gateway_id, sighting)
        for gateway in gateways.alive(now_s)
        for sighting in canaries.take(gateway.gateway_id, gateway.closed(now_s), now_s)
    ]


def _resolved(
    sightings: list[tuple[str, Sighting]], identities: Identities, now_s: float
) -> list[Heard]:
    """Those of handsets that we know, as the engine resolves them."""
    identities.turn_to(now_s)
    heard = []
    for gateway_id, sighting in sightings:
        owner = identities.owner(sighting.identifier)
        if owner is not None:
            heard.append(
                Heard(
                    device=owner.handset_id,
                    gateway_id=gateway_id,
                    at_s=sighting.at_ms / 1_000,
                    count=sighting.count,
                    mean_rssi_dbm=sighting.mean_rssi_dbm,
                    max_rssi_dbm=float(sighting.max_rssi_dbm),
                )
            )
    return heard


def _truth(visits: list[_Located], plan: FloorPlan, closes_s: float) -> Truth:
    """The samples, at the instants at which a rehearsal writes them down."""
    index_of = {zone.zone_id: index for index, zone in enumerate(plan.zones)}
    rows = []
    for device, one in enumerate(visits):
        until_s = min(one.until_s, one.visit.leaves_at_s, closes_s)
        first = int(np.ceil((one.visit.arrives_at_s - START_S) / TRUTH_PERIOD_S))
        for sample in range(first, int(np.ceil((until_s - START_S) / TRUTH_PERIOD_S))):
            at_s = START_S + sample * TRUTH_PERIOD_S
            place = one.visit.place_at(at_s)
            if place is not None:
                zone = -1 if place.zone_id is None else index_of[place.zone_id]
                rows.append((device, at_s, place.x_m, place.y_m, zone))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Truth(
        device=table[:, 0].astype(np.int64),
        t_s=table[:, 1],
        x_m=table[:, 2],
        y_m=table[:, 3],
        zone=table[:, 4].astype(np.int64),
    )

"""The simulator process: fake FCM, air, handsets and a scene, put together and played in real time.

It meets the rest of Corsia as the world does: gateways listen at its sockets, its handsets call the
API over HTTP, and pushes come to its FCM.
"""

import asyncio
import json
import logging
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import aiohttp

from config.clock import Clock
from firmware_sim.air import Air, AirError
from firmware_sim.client import ApiError
from firmware_sim.crowd import Crowd, Switchboard
from firmware_sim.fake_fcm import PROJECT_ID, FakeFcm, Judged
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.floor import Floor, FloorError, load_floor, supermarket
from firmware_sim.handset import Handset
from firmware_sim.persona import agreeable, personas, with_own_caps
from firmware_sim.readiness import NotReadyError, wait_for_api, wait_for_gateways
from firmware_sim.recording import RecordingError, load_recording
from firmware_sim.replay import Replay
from firmware_sim.scene import Scene, Shopper, Visit, shopper
from firmware_sim.survey_run import new_surveyor, play_survey
from firmware_sim.surveyor import SurveyRefusedError
from firmware_sim.truth import PushJudged, RunLog
from firmware_sim.walker import MEDIAN_VISIT_S, WalkError
from firmware_sim.world import World, arrivals_s

log = logging.getLogger(__name__)

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
# The air is played in steps: a tenth of the gateways' window, so no advert misses its window.
STEP_S: Final = 0.1
# From the last advert to the last push on a screen: a window, an uplink, a decision, a delivery.
DRAIN_S: Final = 5.0
# Between the registration and the opening, so that the backend knows every identifier in time.
OPENS_AFTER_S: Final = 1.0
# Says when the store opens, once that is settled.
OPEN_FILE: Final = "open.json"


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """What one run is to be.

    run_dir: gets the logs, `ready.json` and the air's sockets. fcm_port: 0 for any.
    fcm_key_file: where the service account's key is written. store: a store's TOML; None: the
    supermarket that comes with Corsia. recording: a folder of recordings, played instead of a
    modelled store. minutes: None: for ever, or until the recorded walks are over. survey: whether
    a staff member walks the store first; not with a recording. newcomers: whoever leaves is
    replaced; a run for ever does that anyhow. returning: the share of those who leave that come in
    again instead. answer_delay_s: how long FCM takes to answer. push_trouble: the share of pushes
    that meet a failure, every documented one in turn. refused_keys: when Apple refuses our key,
    in seconds from the opening, from and until. own_caps: the share of shoppers who set in the app
    how many pushes they allow.
    """

    run_dir: Path
    api_url: str
    fcm_port: int
    fcm_key_file: Path
    store: Path | None = None
    recording: Path | None = None
    dataset: str = "tetam"
    minutes: float | None = None
    shoppers: int = 40
    seed: int = 7
    survey: bool = False
    newcomers: bool = False
    returning: float = 0.0
    answer_delay_s: float = 0.0
    push_trouble: float = 0.0
    refused_keys: tuple[tuple[float, float], ...] = ()
    own_caps: float = 0.0


async def run_simulator(config: SimulatorConfig, clock: Clock) -> int:
    """Play the run to its end; the exit code."""
    try:
        stage = _floor_or_replay(config)
        with RunLog(config.run_dir) as run_log:
            await _run(config, stage, run_log, clock)
    except (FloorError, RecordingError, WalkError, AirError, NotReadyError) as error:
        log.error("simulator cannot run", extra={"why": str(error)})  # noqa: TRY400
        return EXIT_FAILED
    return EXIT_OK


def _floor_or_replay(config: SimulatorConfig) -> Floor | Replay:
    if config.recording is not None:
        return Replay(load_recording(config.recording, config.dataset), config.seed)
    return supermarket() if config.store is None else load_floor(config.store)


async def _run(
    config: SimulatorConfig, stage: Floor | Replay, run_log: RunLog, clock: Clock
) -> None:
    floor = stage.floor if isinstance(stage, Replay) else stage
    gateway_ids = [gateway.gateway_id for gateway in floor.gateways]
    switchboard = Switchboard()

    def note(judged: Judged) -> None:
        run_log.push(
            PushJudged(
                at_s=judged.at.timestamp(),
                handset_id=switchboard.handset_id(judged.target),
                decision_id=judged.decision_id,
                accepted=judged.is_accepted,
                trouble=judged.trouble.name if judged.trouble is not None else None,
            )
        )

    async with (
        FakeFcm(
            clock,
            seed=config.seed,
            on_delivery=switchboard.deliver,
            on_send=note,
            answer_delay_s=config.answer_delay_s,
            port=config.fcm_port,
        ) as fcm,
        Air(config.run_dir / "air", gateway_ids) as air,
        aiohttp.ClientSession() as session,
    ):
        _write_json(config.fcm_key_file, fcm.service_account_json())
        ready = {"fcm_url": fcm.base_url, "project_id": PROJECT_ID, "gateways": gateway_ids}
        _write_json(config.run_dir / "ready.json", ready)
        log.info("simulator ready", extra={"fcm_url": fcm.base_url})
        await wait_for_api(config.api_url, session, clock)
        if config.survey:
            await _survey(config, floor, session, air, clock)
        crowd = Crowd(
            api_url=config.api_url,
            session=session,
            fcm=fcm,
            switchboard=switchboard,
            run_log=run_log,
            clock=clock,
            seed=config.seed,
            returning=config.returning,
        )
        cast = _cast(config, stage)
        count = stage.capacity if isinstance(stage, Replay) else config.shoppers
        handsets = await crowd.register(islice(cast, count))
        run_log.flush()
        if not handsets:
            raise NotReadyError(f"the API at {config.api_url} registered none of {count} handsets")
        await wait_for_gateways(gateway_ids, air, clock)
        await _play(config, stage, crowd, handsets, cast, air, run_log, fcm, clock)


async def _survey(
    config: SimulatorConfig, floor: Floor, session: aiohttp.ClientSession, air: Air, clock: Clock
) -> None:
    surveyor = new_surveyor(floor, config.api_url, session, clock, config.seed)
    try:
        handset_id = await surveyor.register()
    except (ApiError, SurveyRefusedError) as error:
        raise NotReadyError(str(error)) from error
    await wait_for_gateways([gateway.gateway_id for gateway in floor.gateways], air, clock)
    _write_json(config.run_dir / "survey.json", {"handset_id": handset_id})
    why = await play_survey(surveyor, air, clock)
    if why is not None:
        raise NotReadyError(f"the survey came to nothing: {why}")


async def _play(
    config: SimulatorConfig,
    stage: Floor | Replay,
    crowd: Crowd,
    handsets: list[Handset],
    cast: Iterator[Shopper],
    air: Air,
    run_log: RunLog,
    fcm: FakeFcm,
    clock: Clock,
) -> None:
    start_s = clock.now().timestamp() + OPENS_AFTER_S
    scene: Scene
    if isinstance(stage, Replay):
        scene, arrives_s, newcomers = stage, (0.0,) * len(handsets), None
    else:
        scene = World(stage, config.seed, start_s)
        is_replaced = config.minutes is None or config.newcomers
        span_s = MEDIAN_VISIT_S if config.minutes is None else config.minutes * 60
        if is_replaced:
            span_s = min(span_s, MEDIAN_VISIT_S)
        chance = random.Random(f"arrivals {config.seed}")
        arrives_s = arrivals_s(len(handsets), span_s, chance)
        newcomers = cast if is_replaced else None
    visits = [
        (handset, scene.admit(handset.shopper, start_s + after_s))
        for handset, after_s in zip(handsets, arrives_s, strict=True)
    ]
    log.info("store open", extra={"shoppers": len(visits), "store": scene.floor.store_id})
    _write_json(config.run_dir / OPEN_FILE, {"opens_at_s": start_s})
    fcm.faults.deal(config.push_trouble)
    async with asyncio.TaskGroup() as group:
        radio = group.create_task(_carry(scene, air, start_s, clock), name="air")
        others = [
            group.create_task(crowd.write_truth(), name="truth"),
            group.create_task(run_log.keep_flushed(clock), name="run log"),
            group.create_task(crowd.live(scene, visits, newcomers), name="shoppers"),
        ]
        refusals = _refuse_keys(fcm, config.refused_keys, start_s, clock)
        others.append(group.create_task(refusals, name="refused keys"))
        is_endless = newcomers is not None and config.minutes is None
        await _until_over(config, visits, is_endless=is_endless, clock=clock)
        radio.cancel()
        await clock.sleep(DRAIN_S)
        for task in others:
            task.cancel()
    log.info("store closed", extra={"adverts": air.sent, "dropped": air.dropped})


async def _refuse_keys(
    fcm: FakeFcm, spans: tuple[tuple[float, float], ...], start_s: float, clock: Clock
) -> None:
    """Have Apple refuse our key in these spans, seconds from the opening."""
    for from_s, until_s in spans:
        await clock.sleep(start_s + from_s - clock.now().timestamp())
        fcm.faults.for_platform("ios", Fault(Trouble.THIRD_PARTY_AUTH))
        await clock.sleep(start_s + until_s - clock.now().timestamp())
        fcm.faults.for_platform("ios", None)


async def _carry(scene: Scene, air: Air, start_s: float, clock: Clock) -> None:
    """Play the scene into the air, step by step, for ever."""
    played_s = start_s
    gateway_ids = [gateway.gateway_id for gateway in scene.floor.gateways]
    while True:
        await clock.sleep(STEP_S)
        now_s = clock.now().timestamp()
        if now_s > played_s:  # not yet open, or the machine's clock was set back
            sent = air.transmissions()
            for gateway_id in gateway_ids:
                if (one := sent.get(gateway_id)) is not None:
                    scene.transmit(gateway_id, bytes.fromhex(one.data), one.interval_s)
                else:
                    scene.transmit(gateway_id, None, 0.0)
            air.carry(scene.adverts(played_s, now_s))
            played_s = now_s


async def _until_over(
    config: SimulatorConfig,
    visits: list[tuple[Handset, Visit]],
    *,
    is_endless: bool,
    clock: Clock,
) -> None:
    if is_endless:
        await asyncio.Event().wait()
    length_s = max(visit.leaves_at_s for _, visit in visits) - clock.now().timestamp()
    if config.minutes is not None:
        limit_s = OPENS_AFTER_S + config.minutes * 60
        length_s = min(length_s, limit_s) if config.recording is not None else limit_s
    await clock.sleep(length_s)


def _cast(config: SimulatorConfig, stage: Floor | Replay) -> Iterator[Shopper]:
    """Shoppers without end; each batch of `shoppers` holds every temper in its share."""
    chance = random.Random(f"cast {config.seed}")
    number = 0
    while True:
        if isinstance(stage, Replay):
            # The recorded tags were carried by people who wanted to be found.
            batch = [agreeable("android", stage.floor.country, chance)]
        else:
            batch = list(personas(config.shoppers, stage.country, chance))
            # Drawn apart, so that everybody else stays who they are.
            own = random.Random(f"own caps {config.seed} {number}")
            batch = list(with_own_caps(batch, config.own_caps, own))
        for persona in batch:
            yield shopper(number, persona, config.seed)
            number += 1


def _write_json(path: Path, content: object) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=2), encoding="utf-8")
    draft.rename(path)

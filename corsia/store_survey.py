"""A walk survey being recorded: sightings from the store's stream, taps from the handset's app."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from redis.exceptions import RedisError

from beacons.floor import PlanError, check_plan
from beacons.store_plan import StorePlan
from beacons.survey_walk import SurveyedWalk, Tap, TapKind, survey_of_walk
from config.clock import Clock
from corsia.stored_store import plan_of
from corsia.survey_recorder import Faults, SurveyRecorder
from db import handsets, surveys
from db.connect import DATABASE_ERRORS, Database
from db.consents import standing_consents
from db.handsets import Handset
from db.ids import new_id
from db.live import Live
from db.sealing import unseal
from db.surveys import OpenWalk
from engine.identities import Owner
from shoppers.consent import Purpose

# How often the app's taps are looked for, and the walk is said to be still recorded.
LOOK_EVERY_S: Final = 2.0
# Redis ends a wait in tenths of a second; this long one read may sleep.
BLOCK_MS: Final = 500
ENTRIES_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
# A window of half a second, a flush each second and a slow uplink: then all that will come is here.
LATE_S: Final = 3.0
# A server that is restarted is back in seconds, and the walk took somebody minutes.
AWAY_S: Final = 30.0

log = logging.getLogger(__name__)

T = TypeVar("T")


class SurveyError(Exception):
    """A survey that cannot be made; the message says why and what to do."""


class NoSuchHandsetError(SurveyError):
    def __init__(self, handset_id: str) -> None:
        super().__init__(
            f"there is no handset {handset_id}: install the app on it, and take the id that it"
            " was given when it registered"
        )


class NotConsentedError(SurveyError):
    def __init__(self, handset_id: str) -> None:
        super().__init__(
            f"the handset {handset_id} cannot be recognised: allow location by Bluetooth in its"
            " app first, as any shopper would"
        )


class ConsentWithdrawnError(SurveyError):
    def __init__(self) -> None:
        super().__init__(
            "the handset's consent to location was withdrawn: nothing of this walk is kept"
        )


class AlreadyRecordedError(SurveyError):
    def __init__(self, handset_id: str) -> None:
        super().__init__(
            f"a survey with the handset {handset_id} is being recorded already; if its recorder"
            f" died, its place is free after {surveys.OPEN_FOR.total_seconds():.0f} s"
        )


class WalkGoneError(SurveyError):
    def __init__(self) -> None:
        super().__init__(
            "this walk is not in the database any more: it was erased there, or the store was"
            " removed; nothing of it is kept"
        )


class DatabaseAwayError(SurveyError):
    def __init__(self) -> None:
        super().__init__(
            f"the database has not answered for {AWAY_S:.0f} s, so no survey is kept; of files that"
            " --keep wrote, `corsia store survey import` can still make one"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How a recording goes. heard: sightings. tapped_s: since the last tap, None without one.
    trouble: what does not answer at the moment."""

    seconds: float
    heard: int
    gateways: int
    taps: int
    tapped_s: float | None
    faults: Faults
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished recording. A walk without a single point is not kept."""

    walk: SurveyedWalk
    faults: Faults

    @property
    def is_kept(self) -> bool:
        return bool(self.walk.survey.points)


class SurveySession:
    """One recording: `open_session`, `run` until it is over or cancelled, `hear_the_rest` of what
    is on its way, then `finish`."""

    def __init__(
        self,
        database: Database,
        live: Live,
        clock: Clock,
        walk: OpenWalk,
        plan: StorePlan,
        recorder: SurveyRecorder,
        after: str,
    ) -> None:
        self.recorder = recorder
        self.walk = walk
        self._database = database
        self._live = live
        self._clock = clock
        self._plan = plan
        self._after = after
        self._until_s: float | None = None
        self._taps: list[Tap] = []
        self._redis_trouble: str | None = None
        self._database_trouble: str | None = None

    @property
    def taps(self) -> Sequence[Tap]:
        """What the app has tapped, as last looked for."""
        return self._taps

    @property
    def has_ended(self) -> bool:
        """Whether the app has said that the walk is over."""
        said = [tap.at_s for tap in self._taps if tap.kind is TapKind.END]
        return bool(said) and self._now_s() >= min(said)

    async def run(self, most_s: float, tell: Callable[[Progress], None]) -> None:
        """Record until an `end` is tapped, or for `most_s`. Cancelled, it keeps what it has.

        Raises a group with a SurveyError in it when the walk may no longer be recorded.
        """
        ends_s = self._now_s() + most_s
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(), name="listen")
            while not self.has_ended and self._now_s() < ends_s:
                await self._clock.sleep(LOOK_EVERY_S)
                await self.look()
                tell(self._progress())
            listening.cancel()

    async def look(self) -> None:
        """Say that we are here, and take the new taps. Raises SurveyError."""
        try:
            async with self._database.begin() as tx:
                handset = await handsets.load_handset(tx, self.walk.handset_id)
                now = self._clock.now()
                is_open = await surveys.keep_open(tx, self.walk, now)
                here = await surveys.open_walk_of(tx, self.walk.handset_id, now)
                if is_open:
                    self._taps = await surveys.taps_of(tx, self.walk)
        except DATABASE_ERRORS:
            self._database_trouble = "the database does not answer"
            return
        self._database_trouble = None
        if not _may_be_heard(handset):
            await self.give_up()
            raise ConsentWithdrawnError
        if not is_open:
            raise WalkGoneError if here is None else AlreadyRecordedError(self.walk.handset_id)

    async def hear_the_rest(self) -> None:
        """Take what is still on its way: sightings, then taps. Raises SurveyError."""
        self._until_s = self._now_s()
        until_s = self._clock.monotonic_s() + LATE_S
        while self._clock.monotonic_s() < until_s:
            try:
                await self._read(BLOCK_MS)
            except RedisError:
                break
        await self.look()

    async def finish(self, more_taps: Sequence[Tap] = ()) -> Recorded:
        """Make a survey of it, keep it, and forget who walked.

        Raises ConsentWithdrawnError, and DatabaseAwayError after `AWAY_S`: the walk and its taps
        are then erased with what dead recorders leave.
        """
        until_s = self._now_s() if self._until_s is None else self._until_s
        self._taps = await self._outlasting(self._last_taps)
        walk = survey_of_walk(
            self.walk.survey_id,
            self._plan,
            [*self._taps, *more_taps],
            self.recorder.heard,
            since_s=self.walk.opened_at.timestamp(),
            until_s=until_s,
        )
        done = Recorded(walk, self.recorder.faults)
        if not await self._outlasting(lambda: self._close(done)):
            raise ConsentWithdrawnError
        return done

    async def give_up(self) -> None:
        """Forget the walk; if the database is away, it is erased with what dead recorders leave."""
        try:
            async with self._database.begin() as tx:
                await surveys.close_walk(tx, self.walk)
        except DATABASE_ERRORS:
            log.warning("a survey walk is still open: the database does not answer")

    async def _last_taps(self) -> list[Tap]:
        async with self._database.read() as tx:
            return await surveys.taps_of(tx, self.walk) or self._taps

    async def _close(self, done: Recorded) -> bool:
        """Forget the walk, and keep what came of it if it may be kept; whether it may."""
        async with self._database.begin() as tx:
            handset = await handsets.load_handset(tx, self.walk.handset_id)
            may_be_kept = _may_be_heard(handset)
            await surveys.close_walk(tx, self.walk)
            # A connection may be lost after the commit: then it is there already.
            is_new = await surveys.load_one(tx, self.walk.survey_id) is None
            if done.is_kept and may_be_kept and is_new:
                await surveys.save(tx, self.walk.store_id, done.walk.survey, self._clock.now())
        return may_be_kept

    async def _outlasting(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the database answers, be it away for a while. Raises DatabaseAwayError."""
        until_s = self._clock.monotonic_s() + AWAY_S
        while True:
            try:
                return await ask()
            except DATABASE_ERRORS as error:
                if self._clock.monotonic_s() >= until_s:
                    raise DatabaseAwayError from error
            await self._clock.sleep(RETRY_S)

    async def _listen(self) -> None:
        """Read the stream, for ever; in a task of its own, because the engine deletes behind us."""
        while True:
            try:
                await self._read(BLOCK_MS)
            except RedisError:
                self._redis_trouble = "Redis does not answer"
                await self._clock.sleep(RETRY_S)
            else:
                self._redis_trouble = None

    async def _read(self, block_ms: int) -> None:
        entries = await self._live.listen(
            self.walk.store_id, self._after, ENTRIES_AT_ONCE, block_ms
        )
        if entries:
            self._after = entries[-1].entry_id
            self.recorder.take(entries, self._now_s())

    def _progress(self) -> Progress:
        now_s = self._now_s()
        heard = self.recorder.heard
        return Progress(
            seconds=now_s - self.walk.opened_at.timestamp(),
            heard=len(heard),
            gateways=len({one.gateway_id for one in heard}),
            taps=len(self._taps),
            tapped_s=now_s - self._taps[-1].at_s if self._taps else None,
            faults=self.recorder.faults,
            trouble=self._redis_trouble or self._database_trouble,
        )

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


async def open_session(
    database: Database,
    live: Live,
    clock: Clock,
    *,
    store_id: str,
    handset_id: str,
    tenant: str,
    key: bytes,
) -> SurveySession:
    """A recording of this handset in this store, begun now. key: opens handsets' secrets.

    Raises SurveyError, NoSuchStoreError, SealError, RedisError, and PlanError when the plan has
    faults.
    """
    after = await live.last_entry_id(store_id)
    walk = OpenWalk(handset_id, store_id, new_id(), clock.now())
    async with database.begin() as tx:
        plan = await plan_of(tx, store_id)
        for floor in plan.floors:
            if faults := check_plan(floor):  # now, and not when the walk is over
                raise PlanError(floor.floor_id, faults)
        handset = await handsets.load_handset(tx, handset_id)
        if handset is None:
            raise NoSuchHandsetError(handset_id)
        if Purpose.LOCATION_BLE not in await standing_consents(tx, handset.shopper_id):
            raise NotConsentedError(handset_id)
        recorder = _recorder(handset, tenant, key)
        if not await surveys.open_walk(tx, walk, clock.now()):
            raise AlreadyRecordedError(handset_id)
    return SurveySession(database, live, clock, walk, plan, recorder, after)


def _may_be_heard(handset: Handset | None) -> bool:
    return handset is not None and handset.sealed_secret is not None


def _recorder(handset: Handset, tenant: str, key: bytes) -> SurveyRecorder:
    if handset.sealed_secret is None:
        raise NotConsentedError(handset.handset_id)
    secret = unseal(key, handset.handset_id, handset.sealed_secret)
    return SurveyRecorder(Owner(handset.handset_id, handset.shopper_id), secret, tenant)

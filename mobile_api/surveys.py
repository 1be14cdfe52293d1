"""Walk surveys: the floors to tap on, and the taps of whoever walks one.

Only while `corsia store survey start` records the sightings of that handset.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import FloorPlan
from beacons.store_plan import StorePlan
from beacons.survey_walk import Tap, TapChecker, TapKind
from db import stores, surveys
from db.surveys import MAX_TAPS, OpenWalk
from mobile_api.gate import caller, locked_caller
from mobile_api.models import OpenSurvey, Stored, SurveyFloor, SurveyState, TapBody, Taps
from mobile_api.operations import Security, operation
from mobile_api.parts import CLOCK, DB
from mobile_api.problems import IMPOSSIBLE_TAP, NO_SURVEY, SURVEY_FULL, RefusedError


async def survey_state(request: web.Request) -> SurveyState:
    """The survey to be walked with this handset, with the floors to tap on"""
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        now = request.app[CLOCK].now()
        walk = await surveys.open_walk_of(tx, handset.handset_id, now)
        if walk is None:
            return SurveyState(survey=None)
        plan = await _plan(tx, walk)
        taps = await surveys.tap_count(tx, walk)
    floors = [_floor(floor) for floor in plan.floors]
    return SurveyState(
        survey=OpenSurvey(
            survey_id=walk.survey_id,
            store_id=walk.store_id,
            opened_at=walk.opened_at,
            taps=taps,
            floors=floors,
        )
    )


async def add_taps(request: web.Request, body: Taps) -> Stored:
    """Report places tapped on a survey's walk

    Repeats by tap_id are harmless. One tap that cannot be right refuses them all.
    """
    now = request.app[CLOCK].now()
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        walk = await surveys.open_walk_of(tx, handset.handset_id, now)
        if walk is None:
            raise RefusedError(NO_SURVEY)
        plan = await _plan(tx, walk)
    taps = [_tap(tap, now) for tap in body.taps]
    # Before the transaction that writes: the ways of a floor take milliseconds (measured: 7 for
    # one of 150 shelves), and others wait for their turn.
    _refuse_impossible(taps, TapChecker(plan), walk)
    stored = 0
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        if await surveys.open_walk_of(tx, handset.handset_id, now) != walk:
            raise RefusedError(NO_SURVEY)
        for said, (tap, at) in zip(body.taps, taps, strict=True):
            stored += await surveys.add_tap(tx, walk, said.tap_id, tap, at)
        # Afterwards, when repeats are known for what they are; refused, none of them is kept.
        if await surveys.tap_count(tx, walk) > MAX_TAPS:
            raise RefusedError(SURVEY_FULL, f"at most {MAX_TAPS}")
    return Stored(stored=stored)


def _tap(body: TapBody, now: datetime) -> tuple[Tap, datetime]:
    at = now - timedelta(milliseconds=body.age_ms)
    tap = Tap(at.timestamp(), body.floor_id, body.x_m, body.y_m, TapKind(body.kind))
    return tap, at


def _refuse_impossible(
    taps: Sequence[tuple[Tap, datetime]], checker: TapChecker, walk: OpenWalk
) -> None:
    for number, (tap, at) in enumerate(taps, start=1):
        fault = checker.fault(tap)
        if fault is None and at < walk.opened_at:
            fault = "it is older than the survey"
        if fault is not None:
            raise RefusedError(IMPOSSIBLE_TAP, f"tap {number}: {fault}")


async def _plan(tx: AsyncConnection, walk: OpenWalk) -> StorePlan:
    plan = await stores.load_store(tx, walk.store_id)
    assert plan is not None, "a walk hangs on its store"
    return plan


def _floor(floor: FloorPlan) -> SurveyFloor:
    return SurveyFloor(
        floor_id=floor.floor_id,
        outline=list(floor.outline),
        obstacles=[list(obstacle) for obstacle in floor.obstacles],
    )


OPERATIONS: Final = (
    operation("GET", "/v1/me/survey", survey_state, tag="surveys", security=Security.HANDSET),
    operation(
        "POST",
        "/v1/me/survey/taps",
        add_taps,
        tag="surveys",
        security=Security.HANDSET,
        status=202,
        problems=(NO_SURVEY, SURVEY_FULL, IMPOSSIBLE_TAP),
    ),
)

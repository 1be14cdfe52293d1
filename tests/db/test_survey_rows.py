"""Surveys in SQL: what was measured comes back, and one walk a handset is open at a time."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from beacons.survey import Survey, SurveyPoint
from beacons.survey_walk import Tap, TapKind
from config.clock import VirtualClock
from db import surveys
from db.connect import Database
from db.personal import erase_due
from db.survey_tables import surveys as survey_rows
from db.surveys import OPEN_FOR, OpenWalk, StoredSurveyError
from tests.db.rows import STORE, a_person, a_store

POINTS = (
    SurveyPoint("ground", 1.25, 2.5, "gw-1", -61.25, 3.5, 40, 9.5),
    SurveyPoint("ground", 1.25, 2.5, "gw-2", -80.5, 0.0, 1, 9.5),
    SurveyPoint("first", 1.25, 2.5, "gw-2", -71.0, 2.0, 7, 2.0),
)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


async def test_surveys_come_back_as_they_were_saved_oldest_first(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await surveys.save(tx, STORE, Survey("later", POINTS), clock.now())
        earlier = clock.now() - timedelta(days=1)
        await surveys.save(tx, STORE, Survey("earlier", POINTS[:1]), earlier)

    async with database.read() as tx:
        assert await surveys.load(tx, STORE) == [
            Survey("earlier", POINTS[:1]), Survey("later", POINTS),
        ]  # fmt: skip
        assert await surveys.load(tx, "elsewhere") == []
        found = await surveys.load_one(tx, "later")
        assert found == (STORE, surveys.KeptSurvey(Survey("later", POINTS), clock.now()))
        assert await surveys.load_one(tx, "none") is None


async def test_a_survey_that_cannot_be_read_is_left_out_and_said(
    database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.begin() as tx:
        for survey_id in ("good", "strange"):
            await surveys.save(tx, STORE, Survey(survey_id, POINTS), clock.now())
        strange = survey_rows.update().where(survey_rows.c.id == "strange")
        await tx.execute(strange.values(places=[["ground", "x"]]))

    async with database.read() as tx:
        assert await surveys.load(tx, STORE) == [Survey("good", POINTS)]
        with pytest.raises(StoredSurveyError, match="survey remove strange"):
            await surveys.load_one(tx, "strange")
    assert "survey strange cannot be read (Expected `array` of at least length 5" in caplog.text


async def test_places_keep_millimetres_and_stay_together(
    database: Database, clock: VirtualClock
) -> None:
    third = [SurveyPoint("g", 1 / 3, 2 / 3, name, -200 / 3, 1 / 3, 3, 10 / 3) for name in "ab"]

    async with database.begin() as tx:
        await surveys.save(tx, STORE, Survey("one", tuple(third)), clock.now())
        (kept,) = await surveys.load(tx, STORE)

    assert kept.points == tuple(
        SurveyPoint("g", 0.333, 0.667, name, -66.67, 0.33, 3, 3.333) for name in "ab"
    )


async def test_engines_can_tell_that_a_survey_came_or_went(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        assert await surveys.changed_at(tx, STORE) is None
        for name in ("one", "two"):
            await surveys.save(tx, STORE, Survey(name, POINTS), clock.now())
            await clock.advance(60)

    seen = []
    for name in ("one", "none"):
        async with database.begin() as tx:
            removed = await surveys.remove(tx, name, clock.now())
            seen.append((removed, await surveys.changed_at(tx, STORE) == clock.now()))
        await clock.advance(60)

    assert seen == [(True, True), (False, False)]
    async with database.read() as tx:
        assert [survey.survey_id for survey in await surveys.load(tx, STORE)] == ["two"]


async def test_a_survey_is_of_a_store_that_exists(database: Database, clock: VirtualClock) -> None:
    with pytest.raises(IntegrityError):
        async with database.begin() as tx:
            await surveys.save(tx, "nowhere", Survey("one", POINTS), clock.now())


async def _walk(database: Database, clock: VirtualClock, survey_id: str = "walk") -> OpenWalk:
    async with database.begin() as tx:
        person = await a_person(tx, clock.now(), target=None)
        walk = OpenWalk(person.handset_id, STORE, survey_id, clock.now())
        assert await surveys.open_walk(tx, walk, clock.now())
    return walk


async def test_taps_come_back_in_the_order_of_time(database: Database, clock: VirtualClock) -> None:
    walk = await _walk(database, clock)
    at = clock.now()
    taps = [
        Tap((at + timedelta(seconds=later_s)).timestamp(), "ground", later_s / 2, 1.0, kind)
        for later_s, kind in [(4.25, TapKind.END), (0.5, TapKind.HERE), (2.0, TapKind.PAUSE)]
    ]

    async with database.begin() as tx:
        for number, tap in enumerate(taps):
            when = at + timedelta(seconds=tap.at_s - at.timestamp())
            assert await surveys.add_tap(tx, walk, str(number), tap, when)
            assert not await surveys.add_tap(tx, walk, str(number), tap, when)

        assert await surveys.taps_of(tx, walk) == [taps[1], taps[2], taps[0]]
        assert await surveys.tap_count(tx, walk) == 3


async def test_one_walk_of_a_handset_is_open_at_a_time(
    database: Database, clock: VirtualClock
) -> None:
    walk = await _walk(database, clock)
    again = OpenWalk(walk.handset_id, STORE, "again", clock.now())

    async with database.begin() as tx:
        assert await surveys.open_walk_of(tx, walk.handset_id, clock.now()) == walk
        assert not await surveys.open_walk(tx, again, clock.now())
        assert await surveys.open_walk_of(tx, "another", clock.now()) is None


async def test_a_recorder_that_died_blocks_nobody_for_long(
    database: Database, clock: VirtualClock
) -> None:
    walk = await _walk(database, clock)
    await clock.advance(20)
    async with database.begin() as tx:
        assert await surveys.keep_open(tx, walk, clock.now())
        tap = Tap(clock.now().timestamp(), "ground", 1.0, 1.0)
        await surveys.add_tap(tx, walk, "old", tap, clock.now())
    await clock.advance(OPEN_FOR.total_seconds() - 1)
    async with database.begin() as tx:
        assert await surveys.open_walk_of(tx, walk.handset_id, clock.now()) == walk
    await clock.advance(1)

    again = OpenWalk(walk.handset_id, STORE, "again", clock.now())
    async with database.begin() as tx:
        assert await surveys.open_walk_of(tx, walk.handset_id, clock.now()) is None
        assert await surveys.open_walk(tx, again, clock.now())
        assert await surveys.taps_of(tx, again) == []
        assert not await surveys.keep_open(tx, walk, clock.now())


async def test_a_closed_walk_leaves_nothing_about_anybody(
    database: Database, clock: VirtualClock
) -> None:
    walk = await _walk(database, clock)
    left = await _walk(database, clock, "left open")
    async with database.begin() as tx:
        tap = Tap(clock.now().timestamp(), "ground", 1.0, 1.0)
        for one in (walk, left):
            await surveys.add_tap(tx, one, "tap", tap, clock.now())

        await surveys.close_walk(tx, walk)

        assert await surveys.tap_count(tx, walk) == 0
        assert await surveys.tap_count(tx, left) == 1
        await erase_due(tx, clock.now() + surveys.KEPT_FOR)
        assert await surveys.tap_count(tx, left) == 0

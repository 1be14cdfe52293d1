"""Taps of a survey's walk: taken only while it is recorded, and only where one can stand."""

from datetime import timedelta
from typing import Any

import pytest

from beacons.survey_walk import Tap, TapKind
from db import stores, surveys
from db.handsets import erase_shopper
from db.surveys import MAX_TAPS, OPEN_FOR, OpenWalk
from tests.db.rows import a_plan
from tests.mobile_api.harness import Answered, Api, Phone

SHOP = a_plan("survey-shop", ("sg-1",))


async def opened(api: Api, phone: Phone) -> OpenWalk:
    """A survey of the phone, being recorded."""
    walk = OpenWalk(phone.handset_id, SHOP.store_id, f"of-{phone.handset_id}", api.clock.now())
    async with api.database.begin() as tx:
        await stores.save_store(tx, SHOP, api.clock.now())
        assert await surveys.open_walk(tx, walk, api.clock.now())
    return walk


def a_tap(tap_id: str = "tap-0001", **changes: Any) -> dict[str, Any]:
    return {
        "tap_id": tap_id, "floor_id": "ground", "x_m": 2.0, "y_m": 4.5, "age_ms": 0, **changes,
    }  # fmt: skip


async def post(phone: Phone, *taps: dict[str, Any]) -> Answered:
    return await phone.call("POST", "/v1/me/survey/taps", {"taps": list(taps)})


async def taps_of(api: Api, walk: OpenWalk) -> list[Tap]:
    async with api.database.read() as tx:
        return await surveys.taps_of(tx, walk)


async def test_taps_are_kept_at_the_instant_they_were_made(api_on_both: Api) -> None:
    api, phone = api_on_both, await api_on_both.phone()
    walk = await opened(api, phone)
    start_s = api.clock.now().timestamp()
    await api.clock.advance(10)

    answered = await post(
        phone, a_tap(age_ms=2_500), a_tap("tap-0002", x_m=7.25, kind="end"),
        a_tap("tap-0003", y_m=1, kind="pause", age_ms=10_000),
    )  # fmt: skip

    assert (answered.status, answered.json()) == (202, {"stored": 3})
    assert await taps_of(api, walk) == [
        Tap(start_s, "ground", 2.0, 1.0, TapKind.PAUSE),
        Tap(start_s + 7.5, "ground", 2.0, 4.5, TapKind.HERE),
        Tap(start_s + 10.0, "ground", 7.25, 4.5, TapKind.END),
    ]


async def test_a_tap_sent_again_stays_where_it_was(api_on_both: Api) -> None:
    api, phone = api_on_both, await api_on_both.phone()
    walk = await opened(api, phone)
    first_s = api.clock.now().timestamp()
    await post(phone, a_tap())
    await api.clock.advance(5)

    answered = await post(phone, a_tap(), a_tap("tap-0002"))

    assert answered.json() == {"stored": 1}
    assert [tap.at_s for tap in await taps_of(api, walk)] == [first_s, first_s + 5.0]


async def test_the_app_learns_what_to_walk_and_where_to_tap(api: Api) -> None:
    phone, other = await api.phone(), await api.phone()
    walk = await opened(api, phone)
    await post(phone, a_tap())

    answered = await phone.call("GET", "/v1/me/survey")

    survey = answered.json()["survey"]
    assert answered.status == 200
    assert (survey["survey_id"], survey["store_id"]) == (walk.survey_id, SHOP.store_id)
    assert survey["taps"] == 1
    assert survey["floors"] == [
        {
            "floor_id": "ground",
            "outline": [[0, 0], [10, 0], [10, 6], [0, 6]],
            "obstacles": [],
        }
    ]
    assert (await other.call("GET", "/v1/me/survey")).json() == {"survey": None}


async def test_without_a_survey_of_this_handset_no_tap_is_taken(api: Api) -> None:
    phone, other = await api.phone(), await api.phone()
    walk = await opened(api, phone)

    assert (await post(other, a_tap())).problem == "no-survey"
    assert (await post(other, a_tap())).status == 409
    assert await taps_of(api, walk) == []


async def test_a_recorder_that_is_gone_takes_no_taps(api: Api) -> None:
    phone = await api.phone()
    await opened(api, phone)
    assert (await post(phone, a_tap())).status == 202
    await api.clock.advance(OPEN_FOR.total_seconds())

    assert (await post(phone, a_tap("tap-0002"))).problem == "no-survey"
    assert (await phone.call("GET", "/v1/me/survey")).json() == {"survey": None}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"x_m": 14.0}, "tap 2: (14.0, 4.5) lies 4.0 m outside the floor"),
        ({"floor_id": "roof"}, "tap 2: there is no floor roof, only ground"),
        ({"age_ms": 31_000}, "tap 2: it is older than the survey"),
    ],
)
async def test_one_tap_that_cannot_be_right_refuses_them_all(
    api: Api, changes: dict[str, Any], why: str
) -> None:
    phone = await api.phone()
    walk = await opened(api, phone)
    await api.clock.advance(20)

    answered = await post(phone, a_tap(), a_tap("tap-0002", **changes))

    assert (answered.status, answered.problem) == (422, "impossible-tap")
    assert answered.json()["detail"] == why
    assert await taps_of(api, walk) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"x_m": None}, {"x_m": "2"}, {"x_m": 1e9}, {"age_ms": -1}, {"age_ms": 601_000},
        {"age_ms": 1.5}, {"kind": "jump"}, {"tap_id": "x"}, {"floor_id": ""}, {"more": 1},
    ],
)  # fmt: skip
async def test_a_body_that_does_not_fit_is_refused(api: Api, changes: dict[str, Any]) -> None:
    phone = await api.phone()
    await opened(api, phone)

    assert (await post(phone, a_tap(**changes))).problem == "invalid-body"
    assert (await post(phone)).problem == "invalid-body"


async def test_a_survey_holds_so_many_taps_and_no_more(api: Api) -> None:
    phone = await api.phone()
    walk = await opened(api, phone)
    now = api.clock.now()
    async with api.database.begin() as tx:
        for number in range(MAX_TAPS - 1):
            tap = Tap(now.timestamp(), "ground", 1.0, 1.0)
            await surveys.add_tap(tx, walk, f"before-{number}", tap, now + timedelta(0))

    assert (await post(phone, a_tap(), a_tap("tap-0002"))).problem == "survey-full"
    assert len(await taps_of(api, walk)) == MAX_TAPS - 1
    assert (await post(phone, a_tap())).json() == {"stored": 1}
    assert (await post(phone, a_tap())).json() == {"stored": 0}  # a repeat is no tap more
    assert (await post(phone, a_tap(), a_tap("tap-0002"))).problem == "survey-full"


async def test_taps_are_judged_while_others_write(api: Api) -> None:
    phone = await api.phone()
    await opened(api, phone)

    async with api.database.begin():  # the one writer's turn of SQLite is taken
        answered = await post(phone, a_tap(x_m=14.0))

    assert answered.problem == "impossible-tap"


async def test_who_is_erased_walks_no_survey(api: Api) -> None:
    phone = await api.phone()
    walk = await opened(api, phone)
    await post(phone, a_tap())

    async with api.database.begin() as tx:
        await erase_shopper(tx, phone.shopper_id)

        assert await surveys.tap_count(tx, walk) == 0
        assert not await surveys.keep_open(tx, walk, api.clock.now())
    assert (await post(phone, a_tap())).problem == "unauthenticated"

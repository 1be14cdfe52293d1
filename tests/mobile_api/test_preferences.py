"""What shoppers set for themselves: kept, told again, and refused where it makes no sense."""

import pytest

from db.pressure import own_cap
from mobile_api.models import MAX_PUSHES_PER_WEEK
from tests.mobile_api.harness import Api, Phone

PATH = "/v1/me/preferences"


async def told(phone: Phone) -> object:
    answered = await phone.call("GET", PATH)
    assert answered.status == 200
    return answered.json()


async def test_who_has_said_nothing_leaves_it_to_the_retailer(api: Api) -> None:
    assert await told(await api.phone()) == {"pushes_per_week": None}


async def test_what_is_set_is_told_and_holds_for_this_shopper_only(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()

    for wanted in (3, 0, MAX_PUSHES_PER_WEEK, None, 1):
        answered = await phone.call("PUT", PATH, {"pushes_per_week": wanted})

        assert (answered.status, answered.body) == (204, b"")
        assert await told(phone) == {"pushes_per_week": wanted}
        async with api_on_both.database.read() as tx:
            assert await own_cap(tx, phone.shopper_id) == wanted
            assert await own_cap(tx, other.shopper_id) is None


@pytest.mark.parametrize("wanted", [-1, MAX_PUSHES_PER_WEEK + 1, 1.5, "1", True])
async def test_what_is_no_such_number_is_refused_and_changes_nothing(
    api: Api, wanted: object
) -> None:
    phone = await api.phone()
    await phone.call("PUT", PATH, {"pushes_per_week": 2})

    answered = await phone.call("PUT", PATH, {"pushes_per_week": wanted})

    assert (answered.status, answered.problem) == (422, "invalid-body")
    assert await told(phone) == {"pushes_per_week": 2}


@pytest.mark.parametrize("body", [{}, {"pushes_per_day": 1}])
async def test_a_body_that_says_nothing_does_not_lift_the_cap(
    api: Api, body: dict[str, object]
) -> None:
    phone = await api.phone()
    await phone.call("PUT", PATH, {"pushes_per_week": 0})

    answered = await phone.call("PUT", PATH, body)

    assert answered.status == 422
    assert await told(phone) == {"pushes_per_week": 0}


async def test_an_erased_shopper_sets_nothing(api: Api) -> None:
    phone = await api.phone()
    assert (await phone.call("DELETE", "/v1/me")).status == 204

    assert (await phone.call("GET", PATH)).problem == "unauthenticated"
    answered = await phone.call("PUT", PATH, {"pushes_per_week": 1})
    assert answered.problem == "unauthenticated"

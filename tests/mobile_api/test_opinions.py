"""What a shopper says of categories, over HTTP."""

import pytest

from tests.mobile_api.harness import Api

PATH = "/v1/me/preferences/categories"


async def test_what_was_said_is_told_and_replaced_whole(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()
    assert (await phone.call("GET", PATH)).json() == {"categories": {}}

    first = {"categories": {"pasta": "wanted", "alcohol": "unwanted"}}
    assert (await phone.call("PUT", PATH, first)).status == 204
    assert (await phone.call("GET", PATH)).json() == first

    second = {"categories": {"pasta": "unwanted"}}
    assert (await phone.call("PUT", PATH, second)).status == 204
    assert (await phone.call("GET", PATH)).json() == second
    assert (await other.call("GET", PATH)).json() == {"categories": {}}


@pytest.mark.parametrize(
    "said",
    [
        {"pasta": "loved"},
        {"": "wanted"},
        {"x" * 65: "wanted"},
        {f"category-{n}": "wanted" for n in range(301)},
    ],
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    api: Api, said: dict[str, str]
) -> None:
    phone = await api.phone()
    answered = await phone.call("PUT", PATH, {"categories": said})
    assert answered.status == 422
    assert (await phone.call("GET", PATH)).json() == {"categories": {}}


async def test_it_needs_no_profiling_and_is_in_the_export(api: Api) -> None:
    phone = await api.phone()
    answers = [{"purpose": "profiling", "granted": False, "text_version": "v1", "locale": "it-IT"}]
    assert (await phone.call("PUT", "/v1/me/consents", {"consents": answers})).status == 200
    assert (await phone.call("PUT", PATH, {"categories": {"rice": "unwanted"}})).status == 204

    held = (await phone.call("GET", "/v1/me/export")).json()["held"]
    assert [(row["category"], row["opinion"]) for row in held["stated"]] == [("rice", "unwanted")]

"""What shoppers say of categories themselves: which they want to hear of, and which not."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from db import profiles
from mobile_api.fields import Name
from mobile_api.gate import caller, locked_caller
from mobile_api.operations import Received, Security, operation
from mobile_api.parts import CLOCK, DB
from offers.known import Opinion

# A grocer has some three hundred categories; nobody has an opinion on more.
MAX_OPINIONS: Final = 300

OpinionWord = Literal["wanted", "unwanted"]


class CategoriesBody(Received):
    """Everything the shopper says of categories: what is not in it is said no more."""

    categories: Annotated[dict[Name, OpinionWord], Field(max_length=MAX_OPINIONS)]


class Categories(BaseModel):
    """What the shopper says of categories."""

    categories: dict[str, OpinionWord]


async def get_categories(request: web.Request) -> Categories:
    """What this shopper said of categories"""
    async with request.app[DB].read() as tx:
        handset = await caller(tx, request)
        said = await profiles.opinions(tx, handset.shopper_id, request.app[CLOCK].now())
    return Categories(categories={name: opinion.value for name, opinion in said.items()})


async def put_categories(request: web.Request, body: CategoriesBody) -> None:
    """Say which categories are wanted, and which not

    Nothing is sent of an unwanted category, however well it would fit; a wanted one is preferred.
    It holds with and without consent to profiling: it is said for this and inferred from nothing.
    """
    said = {name: Opinion(word) for name, word in body.categories.items()}
    async with request.app[DB].begin() as tx:
        handset = await locked_caller(tx, request)
        await profiles.state(tx, handset.shopper_id, said, request.app[CLOCK].now())


_PATH: Final = "/v1/me/preferences/categories"
OPERATIONS: Final = (
    operation("GET", _PATH, get_categories, tag="preferences", security=Security.HANDSET),
    operation(
        "PUT", _PATH, put_categories, tag="preferences", security=Security.HANDSET, status=204
    ),
)

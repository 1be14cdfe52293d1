"""What a store sells, in the decision: told as it was, read seldom, and what comes of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, insert

from config.clock import VirtualClock
from db import browsing, learnt, products, stores
from db.browsing import BrowsingEvent
from db.campaigns import save_campaign
from db.connect import Database
from db.products import Shelved, in_force_from
from db.tables import decisions
from db.worth_tables import purchases
from engine.known import GOODS_EVERY, Remembering
from offers.baskets import Association
from offers.campaign import Campaign, Offer
from offers.goods import WALK_M_S, Product
from offers.known import Learnt
from offers.situation import Reason
from shoppers.consent import Purpose
from tests.engine.shop import AT_CHECKOUT, IN_A, IN_B, STORE, Phone, Shop, a_shop, for_aisle_a
from tests.offers.situations import a_campaign

PENNE = Product("penne", "Penne", "pasta", 120, 40)
FINER = Product("finer", "Penne di Gragnano", "pasta", 125, 60)
SAUCE = Product("sauce-1", "Tomato sauce", "sauce", 200, 60)
SECOND = timedelta(seconds=1)


async def take_in(
    database: Database, clock: VirtualClock, *shelves: tuple[str, str, bool], store_id: str = STORE
) -> None:
    """All products, and where they lie; in force when it is done."""
    async with database.begin() as tx:
        await products.put_products(tx, [PENNE, FINER, SAUCE], clock.now())
        given = [Shelved(store_id, *one) for one in shelves]
        await products.put_shelves(tx, given, clock.now())
    since = in_force_from(clock.now())
    await clock.advance((since - clock.now()).total_seconds())


def offering(*product_ids: str, **changes: Any) -> Campaign:
    offer = Offer("t", "b", margin_cents=900, cost_cents=100, product_ids=frozenset(product_ids))
    return for_aisle_a("deal", **{"offer": offer, "categories": frozenset(), **changes})


async def put(shop: Shop, campaign: Campaign) -> None:
    async with shop.database.begin() as tx:
        await save_campaign(tx, campaign, shop.clock.now())


async def last_decision(shop: Shop) -> Any:
    return (await shop.rows(decisions))[-1]


def told_of(row: Any, campaign_id: str) -> dict[str, Any]:
    (found,) = [one for one in row.weighed if one["campaign_id"] == campaign_id]
    return dict(found)


async def look(shop: Shop, phone: Phone, kind: str, category: str, product: str | None) -> None:
    now = shop.clock.now()
    looked = BrowsingEvent(f"{kind}-{category}-{product}", kind, category, product, now)
    async with shop.database.begin() as tx:
        await browsing.add_browsing(tx, phone.shopper_id, [looked], now)


async def test_each_moment_has_the_goods_of_then(database: Database, clock: VirtualClock) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_shop(), clock.now())
    before = clock.now()
    await take_in(
        database, clock, ("penne", "aisle-a", False), ("penne", "aisle-b", True),
        ("sauce-1", "aisle-b", False),
    )  # fmt: skip
    first = clock.now()
    await clock.advance(600)
    await take_in(database, clock, ("penne", "aisle-b", False), ("sauce-1", "aisle-b", True))
    second = clock.now()

    remembering = Remembering()
    async with database.read() as tx:
        nothing = await remembering.goods_of(tx, STORE, before)
        assert (nothing.products, nothing.places, nothing.out_of_stock) == ({}, {}, frozenset())
        assert not await remembering.is_anything_sold(tx, first - SECOND)
        for _ in range(2):  # whatever was asked before
            assert await remembering.is_anything_sold(tx, first)
            early = await remembering.goods_of(tx, STORE, second - SECOND)
            late = await remembering.goods_of(tx, STORE, second)
            elsewhere = await remembering.goods_of(tx, "another", second)
            assert early == await Remembering().goods_of(tx, STORE, first)

    assert early.out_of_stock == {"sauce-1"}
    assert early.places == {"penne": {"aisle-b"}}
    assert early.products == {"penne": PENNE, "finer": FINER, "sauce-1": SAUCE}
    assert late.out_of_stock == {"penne"}
    assert late.walk_s("aisle-a", "aisle-b") == pytest.approx(8.0 / WALK_M_S)
    assert (elsewhere.places, elsewhere.spots) == ({}, {})


async def test_sql_is_asked_for_goods_every_half_minute_and_read_when_they_changed(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_shop(), clock.now())
    await take_in(database, clock, ("penne", "aisle-a", True))
    asked: list[str] = []
    event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: asked.append(statement),
    )
    remembering = Remembering()

    async def questions() -> int:
        asked.clear()
        async with database.read() as tx:
            await remembering.goods_of(tx, STORE, clock.now())
        return sum("SELECT" in one for one in asked)

    assert await questions() > 3
    await clock.advance(GOODS_EVERY.total_seconds() - 1)
    assert await questions() == 0
    await clock.advance(1)
    assert await questions() == 3  # the versions
    async with database.begin() as tx:
        await products.put_shelves(
            tx, [Shelved(STORE, "penne", "aisle-a", in_stock=False)], clock.now()
        )
    await clock.advance(60)
    async with database.read() as tx:
        assert (await remembering.goods_of(tx, STORE, clock.now())).out_of_stock == {"penne"}


async def test_an_offer_of_what_is_sold_out_here_is_held(shop: Shop) -> None:
    await put(shop, offering("penne", "finer"))
    await take_in(
        shop.database, shop.clock, ("penne", "aisle-a", False), ("finer", "aisle-a", False)
    )
    private = await shop.phone(Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING)

    await shop.spend(15, {private: IN_A})

    row = await last_decision(shop)
    assert told_of(row, "deal")["against"][-1] == Reason.OUT_OF_STOCK

    await take_in(shop.database, shop.clock, ("finer", "aisle-a", True))
    other = await shop.phone(target="fid-2")
    await shop.spend(15, {other: IN_A})

    assert Reason.OUT_OF_STOCK not in told_of(await last_decision(shop), "deal")["against"]


async def learn_that_sauce_goes_with_pasta(shop: Shop) -> None:
    pair = Association("pasta", "sauce", 100, 0.1, 0.5, 3.0)
    taught = Learnt(complements={"pasta": {"sauce": pair}}, names={"pasta": "the pasta"})
    async with shop.database.begin() as tx:
        await learnt.keep(tx, taught, {}, shop.clock.now(), shop.clock.now())


async def words_in_a(shop: Shop, phone: Phone, *before: tuple[float, float]) -> Sequence[str]:
    for place in before:
        await shop.spend(15, {phone: place})
    await shop.spend(15, {phone: IN_A})
    row = await last_decision(shop)
    assert row.zone_id == "aisle-a"
    found: Sequence[str] = told_of(row, "deal")["relevance"]
    return found


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ((), "it goes with the pasta in your cart; Rice is ahead"),
        ((IN_B,), None),  # they come from there
        ((AT_CHECKOUT,), "it goes with the pasta in your cart; Rice is ahead"),
    ],
)
async def test_what_goes_with_the_cart_is_offered_when_it_lies_ahead(
    shop: Shop, before: tuple[tuple[float, float], ...], said: str | None
) -> None:
    await put(shop, offering("sauce-1"))
    await learn_that_sauce_goes_with_pasta(shop)
    await take_in(shop.database, shop.clock, ("sauce-1", "aisle-b", True))
    phone = await shop.phone()
    await look(shop, phone, "carted", "pasta", "penne")

    words = await words_in_a(shop, phone, *before)

    assert [one for one in words if "goes with" in one] == ([] if said is None else [said])


async def test_a_step_up_from_what_was_looked_at_is_offered_with_that_reason(shop: Shop) -> None:
    await put(shop, offering("finer"))
    await take_in(shop.database, shop.clock, ("finer", "aisle-a", True))
    phone = await shop.phone()
    await look(shop, phone, "viewed", "pasta", "penne")

    words = await words_in_a(shop, phone)

    assert "it is one step up from Penne that you viewed in the app" in words


async def buy(shop: Shop, phone: Phone, product_id: str, category: str) -> None:
    at = shop.clock.now()
    row = {
        "id": f"{phone.shopper_id}-{product_id}", "store_id": STORE, "receipt_id": phone.shopper_id,
        "line": 1, "shopper_id": phone.shopper_id, "is_member": True, "may_profile": True,
        "product_id": product_id,
        "category": category, "quantity": 1, "price_cents": 100, "discount_cents": 0,
        "at": at, "stored_at": at, "erase_after": at + timedelta(days=365),
    }  # fmt: skip
    async with shop.database.begin() as tx:
        await tx.execute(insert(purchases).values(**row))


@pytest.mark.parametrize(
    "audience",
    [
        'bought "pasta" within 1d',
        'times_bought "penne" >= 1 and spent_cents "pasta" = 100',
        'interest "rice" >= 0.3',
        'not bought "wine" and not interest "wine" >= 0.1',
    ],
)
async def test_audiences_ask_what_was_bought_and_what_interests(shop: Shop, audience: str) -> None:
    await put(shop, a_campaign("deal", zone_ids=frozenset({"aisle-a"}), audience=audience))
    buyer, other = await shop.phone(), await shop.phone(target="fid-2")
    private = await shop.phone(Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING, target="fid-3")
    for phone in (buyer, private):
        await buy(shop, phone, "penne", "pasta")
        await look(shop, phone, "viewed", "rice", None)
    await buy(shop, other, "barolo", "wine")

    await shop.spend(15, dict.fromkeys((buyer, other, private), IN_A))

    is_in = {}
    for row in await shop.rows(decisions):
        weighed = [one for one in row.weighed if one["campaign_id"] == "deal"]
        # One that an index of audiences leaves out is not weighed at all.
        is_in[row.shopper_id] = bool(weighed) and (
            Reason.OUTSIDE_AUDIENCE not in weighed[0]["against"]
        )
    assert is_in == {buyer.shopper_id: True, other.shopper_id: False, private.shopper_id: False}


async def test_of_what_was_bought_and_looked_at_a_decision_keeps_no_copy(shop: Shop) -> None:
    await take_in(shop.database, shop.clock, ("penne", "aisle-a", True))
    phone = await shop.phone()
    await buy(shop, phone, "barolo", "wine")
    await look(shop, phone, "viewed", "rice", "basmati")

    await shop.spend(15, {phone: IN_A})

    seen = msgspec.json.encode((await last_decision(shop)).seen).decode()
    assert not any(word in seen for word in ("wine", "barolo", "rice", "basmati"))

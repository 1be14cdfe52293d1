"""The replay of decisions that rest on products, purchases and interests: row by row as stored."""

from datetime import timedelta
from random import Random

from sqlalchemy import insert

from db import browsing, learnt, products
from db.browsing import BrowsingEvent
from db.campaigns import save_campaign
from db.products import Shelved
from db.worth_tables import purchases
from engine.preview import Replayed
from offers.baskets import Association
from offers.campaign import Campaign, Offer
from offers.goods import Product
from offers.known import Learnt
from offers.situation import Reason
from shoppers.consent import Purpose
from tests.engine.shop import AT_CHECKOUT, IN_A, IN_B, STORE, Phone, Shop
from tests.engine.test_preview import replays, row
from tests.offers.situations import a_campaign

PRODUCTS = [
    Product("penne", "Penne", "pasta", 120, 40),
    Product("finer", "Penne di Gragnano", "pasta", 125, 60),
    Product("sauce-1", "Tomato sauce", "sauce", 200, 60),
]
ZONES = ("aisle-a", "aisle-b")


def naming(product_id: str, zone_id: str, audience: str = "") -> Campaign:
    return a_campaign(
        f"{product_id}-{zone_id}",
        offer=Offer("t", "b", margin_cents=300, product_ids=frozenset({product_id})),
        zone_ids=frozenset({zone_id}),
        categories=frozenset(),
        audience=audience,
    )


CAMPAIGNS = [
    *(naming(one.product_id, zone_id) for one in PRODUCTS for zone_id in ZONES),
    naming("unheard-of", "aisle-a", 'bought "pasta" within 1d or interest "rice" >= 0.4'),
    naming("also-unheard-of", "aisle-b", 'times_bought "penne" >= 1 and not bought "sauce"'),
]
ASKING = ("unheard-of-aisle-a", "also-unheard-of-aisle-b")


async def look(shop: Shop, phone: Phone, kind: str, product: Product, event_id: str) -> None:
    looked = BrowsingEvent(event_id, kind, product.category, product.product_id, shop.clock.now())
    async with shop.database.begin() as tx:
        await browsing.add_browsing(tx, phone.shopper_id, [looked], shop.clock.now())


async def buy(shop: Shop, phone: Phone, product: Product, receipt_id: str) -> None:
    """Some minutes ago; the till tells it now."""
    now = shop.clock.now()
    at = now - timedelta(minutes=5)
    line = {
        "id": receipt_id, "store_id": STORE, "receipt_id": receipt_id, "line": 1,
        "shopper_id": phone.shopper_id, "is_member": True, "may_profile": True,
        "product_id": product.product_id,
        "category": product.category, "quantity": 1, "price_cents": product.price_cents,
        "discount_cents": 0, "at": at, "stored_at": now, "erase_after": at + timedelta(days=365),
    }  # fmt: skip
    async with shop.database.begin() as tx:
        await tx.execute(insert(purchases).values(**line))


async def take_in(shop: Shop, chance: Random) -> None:
    """Other prices, and shelves filled and emptied."""
    async with shop.database.begin() as tx:
        dearer = Product("finer", "Penne di Gragnano", "pasta", chance.randint(121, 135), 60)
        await products.put_products(tx, [*PRODUCTS[:1], dearer, *PRODUCTS[2:]], shop.clock.now())
        shelves = [
            Shelved(STORE, one.product_id, zone_id, chance.random() < 0.5)
            for one in PRODUCTS
            for zone_id in ZONES
        ]
        await products.put_shelves(tx, shelves, shop.clock.now())


async def a_morning(shop: Shop, chance: Random) -> None:
    pair = Association("pasta", "sauce", 100, 0.1, 0.5, 3.0)
    taught = Learnt(complements={"pasta": {"sauce": pair}})
    async with shop.database.begin() as tx:
        for campaign in CAMPAIGNS:
            await save_campaign(tx, campaign, shop.clock.now())
        await learnt.keep(tx, taught, {}, shop.clock.now(), shop.clock.now())
    private = Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING
    phones = [await shop.phone(*(private if n == 3 else ()), target=f"fid-{n}") for n in range(5)]
    for visit in range(3):
        await take_in(shop, chance)
        await shop.spend(75, every_s=5)
        for place in chance.sample([IN_A, AT_CHECKOUT, IN_B], 3):
            for n, phone in enumerate(phones):
                told, product = f"{visit}-{n}-{place}", chance.choice(PRODUCTS)
                match chance.randrange(3):
                    case 0:
                        await look(shop, phone, chance.choice(["carted", "viewed"]), product, told)
                    case 1:
                        await buy(shop, phone, product, told)
                    case _:
                        pass
            await take_in(shop, chance)
            await shop.spend(20, dict.fromkeys(phones, place), every_s=1)
            await shop.spend(50, every_s=5)  # in force while they are here
            await shop.spend(10, dict.fromkeys(phones, place), every_s=1)
        await shop.spend(120, every_s=10)  # everybody leaves
        await shop.clock.advance(6 * 3_600)
        await shop.restart()


async def test_decisions_about_products_are_replayed_as_they_were(shop: Shop) -> None:
    said: set[str] = set()
    why: set[Reason] = set()
    asked: set[tuple[str, bool]] = set()
    chance = Random(3)
    await a_morning(shop, chance)

    found: list[Replayed] = await replays(shop)

    assert len(found) > 100
    for one in found:
        stored = one.stored.decision
        assert row(one.as_is) == {name: getattr(stored, name) for name in row(one.as_is)}
        there = {weighed.campaign_id for weighed in one.as_is.weighed}
        asked |= {(name, name in there) for name in ASKING if name.endswith(stored.zone_id)}
        for weighed in one.as_is.weighed:
            said.update(weighed.relevance)
            why.update(weighed.against)
    # All kinds of things happened, or it would be no proof.
    assert Reason.OUT_OF_STOCK in why
    # Whose audience holds for nobody that the index knows of is not even weighed.
    assert asked == {(name, is_there) for name in ASKING for is_there in (True, False)}
    assert "it goes with pasta in your cart" in said
    assert any(one.endswith(" is ahead") for one in said)
    assert any("one step up" in one for one in said)

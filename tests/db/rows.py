"""Rows to test with: a store, a shopper in it, a send to them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.store_plan import StorePlan
from db.campaigns import save_campaign
from db.connect import Database
from db.consents import add_grants
from db.decisions import StoredDecision, store_decision, store_send
from db.handsets import PushTarget, register, set_push_target
from db.ids import new_id
from db.outbox import put
from db.stores import save_store
from db.visits import open_visit
from offers.pressure import Message
from shoppers.consent import Grant, Purpose
from tests.offers.situations import a_campaign

STORE = "store-1"
LIVES = timedelta(seconds=25)


def a_plan(store_id: str = STORE, gateways: tuple[str, ...] = ("gw-1", "gw-2")) -> StorePlan:
    """A store of one aisle."""
    floor = FloorPlan(
        floor_id="ground",
        outline=((0, 0), (10, 0), (10, 6), (0, 6)),
        obstacles=(),
        zones=(Zone("aisle-7", "Pasta", ZoneKind.AISLE, ((0, 0), (10, 0), (10, 3), (0, 3))),),
        gateways=tuple(GatewayPlace(name, 1.0 + i, 3.0, 3.0) for i, name in enumerate(gateways)),
    )
    return StorePlan(store_id, "Corner shop", "Europe/Rome", "IT", (floor,))


async def a_store(database: Database, now: datetime) -> None:
    """The store and one live campaign, `pasta`."""
    async with database.begin() as tx:
        await save_store(tx, a_plan(), now)
        await save_campaign(tx, a_campaign(), now)


@dataclass(frozen=True, slots=True)
class Person:
    """A consenting shopper with one handset, in the store."""

    shopper_id: str
    handset_id: str
    visit_id: str


async def a_person(tx: AsyncConnection, now: datetime, *, target: str | None = "fid-1") -> Person:
    """Somebody who has just come in; the store must be there."""
    handset = await register(
        tx, platform="android", app_version="1.0", country="IT", locale="it-IT", now=now
    )
    await add_grants(
        tx, handset.shopper_id, [Grant(one, True, "v1", "it-IT", now) for one in Purpose]
    )
    if target is not None:
        wanted = PushTarget(handset.handset_id, "fid", target, "android")
        await set_push_target(tx, wanted, now)
    visit = await open_visit(tx, handset.shopper_id, STORE, handset.handset_id, now)
    return Person(handset.shopper_id, handset.handset_id, visit.visit_id)


async def a_decision(
    tx: AsyncConnection, person: Person, now: datetime, *, campaign_id: str = "pasta"
) -> StoredDecision:
    """A decision to send, stored; not the send."""
    decision = StoredDecision(
        decision_id=new_id(),
        visit_id=person.visit_id,
        shopper_id=person.shopper_id,
        zone_id="aisle-7",
        outcome="send",
        campaign_id=campaign_id,
        ghost=False,
        reasons=[],
        weighed=[{"campaign_id": campaign_id, "score": 4.0, "against": [], "relevance": []}],
        seen={"country": "IT"},
        heard_at=now,
        at=now,
    )
    await store_decision(tx, decision)
    return decision


def a_message(
    decision_id: str, person: Person, now: datetime, *, campaign_id: str = "pasta"
) -> Message:
    """A send of this visit as caps count it."""
    return Message(
        message_id=decision_id,
        at=now,
        campaign_id=campaign_id,
        visit_id=person.visit_id,
        zone_id="aisle-7",
        store_id=STORE,
        categories=frozenset({"pasta"}),
    )


async def a_send(
    tx: AsyncConnection,
    person: Person,
    now: datetime,
    *,
    handset_ids: tuple[str, ...] | None = None,
    campaign_id: str = "pasta",
) -> str:
    """A send with its pushes in the outbox; the decision's id."""
    decision = await a_decision(tx, person, now, campaign_id=campaign_id)
    sent = a_message(decision.decision_id, person, now, campaign_id=campaign_id)
    assert await store_send(tx, sent, person.shopper_id)
    for handset_id in handset_ids or (person.handset_id,):
        await put(tx, decision.decision_id, handset_id, now, now + LIVES)
    return decision.decision_id

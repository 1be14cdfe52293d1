"""Browsing, the feed, receipts, redemption and "why did I get this?"."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db import stops
from db.decisions import release_send
from db.ids import new_id
from db.tables import browsing, receipts, redemptions, shoppers
from offers.campaign import Creative, Offer, Status, Tier
from offers.situation import Reason, Weighed
from offers.stops import Scope
from tests.mobile_api.harness import Answered, Api, Phone

WON = Weighed("c1", 12.0, (), ("you are near it", "you viewed it in the app"), Tier.GENERIC)


def lost(campaign_id: str, *against: Reason) -> Weighed:
    return Weighed(campaign_id, 1.0, against, ("you are near it",), Tier.GENERIC)


# --- browsing ---------------------------------------------------------------------------------
def event(event_id: str = "event-001", **changes: object) -> dict[str, object]:
    at = "2026-11-21T09:59:00Z"
    return {"event_id": event_id, "kind": "viewed", "category": "coffee", "at": at, **changes}


async def post_events(phone: Phone, *events: dict[str, object]) -> Answered:
    return await phone.call("POST", "/v1/me/events", {"events": list(events)})


async def test_events_are_stored_once(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()
    first = await post_events(phone, event("event-001"), event("event-002", product="sku-7"))
    again = await post_events(phone, event("event-002"), event("event-003"))
    theirs = await post_events(other, event("event-001"))
    assert (first.status, first.json()) == (202, {"stored": 2})
    assert (again.status, again.json()) == (202, {"stored": 1})
    assert theirs.json() == {"stored": 1}
    assert await api_on_both.rows(browsing) == 4


async def test_without_profiling_consent_no_event_is_stored(api: Api) -> None:
    phone = await api.phone(("location_ble", "push_marketing"))
    answered = await post_events(phone, event())
    assert (answered.status, answered.json()) == (202, {"stored": 0})
    assert await api.rows(browsing) == 0


async def test_an_event_from_the_future_happened_now(api: Api) -> None:
    phone = await api.phone()
    await post_events(phone, event("event-001", at="2030-01-01T00:00:00+02:00"), event("event-002"))
    async with api.database.read() as tx:
        stored = (await tx.scalars(select(browsing.c.at).order_by(browsing.c.event_id))).all()
    assert stored == [api.clock.now(), api.clock.now() - timedelta(minutes=1)]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "stared"},
        {"category": ""},
        {"category": "c" * 65},
        {"category": "a\x00b"},
        {"product": 7},
        {"event_id": "short"},
        {"event_id": "white space"},
        {"at": "yesterday"},
        {"at": "2026-11-21T10:00:00"},
        {"at": 1_790_000_000},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
    ],
    ids=str,
)
async def test_events_that_do_not_fit_are_refused_together(
    api: Api, change: dict[str, object]
) -> None:
    phone = await api.phone()
    answered = await post_events(phone, event("event-001"), event("event-002") | change)
    assert (answered.status, answered.problem) == (422, "invalid-body")
    assert answered.json()["errors"][0]["loc"][:3] == ["events", 1, next(iter(change))]
    assert await api.rows(browsing) == 0


@pytest.mark.parametrize("number", [0, 101])
async def test_the_number_of_events_is_bounded(api: Api, number: int) -> None:
    phone = await api.phone()
    events = [event(f"event-{n:03}") for n in range(number)]
    assert (await post_events(phone, *events)).problem == "invalid-body"


# --- the feed ---------------------------------------------------------------------------------
async def feed(phone: Phone) -> list[dict[str, object]]:
    answered = await phone.call("GET", "/v1/me/feed")
    assert answered.status == 200
    offers: list[dict[str, object]] = answered.json()["offers"]
    return offers


async def test_the_feed_of_a_new_shopper_is_empty(api: Api) -> None:
    assert await feed(await api.phone()) == []


async def test_the_feed_shows_what_was_sent_then_what_nearly_was(api_on_both: Api) -> None:
    phone = await api_on_both.phone()
    for campaign_id in ("c1", "c2"):
        await api_on_both.campaign(campaign_id)
    weighed = (WON, lost("c2", Reason.OUTRANKED))
    decision_id = await api_on_both.decision(phone, weighed)

    assert await feed(phone) == [
        {
            "decision_id": decision_id,
            "campaign_id": "c1",
            "title": "Title of c1",
            "body": "Body",
            "zone_id": "coffee",
            "valid_until": "2026-11-22T10:00:00Z",
            "reasons": ["you are near it", "you viewed it in the app"],
        },
        {
            "decision_id": None,
            "campaign_id": "c2",
            "title": "Title of c2",
            "body": "Body",
            "zone_id": "coffee",
            "valid_until": "2026-11-22T10:00:00Z",
            "reasons": ["you are near it"],
        },
    ]
    assert await feed(await api_on_both.phone()) == []


async def test_a_campaign_is_shown_once_and_as_sent(api: Api) -> None:
    phone = await api.phone()
    await api.campaign("c1")
    decision_id = await api.decision(phone, (WON,))
    await api.clock.advance(60)
    await api.decision(phone, (lost("c1", Reason.CAMPAIGN_SEEN),), sent=False)
    assert [(o["campaign_id"], o["decision_id"]) for o in await feed(phone)] == [
        ("c1", decision_id)
    ]


# About the moment, or about how much was sent: in the app nobody is interrupted.
SHOWN = {
    Reason.NO_PUSH_TARGET, Reason.QUIET_ZONE, Reason.UNSURE_PLACE, Reason.VISIT_TOO_YOUNG,
    Reason.LEAVING_SOON, Reason.OWN_CAP, Reason.VISIT_CAP, Reason.ZONE_VISIT_CAP, Reason.DAY_CAP,
    Reason.WEEK_CAP, Reason.CHANNEL_CAP, Reason.STORE_CAP, Reason.CAMPAIGN_CAP, Reason.CATEGORY_CAP,
    Reason.CAMPAIGN_SEEN, Reason.COOL_DOWN, Reason.FATIGUED, Reason.OUTRANKED, Reason.CAP_RACE,
}  # fmt: skip


async def test_the_feed_shows_what_only_the_moment_or_a_cap_held_back(api: Api) -> None:
    phone = await api.phone()
    for reason in Reason:
        await api.campaign(reason.value)
        await api.decision(phone, (lost(reason.value, reason),), sent=False)
        both = lost(f"{reason.value}-held", reason, Reason.HELD_OUT)
        await api.campaign(both.campaign_id)
        await api.decision(phone, (both,), sent=False)

    shown = {one["campaign_id"] for one in await feed(phone)}

    assert shown == {reason.value for reason in SHOWN}
    assert shown.isdisjoint({Reason.HELD_OUT, Reason.CONTROL_GROUP, Reason.CAMPAIGN_STOPPED})


async def test_what_is_halted_leaves_the_feed_unless_it_was_sent(api: Api) -> None:
    phone = await api.phone()
    for campaign_id in ("c1", "c2", "c3"):
        await api.campaign(campaign_id)
    await api.decision(phone, (WON, lost("c2", Reason.OUTRANKED), lost("c3", Reason.OUTRANKED)))

    async def shown(scope: Scope, target: str) -> list[object]:
        async with api.database.begin() as tx:
            await stops.throw(tx, scope, target, "a fault", api.clock.now())
        return [one["campaign_id"] for one in await feed(phone)]

    assert await shown(Scope.CAMPAIGN, "c2") == ["c1", "c3"]
    assert await shown(Scope.EVERYTHING, "") == ["c1"]


@pytest.mark.parametrize(
    ("locale", "title"), [("it", "Caffè"), ("de-AT", "Kaffee"), ("de", "Kaffee"), ("fr", "Coffee")]
)
async def test_the_feed_speaks_the_language_of_the_handset(
    api: Api, locale: str, title: str
) -> None:
    phone = await api.phone()
    async with api.database.begin() as tx:
        await tx.execute(update(shoppers).values(locale=locale))
    creatives = (Creative("it", "Caffè", "Corpo"), Creative("de", "Kaffee", "Text"))
    await api.campaign("c1", offer=Offer("Coffee", "Text", margin_cents=200, creatives=creatives))
    await api.decision(phone, (WON,))

    (shown,) = await feed(phone)

    assert shown["title"] == title


async def test_an_offer_that_is_over_leaves_the_feed(api: Api) -> None:
    phone = await api.phone()
    await api.campaign("c1")
    await api.campaign("c2")
    await api.decision(phone, (WON, lost("c2", Reason.OUTRANKED)))
    await api.campaign("c1", status=Status.ENDED)
    await api.campaign("c2", status=Status.PAUSED)
    assert await feed(phone) == []
    await api.campaign("c1", status=Status.PAUSED)
    assert [o["campaign_id"] for o in await feed(phone)] == ["c1"]
    await api.clock.advance(86_400)
    assert (await phone.call("GET", "/v1/me/feed")).problem == "unauthenticated"  # a day later


# --- why did I get this? ----------------------------------------------------------------------
async def explained(phone: Phone, decision_id: str) -> Answered:
    return await phone.call("GET", f"/v1/me/decisions/{decision_id}")


async def test_a_shopper_may_ask_why_they_got_it(api_on_both: Api) -> None:
    phone = await api_on_both.phone()
    decision_id = await api_on_both.decision(phone, (WON,))
    answered = await explained(phone, decision_id)
    assert (answered.status, answered.json()) == (
        200,
        {
            "decision_id": decision_id,
            "sent": True,
            "campaign_id": "c1",
            "zone_id": "coffee",
            "at": "2026-11-21T10:00:00Z",
            "reasons": ["you are near it", "you viewed it in the app"],
            "why": ["you are near it", "you viewed it in the app"],
            "otherwise": None,
            "data_used": [],
            "consents": [
                {
                    "purpose": purpose,
                    "granted": True,
                    "text_version": "2026-11",
                    "locale": "it-IT",
                    "at": "2026-11-21T10:00:00Z",
                }
                for purpose in ("location_ble", "profiling", "push_marketing")
            ],
        },
    )


async def test_a_hold_says_what_would_have_changed_it_and_under_which_consent(api: Api) -> None:
    phone = await api.phone(("location_ble",))
    held = await api.decision(
        phone, (lost("c1", Reason.WEEK_CAP),), sent=False, reasons=("week_cap",)
    )
    await api.clock.advance(60)
    later = {"purpose": "location_ble", "granted": False, "text_version": "2027", "locale": "it"}
    assert (await phone.call("PUT", "/v1/me/consents", {"consents": [later]})).status == 200
    said = (await explained(phone, held)).json()
    assert said["why"] == ["You had been sent as much as we allow ourselves."]
    assert said["otherwise"] == "It would have been sent had less been sent to you before."
    # As it stood then, not as it stands now.
    assert [(one["granted"], one["text_version"]) for one in said["consents"]] == [
        (True, "2026-11")
    ]


@pytest.mark.parametrize("reason", [Reason.CONTROL_GROUP, Reason.HELD_OUT])
async def test_whoever_asks_is_told_of_the_lot_and_nobody_else(api: Api, reason: Reason) -> None:
    phone = await api.phone()
    await api.campaign("c1")
    held = await api.decision(phone, (lost("c1", reason),), sent=False, reasons=(reason.value,))
    assert await feed(phone) == []
    (said,) = (await explained(phone, held)).json()["why"]
    assert "drawn by lot" in said


async def test_what_reached_nobody_is_not_said_to_be_sent(api: Api) -> None:
    phone = await api.phone()
    decision_id = await api.decision(phone, (WON,))
    await release(api, decision_id)
    answered = (await explained(phone, decision_id)).json()
    assert (answered["sent"], answered["reasons"]) == (False, ["not_delivered"])


async def test_a_shopper_may_ask_why_nothing_came(api: Api) -> None:
    phone = await api.phone()
    weighed = (lost("c1", Reason.COOL_DOWN),)
    decision_id = await api.decision(phone, weighed, sent=False, reasons=("cool_down",))
    answered = (await explained(phone, decision_id)).json()
    assert (answered["sent"], answered["reasons"]) == (False, ["cool_down"])


async def test_another_shoppers_decision_is_unknown(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()
    theirs = await explained(phone, await api_on_both.decision(other, (WON,)))
    nobodys = await explained(phone, new_id())
    assert (theirs.status, theirs.problem) == (404, "unknown-decision")
    assert theirs.body == nobodys.body


@pytest.mark.parametrize("decision_id", ["nope", "%00", "%ff", "A" * 32, "0" * 33, "..%2f.."])
async def test_what_is_no_id_is_not_found(api: Api, decision_id: str) -> None:
    answered = await explained(await api.phone(), decision_id)
    assert answered.status == 404
    assert answered.problem == "not-found"


# --- receipts ---------------------------------------------------------------------------------
def receipt(
    decision_id: str, receipt_id: str = "receipt-001", **changes: object
) -> dict[str, object]:
    return {
        "receipt_id": receipt_id,
        "decision_id": decision_id,
        "kind": "displayed",
        "at": "2026-11-21T10:00:00Z",
        **changes,
    }


async def post_receipts(phone: Phone, *reported: dict[str, object]) -> Answered:
    return await phone.call("POST", "/v1/me/receipts", {"receipts": list(reported)})


async def test_receipts_are_stored_once(api_on_both: Api) -> None:
    phone = await api_on_both.phone()
    decision_id = await api_on_both.decision(phone, (WON,))
    first = await post_receipts(phone, receipt(decision_id))
    again = await post_receipts(
        phone, receipt(decision_id), receipt(decision_id, "receipt-002", kind="opened")
    )
    assert (first.status, first.json()) == (202, {"stored": 1})
    assert (again.status, again.json()) == (202, {"stored": 1})
    assert await api_on_both.rows(receipts) == 2


async def test_a_second_receipt_of_a_kind_is_not_stored(api: Api) -> None:
    phone = await api.phone()
    decision_id = await api.decision(phone, (WON,))
    await post_receipts(phone, receipt(decision_id))
    again = await post_receipts(phone, receipt(decision_id, "receipt-002"))
    assert (again.status, again.json()) == (202, {"stored": 0})
    assert await api.rows(receipts) == 1


async def test_a_receipt_for_another_shoppers_decision_refuses_them_all(api_on_both: Api) -> None:
    phone, other = await api_on_both.phone(), await api_on_both.phone()
    mine = await api_on_both.decision(phone, (WON,))
    theirs = await api_on_both.decision(other, (WON,))
    for wrong in (theirs, new_id()):
        answered = await post_receipts(phone, receipt(mine), receipt(wrong, "receipt-002"))
        assert (answered.status, answered.problem) == (404, "unknown-decision")
    assert await api_on_both.rows(receipts) == 0


async def test_a_hold_has_no_receipts(api: Api) -> None:
    phone = await api.phone()
    held = await api.decision(phone, (lost("c1", Reason.COOL_DOWN),), sent=False)
    assert (await post_receipts(phone, receipt(held))).problem == "unknown-decision"


@pytest.mark.parametrize(
    "change", [{"kind": "burnt"}, {"decision_id": "nope"}, {"receipt_id": ""}, {"at": None}]
)
async def test_a_receipt_that_does_not_fit_is_refused(api: Api, change: dict[str, object]) -> None:
    phone = await api.phone()
    decision_id = await api.decision(phone, (WON,))
    answered = await post_receipts(phone, receipt(decision_id) | change)
    assert (answered.status, answered.problem) == (422, "invalid-body")
    assert await api.rows(receipts) == 0


# --- redemption -------------------------------------------------------------------------------
async def redeem(phone: Phone, decision_id: str, key: str | None = "key-00001") -> Answered:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await phone.call("POST", "/v1/me/redemptions", {"decision_id": decision_id}, headers)


async def sent_offer(api: Api) -> tuple[Phone, str]:
    phone = await api.phone()
    await api.campaign("c1")
    return phone, await api.decision(phone, (WON,))


async def test_an_offer_is_redeemed_once(api_on_both: Api) -> None:
    phone, decision_id = await sent_offer(api_on_both)

    first = await redeem(phone, decision_id)
    await api_on_both.clock.advance(60)
    same_key = await redeem(phone, decision_id)
    other_key = await redeem(phone, decision_id, "key-00002")

    assert first.status == 201
    assert first.json().keys() == {
        "redemption_id", "decision_id", "campaign_id", "code", "redeemed_at",
    }  # fmt: skip
    assert first.json()["redeemed_at"] == "2026-11-21T10:00:00Z"
    assert (same_key.status, same_key.json()) == (200, first.json())
    assert (other_key.status, other_key.problem) == (409, "already-redeemed")
    assert await api_on_both.rows(redemptions) == 1


async def test_of_requests_at_once_one_redeems(api_on_both: Api) -> None:
    phone, decision_id = await sent_offer(api_on_both)
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(redeem(phone, decision_id, f"key-{n:05}"), name=f"redeem {n}")
            for n in range(8)
        ]
    statuses = sorted(task.result().status for task in asked)
    assert statuses == [201] + [409] * 7
    assert await api_on_both.rows(redemptions) == 1


async def test_one_request_sent_many_times_at_once_gets_one_answer(api_on_both: Api) -> None:
    phone, decision_id = await sent_offer(api_on_both)
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(redeem(phone, decision_id), name=f"redeem {n}") for n in range(8)
        ]
    assert {task.result().status for task in asked} <= {200, 201}
    assert len({json.dumps(task.result().json()) for task in asked}) == 1


async def test_another_shoppers_offer_is_unknown(api: Api) -> None:
    _, decision_id = await sent_offer(api)
    answered = await redeem(await api.phone(), decision_id)
    assert (answered.status, answered.problem) == (404, "unknown-decision")
    assert await api.rows(redemptions) == 0


async def release(api: Api, decision_id: str) -> None:
    """The send reached no handset: its place under the caps and its budget are given back."""
    async with api.database.begin() as tx:
        assert await release_send(tx, decision_id, api.clock.now()) is not None


async def test_an_offer_that_reached_nobody_is_not_redeemed(api_on_both: Api) -> None:
    phone, decision_id = await sent_offer(api_on_both)
    await release(api_on_both, decision_id)
    answered = await redeem(phone, decision_id)
    assert (answered.status, answered.problem) == (409, "offer-over")
    assert await api_on_both.rows(redemptions) == 0


async def test_an_offer_that_reached_nobody_is_shown_in_the_app_as_one_not_sent(
    api_on_both: Api,
) -> None:
    phone, decision_id = await sent_offer(api_on_both)
    await release(api_on_both, decision_id)
    assert [(o["campaign_id"], o["decision_id"]) for o in await feed(phone)] == [("c1", None)]
    await api_on_both.campaign("c1", status=Status.PAUSED)
    assert await feed(phone) == []


async def test_an_offer_that_is_over_is_not_redeemed(api: Api) -> None:
    phone, decision_id = await sent_offer(api)
    await api.campaign("c1", valid_until=api.clock.now())
    answered = await redeem(phone, decision_id)
    assert (answered.status, answered.problem) == (409, "offer-over")
    assert await api.rows(redemptions) == 0


async def test_a_redemption_answers_the_same_after_the_offer_is_over(api: Api) -> None:
    phone, decision_id = await sent_offer(api)
    first = await redeem(phone, decision_id)
    await api.campaign("c1", status=Status.ENDED)
    assert (await redeem(phone, decision_id)).json() == first.json()


@pytest.mark.parametrize("key", [None, "short", "k" * 65, "key with spaces"])
async def test_a_redemption_needs_an_idempotency_key(api: Api, key: str | None) -> None:
    phone, decision_id = await sent_offer(api)
    answered = await redeem(phone, decision_id, key)
    assert (answered.status, answered.problem) == (422, "invalid-header")
    assert await api.rows(redemptions) == 0

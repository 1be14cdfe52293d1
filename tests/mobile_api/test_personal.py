"""Export and erasure."""

import base64

from db import schema, tables
from offers.campaign import Tier
from offers.situation import Weighed
from tests.mobile_api.harness import ALL_CONSENTS, Api, Phone

WON = Weighed("c1", 12.0, (), ("you are near it",), Tier.GENERIC)


async def lived(api: Api) -> Phone:
    """A phone about which there is something in every table."""
    phone = await api.phone()
    await api.campaign("c1")
    decision_id = await api.decision(phone, (WON,))
    target = {"kind": "fid", "value": "their-push-target", "platform": "android"}
    at = "2026-11-21T10:00:00Z"
    event = {"event_id": "event-001", "kind": "viewed", "category": "coffee", "at": at}
    receipt = {
        "receipt_id": "receipt-001", "decision_id": decision_id, "kind": "opened", "at": at,
    }  # fmt: skip
    answers = [
        await phone.call("PUT", "/v1/me/push-target", target),
        await phone.call("PUT", "/v1/me/preferences", {"pushes_per_week": 2}),
        await phone.call("POST", "/v1/me/events", {"events": [event]}),
        await phone.call("POST", "/v1/me/receipts", {"receipts": [receipt]}),
        await phone.call(
            "POST",
            "/v1/me/redemptions",
            {"decision_id": decision_id},
            {"Idempotency-Key": "key-00001"},
        ),
    ]
    assert [a.status for a in answers] == [204, 204, 202, 202, 201]
    return phone


async def test_an_export_holds_everything_but_secrets(api_on_both: Api) -> None:
    phone, other = await lived(api_on_both), await api_on_both.phone()

    answered = await phone.call("GET", "/v1/me/export")

    held = answered.json()["held"]
    assert answered.status == 200
    expected = {
        "shopper": 1, "handsets": 1, "push_targets": 1, "consents": 3, "browsing": 1,
        "visits": 1, "zone_visits": 0, "decisions": 1, "sends": 1, "receipts": 1,
        "redemptions": 1, "own_cap": 1,
    }  # fmt: skip
    assert expected.items() <= {name: len(rows) for name, rows in held.items()}.items()
    assert held["shopper"][0]["id"] == phone.shopper_id
    text = answered.body.decode()
    assert other.shopper_id not in text
    assert "their-push-target" not in text
    assert phone.state["ceid"]["secret"] not in text
    assert base64.b64decode(phone.state["ceid"]["secret"]).hex() not in text


async def test_erasure_leaves_the_proof_of_consent_and_nothing_else(api_on_both: Api) -> None:
    phone, other = await lived(api_on_both), await api_on_both.phone()

    answered = await phone.call("DELETE", "/v1/me")

    assert (answered.status, answered.body) == (204, b"")
    left = {
        table.name: await api_on_both.rows(table)
        for table in schema.metadata.sorted_tables
        if await api_on_both.rows(table)
    }
    assert left == {
        "stores": 1,
        "campaigns": 1,
        "catalogue_version": 1,
        "shoppers": 1,
        "handsets": 1,
        "refresh_tokens": 1,
        "consents": 2 * len(ALL_CONSENTS),
    }
    assert (await other.call("GET", "/v1/me")).status == 200


async def test_an_erased_handset_is_nobody(api: Api) -> None:
    phone = await lived(api)
    await phone.call("DELETE", "/v1/me")
    for method, path, body in (
        ("GET", "/v1/me", None),
        ("DELETE", "/v1/me", None),
        ("GET", "/v1/me/export", None),
        ("PUT", "/v1/me/push-target", {"kind": "fid", "value": "x" * 20, "platform": "ios"}),
    ):
        answered = await phone.call(method, path, body)
        assert (answered.status, answered.problem) == (401, "unauthenticated")
    refreshed = await api.call(
        "POST",
        "/v1/tokens/refresh",
        {"refresh_token": phone.state["tokens"]["refresh_token"]},
    )
    assert refreshed.problem == "refresh-invalid"
    assert await api.rows(tables.push_targets) == 0

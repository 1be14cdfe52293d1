"""The real firebase-admin SDK sends to the fake: the proof that it speaks as Google does."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import firebase_admin
import pytest
from firebase_admin import credentials, exceptions, messaging

from config.clock import SystemClock
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_courier import Latency
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_targets import mint_target

FID = mint_target("fid", Random(1))
TOKEN = mint_target("token", Random(2))


class Sdk:
    """An SDK app whose messaging service is pointed at the fake: it has no setting for that."""

    def __init__(self, fcm: FakeFcm) -> None:
        self.fcm = fcm
        self.delivered: asyncio.Queue[Delivery] = asyncio.Queue()
        # The key names our token endpoint. The SDK goes by the system clock, and so must the fake.
        certificate = credentials.Certificate(fcm.service_account_json())
        self._app = firebase_admin.initialize_app(certificate, name=f"fake-{id(self)}")
        self._service = messaging._get_messaging_service(self._app)
        assert self._service._fcm_url == (
            "https://fcm.googleapis.com/v1/projects/corsia-sim/messages:send"
        )
        self._service._fcm_url = f"{fcm.base_url}/v1/projects/corsia-sim/messages:send"

    async def send(self, dry_run: bool = False, **message: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made = messaging.Message(**message)
        # send() is blocking; its async form cannot be closed inside a running loop.
        return await asyncio.to_thread(messaging.send, made, dry_run, self._app)

    async def close(self) -> None:
        await self._service._async_client.aclose()
        await asyncio.to_thread(self._service._client.close)
        await asyncio.to_thread(firebase_admin.delete_app, self._app)


@pytest.fixture
async def sdk() -> AsyncIterator[Sdk]:
    made: list[Sdk] = []
    async with FakeFcm(
        SystemClock(),
        seed=7,
        on_delivery=lambda delivery: made[0].delivered.put_nowait(delivery),
        latency=Latency(median_s=0.001),
    ) as fcm:
        fcm.register("fid", FID)
        fcm.register("token", TOKEN)
        made.append(Sdk(fcm))
        yield made[0]
        await made[0].close()


async def test_a_message_with_everything_the_sdk_can_say_arrives(sdk: Sdk) -> None:
    name = await sdk.send(
        fid=FID,
        data={"decision_id": "d-1"},
        notification=messaging.Notification("Pasta", "2 for 1", "https://x.example/i.png"),
        android=messaging.AndroidConfig(
            collapse_key="visit",
            priority="high",
            ttl=120.5,
            notification=messaging.AndroidNotification(
                tag="visit-9",
                color="#00ff00",
                channel_id="offers",
                notification_count=2,
                priority="max",
                visibility="public",
                proxy="deny",
                vibrate_timings_millis=[100, 250],
                light_settings=messaging.LightSettings("#00ff0080", 100, 200),
            ),
            fcm_options=messaging.AndroidFCMOptions("camp_12"),
        ),
        apns=messaging.APNSConfig(
            headers={"apns-priority": "10", "apns-expiration": "1790000120"},
            payload=messaging.APNSPayload(messaging.Aps(badge=1, sound="default")),
            fcm_options=messaging.APNSFCMOptions(image="https://x.example/i.png"),
        ),
        webpush=messaging.WebpushConfig(
            headers={"TTL": "120"},
            notification=messaging.WebpushNotification(title="Pasta", renotify=True, vibrate=[1]),
            fcm_options=messaging.WebpushFCMOptions("https://x.example/o/1"),
        ),
        fcm_options=messaging.FCMOptions("camp_12"),
    )

    assert name.startswith("projects/corsia-sim/messages/0:")
    delivery = await asyncio.wait_for(sdk.delivered.get(), 5)
    assert (delivery.title, delivery.tag) == ("Pasta", "visit-9")
    assert delivery.data == {"decision_id": "d-1"}


async def test_a_token_is_sent_to_as_well_and_a_dry_run_to_nobody(sdk: Sdk) -> None:
    assert await sdk.send(dry_run=True, token=TOKEN) == (
        "projects/corsia-sim/messages/fake_message_id"
    )
    await sdk.send(token=TOKEN)
    assert (await asyncio.wait_for(sdk.delivered.get(), 5)).target_value == TOKEN


async def test_topics_and_conditions_are_accepted(sdk: Sdk) -> None:
    assert await sdk.send(topic="news")
    assert await sdk.send(condition="'a' in topics && 'b' in topics")


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.BAD_REQUEST, exceptions.InvalidArgumentError),
        (Trouble.INVALID_TARGET, exceptions.InvalidArgumentError),
        (Trouble.APNS_GONE, exceptions.InvalidArgumentError),
        (Trouble.THIRD_PARTY_AUTH, messaging.ThirdPartyAuthError),
        (Trouble.SENDER_ID_MISMATCH, messaging.SenderIdMismatchError),
        (Trouble.PERMISSION_DENIED, exceptions.PermissionDeniedError),
        (Trouble.UNREGISTERED, messaging.UnregisteredError),
        (Trouble.QUOTA_EXCEEDED, messaging.QuotaExceededError),
    ],
)
async def test_the_sdk_knows_each_failure_by_its_name(
    sdk: Sdk, trouble: Trouble, error: type[Exception]
) -> None:
    sdk.fcm.faults.for_target(FID, Fault(trouble))

    with pytest.raises(error):
        await sdk.send(fid=FID)


async def test_the_sdk_recovers_from_a_refused_token_and_a_server_error(sdk: Sdk) -> None:
    await sdk.send(fid=FID)
    sdk.fcm.tokens.revoke_all()
    sdk.fcm.faults.for_next(Fault(Trouble.UNAVAILABLE))

    assert await sdk.send(fid=FID)
    assert sdk.fcm.counts["token_requests"] == 2


async def test_an_app_that_was_removed_is_unregistered(sdk: Sdk) -> None:
    sdk.fcm.unregister("fid", FID)

    with pytest.raises(messaging.UnregisteredError):
        await sdk.send(fid=FID)

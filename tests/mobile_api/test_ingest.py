"""Batches from gateways: what is taken, what is refused, and that a refusal leaves no trace."""

import asyncio
import base64
import json
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacons.sighting import JSON, MAX_SIGHTINGS, MSGPACK, decode_batch, encode_batch_json
from db.connect import Database
from db.gateways import revoke
from mobile_api.parts import Rate, Rates
from tests.mobile_api.conftest import Serve
from tests.mobile_api.harness import EID, STORE, Api, Pi, batch, enrolment


async def backlog(api: Api) -> int:
    return await api.live.backlog(STORE)


async def refusals(api: Api, slug: str) -> float:
    return await api.metric("corsia_batches_total", outcome=slug)


async def test_a_code_enrols_one_key(api_on_both: Api) -> None:
    code, key = await api_on_both.code("g01"), Ed25519PrivateKey.generate()

    first = await api_on_both.call("POST", "/v1/gateways/enrol", enrolment(code, key))
    again = await api_on_both.call("POST", "/v1/gateways/enrol", enrolment(code, key))
    other_key = await api_on_both.call(
        "POST", "/v1/gateways/enrol", enrolment(code, Ed25519PrivateKey.generate())
    )

    assert first.status == 201
    assert first.json() == {
        "gateway_id": "g01",
        "store_id": STORE,
        "tenant": "demo",
        "namespace": "c0451a01",
    }
    # The first answer may have been lost on its way.
    assert (again.status, again.json()) == (201, first.json())
    assert (other_key.status, other_key.problem) == (404, "unknown-code")
    assert (await Pi(api_on_both, "g01", key).send(batch(api_on_both.clock.now()))).status == 202


async def test_unknown_used_and_expired_codes_get_one_answer(api: Api) -> None:
    key, other_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    expired, used = await api.code("g01"), await api.code("g02")
    assert (await api.call("POST", "/v1/gateways/enrol", enrolment(used, key))).status == 201
    await api.clock.advance(3_601)

    answers = [
        await api.call("POST", "/v1/gateways/enrol", enrolment(code, other_key))
        for code in ("no-such-code", expired, used)
    ]

    assert {(a.status, a.problem, a.body) for a in answers} == {
        (404, "unknown-code", answers[0].body)
    }


@pytest.mark.parametrize(
    "public_key",
    [
        "",
        "!" * 44,
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        base64.b64encode(bytes(32)).decode() + "\n",
        7,
    ],
)
async def test_a_public_key_that_is_none_is_refused(api: Api, public_key: object) -> None:
    body = {"code": await api.code("g01"), "public_key": public_key, "software": "corsia"}
    answered = await api.call("POST", "/v1/gateways/enrol", body)
    assert (answered.status, answered.problem) == (422, "invalid-body")
    assert answered.json()["errors"][0]["loc"] == ["public_key"]


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
async def test_a_batch_stands_on_the_stream_as_it_was_sent(
    api_on_both: Api, content_type: str
) -> None:
    pi = await api_on_both.pi()
    sent = batch(api_on_both.clock.now(), sightings=3)
    body = encode_batch_json(sent) if content_type == JSON else sent

    answered = await pi.send(body, content_type=content_type)

    assert (answered.status, answered.json()) == (202, {"duplicate": False})
    await api_on_both.live.open_stream(STORE)
    (entry,) = await api_on_both.live.take(STORE, "test", 10, 1)
    assert entry.gateway_id == "g01"
    assert decode_batch(entry.data) == sent
    assert await api_on_both.metric("corsia_sightings_total", outcome="stored") == 3


async def test_a_batch_sent_again_is_a_duplicate_and_changes_nothing(api: Api) -> None:
    pi = await api.pi()
    sent = batch(api.clock.now())
    await pi.send(sent)

    again = await pi.send(sent)

    assert (again.status, again.json()) == (202, {"duplicate": True})
    assert await backlog(api) == 1
    assert await api.metric("corsia_batches_total", outcome="duplicate") == 1
    assert await api.metric("corsia_sightings_total", outcome="duplicate") == 1


async def test_a_recorded_request_is_worth_nothing(api: Api) -> None:
    pi = await api.pi()
    sent = batch(api.clock.now())
    at = api.clock.now()
    await pi.send(sent, created_at=at)

    replayed = await pi.send(sent, created_at=at)
    await api.clock.advance(61)
    replayed_later = await pi.send(sent, created_at=at)

    assert replayed.json() == {"duplicate": True}
    assert replayed_later.problem == "clock-skew"
    assert await backlog(api) == 1


async def refused_and_unharmed(pi: Pi, slug: str) -> None:
    """The refusal was counted, nothing was stored, and the next batch goes through."""
    assert await refusals(pi.api, slug) == 1
    assert await backlog(pi.api) == 0
    good = await pi.send(batch(pi.api.clock.now()))
    assert (good.status, good.json()) == (202, {"duplicate": False})
    assert await backlog(pi.api) == 1


MALFORMED = {
    "nothing": b"",
    "text": b"hello",
    "truncated": msgspec.msgpack.encode([1, "00112233445566aa", 1, [["ceid", EID]]])[:-4],
    "a map": msgspec.msgpack.encode({"version": 1}),
    "version 2": msgspec.msgpack.encode([2, "00112233445566aa", 1, []]),
    "no sightings": msgspec.msgpack.encode([1, "00112233445566aa", 1, []]),
    "seq 0": msgspec.msgpack.encode([1, "00112233445566aa", 0, [["ceid", EID, 0, 1, -60, -60]]]),
    "boot of words": msgspec.msgpack.encode([1, "boot", 1, [["ceid", EID, 0, 1, -60, -60]]]),
    "deep": b"\x91" * 100_000,
    "json as msgpack": json.dumps([1, "00112233445566aa", 1, []]).encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_batch_is_refused(api: Api, body: bytes) -> None:
    pi = await api.pi()
    answered = await pi.send(body)
    assert (answered.status, answered.problem) == (422, "malformed-batch")
    assert answered.json()["detail"]
    await refused_and_unharmed(pi, "malformed-batch")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "nonsense"},
        {"kind": "ibeacon"},
        {"identifier": EID.upper()},
        {"identifier": 7},
        {"at_ms": "now"},
        {"at_ms": -1},
        {"count": 0},
        {"count": 1.5},
        {"mean_rssi_dbm": "loud"},
        {"mean_rssi_dbm": float("nan")},
        {"mean_rssi_dbm": -20.0},
        {"max_rssi_dbm": 100},
    ],
    ids=str,
)
async def test_a_wrongly_typed_sighting_refuses_its_batch(
    api: Api, change: dict[str, object]
) -> None:
    pi = await api.pi()
    good = batch(api.clock.now(), sightings=2)
    as_array: list[object] = list(msgspec.to_builtins(good))
    names = ("kind", "identifier", "at_ms", "count", "mean_rssi_dbm", "max_rssi_dbm")
    rows = [list(row) for row in msgspec.to_builtins(good)[3]]
    (name, value), *_ = change.items()
    rows[1][names.index(name)] = value
    as_array[3] = rows

    answered = await pi.send(msgspec.msgpack.encode(as_array))

    assert (answered.status, answered.problem) == (422, "malformed-batch")
    await refused_and_unharmed(pi, "malformed-batch")


async def test_more_sightings_than_a_batch_may_hold_are_refused(api: Api) -> None:
    pi = await api.pi()
    answered = await pi.send(batch(api.clock.now(), sightings=MAX_SIGHTINGS + 1))
    assert (answered.status, answered.problem) == (422, "malformed-batch")
    await refused_and_unharmed(pi, "malformed-batch")


@pytest.mark.parametrize(
    "off", [timedelta(seconds=11), timedelta(hours=-24, seconds=-1)], ids=["future", "past"]
)
async def test_impossible_times_are_refused(api: Api, off: timedelta) -> None:
    pi = await api.pi()
    answered = await pi.send(batch(api.clock.now() + off, sightings=2))
    assert (answered.status, answered.problem) == (422, "impossible-time")
    assert await api.metric("corsia_sightings_total", outcome="refused") == 2
    await refused_and_unharmed(pi, "impossible-time")


@pytest.mark.parametrize(
    "off", [timedelta(seconds=10), timedelta(hours=-24)], ids=["future", "past"]
)
async def test_times_at_the_edge_are_taken(api: Api, off: timedelta) -> None:
    pi = await api.pi()
    assert (await pi.send(batch(api.clock.now() + off))).status == 202


async def test_one_impossible_sighting_refuses_the_whole_batch(api: Api) -> None:
    pi = await api.pi()
    good = batch(api.clock.now(), sightings=3)
    late = batch(api.clock.now() + timedelta(minutes=5)).sightings
    mixed = msgspec.structs.replace(good, sightings=(*good.sightings, *late))
    assert (await pi.send(mixed)).problem == "impossible-time"
    assert await backlog(api) == 0


@pytest.mark.parametrize("skew_s", [-61, 61])
async def test_a_wrong_clock_is_told_the_time(api: Api, skew_s: int) -> None:
    pi = await api.pi()
    answered = await pi.send(
        batch(api.clock.now()), created_at=api.clock.now() + timedelta(seconds=skew_s)
    )
    assert (answered.status, answered.problem) == (401, "clock-skew")
    assert answered.headers["Date"] == "Sat, 21 Nov 2026 10:00:00 GMT"
    await refused_and_unharmed(pi, "clock-skew")


@pytest.mark.parametrize("skew_s", [-60, 60])
async def test_a_clock_a_minute_off_will_do(api: Api, skew_s: int) -> None:
    pi = await api.pi()
    created_at = api.clock.now() + timedelta(seconds=skew_s)
    assert (await pi.send(batch(api.clock.now()), created_at=created_at)).status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Signature": f"corsia=:{base64.b64encode(bytes(64)).decode()}:"},
        {"Signature": "corsia=:AAAA:"},
        {"Signature": ""},
        {"Signature-Input": "sig1=()"},
        {"Signature-Input": ""},
        {"Content-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": ""},
    ],
    ids=str,
)
async def test_a_bad_signature_is_refused(api: Api, headers: dict[str, str]) -> None:
    pi = await api.pi()
    answered = await pi.send(batch(api.clock.now()), headers=headers)
    assert (answered.status, answered.problem) == (401, "bad-signature")
    await refused_and_unharmed(pi, "bad-signature")


async def test_another_gateways_key_does_not_sign(api: Api) -> None:
    pi, other = await api.pi("g01"), await api.pi("g02")
    posing = Pi(api, pi.gateway_id, other.key)
    assert (await posing.send(batch(api.clock.now()))).problem == "bad-signature"
    await refused_and_unharmed(pi, "bad-signature")


async def test_a_signature_for_another_path_is_refused(api: Api) -> None:
    pi, other = await api.pi("g01"), await api.pi("g02")
    theirs = await other.send(batch(api.clock.now()))
    assert theirs.status == 202
    answered = await api.raw("POST", "/v1/gateways/g01/sightings", b"", {"Content-Type": MSGPACK})
    assert answered.problem == "bad-signature"
    assert (await pi.send(batch(api.clock.now()))).json() == {"duplicate": False}


async def test_unknown_gateways_are_refused(api: Api) -> None:
    pi = await api.pi()
    stranger = Pi(api, "g99", Ed25519PrivateKey.generate())
    answered = await stranger.send(batch(api.clock.now()))
    assert (answered.status, answered.problem) == (403, "unknown-gateway")
    await refused_and_unharmed(pi, "unknown-gateway")


async def test_a_gateway_that_never_enrolled_is_unknown(api: Api) -> None:
    await api.code("g01")
    pi = Pi(api, "g01", Ed25519PrivateKey.generate())
    assert (await pi.send(batch(api.clock.now()))).problem == "unknown-gateway"


async def test_a_revoked_gateway_is_refused_from_that_moment(api_on_both: Api) -> None:
    api, pi = api_on_both, await api_on_both.pi()
    assert (await pi.send(batch(api.clock.now(), seq=1))).status == 202
    async with api.database.begin() as tx:
        await revoke(tx, pi.gateway_id, api.clock.now())

    answered = await pi.send(batch(api.clock.now(), seq=2))

    assert (answered.status, answered.problem) == (403, "revoked-gateway")
    assert await refusals(api, "revoked-gateway") == 1
    assert await backlog(api) == 1


async def test_an_oversized_batch_is_refused(serve: Serve, sqlite_database: Database) -> None:
    async with serve(sqlite_database, api_body_max_bytes=1_024) as api:
        pi = await api.pi()
        answered = await pi.send(bytes(1_025))
        assert (answered.status, answered.problem) == (413, "too-large")
        await refused_and_unharmed(pi, "too-large")


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}],
    ids=str,
)
async def test_an_unread_media_type_is_refused(api: Api, headers: dict[str, str]) -> None:
    pi = await api.pi()
    answered = await pi.send(batch(api.clock.now()), headers=headers)
    assert (answered.status, answered.problem) == (415, "unread-media-type")
    await refused_and_unharmed(pi, "unread-media-type")


async def test_without_redis_a_batch_is_asked_for_again(
    serve: Serve, sqlite_database: Database
) -> None:
    async with serve(sqlite_database, redis_url="redis://127.0.0.1:1") as api:
        pi = await api.pi()
        answered = await pi.send(batch(api.clock.now()))
        assert (answered.status, answered.problem) == (503, "not-ready")
        assert int(answered.headers["Retry-After"]) > 0
        assert await refusals(api, "not-ready") == 1
        assert await backlog(api) == 0


async def test_a_gateway_that_floods_is_slowed_down(
    serve: Serve, sqlite_database: Database
) -> None:
    rates = Rates(gateway=Rate(per_minute=60, burst=2))
    async with serve(sqlite_database, rates=rates) as api:
        pi, calm = await api.pi("g01"), await api.pi("g02")
        for seq in (1, 2):
            assert (await pi.send(batch(api.clock.now(), seq=seq))).status == 202

        answered = await pi.send(batch(api.clock.now(), seq=3))

        assert (answered.status, answered.problem) == (429, "too-many-requests")
        assert await backlog(api) == 2
        assert (await calm.send(batch(api.clock.now()))).status == 202
        await api.clock.advance(int(answered.headers["Retry-After"]))
        assert (await pi.send(batch(api.clock.now(), seq=3))).json() == {"duplicate": False}


async def test_the_limit_of_a_gateway_cannot_be_used_up_by_others(
    serve: Serve, sqlite_database: Database
) -> None:
    rates = Rates(gateway=Rate(per_minute=60, burst=1))
    async with serve(sqlite_database, rates=rates) as api:
        pi = await api.pi()
        posing = Pi(api, pi.gateway_id, Ed25519PrivateKey.generate())
        for _ in range(5):
            assert (await posing.send(batch(api.clock.now()))).problem == "bad-signature"
        assert (await pi.send(batch(api.clock.now()))).status == 202


async def test_what_nobody_signed_is_limited_by_address_before_it_is_looked_at(
    serve: Serve, sqlite_database: Database
) -> None:
    rates = Rates(gateways_peer=Rate(per_minute=60, burst=3))
    async with serve(sqlite_database, rates=rates) as api:
        pi = await api.pi()
        answers = [await api.raw("POST", f"/v1/gateways/g{n:02}/sightings", b"") for n in range(5)]
        assert [a.status for a in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].headers["Retry-After"] == "1"
        assert await refusals(api, "too-many-requests") == 2
        await api.clock.advance(1)
        assert (await pi.send(batch(api.clock.now()))).status == 202


async def test_the_gateways_of_a_big_store_may_share_an_address(api: Api) -> None:
    pi = await api.pi()
    # 200 gateways at two batches a second, the worst case: all in the same instant.
    for seq in range(1, 401):
        assert (await pi.send(batch(api.clock.now(), seq=seq))).status == 202
    steady = Rates().gateways_peer
    assert steady.per_minute >= 200 * 2 * 60


async def test_garbage_never_makes_a_fault(api: Api) -> None:
    pi, loop = await api.pi(), asyncio.get_running_loop()

    @settings(
        max_examples=150,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.one_of(
            st.binary(max_size=200),
            st.recursive(
                st.one_of(
                    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(),
                    st.text(max_size=20), st.binary(max_size=20), st.sampled_from(["ceid", EID]),
                ),
                lambda inner: st.lists(inner, max_size=6),
                max_leaves=12,
            ).map(msgspec.msgpack.encode),
        ),
        st.sampled_from([MSGPACK, JSON, "text/plain"]),
    )  # fmt: skip
    def garbage(body: bytes, content_type: str) -> None:
        sending = asyncio.run_coroutine_threadsafe(pi.send(body, content_type=content_type), loop)
        assert sending.result().problem in {"malformed-batch", "unread-media-type"}

    # Hypothesis knows no coroutines: it runs beside the loop, so that it can shrink what it finds.
    await asyncio.to_thread(garbage)
    assert await backlog(api) == 0
    assert (await pi.send(batch(api.clock.now()))).status == 202

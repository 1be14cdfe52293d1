"""What an answer of FCM means when its three codes disagree, are old, or are not there."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fcm_answers import (
    Delivered,
    Expired,
    Life,
    Outcome,
    Refused,
    RetryAt,
    StaleCredential,
    Stops,
    TargetGone,
    Why,
    classify,
    later,
    retry_after_s,
)

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
LIFE = Life(NOW, NOW + timedelta(hours=3))


def judged(
    status: int, body: object = None, headers: dict[str, str] | None = None, life: Life = LIFE
) -> Outcome | StaleCredential:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, headers or {}, raw, life, Random(1))


def error(status: str, *details: dict[str, object]) -> dict[str, object]:
    return {"error": {"status": status, "details": list(details)}}


def fcm_error(
    code: str, prefix: str = "type.googleapis.com/google.firebase.fcm.v1"
) -> dict[str, object]:
    return {"@type": f"{prefix}.FcmError", "errorCode": code}


def test_the_fcm_code_outweighs_the_others() -> None:
    body = error("PERMISSION_DENIED", fcm_error("UNREGISTERED"))

    assert judged(403, body) == TargetGone(Why.UNREGISTERED)


def test_the_status_outweighs_the_http_code() -> None:
    assert judged(400, error("UNAUTHENTICATED")) == StaleCredential()


@pytest.mark.parametrize("code", ["UNSPECIFIED_ERROR", "SOMETHING_OF_2027"])
def test_an_unknown_fcm_code_leaves_it_to_the_others(code: str) -> None:
    assert judged(403, error("PERMISSION_DENIED", fcm_error(code))) == Refused(
        Why.PERMISSION_DENIED, Stops.EVERYTHING
    )


def test_a_type_is_known_by_its_last_name() -> None:
    body = error("NOT_FOUND", fcm_error("UNREGISTERED", "type.googleapis.com/google.fcm.v9"))

    assert judged(404, body) == TargetGone(Why.UNREGISTERED)


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", error("NOT_FOUND")])
def test_a_404_that_no_fcm_code_explains_retires_nobody(body: object) -> None:
    """A wrong address or project answers so to every push: it must not cost us every target."""
    assert judged(404, body) == Refused(Why.NOT_UNDERSTOOD, Stops.EVERYTHING, "HTTP 404")


@pytest.mark.parametrize("status", [301, 302, 405])
def test_an_answer_that_is_not_fcms_stops_everything(status: int) -> None:
    outcome = judged(status)

    assert isinstance(outcome, Refused)
    assert outcome.stops is Stops.EVERYTHING


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Refused(Why.INVALID_MESSAGE)),
        (401, StaleCredential()),
        (403, Refused(Why.PERMISSION_DENIED, Stops.EVERYTHING)),
        (413, Refused(Why.INVALID_MESSAGE)),
    ],
)
def test_without_a_body_the_http_code_decides(status: int, outcome: Outcome) -> None:
    assert judged(status, b"") == outcome


@pytest.mark.parametrize(
    ("status", "delay_s"), [(408, 10), (429, 60), (500, 10), (503, 10), (599, 10)]
)
def test_what_may_pass_is_tried_again(status: int, delay_s: float) -> None:
    outcome = judged(status, b"<html>")

    assert isinstance(outcome, RetryAt)
    assert delay_s <= (outcome.at - NOW).total_seconds() <= 1.5 * delay_s


def test_a_message_that_is_too_big_is_not_blamed_on_its_target() -> None:
    body = error(
        "INVALID_ARGUMENT",
        {"@type": "type.googleapis.com/google.rpc.BadRequest"},
        fcm_error("INVALID_ARGUMENT"),
    )

    assert judged(400, body) == Refused(Why.INVALID_MESSAGE)


def test_the_detail_of_a_refusal_names_fields_and_quotes_no_values() -> None:
    violation = {"field": "message.data[0].value", "description": "Invalid value: Mrs Smith"}
    body = error(
        "INVALID_ARGUMENT",
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]},
    )

    assert judged(400, body) == Refused(Why.INVALID_MESSAGE, detail="message.data[0].value")


def test_success_needs_the_name_of_a_message() -> None:
    assert judged(200, {"name": "projects/p/messages/1"}) == Delivered("projects/p/messages/1")
    portal = judged(200, b"<html>Welcome to our Wi-Fi</html>")
    assert isinstance(portal, RetryAt)
    assert (portal.why, portal.maybe_sent) == (Why.NOT_UNDERSTOOD, True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 1),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("Sat, 21 Nov 2026 10:00:20 GMT", 20),
        ("Sat, 21 Nov 2026 10:00:20 -0000", 20),
        ("Saturday, 21-Nov-26 10:00:20 GMT", 20),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 1),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 3600),
        ("soon", None),
        (f"Sat, 21 Nov {'9' * 20} 10:00:00 GMT", None),
        (f"Sat, 21 Nov 2026 10:00:00 +{'9' * 20}", None),
        ("Sat, 21 Nov 2026 10:00:00 +9999", None),
        ("-7", None),
        ("7.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_bounds(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_read_or_ignored(value: str) -> None:
    asked_s = retry_after_s(value, NOW)
    assert asked_s is None or 1 <= asked_s <= 3600


def test_an_offer_that_ends_exactly_then_has_expired() -> None:
    life = Life(NOW, NOW + timedelta(seconds=7))

    assert judged(503, b"", {"Retry-After": "7"}, life) == Expired(Why.UNAVAILABLE)
    assert judged(503, b"", {"Retry-After": "6"}, life) == RetryAt(
        NOW + timedelta(seconds=6), Why.UNAVAILABLE
    )


def test_delays_double_to_an_hour_and_are_spread() -> None:
    life = Life(NOW, NOW + timedelta(days=1), earlier_tries=100)
    chance = Random(1)
    assert later(Why.INTERNAL, 10, life, chance) == RetryAt(NOW + timedelta(hours=1), Why.INTERNAL)

    first = Life(NOW, NOW + timedelta(days=1))
    ats = {later(Why.INTERNAL, 10, first, chance) for _ in range(50)}
    assert len(ats) == 50


@given(st.integers(200, 599), st.binary(), st.text(max_size=20))
def test_any_answer_means_something(status: int, body: bytes, retry_after: str) -> None:
    classify(status, {"Retry-After": retry_after}, body, LIFE, Random(1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "details",
                    "@type",
                    "errorCode",
                    "status",
                    "fieldViolations",
                    "field",
                    "name",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.integers(200, 599), JSON)
def test_any_json_means_something(status: int, body: object) -> None:
    judged(status, body)

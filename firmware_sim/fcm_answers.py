"""What the fake FCM says: each documented answer, byte for byte as the real one shapes it.

Source: FCM error codes (firebase.google.com/docs/cloud-messaging/error-codes), the ErrorCode page
of the REST reference, and answers that public issue threads quote. Where no public example was
found, the wording is ours and the shape is that of google.rpc.Status.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from firmware_sim.fcm_json import Violation

FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
# What services answered before 2019; the SDKs still understand it.
FCM_ERROR_BEFORE: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmErrorCode"
APNS_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"
ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
INVALID_TARGET: Final = "The registration token is not a valid FCM registration token"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def sent(project_id: str, message_id: str) -> Answer:
    return Answer(200, _json({"name": f"projects/{project_id}/messages/{message_id}"}))


def bad_shape(violations: Sequence[Violation]) -> Answer:
    """400 of the first kind: the front end could not read the request; no FcmError."""
    return _invalid_argument(violations)


def bad_values(violations: Sequence[Violation]) -> Answer:
    """400 of the second kind: FCM read the request and refuses it."""
    return _invalid_argument(violations, _fcm_error("INVALID_ARGUMENT"))


def invalid_target() -> Answer:
    return _error(400, INVALID_TARGET, "INVALID_ARGUMENT", _fcm_error("INVALID_ARGUMENT"))


def apns_gone() -> Answer:
    return _error(
        400,
        "APNs device token is disabled.",
        "INVALID_ARGUMENT",
        _fcm_error("INVALID_ARGUMENT"),
        _apns_error(410, "Unregistered"),
    )


def unregistered() -> Answer:
    return _error(404, "Requested entity was not found.", "NOT_FOUND", _fcm_error("UNREGISTERED"))


def sender_id_mismatch() -> Answer:
    return _error(403, "SenderId mismatch", "PERMISSION_DENIED", _fcm_error("SENDER_ID_MISMATCH"))


def permission_denied(project_id: str) -> Answer:
    """403 that has nothing to do with the target: another project, or a missing role."""
    return _error(
        403,
        "Permission 'cloudmessaging.messages.create' denied on resource "
        f"'//cloudresourcemanager.googleapis.com/projects/{project_id}' (or it may not exist).",
        "PERMISSION_DENIED",
        {"@type": ERROR_INFO, "reason": "IAM_PERMISSION_DENIED", "domain": "iam.googleapis.com"},
    )


def scope_insufficient() -> Answer:
    return _error(
        403,
        "Request had insufficient authentication scopes.",
        "PERMISSION_DENIED",
        {
            "@type": ERROR_INFO,
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
        },
    )


def unauthenticated(why: str = "Request had invalid authentication credentials.") -> Answer:
    return _error(
        401,
        f"{why} Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        "UNAUTHENTICATED",
    )


def third_party_auth() -> Answer:
    return _error(
        401,
        "Auth error from APNS or Web Push Service",
        "UNAUTHENTICATED",
        _fcm_error("THIRD_PARTY_AUTH_ERROR"),
        _apns_error(403, "InvalidProviderToken"),
    )


def apns_auth_of_old() -> Answer:
    """The same trouble as older servers put it."""
    return _error(
        401,
        "Auth error from APNS",
        "UNAUTHENTICATED",
        {"@type": FCM_ERROR_BEFORE, "errorCode": "APNS_AUTH_ERROR"},
    )


def quota_exceeded(project_id: str, retry_after: str | None) -> Answer:
    return _error(
        429,
        "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute'.",
        "RESOURCE_EXHAUSTED",
        _fcm_error("QUOTA_EXCEEDED"),
        {
            "@type": QUOTA_FAILURE,
            "violations": [
                {"subject": f"project:{project_id}", "description": "Message rate exceeded."}
            ],
        },
        headers=_retry_after(retry_after),
    )


def unavailable(retry_after: str | None) -> Answer:
    return _error(
        503,
        "The service is currently unavailable.",
        "UNAVAILABLE",
        _fcm_error("UNAVAILABLE"),
        headers=_retry_after(retry_after),
    )


def internal() -> Answer:
    return _error(500, "Internal error encountered.", "INTERNAL", _fcm_error("INTERNAL"))


def html_bad_gateway() -> Answer:
    """What a load balancer in front says: no JSON at all."""
    return Answer(
        502,
        b"<!DOCTYPE html><html lang=en><title>Error 502 (Server Error)!!1</title>"
        b"<p><b>502.</b> <ins>That's an error.</ins><p>The server encountered a temporary error "
        b"and could not complete your request.<p>Please try again in 30 seconds.</html>",
        content_type="text/html",
    )


def retry_after_text(seconds: int, now: datetime, *, as_date: bool) -> str:
    """The value of Retry-After, in one of the two forms of RFC 9110, 10.2.3.

    now: the instant the header speaks of when it is a date: `seconds` before it.
    """
    if not as_date:
        return str(seconds)
    at = datetime.fromtimestamp(int(now.timestamp()) + seconds, tz=now.tzinfo)
    return format_datetime(at, usegmt=True)


def _invalid_argument(violations: Sequence[Violation], *more: dict[str, object]) -> Answer:
    entries = [
        {"field": each.field, "description": each.description}
        if each.field
        else {"description": each.description}
        for each in violations
    ]
    message = "\n".join(each.description for each in violations)
    bad_request: dict[str, object] = {"@type": BAD_REQUEST, "fieldViolations": entries}
    return _error(400, message, "INVALID_ARGUMENT", bad_request, *more)


def _error(
    code: int,
    message: str,
    status: str,
    *details: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return Answer(code, _json({"error": error}), headers or {})


def _fcm_error(code: str) -> dict[str, object]:
    return {"@type": FCM_ERROR, "errorCode": code}


def _apns_error(status: int, reason: str) -> dict[str, object]:
    return {"@type": APNS_ERROR, "statusCode": status, "reason": reason}


def _retry_after(value: str | None) -> dict[str, str]:
    return {} if value is None else {"Retry-After": value}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()

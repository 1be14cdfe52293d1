"""What an answer of FCM says, taken out of its JSON; anything else says nothing.

Source: google.rpc.Status with FcmError, ApnsError and BadRequest details; types are matched by
their last name, which has outlived two prefixes.
"""

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of an answer that decide anything. fields: paths in our message."""

    error_code: str
    status: str
    apns_status: int | None
    is_bad_request: bool
    fields: tuple[str, ...]
    message_name: str | None


def read_answer(body: bytes) -> Said:
    """What an answer says; empty when it is not FCM's JSON."""
    try:
        parsed: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        parsed = None
    answer: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    name = answer.get("name")
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    error_code, apns_status, is_bad_request, fields = "", None, False, []
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, dict):
            continue
        type_name = str(detail.get("@type", ""))
        if type_name.endswith((".FcmError", ".FcmErrorCode")):
            error_code = str(detail.get("errorCode", ""))
        elif type_name.endswith(".ApnsError"):
            apns_status = detail.get("statusCode")
        elif type_name.endswith(".BadRequest"):
            is_bad_request = True
            broken = detail.get("fieldViolations")
            fields += [
                str(each["field"])
                for each in (broken if isinstance(broken, list) else [])
                if isinstance(each, dict) and "field" in each
            ]
    return Said(
        error_code=error_code,
        status=str(error.get("status", "")),
        apns_status=apns_status if isinstance(apns_status, int) else None,
        is_bad_request=is_bad_request,
        fields=tuple(fields),
        message_name=name if isinstance(name, str) else None,
    )

"""What a server's answer says to a gateway: accepted, a problem, or something in between them."""

from datetime import datetime
from typing import Final

import aiohttp
import msgspec

from gateway.server_time import http_date

# Ours take some hundred; what a captive portal sends is cut off here.
MAX_ANSWER_BYTES: Final = 65_536
# A server under repair may ask for patience; a mistyped header must not silence a gateway for days.
MAX_RETRY_AFTER_S: Final = 600.0


class Accepted(msgspec.Struct, frozen=True):
    """The server has the batch, from now or from before."""

    duplicate: bool


class Problem(msgspec.Struct, frozen=True):
    """An error as HTTP APIs say it. Source: RFC 9457, section 3.1."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return self.detail or self.title or self.type

    @property
    def is_clock_skew(self) -> bool:
        """Whether the signature was refused because of this machine's clock."""
        return self.type.endswith("/clock-skew")


async def read_answer(response: aiohttp.ClientResponse) -> bytes:
    """The body, or as much of it as we look at."""
    body = b""
    while len(body) < MAX_ANSWER_BYTES:
        chunk = await response.content.read(MAX_ANSWER_BYTES - len(body))
        if not chunk:
            break
        body += chunk
    return body


def accepted_of(body: bytes) -> Accepted | None:
    """The acceptance in an answer, None when it is something else (a captive portal's page)."""
    try:
        return msgspec.json.decode(body, type=Accepted)
    except msgspec.DecodeError:
        return None


def problem_of(body: bytes) -> Problem | None:
    """The problem in an answer, None when it is something else."""
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return None


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, None without a readable one.

    Source: RFC 9110, section 10.2.3: seconds or a date.
    """
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    until = http_date(text)
    if until is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), MAX_RETRY_AFTER_S)

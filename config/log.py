"""Logs: standard-library calls, one line an event, with anything personal taken out.

Modules write `log.info("uplink sent", extra={"batch": batch_id})`; structlog renders it. A fact
whose name says that it is secret or personal is replaced before it is printed: the net under the
rule that such facts are not logged at all.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

REDACTED: Final = "[redacted]"
# Parts of a fact's name that mark it as secret or personal.
PERSONAL_PARTS: Final = (
    "address", "authorization", "body_text", "email", "name_text", "password", "phone", "secret",
    "token",
)  # fmt: skip
# The same as whole words only: "confidence" holds a "fid".
PERSONAL_WORDS: Final = frozenset({"fid", "fids"})
SHORT_LENGTH: Final = 8


def short(identifier: str) -> str:
    """The first characters of an id: enough to follow one in a log, too few to look a person up."""
    return identifier[:SHORT_LENGTH]


def set_up_logging(level: str, style: Literal["json", "console"]) -> None:
    """Send every log line of this process to standard error, in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line a request is noise; our own middleware counts them.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event with every fact replaced whose name marks it as secret or personal."""
    for name in event:
        lower = name.lower()
        if any(part in lower for part in PERSONAL_PARTS) or PERSONAL_WORDS & set(lower.split("_")):
            event[name] = REDACTED
    return event

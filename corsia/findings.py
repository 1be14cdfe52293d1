"""What the doctor found: one line a subject, with what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is. Only FAIL keeps Corsia from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One subject: what is so, and how to mend it when it should not be."""

    name: str
    state: State
    what: str
    mend: str | None = None


def ok(name: str, what: str) -> Finding:
    return Finding(name, State.OK, what)


def warn(name: str, what: str, mend: str) -> Finding:
    return Finding(name, State.WARN, what, mend)


def fail(name: str, what: str, mend: str) -> Finding:
    return Finding(name, State.FAIL, what, mend)

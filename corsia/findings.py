"""What the doctor found: one line a subject, with what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rich.table import Table
from rich.text import Text


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


STYLES: Final[Mapping[State, str]] = {
    State.OK: "green",
    State.WARN: "yellow",
    State.FAIL: "bold red",
}


def ok(name: str, what: str) -> Finding:
    return Finding(name, State.OK, what)


def warn(name: str, what: str, mend: str) -> Finding:
    return Finding(name, State.WARN, what, mend)


def fail(name: str, what: str, mend: str) -> Finding:
    return Finding(name, State.FAIL, what, mend)


def has_failed(findings: Iterable[Finding]) -> bool:
    """Whether anything keeps Corsia from working."""
    return any(finding.state is State.FAIL for finding in findings)


def as_table(findings: Iterable[Finding]) -> Table:
    """The findings for a terminal. What was found is printed as it is, never as markup."""
    table = Table("", "what", "is", "how to mend it")
    for found in findings:
        state = Text(found.state.value, style=STYLES[found.state])
        table.add_row(state, Text(found.name), Text(found.what), Text(found.mend or ""))
    return table

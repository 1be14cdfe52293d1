"""The retailer's policy as a YAML file: read with every fault at its line and column, and written
with comments that say what each cap means. What is risky in one stands in corsia.policy_said.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from corsia.plan_checks import explained, items
from corsia.plan_fields import Part
from corsia.plan_files import PlanFileError, file_bytes
from corsia.yaml_lines import (
    Document,
    Fault,
    Loc,
    Place,
    YamlSyntaxError,
    load_document,
    path_text,
)
from offers.pressure import LOOKS_BACK, Cap, Policy, Scope

P = TypeVar("P", bound=Part)

# More than anybody sends one person in LOOKS_BACK: a larger number was meant for something else.
MOST_MAX: Final = 1_000
# Nothing older than LOOKS_BACK is counted, and of so many days one may have 25 hours.
DAYS_MAX: Final = LOOKS_BACK.days - 1
# Few visits last longer: beyond it nearly nobody would ever be sent anything.
FIRST_AFTER_MAX_S: Final = 3_600
# A visit ends by itself, so its cap needs no time.
OF_A_VISIT: Final = frozenset({Scope.VISIT, Scope.ZONE_VISIT})
_UNIT_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SPAN: Final = re.compile(r"([0-9]{1,7})([wdhms])")

_HEAD: Final = f"""\
# An offer is sent only when every cap below has room for it: the strictest one decides. A cap
# counts what this one shopper was sent, of every kind. What finds no room is dropped, never queued.
# Service and recovery messages count, but pass these caps; the shopper's own cap binds them too.
#
# scope   what is counted: shopper (all), visit, zone_visit (in this zone, this visit), campaign,
#         category (any that the campaign names), channel (push, ...), store
# most    so many are allowed; 0 is none at all
# within  in a rolling time: 20m, 12h, 7d; {LOOKS_BACK.days}d at most. A day is 24 hours.
# days    or in calendar days of the store's time zone, today among them; {DAYS_MAX} at most
"""
_FIRST_AFTER: Final = """\
# Seconds at the start of a visit in which nothing is sent: a push at the door says "we watch you".
"""
_HOLD_OUT: Final = """\
# The share of shoppers who never get an offer, 0..1, so that the worth of all offers can be told.
# Raised, everybody who is in it stays in it.
"""


class PolicyFileError(Exception):
    """A policy file with faults: all that were found, in the order of their lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.place or Place(0, 0))
        super().__init__("\n".join(map(_with_column, self.faults)))


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises PolicyFileError."""
    try:
        return parse_policy(file_bytes(path), path.name)
    except PlanFileError as error:
        raise PolicyFileError(error.faults) from error


def parse_policy(data: bytes, file: str) -> Policy:
    """The policy in a file's bytes. file: its name, for the faults. Raises PolicyFileError."""
    try:
        document = load_document(file, data)
    except YamlSyntaxError as error:
        raise PolicyFileError([error.fault]) from error
    faults = list(document.faults)
    value = {} if document.value is None else document.value
    whole = _checked(PolicyPart, value, (), document, faults)
    # The caps one by one, so that the fault of one hides no other's.
    caps: list[tuple[Loc, Cap]] = []
    for number, written in items(value, "caps"):
        loc: Loc = ("caps", number)
        if (part := _checked(CapPart, written, loc, document, faults)) is not None:
            caps.append((loc, part.value()))
    faults += _cap_faults(caps, document)
    if whole is None or faults:
        raise PolicyFileError(faults)
    return Policy(tuple(cap for _, cap in caps), whole.first_after_s, whole.hold_out_share)


def write_policy(policy: Policy, title: Sequence[str] = ()) -> str:
    """The policy as a file that `read_policy` reads back as the same one.

    title: lines to begin with, as comments. Spans are written in whole seconds.
    """
    rows = [(f"  - {_row(cap)}", cap_words(cap)) for cap in policy.caps]
    width = max((len(row) for row, _ in rows), default=0)
    caps = "".join(f"{row:<{width}}  # {words}\n" for row, words in rows)
    return (
        "".join(f"# {line}\n" for line in title)
        + ("#\n" if title else "")
        + _HEAD
        + (f"caps:\n{caps}" if caps else "caps: []\n")
        + f"{_FIRST_AFTER}first_after_s: {_number(policy.first_after_s)}\n"
        + f"{_HOLD_OUT}hold_out_share: {_number(policy.hold_out_share)}\n"
    )


def cap_words(cap: Cap) -> str:
    """A cap as people say it: `at most 2 to a shopper in any 7d`."""
    within = _time_of(cap)
    if within is not None:
        span = f" in any {span_text(within)}"
    elif cap.days is not None:
        span = " a calendar day" if cap.days == 1 else f" in {cap.days} calendar days"
    else:
        span = ""
    return f"at most {cap.most} {_SCOPES[cap.scope]}{span}"


def span_text(span: timedelta) -> str:
    """The time as a policy has it, in the largest unit up to days that needs no fraction."""
    seconds = round(span.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNIT_S[unit] == 0)
    return f"{seconds // _UNIT_S[unit]}{unit}"


def _span(value: object) -> timedelta:
    written = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        raise _wrong("must be a time such as 20m, 12h or 7d")
    span = timedelta(seconds=int(written[1]) * _UNIT_S[written[2]])
    if not timedelta(0) < span <= LOOKS_BACK:
        raise _wrong(f"must be more than nothing and at most {span_text(LOOKS_BACK)}")
    return span


def _wrong(sentence: str) -> PydanticCustomError:
    # Braces in a message template would be read as places for values.
    return PydanticCustomError("policy", "{sentence}", {"sentence": sentence})


class CapPart(Part):
    """One cap of the file."""

    scope: Scope
    most: Annotated[int, Field(ge=0, le=MOST_MAX)]
    within: Annotated[timedelta, BeforeValidator(_span)] | None = None
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None

    def value(self) -> Cap:
        return Cap(self.scope, self.most, self.within, self.days)


class PolicyPart(Part):
    """The document. All of it is asked for: what is left out must not mean `no cap`."""

    caps: tuple[Any, ...]
    first_after_s: Annotated[FiniteFloat, Field(ge=0, le=FIRST_AFTER_MAX_S)]
    hold_out_share: Annotated[FiniteFloat, Field(ge=0, le=1)]


def _checked(
    kind: type[P], value: object, loc: Loc, document: Document, faults: list[Fault]
) -> P | None:
    """The value as its model; None when it has faults, which are then added to the list."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            here: Loc = (*loc, *details["loc"])
            faults.append(document.fault(here, _sentence(details, kind)))
        return None


def _sentence(details: ErrorDetails, kind: type[Part]) -> str:
    if details["type"] == "extra_forbidden":
        return f"no such key here; known are {', '.join(kind.model_fields)}"
    return explained(details, details["loc"])


def _cap_faults(caps: Sequence[tuple[Loc, Cap]], document: Document) -> Iterable[Fault]:
    """What is wrong within a cap whose keys are right, and between caps."""
    first: dict[tuple[Scope, timedelta | None, int | None], Loc] = {}
    for loc, cap in caps:
        if cap.within is not None and cap.days is not None:
            what = "a cap has `within` (rolling) or `days` (calendar), not both; write two caps"
            yield document.fault((*loc, "days"), what)
        elif cap.within is None and cap.days is None and cap.scope not in OF_A_VISIT:
            what = f"says no time: add `within: {span_text(LOOKS_BACK)}` or `days: 1`, for example"
            yield document.fault(loc, what)
        same = first.setdefault((cap.scope, cap.within, cap.days), loc)
        if same != loc:
            what = f"counts the same as {path_text(same)}, in the same time: leave one of them"
            yield document.fault(loc, what)


def _with_column(fault: Fault) -> str:
    if fault.place is None:
        return str(fault)
    where = f"{fault.where}: " if fault.where else ""
    return f"{fault.file}:{fault.place.line}:{fault.place.column}: {where}{fault.what}"


def _row(cap: Cap) -> str:
    within = _time_of(cap)
    span = "" if within is None else f", within: {span_text(within)}"
    days = "" if cap.days is None else f", days: {cap.days}"
    return f"{{scope: {cap.scope}, most: {cap.most}{span}{days}}}"


def _time_of(cap: Cap) -> timedelta | None:
    """Its rolling time, also where it is left unsaid; None of a calendar's and a visit's."""
    if cap.within is None and cap.days is None and cap.scope not in OF_A_VISIT:
        return LOOKS_BACK
    return cap.within


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)


_SCOPES: Final = {
    Scope.SHOPPER: "to a shopper",
    Scope.VISIT: "in a visit",
    Scope.ZONE_VISIT: "in a zone in a visit",
    Scope.CAMPAIGN: "of a campaign",
    Scope.CATEGORY: "of a category",
    Scope.CHANNEL: "on a channel",
    Scope.STORE: "from a store",
}

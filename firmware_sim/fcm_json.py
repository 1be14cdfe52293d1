"""Proto3 JSON as Google's front end reads it: typed fields, two spellings, one violation a fault.

camelCase and snake_case names, null is absence, the last of two equal keys wins. Which fields a
request has is `fcm_schema`'s subject; what their values mean is `fcm_validation`'s.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

INT32_LIMIT: Final = 2**31
DURATION: Final = re.compile(r"-?\d{1,12}(\.\d{0,9})?s")
TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
DECIMAL: Final = re.compile(r"-?\d{1,10}")


@dataclass(frozen=True, slots=True)
class Violation:
    """One entry of `BadRequest.fieldViolations`."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `type_name` is what an error calls it."""

    type_name: str
    accepts: Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class EnumOf:
    """A name of a closed set; the real service takes lower case too, and the SDK sends it."""

    type_name: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class TextMap:
    """String to string."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A repeated field."""

    item: Scalar


@dataclass(frozen=True, slots=True)
class AnyObject:
    """google.protobuf.Struct: any JSON object."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A message type: its fields by proto name, and the fields of which only one may be set."""

    type_name: str
    fields: Mapping[str, "Spec"]
    oneofs: Mapping[str, str]  # field -> the oneof it belongs to
    names: Mapping[str, str]  # name on the wire -> proto name


Spec = Scalar | EnumOf | TextMap | ListOf | AnyObject | Shape


def read_json(shape: Shape, body: bytes) -> tuple[dict[str, object], list[Violation]]:
    """The body with proto names, and everything that is wrong with its shape.

    An empty body is an empty request, as it is for the real service.
    """
    if not body.strip():
        return {}, []
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return {}, [Violation("", "Invalid JSON payload received. Expected a JSON object.")]
    found: list[Violation] = []
    return _read_shape(shape, value, "", found), found


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _read_shape(
    shape: Shape, value: object, path: str, found: list[Violation]
) -> dict[str, object]:
    if not isinstance(value, dict):
        found.append(_wrong_value(path, shape.type_name, value))
        return {}
    read: dict[str, object] = {}
    taken: set[str] = set()
    for key, item in value.items():
        name = shape.names.get(key)
        if name is None:
            at = f" at '{path}'" if path else ""
            found.append(
                Violation(
                    path,
                    f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.',
                )
            )
            continue
        if item is None:
            continue
        oneof = shape.oneofs.get(name)
        if oneof is not None and oneof in taken:
            found.append(
                Violation(
                    path,
                    f"Invalid value at '{path}' (oneof), oneof field '{oneof}' is already set. "
                    f"Cannot set '{name}'",
                )
            )
            continue
        if oneof is not None:
            taken.add(oneof)
        read[name] = _read(shape.fields[name], item, f"{path}.{name}" if path else name, found)
    return read


def _read(spec: Spec, value: object, path: str, found: list[Violation]) -> object:
    match spec:
        case Shape():
            return _read_shape(spec, value, path, found)
        case TextMap():
            return _read_map(value, path, found)
        case ListOf(item):
            if not isinstance(value, list):
                found.append(_wrong_value(path, item.type_name, value))
                return []
            return [_read(item, each, f"{path}[{n}]", found) for n, each in enumerate(value)]
        case AnyObject():
            if not isinstance(value, dict):
                found.append(
                    _wrong_value(path, "type.googleapis.com/google.protobuf.Struct", value)
                )
                return {}
            return value
        case EnumOf(type_name, names):
            name = value.upper() if isinstance(value, str) else ""
            if name not in names:
                found.append(_wrong_value(path, type_name, value))
            return name
        case Scalar(type_name, accepts):
            if not accepts(value):
                found.append(_wrong_value(path, type_name, value))
                return None
            return value


def _read_map(value: object, path: str, found: list[Violation]) -> dict[str, str]:
    if not isinstance(value, dict):
        found.append(_wrong_value(path, "a map", value))
        return {}
    read: dict[str, str] = {}
    for n, (key, item) in enumerate(value.items()):
        if isinstance(item, str) and is_text(item) and is_text(key):
            read[key] = item
        else:
            found.append(_wrong_value(f"{path}[{n}].value", "TYPE_STRING", item))
    return read


def _wrong_value(path: str, type_name: str, value: object) -> Violation:
    shown = json.dumps(value)
    return Violation(path, f"Invalid value at '{path}' ({type_name}), {shown}")


def _is_int32(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return DECIMAL.fullmatch(value) is not None and abs(int(value)) < INT32_LIMIT
    if not isinstance(value, int | float) or abs(value) >= INT32_LIMIT:
        return False
    return value == int(value)


def is_text(value: object) -> bool:
    """Whether it is a string that UTF-8 can carry; JSON escapes can spell half a character."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TEXT: Final = Scalar("TYPE_STRING", is_text)
FLAG: Final = Scalar("TYPE_BOOL", lambda value: isinstance(value, bool))
INT32: Final = Scalar("TYPE_INT32", _is_int32)
NUMBER: Final = Scalar("TYPE_FLOAT", _is_number)
DURATION_TEXT: Final = Scalar(
    "type.googleapis.com/google.protobuf.Duration",
    lambda value: isinstance(value, str) and DURATION.fullmatch(value) is not None,
)
TIMESTAMP_TEXT: Final = Scalar(
    "type.googleapis.com/google.protobuf.Timestamp",
    lambda value: isinstance(value, str) and TIMESTAMP.fullmatch(value) is not None,
)

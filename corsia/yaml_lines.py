"""A YAML document as plain values that know where they stand, so that a fault can name its line.

The schema decides what a scalar means, not its look: every scalar stays the text that was written
(only an empty one, `~` and `null` are None). So Norway's `NO` is no boolean, `09:00` is no number
in base sixty and the id `007` keeps its zeros. Anchors, tags and second documents are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml
from yaml.composer import ComposerError

Loc = tuple[str | int, ...]

# A plan of a thousand stores is about 6 MB. Beyond this, somebody chose the wrong file.
MAX_BYTES: Final = 16 * 2**20
# campaigns / campaign / hours / span / weekdays is five deep; a file at twenty wants to hurt.
MAX_DEPTH: Final = 20
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_KNOWN_TAGS: Final = frozenset({_TEXT_TAG, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column of a file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a file, in words for the person who wrote it."""

    file: str
    place: Place | None  # None: the file as a whole
    where: str  # stores[0].floors[0].zones[2].polygon; empty for the document
    what: str

    def __str__(self) -> str:
        line = f":{self.place.line}" if self.place is not None else ""
        where = f"{self.where}: " if self.where else ""
        return f"{self.file}{line}: {where}{self.what}"


class YamlSyntaxError(Exception):
    """Text that is no YAML, or YAML of a kind that we refuse."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, where each stands, and the faults that were found on the way.

    names: what a part is called in a file of another form than YAML, where lines say nothing.
    """

    file: str
    value: object
    places: Mapping[Loc, Place]
    faults: tuple[Fault, ...]
    names: Mapping[Loc, str] = field(default_factory=dict)

    def place(self, loc: Loc) -> Place | None:
        """Where a value stands, or else the nearest thing around it that does stand somewhere."""
        while loc not in self.places and loc:
            loc = loc[:-1]
        return self.places.get(loc)

    def fault(self, loc: Loc, what: str) -> Fault:
        return Fault(self.file, self.place(loc), self._called(loc), what)

    def _called(self, loc: Loc) -> str:
        for length in range(len(loc), 0, -1):
            if (name := self.names.get(loc[:length])) is not None:
                rest = path_text(loc[length:])
                return f"{name}, {rest}" if rest else name
        return path_text(loc)


def load_document(file: str, data: bytes) -> Document:
    """The document in `data`. Raises YamlSyntaxError. file: the name that faults begin with."""
    root = _root(file, _text(file, data))
    if root is None:
        return Document(file, None, {}, ())
    places: dict[Loc, Place] = {(): _place(root)}
    faults: list[Fault] = []
    value = _value(file, root, (), places, faults)
    return Document(file, value, places, tuple(faults))


def path_text(loc: Loc) -> str:
    """A place in a document as people write it: `stores[0].name`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes in which every scalar is text; no alias, no tag, no endless depth."""

    # No scalar means anything by its look.
    yaml_implicit_resolvers: dict[str, list[tuple[str, object]]] = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs forgot it
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "an alias (*name) is not accepted: write it out", mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ComposerError(None, None, f"more than {MAX_DEPTH} levels deep", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and node.tag not in _KNOWN_TAGS:
            raise ComposerError(None, None, "a tag (!name) is not accepted", node.start_mark)
        return node


def _text(file: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise YamlSyntaxError(Fault(file, None, "", f"larger than {MAX_BYTES // 2**20} MiB"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlSyntaxError(Fault(file, Place(line, 1), "", "not UTF-8 text")) from error


def _root(file: str, text: str) -> yaml.Node | None:
    try:
        loader = _PlainLoader(text)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark is not None else None
        raise YamlSyntaxError(Fault(file, place, "", _sentence(error))) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the character U+{ord(text[error.position]):04X} is not allowed"
        raise YamlSyntaxError(Fault(file, Place(line, 1), "", what)) from error
    return node


def _sentence(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found, as one line: the context is where it began, the problem what it met."""
    parts = [part for part in (error.context, error.problem) if part]
    return "not YAML: " + ", ".join(parts) if error.context else ", ".join(parts)


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _value(
    file: str, node: yaml.Node, loc: Loc, places: dict[Loc, Place], faults: list[Fault]
) -> object:
    match node:
        case yaml.ScalarNode():
            return None if node.style is None and node.value in NULLS else str(node.value)
        case yaml.SequenceNode():
            items: list[object] = []
            for number, item in enumerate(node.value):
                places[*loc, number] = _place(item)
                items.append(_value(file, item, (*loc, number), places, faults))
            return items
        case yaml.MappingNode():
            return _mapping(file, node, loc, places, faults)
        case _:
            raise AssertionError(f"a node that YAML does not have: {node}")


def _mapping(
    file: str, node: yaml.MappingNode, loc: Loc, places: dict[Loc, Place], faults: list[Fault]
) -> dict[str, object]:
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            faults.append(Fault(file, _place(key_node), path_text(loc), "a key must be a word"))
            continue
        key = str(key_node.value)
        here = (*loc, key)
        if key in values:
            first = places[here].line
            what = f"written twice, first on line {first}"
            faults.append(Fault(file, _place(key_node), path_text(here), what))
            continue
        places[here] = _place(key_node)
        values[key] = _value(file, value_node, here, places, faults)
    return values

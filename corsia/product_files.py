"""Products and shelves from CSV files, as retailers' systems write them.

Separated by commas, semicolons or tabs; with a decimal point or a decimal comma; in UTF-8, UTF-16
or Windows-1252. Every fault is named with its line, all at once.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, Generic, TypeVar

from db.products import Shelved
from offers.goods import Product

PRODUCT_COLUMNS: Final = ("product_id", "name", "category", "price", "margin")
SHELF_COLUMNS: Final = ("store", "product", "zone", "in_stock")
SEPARATORS: Final = (",", ";", "\t")
# As the tables have them.
MAX_ID: Final = 64
MAX_NAME: Final = 120
# What a price may be, in whole units of money: a database counts to this many cents.
MAX_MONEY: Final = 20_000_000
# Nobody reads more of them, and they mostly say the same.
FAULTS_SAID: Final = 50
_MONEY: Final = re.compile(r"(-?)(\d+)(?:[.,](\d{1,2}))?")
_CURRENCY: Final = re.compile(r"[€$£]|\b(?:EUR|USD|GBP|CHF)\b")
Thing = TypeVar("Thing")
Value = TypeVar("Value")
_YES: Final = frozenset({"yes", "y", "true"})
_NO: Final = frozenset({"no", "n", "false"})


class ProductFileError(Exception):
    """A file that cannot be taken in. faults: a sentence each, with file and line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Lined(Generic[Thing]):
    """What a line of a file says. line: where it begins, from 1."""

    line: int
    thing: Thing


class _CellError(Exception):
    """A cell that cannot be read; the message is the end of a sentence."""


def read_products(file: Path) -> list[Lined[Product]]:
    """The products of a file. Raises ProductFileError."""
    return _read(file, PRODUCT_COLUMNS, _product, lambda one: (one.product_id,))


def read_shelves(file: Path) -> list[Lined[Shelved]]:
    """The shelves of a file. Raises ProductFileError."""
    return _read(
        file, SHELF_COLUMNS, _shelf, lambda one: (one.store_id, one.product_id, one.zone_id)
    )


def cents(text: str) -> int:
    """Money as it is written: 1.29, 1,29, 1,2, 3, € 1.29. Raises _CellError."""
    bare = _CURRENCY.sub("", text).strip()
    found = _MONEY.fullmatch(bare)
    if found is None:
        raise _CellError(f"is money such as 1.29 or 1,29, without thousands marks, not {text!r}")
    sign, whole, part = found.groups()
    if int(whole) > MAX_MONEY:
        raise _CellError(f"is at most {MAX_MONEY:,}, not {text!r}")
    amount = int(whole) * 100 + int((part or "0").ljust(2, "0"))
    return -amount if sign else amount


def in_stock(text: str) -> bool:
    """yes or no, or how many pieces there are. Raises _CellError."""
    word = text.lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if re.fullmatch(r"\d+", word) is None:
        raise _CellError(f"is yes or no, or how many pieces there are, not {text!r}")
    return int(word) > 0


def _read(
    file: Path,
    columns: Sequence[str],
    read: Callable[[Mapping[str, str]], Thing],
    key: Callable[[Thing], tuple[str, ...]],
) -> list[Lined[Thing]]:
    found: list[Lined[Thing]] = []
    faults: list[str] = []
    before: dict[tuple[str, ...], int] = {}
    lines = _lines(file, columns)
    while True:
        try:
            line, cells = next(lines)
        except StopIteration:
            break
        except ProductFileError as error:  # nothing can be read beyond it
            faults += error.faults
            break
        try:
            thing = read(cells)
        except ProductFileError as error:
            faults += [f"{file.name}:{line}: {fault}" for fault in error.faults]
            continue
        first = before.setdefault(key(thing), line)
        if first != line:
            faults.append(f"{file.name}:{line}: {' '.join(key(thing))} is on line {first} too")
        found.append(Lined(line, thing))
    if faults:
        raise ProductFileError(faults)
    return found


def _lines(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line and cells by column, of each line that is not empty."""
    text = _text(file)
    head = text.partition("\n")[0]
    separator = max(SEPARATORS, key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in columns if name not in names]
        if missing:
            wanted = f"the first line names the columns {', '.join(columns)}"
            raise ProductFileError(
                [f"{file.name}:1: {wanted}; there is no {' and no '.join(missing)}"]
            )
        begins = rows.line_num + 1
        for row in rows:
            line, begins = begins, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            cells = dict(zip_longest(names, row[: len(names)], fillvalue=""))
            yield line, {name: cells[name].strip() for name in columns}
    except csv.Error as error:
        raise ProductFileError([f"{file.name}:{begins}: cannot be read as CSV: {error}"]) from error


def _text(file: Path) -> str:
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise ProductFileError([f"{file}: {error.strerror or error}"]) from error
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ProductFileError([f"{file.name}: is neither UTF-8 nor UTF-16 nor Windows-1252"])


def _product(cells: Mapping[str, str]) -> Product:
    reading = _Reading(cells)
    product = Product(
        product_id=reading.word("product_id", MAX_ID),
        name=reading.word("name", MAX_NAME),
        category=reading.word("category", MAX_ID),
        price_cents=reading.of("price", _price, 1),
        margin_cents=reading.of("margin", cents, 0),
    )
    if not reading.faults and product.margin_cents > product.price_cents:
        reading.faults.append("margin: is more than the price; it is money, and not a percentage")
    return reading.checked(product)


def _shelf(cells: Mapping[str, str]) -> Shelved:
    reading = _Reading(cells)
    shelf = Shelved(
        store_id=reading.word("store", MAX_ID),
        product_id=reading.word("product", MAX_ID),
        zone_id=reading.word("zone", MAX_ID),
        in_stock=reading.of("in_stock", in_stock, instead=False),
    )
    return reading.checked(shelf)


def _price(text: str) -> int:
    found = cents(text)
    if found <= 0:
        raise _CellError(f"is over 0, not {text!r}")
    return found


class _Reading:
    """One line being read: its faults are gathered, so that all are told."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.faults: list[str] = []

    def word(self, column: str, most: int) -> str:
        """The cell: one to so many printable characters."""
        text = self._cells[column]
        if not text:
            self.faults.append(f"{column}: is empty")
        elif len(text) > most:
            self.faults.append(f"{column}: has {len(text)} characters, {most} at most")
        elif not text.isprintable():
            self.faults.append(f"{column}: has a character that cannot be printed")
        return text

    def of(self, column: str, read: Callable[[str], Value], instead: Value) -> Value:
        """The cell as `read` reads it; `instead` where it cannot."""
        text = self._cells[column]
        if not text:
            self.faults.append(f"{column}: is empty")
            return instead
        try:
            return read(text)
        except _CellError as error:
            self.faults.append(f"{column}: {error}")
            return instead

    def checked(self, thing: Thing) -> Thing:
        """The thing. Raises ProductFileError when there were faults."""
        if self.faults:
            raise ProductFileError(self.faults)
        return thing

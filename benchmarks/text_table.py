"""Tables as plain lines: the same in a terminal of any width, in a pipe and in a commit message."""

import math
from collections.abc import Sequence


def table(title: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A heading, then one line for each row. rows: a name and its cells, as long as `headings`."""
    first = max(len(title), *(len(name) for name, _ in rows)) if rows else len(title)
    widths = [
        max([len(heading), *(len(cells[place]) for _, cells in rows)])
        for place, heading in enumerate(headings)
    ]
    return "\n".join(
        "  ".join(
            [name.ljust(first), *(c.rjust(w) for c, w in zip(cells, widths, strict=True))]
        ).rstrip()
        for name, cells in [(title, headings), *rows]
    )


def number(value: float | None, digits: int) -> str:
    """The figure, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:,.{digits}f}"

"""Many things taken a few at a time: no transaction grows with how many there are."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

GROUP: Final = 200

_T = TypeVar("_T")


def in_groups(many: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """All of them in order, GROUP at a time."""
    for start in range(0, len(many), GROUP):
        yield many[start : start + GROUP]

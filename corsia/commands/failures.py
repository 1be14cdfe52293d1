"""Expected failures of a run as one clear sentence each, however deep they were raised."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def said_plainly(*expected: type[Exception]) -> Iterator[None]:
    """Turn these errors, also out of task groups, into a message and exit code 1."""
    try:
        yield
    except expected as error:
        raise click.ClickException(str(error)) from error
    except ExceptionGroup as group:
        ours, others = group.split(expected)
        if ours is None or others is not None:
            raise
        raise click.ClickException("\n".join(map(str, _leaves(ours)))) from group


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

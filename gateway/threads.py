"""Work in another thread that is finished even when its caller is cancelled."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: asyncio.Future[T]) -> T:
    """The result; a caller that is cancelled goes once the work is done, not knowing the result.

    Work in a thread cannot be stopped, so leaving it would leave two of them on one file.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise

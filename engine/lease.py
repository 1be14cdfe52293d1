"""A store's lease in the hands of one engine: what must be sure before anything is written."""

from typing import Final

from config.clock import Clock
from db.live import LEASE_S, Live

# Three tries within the lease, the last of which may wait for its answer.
RENEW_EVERY_S: Final = 3.0


class StoreLostError(Exception):
    """Another engine has the store: what is known of it here is no longer to be written."""

    def __init__(self, store_id: str) -> None:
        super().__init__(f"store {store_id} is another engine's")


class Lease:
    """The lease of one store; nobody has it until it is confirmed.

    A process that was stopped for a while finds the store with another, who went on from what
    stands in SQL. So its owner confirms before each thing that others see.
    """

    def __init__(self, store_id: str, me: str, live: Live, clock: Clock) -> None:
        self._store_id = store_id
        self._me = me
        self._live = live
        self._clock = clock
        self._confirmed_s = float("-inf")

    async def confirm(self) -> None:
        """The store is ours for the next LEASE_S - RENEW_EVERY_S; Redis is asked now and then.

        Raises StoreLostError, or what Redis raises.
        """
        asked_s = self._clock.monotonic_s()
        if asked_s - self._confirmed_s < RENEW_EVERY_S:
            return
        while await self._live.hold_lease(self._store_id, self._me):
            # From the asking on: the process may have been stopped before it saw the answer.
            self._confirmed_s = asked_s
            asked_s = self._clock.monotonic_s()
            if asked_s - self._confirmed_s < LEASE_S:
                return
        raise StoreLostError(self._store_id)

    async def keep(self) -> None:
        """Return when another engine has the store; Redis is asked all the time."""
        try:
            while True:
                await self.confirm()
                await self._clock.sleep(RENEW_EVERY_S)
        except StoreLostError:
            return

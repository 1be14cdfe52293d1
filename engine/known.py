"""What is known of a shopper when a decision is made: their profile from SQL, and what was learnt
of all from memory."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from db import learnt, profiles
from offers.known import Known, Learnt
from offers.learning import NOTHING_LEARNT, Learning

# A live engine needs the newest version; a replay goes through a week of them, in order.
_VERSIONS_KEPT: Final = 2


class Remembering:
    """Known shoppers, for all stores of a process. What was learnt of all is read once a version.

    Everything is told as it was at the moment that is asked for, so that a decision of the last
    days (`db.profiles.REPLAYED`) can be taken again.
    """

    def __init__(self) -> None:
        self._versions: dict[datetime, tuple[Learnt, Learning]] = {}

    async def known_of(
        self, tx: AsyncConnection, shopper_id: str, at: datetime, *, may_profile: bool
    ) -> Known:
        """What was known of the shopper at that moment.

        may_profile: whether they allowed it then. Of those who do not, only what they said is.
        """
        said = await profiles.opinions(tx, shopper_id, at)
        found = await profiles.find(tx, shopper_id if may_profile else None, at)
        of_all, learning = await self._learnt(tx, found.learnt_since)
        profile = found.profile
        if said:
            profile = replace(profile, stated=said)
        return Known(profile, of_all, learning)

    async def _learnt(self, tx: AsyncConnection, since: datetime | None) -> tuple[Learnt, Learning]:
        if since is None:
            return Learnt(), NOTHING_LEARNT
        version = self._versions.get(since)
        if version is None:
            # Some hundredths of a second, once a night.
            version = self._versions[since] = await learnt.load(tx, since)
            while len(self._versions) > _VERSIONS_KEPT:
                del self._versions[next(iter(self._versions))]
        return version

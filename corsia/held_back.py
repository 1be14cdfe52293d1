"""The decisions to say nothing, as they are taken, with their main reason in words."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import decisions
from offers.situation import Reason

# More than a store holds at a time; a visit that is over is not decided on again.
MOST_VISITS: Final = 2_000
WORDS: Final[dict[Reason, str]] = {
    Reason.NO_CAMPAIGN: "there is no offer for this place",
    Reason.STOPPED: "somebody halted all offers here",
    Reason.NO_CONSENT: "the shopper has not allowed it",
    Reason.COUNTRY_UNKNOWN: "the law of the country is not known",
    Reason.NO_PUSH_TARGET: "the handset takes no pushes",
    Reason.QUIET_ZONE: "nobody is disturbed here",
    Reason.UNSURE_PLACE: "not sure enough of the aisle",
    Reason.VISIT_TOO_YOUNG: "they have only just come in",
    Reason.LEAVING_SOON: "they are about to walk on",
    Reason.CAMPAIGN_STOPPED: "somebody halted the offer",
    Reason.NOT_LIVE: "the offer is not live",
    Reason.OUTSIDE_AUDIENCE: "the offer is for others",
    Reason.OUTSIDE_DATES: "the offer is not on today",
    Reason.OUTSIDE_HOURS: "the offer is not on at this hour",
    Reason.BUDGET_SPENT: "the offer's budget is spent",
    Reason.OUT_OF_STOCK: "what it offers is out of stock",
    Reason.VISIT_CAP: "they had their push of this visit",
    Reason.WEEK_CAP: "they had enough pushes this week",
    Reason.OWN_CAP: "they allow no more pushes",
    Reason.ZONE_VISIT_CAP: "they had their push of this place",
    Reason.DAY_CAP: "they had enough pushes today",
    Reason.CHANNEL_CAP: "they had enough on this channel",
    Reason.STORE_CAP: "they had enough from this store",
    Reason.CAMPAIGN_CAP: "they had this offer often enough",
    Reason.CATEGORY_CAP: "they had enough of this kind",
    Reason.FATIGUED: "they ignored the last pushes: in the app only",
    Reason.HELD_OUT: "hold-out: no offers at all, to compare",
    Reason.CAMPAIGN_SEEN: "they had this offer already",
    Reason.COOL_DOWN: "they had a push a moment ago",
    Reason.CONTROL_GROUP: "control group: silence, to compare",
    Reason.BELOW_RELEVANCE: "it would not interest them enough",
    Reason.OUTRANKED: "another offer was better",
    Reason.CAP_RACE: "another push came first",
}


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One decision to say nothing."""

    at: datetime
    visit_id: str
    shopper_id: str
    zone_id: str
    reason: Reason

    @property
    def words(self) -> str:
        """The main reason as a person says it."""
        return WORDS[self.reason]


async def held_since(
    tx: AsyncConnection, shopper_ids: Collection[str], since: datetime, most: int
) -> list[HeldBack]:
    """The newest holds for these shoppers after that instant, the oldest of them first."""
    rows = await tx.execute(
        select(
            decisions.c.at,
            decisions.c.visit_id,
            decisions.c.shopper_id,
            decisions.c.zone_id,
            decisions.c.reasons,
        )
        .where(
            decisions.c.shopper_id.in_(shopper_ids),
            decisions.c.at > since,
            decisions.c.outcome == "hold",
        )
        .order_by(decisions.c.at.desc())
        .limit(most)
    )
    found = [
        HeldBack(row.at, row.visit_id, row.shopper_id, row.zone_id, Reason(row.reasons[0]))
        for row in rows
        if row.reasons
    ]
    return found[::-1]


class HoldsSeen:
    """Holds as news: a shopper standing at a shelf is decided on every second, with one answer."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._last: dict[str, tuple[str, Reason]] = {}
        self._news: list[HeldBack] = []

    def take(self, holds: Collection[HeldBack]) -> None:
        """Keep those that differ from the last one of the same visit. holds: oldest first."""
        for hold in holds:
            what = (hold.zone_id, hold.reason)
            if self._last.pop(hold.visit_id, None) != what:
                self._news.append(hold)
            self._last[hold.visit_id] = what  # at the end: the newest are the last to go
        del self._news[: -self._keep]
        while len(self._last) > MOST_VISITS:
            del self._last[next(iter(self._last))]

    def newest(self) -> tuple[HeldBack, ...]:
        """The newest first."""
        return tuple(reversed(self._news))

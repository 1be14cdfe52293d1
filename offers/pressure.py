"""How often a shopper is spoken to: caps, what they count, and which of them are reached.

Every cap must have room: the most restrictive one decides. What was sent counts whether it was
promotional or not; what is no promotion is bound by the shopper's own cap alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from offers.campaign import Tier

WEEK: Final = timedelta(days=7)
# No cap looks back further: what was sent before that is nobody's pressure any more.
LOOKS_BACK: Final = timedelta(days=30)
# A push that nobody has opened or used a day later was ignored.
IGNORED_AFTER: Final = timedelta(days=1)
# Assumed after B.2 of the engagement literature: who has ignored three in a row is not listening.
# From then on the offers stand in the app only, until the oldest is LOOKS_BACK ago.
IGNORED_MAX: Final = 3


class Channel(StrEnum):
    """The way a message goes out. The names are stored."""

    PUSH = "push"
    EMAIL = "email"
    SMS = "sms"


class Scope(StrEnum):
    """Which messages to one shopper a cap counts beside the one that is to go out.

    The names are stored, and are the keys of a policy.
    """

    SHOPPER = "shopper"  # all of them
    VISIT = "visit"  # those of this visit
    ZONE_VISIT = "zone_visit"  # those of this visit in this zone
    CAMPAIGN = "campaign"  # those of this campaign
    CATEGORY = "category"  # those that share a category with it
    CHANNEL = "channel"  # those on this channel
    STORE = "store"  # those of this store


# Asked for each candidate; the others say the same of every campaign of a moment.
OF_CAMPAIGN: Final = frozenset({Scope.CAMPAIGN, Scope.CATEGORY})


_PROMOTIONS: Final = frozenset({Tier.PERSONAL, Tier.GENERIC})


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a shopper, sent or to be sent, as caps count it.

    visit_id, zone_id, store_id: where it was caused; None of one that no visit caused.
    is_answered: it was opened or used.
    """

    message_id: str
    at: datetime
    campaign_id: str
    visit_id: str | None = None
    zone_id: str | None = None
    store_id: str | None = None
    channel: Channel = Channel.PUSH
    categories: frozenset[str] = frozenset()
    is_promotion: bool = True
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages of a scope in a time.

    within: a rolling window. days: so many calendar days in the local time, today among them.
    Neither: as far back as LOOKS_BACK, which for a visit is the whole of it.
    is_own: the shopper's own, who may thus allow less than the retailer, never more.
    """

    scope: Scope
    most: int
    within: timedelta | None = None
    days: int | None = None
    is_own: bool = False

    def since(self, local: datetime) -> datetime:
        """From when on messages count, this instant itself too. local: now, with its time zone."""
        if self.days is not None:
            first = local.date() - timedelta(days=self.days - 1)
            return datetime.combine(first, time(), local.tzinfo)
        back = LOOKS_BACK if self.within is None else self.within
        # In UTC, as a difference of local times skips an hour twice a year. What is exactly as old
        # as the window is out of it.
        return local.astimezone(UTC) - back + timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a retailer allows itself.

    first_after_s: a visit younger than this is left in peace. hold_out_share: 0..1, of the
    shoppers who never get any promotion, so that the worth of all together can be told.
    """

    caps: tuple[Cap, ...]
    first_after_s: float
    hold_out_share: float


# DESIGN 7: two or more messages a visit drive people to delete the app; the first seconds of a
# visit belong to the shopper (a push at the door says "we watch you"). One in twenty is held out:
# the least that tells the worth of everything within a quarter in a chain of some thousands.
DEFAULT_POLICY: Final = Policy(
    caps=(
        Cap(Scope.VISIT, 1),
        Cap(Scope.SHOPPER, 2, within=WEEK),
        Cap(Scope.SHOPPER, 1, within=timedelta(minutes=20)),
    ),
    first_after_s=10.0,
    hold_out_share=0.05,
)


@dataclass(frozen=True, slots=True)
class Pressure:
    """What has been sent to one shopper, and their own word on how much may be.

    messages: those of LOOKS_BACK that reached them or still may, the oldest first.
    campaigns_this_visit: sent in this visit, those that came to nothing too.
    """

    messages: tuple[Message, ...] = ()
    campaigns_this_visit: frozenset[str] = frozenset()
    own: tuple[Cap, ...] = field(default=())

    def since(self, at: datetime) -> int:
        """How many have been sent since then."""
        return sum(message.at > at for message in self.messages)


@dataclass(frozen=True, slots=True)
class Reached:
    """A cap without room. sent: what counts against it already."""

    cap: Cap
    sent: int


def reached(
    caps: Iterable[Cap], wanted: Message, messages: Sequence[Message], local: datetime
) -> list[Reached]:
    """The caps that have no room for one more message, in their order.

    local: now, with the time zone that calendar days are of.
    """
    found = []
    for cap in caps:
        since = cap.since(local)
        sent = sum(one.at >= since and counts(cap.scope, one, wanted) for one in messages)
        if sent >= cap.most:
            found.append(Reached(cap, sent))
    return found


def is_promotion(tier: Tier) -> bool:
    """Whether a campaign of that tier wants to sell; what does not passes the retailer's caps."""
    return tier in _PROMOTIONS


def counts(scope: Scope, sent: Message, wanted: Message) -> bool:
    """Whether a message counts in that scope beside the one that is to go out."""
    match scope:
        case Scope.SHOPPER:
            return True
        case Scope.VISIT:
            return sent.visit_id is not None and sent.visit_id == wanted.visit_id
        case Scope.ZONE_VISIT:
            same = sent.visit_id is not None and sent.visit_id == wanted.visit_id
            return same and sent.zone_id == wanted.zone_id
        case Scope.CAMPAIGN:
            return sent.campaign_id == wanted.campaign_id
        case Scope.CATEGORY:
            return not sent.categories.isdisjoint(wanted.categories)
        case Scope.CHANNEL:
            return sent.channel is wanted.channel
        case Scope.STORE:
            return sent.store_id is not None and sent.store_id == wanted.store_id


def ignored_in_a_row(messages: Sequence[Message], now: datetime) -> int:
    """How many of the last promotions the shopper left alone. messages: the oldest first.

    One that is younger than IGNORED_AFTER says nothing yet, unless it was answered.
    """
    row = 0
    for message in reversed(messages):
        if not message.is_promotion:
            continue
        if message.is_answered:
            break
        row += message.at <= now - IGNORED_AFTER
    return row

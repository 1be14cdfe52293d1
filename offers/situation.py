"""Everything a decision may look at, as one frozen value, and what it answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final

from offers.audience_checks import Checks
from offers.audience_fields import Facts
from offers.campaign import Campaign, Tier
from offers.goods import NO_GOODS, NOTHING_CHOSEN, Chosen, Goods
from offers.known import NOTHING_KNOWN, Known
from offers.pressure import Policy, Pressure
from offers.stops import Stops
from shoppers.consent import Purpose

# A handset takes about two seconds to show a push and a person a few more to read it.
READ_IN_S: Final = 5.0


class ZoneRole(Enum):
    """What a kind of zone means for messages."""

    SELLING = "selling"
    QUIET = "quiet"  # checkout, entrance, service desk, quiet: nobody is messaged here


@dataclass(frozen=True, slots=True)
class ShopperView:
    """The shopper as a rule sees them."""

    shopper_id: str
    country: str
    consents: frozenset[Purpose]
    has_push_target: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the shopper is and for how long, as presence believes."""

    store_id: str
    visit_id: str
    zone_id: str
    role: ZoneRole
    confidence: float  # 0..1
    visit_age_s: float
    zone_dwell_s: float
    residual_dwell_s: float  # how much longer they are expected to stay in the zone
    still_here_p: float  # 0..1: that they still are here when a push is read, in READ_IN_S


@dataclass(frozen=True, slots=True)
class Browsed:
    """One recent look at something in the app."""

    kind: str
    category: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A campaign of this zone, what has been spent of it, and whom it is for (None: everybody).

    is_spent: SQL said so, whatever the sends that are known here.
    """

    campaign: Campaign
    sends: int
    audience: Checks | None = None
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision depends on. Equal situations give equal decisions."""

    shopper: ShopperView
    facts: Facts
    moment: Moment
    browsed: tuple[Browsed, ...]
    pressure: Pressure
    candidates: tuple[Candidate, ...]
    stops: Stops
    policy: Policy
    now: datetime
    local: datetime  # `now` in the store's own time
    is_holiday: bool  # a public one, where the store is
    control_salt: str
    known: Known = NOTHING_KNOWN
    chance: int = 0  # the seed of whatever is drawn
    goods: Goods = NO_GOODS
    chosen: Chosen = NOTHING_CHOSEN
    out_of_stock: frozenset[str] = frozenset()  # products that this store has on no shelf now


class Reason(StrEnum):
    """Why a campaign was not sent. The names are stored and shown: never renamed."""

    NO_CAMPAIGN = "no_campaign"
    STOPPED = "stopped"  # by an operator: everything, or this store
    NO_CONSENT = "no_consent"
    COUNTRY_UNKNOWN = "country_unknown"
    NO_PUSH_TARGET = "no_push_target"
    QUIET_ZONE = "quiet_zone"
    UNSURE_PLACE = "unsure_place"
    VISIT_TOO_YOUNG = "visit_too_young"
    LEAVING_SOON = "leaving_soon"
    CAMPAIGN_STOPPED = "campaign_stopped"
    NOT_LIVE = "not_live"
    OUTSIDE_AUDIENCE = "outside_audience"
    OUTSIDE_DATES = "outside_dates"
    OUTSIDE_HOURS = "outside_hours"
    BUDGET_SPENT = "budget_spent"
    OUT_OF_STOCK = "out_of_stock"
    OWN_CAP = "own_cap"  # the shopper's own
    VISIT_CAP = "visit_cap"
    ZONE_VISIT_CAP = "zone_visit_cap"
    DAY_CAP = "day_cap"
    WEEK_CAP = "week_cap"  # of whatever number of days
    CHANNEL_CAP = "channel_cap"
    STORE_CAP = "store_cap"
    CAMPAIGN_CAP = "campaign_cap"
    CATEGORY_CAP = "category_cap"
    CAMPAIGN_SEEN = "campaign_seen"
    COOL_DOWN = "cool_down"
    FATIGUED = "fatigued"  # the last ones were ignored: in the app only
    HELD_OUT = "held_out"  # from all campaigns
    CONTROL_GROUP = "control_group"
    BELOW_RELEVANCE = "below_relevance"
    OUTRANKED = "outranked"
    CAP_RACE = "cap_race"  # the atomic reservation said no after the counters said yes


@dataclass(frozen=True, slots=True)
class Weighed:
    """One candidate as it was judged: its score and every reason against it."""

    campaign_id: str
    score: float
    against: tuple[Reason, ...]
    relevance: tuple[str, ...]  # why it fits, in words a shopper can read
    tier: Tier
    context: str = ""  # in which it is learnt: offers.learning.Warmth


@dataclass(frozen=True, slots=True)
class Send:
    """Send this campaign now."""

    campaign: Campaign
    weighed: tuple[Weighed, ...]  # the winner first
    valid_for_s: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing. `why` holds every reason of the best-placed candidate, or the general ones."""

    why: tuple[Reason, ...]
    weighed: tuple[Weighed, ...]
    # Control group: what would have been sent (a ghost moment), so that uplift compares like
    # with like.
    ghost: Campaign | None = None


Decision = Send | Hold

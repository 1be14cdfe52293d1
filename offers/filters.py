"""The hard filters: one small function a reason, each asked whatever the others said.

Those about the shopper and the moment say the same of every campaign and are asked once a decision;
so are those that restrain promotions only, which a service message passes by.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from offers.assignment import campaign_draw, hold_out_draw
from offers.audience_checks import passes
from offers.campaign import Campaign, Status
from offers.pressure import (
    IGNORED_MAX,
    OF_CAMPAIGN,
    Cap,
    Message,
    Reached,
    Scope,
    ignored_in_a_row,
    is_promotion,
    reached,
)
from offers.schedule import is_scheduled
from offers.situation import Candidate, Reason, Situation, ZoneRole
from shoppers.consent import NEEDED_IN_AISLE
from shoppers.countries import COUNTRIES

# Probability of the zone below which we do not know the aisle well enough to speak: a push for the
# wrong aisle is worse than none. Presence is right more often than it says (`make bench-store`
# prints the curve): from here on about nine moments in ten are right.
MIN_CONFIDENCE: Final = 0.6
# An offer that is more likely read elsewhere than here is a bother.
MIN_STILL_HERE: Final = 0.5

MomentFilter = Callable[[Situation], bool]
CampaignFilter = Callable[[Situation, Candidate], bool]


def is_stopped(s: Situation) -> bool:
    return s.stops.silences(s.moment.store_id)


def lacks_consent(s: Situation) -> bool:
    return not s.shopper.consents >= NEEDED_IN_AISLE


def country_is_unknown(s: Situation) -> bool:
    return s.shopper.country not in COUNTRIES


def lacks_push_target(s: Situation) -> bool:
    return not s.shopper.has_push_target


def zone_is_quiet(s: Situation) -> bool:
    return s.moment.role is ZoneRole.QUIET


def place_is_unsure(s: Situation) -> bool:
    return s.moment.confidence < MIN_CONFIDENCE


def visit_is_too_young(s: Situation) -> bool:
    return s.moment.visit_age_s < s.policy.first_after_s


def is_leaving_soon(s: Situation) -> bool:
    return s.moment.still_here_p < MIN_STILL_HERE


def is_fatigued(s: Situation) -> bool:
    return ignored_in_a_row(s.pressure.messages, s.now) >= IGNORED_MAX


def is_held_out(s: Situation) -> bool:
    return hold_out_draw(s.control_salt, s.shopper.shopper_id) < s.policy.hold_out_share


def campaign_is_stopped(s: Situation, c: Candidate) -> bool:
    return c.campaign.campaign_id in s.stops.campaign_ids


def is_not_live(_s: Situation, c: Candidate) -> bool:
    return c.campaign.status is not Status.LIVE


def is_outside_audience(s: Situation, c: Candidate) -> bool:
    return c.audience is not None and not passes(c.audience, s.facts, s.now)


def is_outside_dates(s: Situation, c: Candidate) -> bool:
    return not c.campaign.valid_from <= s.now < c.campaign.valid_until


def is_outside_hours(s: Situation, c: Candidate) -> bool:
    return not is_scheduled(c.campaign, s.local, holiday=s.is_holiday)


def budget_is_spent(_s: Situation, c: Candidate) -> bool:
    campaign = c.campaign
    if c.is_spent or (campaign.budget_sends is not None and c.sends >= campaign.budget_sends):
        return True
    if campaign.budget_cents is None:
        return False
    # As if every send had cost what the next one does; SQL keeps the sum.
    return (c.sends + 1) * campaign.offer.cost_cents > campaign.budget_cents


def is_out_of_stock(s: Situation, c: Candidate) -> bool:
    """Whether all that it names is known to be sold out here."""
    if not s.out_of_stock:
        return False
    named = c.campaign.offer.product_ids
    return bool(named) and named <= s.out_of_stock


def was_sent_this_visit(s: Situation, c: Candidate) -> bool:
    return c.campaign.campaign_id in s.pressure.campaigns_this_visit


def is_in_control_group(s: Situation, c: Candidate) -> bool:
    draw = campaign_draw(s.control_salt, c.campaign.campaign_id, s.shopper.shopper_id)
    return draw < c.campaign.control_share


MOMENT_FILTERS: Final[tuple[tuple[Reason, MomentFilter], ...]] = (
    (Reason.STOPPED, is_stopped),
    (Reason.NO_CONSENT, lacks_consent),
    (Reason.COUNTRY_UNKNOWN, country_is_unknown),
    (Reason.NO_PUSH_TARGET, lacks_push_target),
    (Reason.QUIET_ZONE, zone_is_quiet),
    (Reason.UNSURE_PLACE, place_is_unsure),
    (Reason.VISIT_TOO_YOUNG, visit_is_too_young),
    (Reason.LEAVING_SOON, is_leaving_soon),
)
# What is no promotion passes these by.
PROMOTION_FILTERS: Final[tuple[tuple[Reason, MomentFilter], ...]] = (
    (Reason.FATIGUED, is_fatigued),
    (Reason.HELD_OUT, is_held_out),
)
CAMPAIGN_FILTERS: Final[tuple[tuple[Reason, CampaignFilter], ...]] = (
    (Reason.CAMPAIGN_STOPPED, campaign_is_stopped),
    (Reason.NOT_LIVE, is_not_live),
    (Reason.OUTSIDE_AUDIENCE, is_outside_audience),
    (Reason.OUTSIDE_DATES, is_outside_dates),
    (Reason.OUTSIDE_HOURS, is_outside_hours),
    (Reason.BUDGET_SPENT, budget_is_spent),
    (Reason.OUT_OF_STOCK, is_out_of_stock),
    (Reason.CAMPAIGN_SEEN, was_sent_this_visit),
    (Reason.CONTROL_GROUP, is_in_control_group),
)


_CAPS: Final = {
    Scope.VISIT: Reason.VISIT_CAP,
    Scope.ZONE_VISIT: Reason.ZONE_VISIT_CAP,
    Scope.CAMPAIGN: Reason.CAMPAIGN_CAP,
    Scope.CATEGORY: Reason.CATEGORY_CAP,
    Scope.CHANNEL: Reason.CHANNEL_CAP,
    Scope.STORE: Reason.STORE_CAP,
}
# Every reason that is a cap's.
CAP_REASONS: Final = frozenset(
    {*_CAPS.values(), Reason.OWN_CAP, Reason.DAY_CAP, Reason.WEEK_CAP, Reason.COOL_DOWN}
)


def reasons_for_silence(s: Situation) -> tuple[Reason, ...]:
    """Every reason that forbids whatever campaign now, in the order of MOMENT_FILTERS; then the
    shopper's own cap, which binds service messages too."""
    found = [reason for reason, applies in MOMENT_FILTERS if applies(s)]
    return (*found, *_caps(s.pressure.own, s))


def reasons_for_restraint(s: Situation) -> tuple[Reason, ...]:
    """Every reason that forbids whatever promotion now: the caps in their order, then those of
    PROMOTION_FILTERS."""
    caps = [cap for cap in s.policy.caps if cap.scope not in OF_CAMPAIGN]
    found = [reason for reason, applies in PROMOTION_FILTERS if applies(s)]
    return (*_caps(caps, s), *found)


def reasons_against(s: Situation, c: Candidate) -> tuple[Reason, ...]:
    """Every reason that forbids this campaign now: in the order of CAMPAIGN_FILTERS, then caps."""
    found = tuple([reason for reason, applies in CAMPAIGN_FILTERS if applies(s, c)])
    if not is_promotion(c.campaign.tier):
        return found
    caps = caps_of_campaign(s, c.campaign)
    return found + _caps(caps, s, c.campaign) if caps else found


def caps_of_campaign(s: Situation, campaign: Campaign) -> tuple[Cap, ...]:
    """The caps that are asked for each campaign apart: the policy's, and its own limit."""
    caps = [cap for cap in s.policy.caps if cap.scope in OF_CAMPAIGN]
    limits = campaign.limits
    if limits.per_shopper is not None:
        within = timedelta(days=limits.per_days)
        caps.append(Cap(Scope.CAMPAIGN, limits.per_shopper, within=within))
    return tuple(caps)


def binding_caps(s: Situation, campaign: Campaign) -> tuple[Cap, ...]:
    """Every cap that a message of this campaign must have room under."""
    if not is_promotion(campaign.tier):
        return s.pressure.own
    caps = [cap for cap in s.policy.caps if cap.scope not in OF_CAMPAIGN]
    return (*s.pressure.own, *caps, *caps_of_campaign(s, campaign))


def message_of(s: Situation, campaign: Campaign | None, message_id: str = "") -> Message:
    """The message that would go out now, for whatever campaign when None is given."""
    moment = s.moment
    return Message(
        message_id=message_id,
        at=s.now,
        campaign_id="" if campaign is None else campaign.campaign_id,
        visit_id=moment.visit_id,
        zone_id=moment.zone_id,
        store_id=moment.store_id,
        categories=frozenset() if campaign is None else campaign.categories,
        is_promotion=campaign is None or is_promotion(campaign.tier),
    )


def reason_of(cap: Cap) -> Reason:
    """What a cap is called where it held something back."""
    if cap.is_own:
        return Reason.OWN_CAP
    if cap.scope is not Scope.SHOPPER:
        return _CAPS[cap.scope]
    if cap.days is not None or cap.within is None:
        return Reason.DAY_CAP if cap.days == 1 else Reason.WEEK_CAP
    if cap.within < timedelta(days=1):
        return Reason.COOL_DOWN
    return Reason.DAY_CAP if cap.within == timedelta(days=1) else Reason.WEEK_CAP


def _caps(
    caps: Iterable[Cap], s: Situation, campaign: Campaign | None = None
) -> tuple[Reason, ...]:
    found: list[Reached] = reached(caps, message_of(s, campaign), s.pressure.messages, s.local)
    return tuple(dict.fromkeys(reason_of(one.cap) for one in found))

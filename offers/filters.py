"""The hard filters: one small function a reason, each asked whatever the others said.

Those about the shopper and the moment say the same of every campaign and are asked once a decision.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from offers.assignment import campaign_draw
from offers.audience_checks import passes
from offers.campaign import Status
from offers.pressure import Limits
from offers.situation import Candidate, Reason, Situation, ZoneRole
from shoppers.consent import NEEDED_IN_AISLE
from shoppers.countries import COUNTRIES

# Probability of the zone below which we do not know the aisle well enough to speak: a push for the
# wrong aisle is worse than none. Presence is right more often than it says (`make bench-store`
# prints the curve): from here on about nine moments in ten are right.
MIN_CONFIDENCE: Final = 0.6
# An offer that is more likely read elsewhere than here is a bother.
MIN_STILL_HERE: Final = 0.5

MomentFilter = Callable[[Situation, Limits], bool]
CampaignFilter = Callable[[Situation, Candidate], bool]


def is_stopped(s: Situation, _limits: Limits) -> bool:
    return s.stops.silences(s.moment.store_id)


def lacks_consent(s: Situation, _limits: Limits) -> bool:
    return not s.shopper.consents >= NEEDED_IN_AISLE


def country_is_unknown(s: Situation, _limits: Limits) -> bool:
    return s.shopper.country not in COUNTRIES


def lacks_push_target(s: Situation, _limits: Limits) -> bool:
    return not s.shopper.has_push_target


def zone_is_quiet(s: Situation, _limits: Limits) -> bool:
    return s.moment.role is ZoneRole.QUIET


def place_is_unsure(s: Situation, _limits: Limits) -> bool:
    return s.moment.confidence < MIN_CONFIDENCE


def visit_is_too_young(s: Situation, limits: Limits) -> bool:
    return s.moment.visit_age_s < limits.first_after_s


def is_leaving_soon(s: Situation, _limits: Limits) -> bool:
    return s.moment.still_here_p < MIN_STILL_HERE


def visit_cap_is_reached(s: Situation, limits: Limits) -> bool:
    return s.pressure.sent_this_visit >= limits.per_visit


def week_cap_is_reached(s: Situation, limits: Limits) -> bool:
    return s.pressure.sent_last_7_days >= limits.per_7_days


def is_cooling_down(s: Situation, limits: Limits) -> bool:
    last = s.pressure.last_sent_at
    return last is not None and s.now < last + timedelta(seconds=limits.cool_down_s)


def campaign_is_stopped(s: Situation, c: Candidate) -> bool:
    return c.campaign.campaign_id in s.stops.campaign_ids


def is_not_live(_s: Situation, c: Candidate) -> bool:
    return c.campaign.status is not Status.LIVE


def is_outside_audience(s: Situation, c: Candidate) -> bool:
    return c.audience is not None and not passes(c.audience, s.facts, s.now)


def is_outside_dates(s: Situation, c: Candidate) -> bool:
    return not c.campaign.valid_from <= s.now < c.campaign.valid_until


def is_outside_hours(s: Situation, c: Candidate) -> bool:
    hours = c.campaign.hours
    return bool(hours) and not any(span.covers(s.local) for span in hours)


def budget_is_spent(_s: Situation, c: Candidate) -> bool:
    return c.campaign.budget_sends is not None and c.sends >= c.campaign.budget_sends


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
    (Reason.VISIT_CAP, visit_cap_is_reached),
    (Reason.WEEK_CAP, week_cap_is_reached),
    (Reason.COOL_DOWN, is_cooling_down),
)
CAMPAIGN_FILTERS: Final[tuple[tuple[Reason, CampaignFilter], ...]] = (
    (Reason.CAMPAIGN_STOPPED, campaign_is_stopped),
    (Reason.NOT_LIVE, is_not_live),
    (Reason.OUTSIDE_AUDIENCE, is_outside_audience),
    (Reason.OUTSIDE_DATES, is_outside_dates),
    (Reason.OUTSIDE_HOURS, is_outside_hours),
    (Reason.BUDGET_SPENT, budget_is_spent),
    (Reason.CAMPAIGN_SEEN, was_sent_this_visit),
    (Reason.CONTROL_GROUP, is_in_control_group),
)


def reasons_for_silence(s: Situation, limits: Limits) -> tuple[Reason, ...]:
    """Every reason that forbids whatever campaign now, in the order of MOMENT_FILTERS."""
    return tuple([reason for reason, applies in MOMENT_FILTERS if applies(s, limits)])


def reasons_against(s: Situation, c: Candidate) -> tuple[Reason, ...]:
    """Every reason that forbids this campaign now, in the order of CAMPAIGN_FILTERS."""
    return tuple([reason for reason, applies in CAMPAIGN_FILTERS if applies(s, c)])

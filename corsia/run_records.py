"""What a run left behind, as plain records on one time axis: the scorecard's input.

Times are seconds (`..._s`) on the axis of corsia.truth, the same for every record of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corsia.truth import ConsentChange, TruthSample
from offers.pressure import Policy, Scope


@dataclass(frozen=True, slots=True)
class Push:
    """One message that FCM accepted for a handset, and whether the handset then showed it.

    shown_s: None when it never arrived, or when the handset knew it as a repeat and kept quiet.
    """

    decision_id: str
    handset_id: str
    accepted_s: float
    shown_s: float | None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One stored decision; with a hold of the control group, the campaign it would have been.

    ready_s: when all was there that it rests on and presence had waited as long as it must; None
    when nobody noted it.
    """

    decision_id: str
    shopper_id: str
    handset_id: str
    zone_id: str
    campaign_id: str | None
    visit_id: str
    decided_s: float
    is_send: bool
    reasons: tuple[str, ...] = ()
    ready_s: float | None = None


@dataclass(frozen=True, slots=True)
class ZoneEntry:
    """The engine said that a handset entered a zone."""

    handset_id: str
    zone_id: str
    entered_s: float


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many pushes to one shopper: in a visit, of a campaign, in a rolling time."""

    name: str
    most: int
    per_visit: bool = False
    per_campaign: bool = False
    window_s: float | None = None  # None: for ever


@dataclass(frozen=True, slots=True)
class Rules:
    """What the run was allowed to do, as data. visit_break_s: absence that ends a visit."""

    caps: tuple[Cap, ...]
    quiet_first_s: float
    visit_break_s: float


@dataclass(frozen=True, slots=True)
class Records:
    """Everything a run left behind, on one time axis, in any order.

    eligible: the live campaigns of each zone. control: (shopper, campaign) pairs that never get it.
    """

    truth: Sequence[TruthSample]
    consents: Sequence[ConsentChange]
    decisions: Sequence[DecisionRecord]
    pushes: Sequence[Push]
    entries: Sequence[ZoneEntry]
    eligible: Mapping[str, frozenset[str]]
    control: frozenset[tuple[str, str]]
    sightings_spooled: int
    sightings_consumed: int
    seconds: float


def caps_of(policy: Policy) -> tuple[Cap, ...]:
    """The caps of a policy that a run can be judged by, and the one that always holds.

    Those of calendar days, channels and stores have no part in a run of one store and some hours.
    """
    judged = [
        Cap(
            one.scope.value,
            one.most,
            window_s=None if one.within is None else one.within.total_seconds(),
            per_visit=one.scope is Scope.VISIT,
            per_campaign=one.scope is Scope.CAMPAIGN,
        )
        for one in policy.caps
        if one.scope in {Scope.SHOPPER, Scope.VISIT, Scope.CAMPAIGN} and one.days is None
    ]
    return (*judged, Cap("campaign in a visit", 1, per_visit=True, per_campaign=True))

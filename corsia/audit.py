"""An audit of a run: whether every promise was kept, and what became of every decision.

`audit` is pure. Where the simulator knows the truth (what FCM took, what a handset showed, what its
owner allowed and when they came and went) the backend's word is not asked. Times are unix seconds.

unknown decision    FCM took a push whose decision, or its campaign, is not on record, or with none.
wrong shopper       FCM took a push for a handset whose owner the decision was not about.
shown twice         A handset showed one decision more than once.
told twice          A shopper was shown one campaign twice in one true visit.
sent twice          Two decisions to send one campaign to one shopper in one visit of SQL's.
over a cap          Pushes that FCM took beyond a cap of the policy, of the campaign or of the
                    shopper's own, by the time they were decided (`corsia.audit_caps`); a visit is
                    SQL's and, counted separately, the true one.
too early           FCM took a push that was decided before its visit was old enough, SQL's or the
                    true one.
quiet zone          FCM took a push for a zone in which nobody is messaged.
without consent     FCM took a push when its handset's owner did not allow it.
control group       FCM took a push for somebody who is in that campaign's control group.
over budget         FCM took more decisions of a campaign than its budget pays for,
                    in sends or in cents.
never accepted      SQL says delivered, and FCM never took it.
given back          SQL gave caps and budget back for a decision that FCM had taken.
no push             A decision to send that has no push to any handset.
not settled         A push without an end when all was over.
no reason           A decision to hold without a reason.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from corsia.audit_caps import Law, Taken, over_budgets, over_limits
from corsia.truth import NO_CONSENT, Consents
from shoppers.consent import NEEDED_IN_AISLE

ENDS: Final = ("delivered", "expired", "refused", "target_gone")  # the best first
HELD: Final = "held"
UNACCOUNTED: Final = "unaccounted for"
# The simulator writes that somebody came in when its loop gets to it, which may be a moment later.
ENTRY_SLACK_S: Final = 1.0


class Promise(StrEnum):
    """What must never happen; the module's docstring says when it has."""

    UNKNOWN_DECISION = "unknown decision"
    WRONG_SHOPPER = "wrong shopper"
    SHOWN_TWICE = "shown twice"
    TOLD_TWICE = "told twice"
    SENT_TWICE = "sent twice"
    OVER_A_CAP = "over a cap"
    TOO_EARLY = "too early"
    QUIET_ZONE = "quiet zone"
    WITHOUT_CONSENT = "without consent"
    CONTROL_GROUP = "control group"
    OVER_BUDGET = "over budget"
    NEVER_ACCEPTED = "never accepted"
    GIVEN_BACK = "given back"
    NO_PUSH = "no push"
    NOT_SETTLED = "not settled"
    NO_REASON = "no reason"


@dataclass(frozen=True, slots=True)
class Decided:
    """One stored decision. visit_age_s: of SQL's visit, then."""

    decision_id: str
    shopper_id: str
    visit_id: str
    campaign_id: str | None
    zone_id: str
    visit_age_s: float
    at_s: float
    is_send: bool
    reasons: tuple[str, ...] = ()
    is_given_back: bool = False


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One push of a decision to one handset. outcome: None while it has none."""

    decision_id: str
    handset_id: str
    outcome: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """FCM took a push, says the simulator. A resend is another one."""

    decision_id: str | None
    handset_id: str | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A handset showed a push, says the simulator."""

    decision_id: str
    handset_id: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that an audit looks at, in any order.

    shopper_of, entered_s: of each handset its owner and when they came in; consents: what they
    allowed; all as the simulator knows it. began_s: those of entered_s before which they had been
    away for so long that it was another visit without doubt. control: (shopper, campaign) pairs
    that must get nothing. law: caps and budgets. quiet_s: how long a visit is left in peace.
    """

    decisions: Sequence[Decided]
    outbox: Sequence[OutboxRow]
    accepted: Sequence[Accepted]
    shown: Sequence[Shown]
    shopper_of: Mapping[str, str]
    entered_s: Mapping[str, Sequence[float]]
    began_s: Mapping[str, Sequence[float]]
    consents: Mapping[str, Consents]
    control: frozenset[tuple[str, str]]
    law: Law
    quiet_s: float
    quiet_zones: frozenset[str]


@dataclass(frozen=True, slots=True)
class Breach:
    """One promise broken once. ids: whose it was, shortened."""

    promise: Promise
    ids: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of a run. outcomes: every decision by its end; reasons: of holds, the first each;
    ends: of pushes that did not get through, why; resent: pushes that FCM took again; unheard:
    decisions with another end than delivered that FCM had taken all the same, its answer lost."""

    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    ends: Mapping[tuple[str, str], int]
    resent: int
    unheard: int
    breaches: tuple[Breach, ...]


@dataclass(slots=True)
class _Case:
    """The evidence, arranged."""

    evidence: Evidence
    decisions: Mapping[str, Decided]
    sent: Sequence[Decided]  # that FCM took at least once, in the order decided
    handset_of: Mapping[str, str]  # of a decision that FCM took
    rows: Mapping[str, Sequence[OutboxRow]] = field(default_factory=dict)


def audit(evidence: Evidence) -> Audit:
    """The audit of a run."""
    case = _arranged(evidence)
    breaches = (
        *_of_accepted(case),
        *_of_shown(case),
        *_of_limits(case),
        *_of_moments(case),
        *_of_accounts(case),
    )
    tries = Counter(
        (one.decision_id, one.handset_id) for one in evidence.accepted if one.decision_id
    )
    outcome_of = {one.decision_id: _outcome(case, one) for one in evidence.decisions}
    return Audit(
        outcomes=Counter(outcome_of.values()),
        reasons=Counter(
            one.reasons[0] for one in evidence.decisions if not one.is_send and one.reasons
        ),
        ends=Counter(
            (row.outcome, row.why)
            for row in evidence.outbox
            if row.outcome is not None and row.outcome != "delivered"
        ),
        resent=sum(times - 1 for times in tries.values()),
        unheard=sum(outcome_of[one.decision_id] != "delivered" for one in case.sent),
        breaches=breaches,
    )


def _arranged(evidence: Evidence) -> _Case:
    decisions = {one.decision_id: one for one in evidence.decisions}
    handset_of: dict[str, str] = {}
    for one in evidence.accepted:
        if one.decision_id in decisions and one.handset_id is not None:
            handset_of.setdefault(one.decision_id, one.handset_id)
    rows: defaultdict[str, list[OutboxRow]] = defaultdict(list)
    for row in evidence.outbox:
        rows[row.decision_id].append(row)
    return _Case(
        evidence,
        decisions,
        sorted((decisions[one] for one in handset_of), key=lambda one: one.at_s),
        handset_of,
        rows,
    )


def _outcome(case: _Case, decision: Decided) -> str:
    if not decision.is_send:
        return HELD if decision.reasons else UNACCOUNTED
    ends = [row.outcome for row in case.rows.get(decision.decision_id, ())]
    if not ends or not set(ends) <= set(ENDS):
        return UNACCOUNTED
    return next(end for end in ENDS if end in ends)


def _of_accepted(case: _Case) -> Iterator[Breach]:
    evidence = case.evidence
    for one in evidence.accepted:
        ids = _short(one.decision_id, one.handset_id)
        decision = case.decisions.get(one.decision_id or "")
        if decision is None:
            yield Breach(Promise.UNKNOWN_DECISION, ids)
            continue
        if decision.campaign_id not in evidence.law.terms:
            yield Breach(Promise.UNKNOWN_DECISION, ids, decision.campaign_id or "no campaign")
        if evidence.shopper_of.get(one.handset_id or "") != decision.shopper_id:
            yield Breach(Promise.WRONG_SHOPPER, ids)
        consents = evidence.consents.get(one.handset_id or "", NO_CONSENT)
        if not consents.might_allow(one.at_s, NEEDED_IN_AISLE):
            yield Breach(Promise.WITHOUT_CONSENT, ids)
    for decision in case.sent:
        if (decision.shopper_id, decision.campaign_id) in evidence.control:
            ids = _short(decision.decision_id, decision.shopper_id)
            yield Breach(Promise.CONTROL_GROUP, ids, decision.campaign_id or "")


def _of_shown(case: _Case) -> Iterator[Breach]:
    shown = case.evidence.shown
    for of_handset, times in Counter((s.decision_id, s.handset_id) for s in shown).items():
        if times > 1:
            yield Breach(Promise.SHOWN_TWICE, _short(*of_handset), f"{times} times")
    told: defaultdict[Hashable, set[str]] = defaultdict(set)
    for one in shown:
        decision = case.decisions.get(one.decision_id)
        if decision is not None:
            visit = _visit_at(case, one.handset_id, one.at_s)
            told[decision.shopper_id, decision.campaign_id, visit].add(one.decision_id)
    for decision_ids in told.values():
        if len(decision_ids) > 1:
            yield Breach(Promise.TOLD_TWICE, _short(*sorted(decision_ids)))
    sends: defaultdict[Hashable, list[str]] = defaultdict(list)
    for decision in case.evidence.decisions:
        if decision.is_send:
            of_visit = decision.shopper_id, decision.campaign_id, decision.visit_id
            sends[of_visit].append(decision.decision_id)
    for twice in sends.values():
        if len(twice) > 1:
            yield Breach(Promise.SENT_TWICE, _short(*twice))


def _of_limits(case: _Case) -> Iterator[Breach]:
    law = case.evidence.law
    taken = [
        Taken(
            decision_id=one.decision_id,
            shopper_id=one.shopper_id,
            campaign_id=one.campaign_id,
            zone_id=one.zone_id,
            visits=(one.visit_id, _visit_at(case, case.handset_of[one.decision_id], one.at_s)),
            at_s=one.at_s,
        )
        for one in case.sent
        if one.campaign_id is not None and one.campaign_id in law.terms
    ]
    for too_many, what in over_limits(taken, law):
        yield Breach(Promise.OVER_A_CAP, _short(too_many.decision_id, too_many.shopper_id), what)
    for spent in over_budgets(taken, law.terms):
        yield Breach(Promise.OVER_BUDGET, (), spent)


def _of_moments(case: _Case) -> Iterator[Breach]:
    evidence = case.evidence
    for one in case.sent:
        ids = _short(one.decision_id, one.shopper_id)
        if one.zone_id in evidence.quiet_zones:
            yield Breach(Promise.QUIET_ZONE, ids, one.zone_id)
        began_s = evidence.began_s.get(case.handset_of[one.decision_id], ())
        came = [at_s for at_s in began_s if at_s <= one.at_s + ENTRY_SLACK_S]
        if one.visit_age_s < evidence.quiet_s:
            yield Breach(Promise.TOO_EARLY, ids, f"after {one.visit_age_s:.1f} s")
        elif not came:
            yield Breach(Promise.TOO_EARLY, ids, "before they came in")
        elif one.at_s - max(came) < evidence.quiet_s - ENTRY_SLACK_S:
            yield Breach(Promise.TOO_EARLY, ids, f"truly after {one.at_s - max(came):.1f} s")


def _of_accounts(case: _Case) -> Iterator[Breach]:
    accepted = {(one.decision_id, one.handset_id) for one in case.evidence.accepted}
    for row in case.evidence.outbox:
        ids = _short(row.decision_id, row.handset_id)
        if row.outcome not in ENDS:
            yield Breach(Promise.NOT_SETTLED, ids, row.why)
        elif row.outcome == "delivered" and (row.decision_id, row.handset_id) not in accepted:
            yield Breach(Promise.NEVER_ACCEPTED, ids)
    for decision in case.evidence.decisions:
        ids = _short(decision.decision_id)
        if decision.is_given_back and decision.decision_id in case.handset_of:
            yield Breach(Promise.GIVEN_BACK, ids)
        if decision.is_send and not case.rows.get(decision.decision_id):
            yield Breach(Promise.NO_PUSH, ids)
        if not decision.is_send and not decision.reasons:
            yield Breach(Promise.NO_REASON, ids)


def _visit_at(case: _Case, handset_id: str, at_s: float) -> tuple[str, int]:
    """Which of the handset's true visits it was, or had been last."""
    entered = case.evidence.entered_s.get(handset_id, ())
    return handset_id, sum(one <= at_s for one in entered)


def _short(*ids: str | None) -> tuple[str, ...]:
    return tuple((one or "nobody")[:8] for one in ids)

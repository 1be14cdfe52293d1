"""The scorecard: what a store would have seen, from the truth and from what the system did.

`score` is pure: records in, figures out. Shares are None when nothing was there to be shared.
A shopper's place at a moment is that of the last truth sample, for at most a second; where nothing
is known they are in no zone. `pushes`, and every figure about them, counts a message once a
decision and handset, however often it was sent again.

aisle_precision     Share of the decisions to send that were taken while the shopper truly was in
                    the decision's zone.
in_aisle_delivery   Share of the pushes that FCM accepted which were shown on the handset while it
                    still was in the zone. One that was never shown counts against it.
entry_to_push_s     Seconds from the true entry of the stay in which a push was shown to its
                    showing, median and 95th percentile (nearest rank: times that occurred). Pushes
                    shown outside the zone have no such time and are left out.
accepted_to_fcm_s   Seconds from the moment at which all was there that a decision to send rests on
                    to FCM's taking the push, median and 95th percentile. All is there when the API
                    has accepted the last sighting of the half second that decided it, but not
                    before presence's lag after that half second: presence waits that long on
                    purpose, for gateways that are slower. What comes later (the wait for the
                    engine's turn, the decision, the outbox, the last look, the request) is counted.
                    A run in virtual time has none.
aisle_recall        Of the true stays in which a push was allowed for STAY_WORTH_S or more, the
                    share in which one for that zone was shown. Allowed: the consents stand beyond
                    doubt, the first seconds of the visit are over, the zone has an eligible
                    campaign whose control group the shopper is not in, and no push decided before
                    the stay leaves that campaign over a cap. A stay in which the decision fell on
                    a campaign whose control group the shopper truly is in is left out too: they
                    get silence, not the runner-up. Relevance excuses nothing.
wrong_aisle         Decisions to send taken while the shopper was in another zone or in none.
flaps_per_min       Zone entries of the engine into a zone in which the handset was not within
                    FLAP_SLACK_S before or after, per minute of true presence of the handsets whose
                    owners at some time let them be located.
cap_violations      Pushes shown that were too many under at least one cap, counted anew from those
                    shown, at the time they were decided. A visit is the engine's and, counted
                    separately, the true one: an engine that splits visits does not escape.
consent_violations  Messages accepted by FCM when the handset's consents did not allow it. A change
                    binds from the moment its answer reached the handset.
duplicate_pushes    Showings of one decision on one handset after the first, and decisions to send
                    one campaign to one shopper in one visit after the first.
sightings_lost      Sightings put into the gateways' spools less those the engine consumed. Below 0,
                    repeats were consumed as if they were new.
pushes, shoppers    Pushes that FCM accepted; shoppers who were in the store.
seconds             How long the run was, in its own time.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from corsia.run_records import Cap, DecisionRecord, Push, Records, Rules, ZoneEntry
from corsia.truth import NO_CONSENT, Consents, Stay, Walk, consents, walks
from shoppers.consent import NEEDED_IN_AISLE, Purpose

# DESIGN 12: in less than this nobody can be recognised, decided on and reached.
STAY_WORTH_S: Final = 8.0
# As the evaluation of recorded walks counts them, so that the figures compare.
FLAP_SLACK_S: Final = 3.0
# The reason, as stored, of a hold that was the control group's.
CONTROL_REASON: Final = "control_group"


class RecordsDisagreeError(Exception):
    """A push whose decision is not on record: every decision is stored, so a part is missing."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(f"a push carries the decision {decision_id}, which nobody took")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the 95th percentile."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The figures; the module's docstring says what each means."""

    aisle_precision: float | None
    in_aisle_delivery: float | None
    entry_to_push_s: Spread
    accepted_to_fcm_s: Spread
    aisle_recall: float | None
    wrong_aisle: int
    flaps_per_min: float | None
    cap_violations: int
    consent_violations: int
    duplicate_pushes: int
    sightings_lost: int
    pushes: int
    shoppers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Run:
    """The records, arranged."""

    records: Records
    rules: Rules
    walks: Mapping[str, Walk]
    consents: Mapping[str, Consents]
    shopper_of: Mapping[str, str]
    decisions: Mapping[str, DecisionRecord]
    sends: Sequence[DecisionRecord]
    pushes: Mapping[tuple[str, str], Push]  # decision and handset: the one shown first


def score(records: Records, rules: Rules) -> Scorecard:
    """The scorecard of a run. Raises RecordsDisagreeError."""
    run = _arranged(records, rules)
    precise = sum(_place(run, d.handset_id, d.decided_s) == d.zone_id for d in run.sends)
    in_aisle = [
        (p.shown_s, stay)
        for p in run.pushes.values()
        if p.shown_s is not None and (stay := _stay_of(run, p, p.shown_s)) is not None
    ]
    return Scorecard(
        aisle_precision=_share(precise, len(run.sends)),
        in_aisle_delivery=_share(len(in_aisle), len(run.pushes)),
        entry_to_push_s=_spread(shown_s - stay.entered_s for shown_s, stay in in_aisle),
        accepted_to_fcm_s=_spread(_accepted_to_fcm_s(run)),
        aisle_recall=_recall(run, {stay for _, stay in in_aisle}),
        wrong_aisle=len(run.sends) - precise,
        flaps_per_min=_flaps_per_min(run),
        cap_violations=_cap_violations(
            run, {p.decision_id for p in run.pushes.values() if p.shown_s is not None}
        ),
        consent_violations=sum(
            not _consents(run, p.handset_id).might_allow(p.accepted_s, NEEDED_IN_AISLE)
            for p in records.pushes
        ),
        duplicate_pushes=_duplicates(run),
        sightings_lost=records.sightings_spooled - records.sightings_consumed,
        pushes=len(run.pushes),
        shoppers=len({run.shopper_of.get(handset_id, handset_id) for handset_id in run.walks}),
        seconds=records.seconds,
    )


def _arranged(records: Records, rules: Rules) -> _Run:
    decisions = {d.decision_id: d for d in records.decisions}
    pushes: dict[tuple[str, str], Push] = {}
    for push in sorted(records.pushes, key=lambda p: (p.shown_s is None, p.shown_s, p.accepted_s)):
        if push.decision_id not in decisions:
            raise RecordsDisagreeError(push.decision_id)
        pushes.setdefault((push.decision_id, push.handset_id), push)
    return _Run(
        records,
        rules,
        walks(records.truth, rules.visit_break_s),
        consents(records.consents),
        {c.handset_id: c.shopper_id for c in records.consents},
        decisions,
        sorted((d for d in decisions.values() if d.is_send), key=lambda d: d.decided_s),
        pushes,
    )


def _place(run: _Run, handset_id: str, t_s: float) -> str | None:
    walk = run.walks.get(handset_id)
    return walk.zone_at(t_s) if walk is not None else None


def _consents(run: _Run, handset_id: str) -> Consents:
    return run.consents.get(handset_id, NO_CONSENT)


def _stay_of(run: _Run, push: Push, shown_s: float) -> Stay | None:
    """The stay in the decision's zone in which the push was shown."""
    zone_id = run.decisions[push.decision_id].zone_id
    walk = run.walks.get(push.handset_id)
    if walk is None or walk.zone_at(shown_s) != zone_id:
        return None
    return walk.stay_at(zone_id, shown_s)


def _accepted_to_fcm_s(run: _Run) -> Iterator[float]:
    first: dict[tuple[str, str], float] = {}
    for push in run.records.pushes:
        key = push.decision_id, push.handset_id
        first[key] = min(push.accepted_s, first.get(key, push.accepted_s))
    for (decision_id, _), accepted_s in first.items():
        ready_s = run.decisions[decision_id].ready_s
        if ready_s is not None:
            yield accepted_s - ready_s


def _recall(run: _Run, got_one: set[Stay]) -> float | None:
    accepted = {p.decision_id for p in run.pushes.values()}
    earlier: defaultdict[str, list[DecisionRecord]] = defaultdict(list)
    for send in run.sends:
        if send.decision_id in accepted:
            earlier[send.shopper_id].append(send)
    ghosts: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for d in run.records.decisions:
        is_control = (d.shopper_id, d.campaign_id) in run.records.control
        if not d.is_send and set(d.reasons) == {CONTROL_REASON} and is_control:
            ghosts[d.handset_id, d.zone_id].append(d.decided_s)
    allowed = [
        stay
        for walk in run.walks.values()
        for stay in walk.stays
        if _was_allowed(run, walk, stay, earlier)
        and not any(stay.covers(t_s) for t_s in ghosts[stay.handset_id, stay.zone_id])
    ]
    return _share(sum(stay in got_one for stay in allowed), len(allowed))


def _was_allowed(
    run: _Run, walk: Walk, stay: Stay, sends: Mapping[str, list[DecisionRecord]]
) -> bool:
    shopper_id = run.shopper_of.get(stay.handset_id)
    campaign_ids = run.records.eligible.get(stay.zone_id, frozenset())
    if shopper_id is None or not campaign_ids:
        return False
    since = max(stay.entered_s, walk.visit_starts_s[stay.visit] + run.rules.quiet_first_s)
    if stay.left_s - since < STAY_WORTH_S:
        return False
    spans = _consents(run, stay.handset_id).sure_spans(since, stay.left_s, NEEDED_IN_AISLE)
    worth = [begin for begin, end in spans if end - begin >= STAY_WORTH_S]
    before = [d for d in sends.get(shopper_id, ()) if d.decided_s < stay.entered_s]
    return any(
        (shopper_id, campaign_id) not in run.records.control
        and all(
            _leaves_room(run, cap, stay, campaign_id, before, worth[0]) for cap in run.rules.caps
        )
        for campaign_id in campaign_ids
        if worth
    )


def _leaves_room(
    run: _Run,
    cap: Cap,
    stay: Stay,
    campaign_id: str,
    before: Iterable[DecisionRecord],
    t_s: float,
) -> bool:
    counted = sum(
        (not cap.per_campaign or d.campaign_id == campaign_id)
        and (not cap.per_visit or _true_visit(run, d) == (stay.handset_id, stay.visit))
        and (cap.window_s is None or t_s - d.decided_s < cap.window_s)
        for d in before
    )
    return counted < cap.most


def _true_visit(run: _Run, decision: DecisionRecord) -> tuple[str, int | None]:
    walk = run.walks.get(decision.handset_id)
    return decision.handset_id, walk.visit_at(decision.decided_s) if walk is not None else None


def _cap_violations(run: _Run, shown: set[str]) -> int:
    sends = [d for d in run.sends if d.decision_id in shown]
    over: set[str] = set()
    for cap in run.rules.caps:
        over |= _over(cap, sends, {d.decision_id: d.visit_id for d in sends})
        if cap.per_visit:
            over |= _over(cap, sends, {d.decision_id: _true_visit(run, d) for d in sends})
    return len(over)


def _over(cap: Cap, sends: Iterable[DecisionRecord], visit_of: Mapping[str, Hashable]) -> set[str]:
    """The decisions too many under a cap. sends: in the order of time."""
    groups: defaultdict[Hashable, list[float]] = defaultdict(list)
    over: set[str] = set()
    for send in sends:
        times = groups[
            send.shopper_id,
            send.campaign_id if cap.per_campaign else None,
            visit_of[send.decision_id] if cap.per_visit else None,
        ]
        times.append(send.decided_s)
        if cap.window_s is not None:
            times[:] = [t for t in times if send.decided_s - t < cap.window_s]
        if len(times) > cap.most:
            over.add(send.decision_id)
    return over


def _duplicates(run: _Run) -> int:
    showings = Counter(
        (p.decision_id, p.handset_id) for p in run.records.pushes if p.shown_s is not None
    )
    sends = Counter((d.shopper_id, d.campaign_id, d.visit_id) for d in run.sends)
    return sum(n - 1 for n in (*showings.values(), *sends.values()))


def _flaps_per_min(run: _Run) -> float | None:
    located = {c.handset_id for c in run.records.consents if Purpose.LOCATION_BLE in c.purposes}
    present_s = sum(walk.present_s for id_, walk in run.walks.items() if id_ in located)
    if not present_s:
        return None
    return sum(_is_flap(run, entry) for entry in run.records.entries) / (present_s / 60)


def _is_flap(run: _Run, entry: ZoneEntry) -> bool:
    walk = run.walks.get(entry.handset_id)
    return walk is None or walk.stay_at(entry.zone_id, entry.entered_s, FLAP_SLACK_S) is None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _spread(values: Iterable[float]) -> Spread:
    ordered = sorted(values)
    if not ordered:
        return Spread(None, None)
    return Spread(*(ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.95)))

"""One decision: load the situation, ask `offers.decide`, reserve, store what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import browsing, campaigns, consents, decisions, handsets, outbox, stops, visits
from db.decisions import StoredDecision
from db.ids import new_id
from db.live import Live, SentBefore
from db.visits import Visit
from engine.live_campaigns import LiveCampaigns
from engine.plan import EnginePlan
from offers.audience_fields import BROWSING_BACK, Facts
from offers.audience_keys import keys_of
from offers.campaign import Status
from offers.decide import decide
from offers.filters import MIN_CONFIDENCE, MIN_STILL_HERE
from offers.pressure import DEFAULT_LIMITS
from offers.relevance import RELEVANCE_THRESHOLD_CENTS
from offers.situation import (
    READ_IN_S,
    Browsed,
    Decision,
    Hold,
    Moment,
    Pressure,
    Reason,
    Send,
    ShopperView,
    Situation,
)
from shoppers.consent import Purpose

# A campaign whose budget others have spent makes room for the next best, so often.
TRIES_MAX: Final = 5
# By which the reasons were judged: they may be others when somebody asks why.
LIMITS_TOLD: Final[Mapping[str, float]] = {
    "confidence": MIN_CONFIDENCE,
    "still_here_p": MIN_STILL_HERE,
    "first_after_s": DEFAULT_LIMITS.first_after_s,
    "cool_down_s": DEFAULT_LIMITS.cool_down_s,
    "worth_cents": RELEVANCE_THRESHOLD_CENTS,
}


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place under the caps taken in Redis, to be given back should the transaction fail."""

    shopper_id: str
    sent: SentBefore


@dataclass(frozen=True, slots=True)
class Taken:
    """What was decided. sent: the campaign, for which the push workers are to be woken; or None."""

    decision_id: str
    sent: str | None = None


async def decide_here(
    tx: AsyncConnection,
    live: Live,
    plan: EnginePlan,
    visit: Visit,
    dwelling: Dwelling,
    now: datetime,
    shelf: LiveCampaigns,
    reserved: list[Reserved],
    accepted_at: datetime | None = None,
) -> Taken | None:
    """Decide for one shopper in one zone, and store it; None when the shopper is unknown by now.

    accepted_at: when the API took in the last sighting that it rests on.

    Everything is written in `tx`; the caps are reserved in Redis before, and noted in `reserved`.
    A reservation that is never given back forbids rather than allows: caps fail closed.
    """
    handset = await handsets.load_handset(tx, visit.handset_id)
    if handset is None:
        return None
    targets = await handsets.push_targets_of(tx, visit.shopper_id)
    allowed = await consents.standing_consents(tx, visit.shopper_id)
    known = await decisions.sends_since(tx, visit.shopper_id, now)
    browsed: tuple[Browsed, ...] = ()
    facts = Facts(
        country=handset.country, locale=handset.locale, platforms=frozenset({handset.platform})
    )
    if Purpose.PROFILING in allowed:
        since = now - BROWSING_BACK
        browsed = await browsing.recent(tx, visit.shopper_id, since)
        before = await visits.visits_before(tx, visit.shopper_id, visit.entered_at)
        facts = replace(
            facts,
            visits=before.days + 1,
            days_since_visit=None if before.last_at is None else (now - before.last_at).days,
            browsing=await browsing.last_looks(tx, visit.shopper_id, since),
        )
    store_id, zone = plan.store.store_id, plan.zones[dwelling.zone_id]
    situation = Situation(
        shopper=ShopperView(
            visit.shopper_id, handset.country, allowed, has_push_target=bool(targets)
        ),
        facts=facts,
        moment=_moment(plan, visit, dwelling, now),
        browsed=browsed,
        pressure=_pressure(known, visit, await decisions.campaigns_of_visit(tx, visit.visit_id)),
        candidates=shelf.catalogue.find(store_id, zone.zone_id, zone.tags, keys_of(facts)),
        stops=shelf.stops,
        now=now,
        local=plan.local(now),
        control_salt=plan.control_salt,
    )
    taken = decide(situation)
    decision_id = new_id()
    for _ in range(TRIES_MAX):
        if not isinstance(taken, Send):
            break
        campaign_id = taken.campaign.campaign_id
        wanted = SentBefore(decision_id, campaign_id, visit.visit_id, now)
        if not await live.reserve(visit.shopper_id, wanted, known, DEFAULT_LIMITS):
            taken = _lost(taken, Reason.CAP_RACE)
            break
        reserved.append(Reserved(visit.shopper_id, wanted))
        # The budget is one conditional UPDATE, so it holds across all stores.
        if await campaigns.spend(tx, taken.campaign, store_id):
            break
        await live.release(visit.shopper_id, wanted)
        why, sends = await _why_unspent(tx, campaign_id, store_id)
        if why is not Reason.BUDGET_SPENT:
            taken = _lost(taken, why)
            break
        # Spent by other stores meanwhile: the next best has its turn.
        shelf.catalogue.sends_are({campaign_id: sends})
        found = shelf.catalogue.find(store_id, zone.zone_id, zone.tags, keys_of(facts))
        situation = replace(situation, candidates=found)
        taken = decide(situation)
    else:
        taken = _lost(taken, Reason.CAP_RACE) if isinstance(taken, Send) else taken
    stored = _stored(decision_id, visit, dwelling, situation, taken, accepted_at)
    await decisions.store_decision(tx, stored)
    if not isinstance(taken, Send):
        return Taken(decision_id)
    await decisions.store_send(tx, wanted, visit.shopper_id)
    until = min(now + timedelta(seconds=taken.valid_for_s), taken.campaign.valid_until)
    for target in targets:
        await outbox.put(tx, decision_id, target.handset_id, now, until)
    return Taken(decision_id, taken.campaign.campaign_id)


def _moment(plan: EnginePlan, visit: Visit, dwelling: Dwelling, now: datetime) -> Moment:
    zone_id, here_s = dwelling.zone_id, dwelling.at_s - dwelling.since_s
    return Moment(
        store_id=plan.store.store_id,
        zone_id=zone_id,
        role=plan.role(zone_id),
        confidence=dwelling.confidence,
        visit_age_s=(now - visit.entered_at).total_seconds(),
        zone_dwell_s=dwelling.dwell_s,
        residual_dwell_s=plan.residual_dwell_s(zone_id, here_s),
        still_here_p=plan.still_here_p(zone_id, here_s, READ_IN_S),
    )


def _pressure(known: list[SentBefore], visit: Visit, in_visit: frozenset[str]) -> Pressure:
    return Pressure(
        sent_this_visit=sum(sent.visit_id == visit.visit_id for sent in known),
        sent_last_7_days=len(known),
        campaigns_this_visit=in_visit,
        last_sent_at=max((sent.at for sent in known), default=None),
    )


async def _why_unspent(tx: AsyncConnection, campaign_id: str, store_id: str) -> tuple[Reason, int]:
    """What kept `campaigns.spend` from spending, and what the campaign has sent."""
    halted = await stops.standing(tx)
    if halted.silences(store_id):
        return Reason.STOPPED, 0
    if campaign_id in halted.campaign_ids:
        return Reason.CAMPAIGN_STOPPED, 0
    state = await campaigns.state(tx, campaign_id)
    if state is None or state[0] is not Status.LIVE:
        return Reason.NOT_LIVE, 0
    return Reason.BUDGET_SPENT, state[1]


def _lost(send: Send, why: Reason) -> Hold:
    """Not sent after all."""
    winner, *others = send.weighed
    lost = replace(winner, against=(why,))
    return Hold(lost.against, (lost, *others))


def _stored(
    decision_id: str,
    visit: Visit,
    dwelling: Dwelling,
    situation: Situation,
    taken: Decision,
    accepted_at: datetime | None,
) -> StoredDecision:
    if isinstance(taken, Send):
        outcome, ghost, reasons = "send", False, []
    else:
        outcome, ghost, reasons = "hold", taken.ghost is not None, [why.value for why in taken.why]
    best = taken.weighed[0].campaign_id if taken.weighed else None
    return StoredDecision(
        decision_id=decision_id,
        visit_id=visit.visit_id,
        shopper_id=visit.shopper_id,
        zone_id=dwelling.zone_id,
        outcome=outcome,
        campaign_id=best,
        ghost=ghost,
        reasons=reasons,
        weighed=msgspec.to_builtins(list(taken.weighed)),
        seen=_seen(situation, accepted_at),
        heard_at=datetime.fromtimestamp(dwelling.at_s, UTC),
        at=situation.now,
    )


def _seen(situation: Situation, accepted_at: datetime | None) -> dict[str, Any]:
    """What the decision looked at, without the candidates (they are in `weighed`)."""
    seen: dict[str, Any] = msgspec.to_builtins(
        {
            "consents": sorted(situation.shopper.consents),
            "country": situation.shopper.country,
            "facts": _told(situation.facts),
            "candidates": len(situation.candidates),
            "limits": LIMITS_TOLD,
            "has_push_target": situation.shopper.has_push_target,
            "moment": situation.moment,
            "pressure": situation.pressure,
            # How much, not what: a copy here would outlive the consent to keep it.
            "browsed": len(situation.browsed),
            "accepted_at_s": None if accepted_at is None else accepted_at.timestamp(),
        }
    )
    return seen


def _told(facts: Facts) -> dict[str, Any]:
    """The facts that an audience could ask for, without those that rest on a profile: a copy of
    these would outlive the consent to keep it."""
    return {"locale": facts.locale, "platforms": sorted(facts.platforms or ())}

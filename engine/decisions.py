"""One decision: load the situation, ask `offers.decide`, reserve, store what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import browsing, campaigns, consents, decisions, handsets, outbox
from db.decisions import StoredDecision
from db.ids import new_id
from db.live import Live, SentBefore
from db.visits import Visit
from engine.plan import EnginePlan
from offers.decide import decide
from offers.pressure import DEFAULT_LIMITS
from offers.situation import (
    Candidate,
    Decision,
    Hold,
    Moment,
    Pressure,
    Reason,
    Send,
    ShopperView,
    Situation,
    Weighed,
)
from shoppers.consent import Purpose

# Interest halves in a day: after a week less than one part in a hundred is left.
BROWSED_WITHIN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place under the caps taken in Redis, to be given back should the transaction fail."""

    shopper_id: str
    sent: SentBefore


@dataclass(frozen=True, slots=True)
class Taken:
    """What was decided; `send` tells the caller to wake the push workers."""

    decision_id: str
    send: bool


async def decide_here(
    tx: AsyncConnection,
    live: Live,
    plan: EnginePlan,
    visit: Visit,
    dwelling: Dwelling,
    now: datetime,
    reserved: list[Reserved],
) -> Taken | None:
    """Decide for one shopper in one zone, and store it; None when the shopper is unknown by now.

    Everything is written in `tx`; the caps are reserved in Redis before, and noted in `reserved`.
    A reservation that is never given back forbids rather than allows: caps fail closed.
    """
    handset = await handsets.load_handset(tx, visit.handset_id)
    if handset is None:
        return None
    targets = await handsets.push_targets_of(tx, visit.shopper_id)
    allowed = await consents.standing_consents(tx, visit.shopper_id)
    known = await decisions.sends_since(tx, visit.shopper_id, now)
    situation = Situation(
        shopper=ShopperView(
            visit.shopper_id, handset.country, allowed, has_push_target=bool(targets)
        ),
        moment=_moment(plan, visit, dwelling, now),
        browsed=(
            await browsing.recent(tx, visit.shopper_id, now - BROWSED_WITHIN)
            if Purpose.PROFILING in allowed
            else ()
        ),
        pressure=_pressure(known, visit, await decisions.campaigns_of_visit(tx, visit.visit_id)),
        candidates=_candidates(await campaigns.live_candidates(tx), plan, dwelling.zone_id),
        now=now,
        local=plan.local(now),
        control_salt=plan.control_salt,
    )
    taken = decide(situation)
    decision_id = new_id()
    if isinstance(taken, Send):
        wanted = SentBefore(decision_id, taken.campaign.campaign_id, visit.visit_id, now)
        if await live.reserve(visit.shopper_id, wanted, known, DEFAULT_LIMITS):
            reserved.append(Reserved(visit.shopper_id, wanted))
            # The budget is one conditional UPDATE, so it holds across all stores.
            if not await campaigns.spend(tx, taken.campaign):
                await live.release(visit.shopper_id, wanted)
                taken = _lost_race(taken)
        else:
            taken = _lost_race(taken)
    await decisions.store_decision(tx, _stored(decision_id, visit, dwelling, situation, taken))
    if not isinstance(taken, Send):
        return Taken(decision_id, send=False)
    await decisions.store_send(tx, wanted, visit.shopper_id)
    until = min(now + timedelta(seconds=taken.valid_for_s), taken.campaign.valid_until)
    for target in targets:
        await outbox.put(tx, decision_id, target.handset_id, now, until)
    return Taken(decision_id, send=True)


def _moment(plan: EnginePlan, visit: Visit, dwelling: Dwelling, now: datetime) -> Moment:
    return Moment(
        store_id=plan.store.store_id,
        zone_id=dwelling.zone_id,
        role=plan.role(dwelling.zone_id),
        confidence=dwelling.confidence,
        visit_age_s=(now - visit.entered_at).total_seconds(),
        zone_dwell_s=dwelling.dwell_s,
        residual_dwell_s=plan.residual_dwell_s(dwelling.zone_id, dwelling.at_s - dwelling.since_s),
    )


def _pressure(known: list[SentBefore], visit: Visit, in_visit: frozenset[str]) -> Pressure:
    return Pressure(
        sent_this_visit=sum(sent.visit_id == visit.visit_id for sent in known),
        sent_last_7_days=len(known),
        campaigns_this_visit=in_visit,
        last_sent_at=max((sent.at for sent in known), default=None),
    )


def _candidates(live: list[Candidate], plan: EnginePlan, zone_id: str) -> tuple[Candidate, ...]:
    store_id, tags = plan.store.store_id, plan.zones[zone_id].tags
    return tuple(one for one in live if one.campaign.is_for(store_id, zone_id, tags))


def _lost_race(send: Send) -> Hold:
    winner, *others = send.weighed
    lost = Weighed(winner.campaign_id, winner.score, (Reason.CAP_RACE,), winner.relevance)
    return Hold(lost.against, (lost, *others))


def _stored(
    decision_id: str, visit: Visit, dwelling: Dwelling, situation: Situation, taken: Decision
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
        seen=_seen(situation),
        heard_at=datetime.fromtimestamp(dwelling.at_s, UTC),
        at=situation.now,
    )


def _seen(situation: Situation) -> dict[str, Any]:
    """What the decision looked at, without the candidates (they are in `weighed`)."""
    seen: dict[str, Any] = msgspec.to_builtins(
        {
            "consents": sorted(situation.shopper.consents),
            "country": situation.shopper.country,
            "has_push_target": situation.shopper.has_push_target,
            "moment": situation.moment,
            "pressure": situation.pressure,
            # How much, not what: a copy here would outlive the consent to keep it.
            "browsed": len(situation.browsed),
        }
    )
    return seen

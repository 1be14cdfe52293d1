"""One decision: load the situation, ask `offers.decide`, reserve, store what came of it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import campaigns, decisions, handsets, outbox, pressure, stops
from db.decisions import StoredDecision
from db.ids import new_id
from db.live import Live
from db.visits import Visit
from engine.known import Remembering
from engine.plan import EnginePlan
from engine.situation import Shelf, moment_of, person, situation_of
from offers.assignment import Arm
from offers.audience_fields import Facts
from offers.campaign import Status
from offers.decide import decide
from offers.filters import (
    MIN_CONFIDENCE,
    MIN_STILL_HERE,
    binding_caps,
    message_of,
)
from offers.pressure import LOOKS_BACK, Message
from offers.reasons import caps_apart, full_caps
from offers.relevance import RELEVANCE_THRESHOLD_CENTS
from offers.situation import Decision, Hold, Reason, Send, Situation

# A campaign whose budget others have spent makes room for the next best, so often.
TRIES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place under the caps taken in Redis, to be given back should the transaction fail."""

    shopper_id: str
    sent: Message


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
    shelf: Shelf,
    remembering: Remembering,
    reserved: list[Reserved],
    accepted_at: datetime | None = None,
    nth: int = 0,
) -> Taken | None:
    """Decide for one shopper in one zone, and store it; None when the shopper is unknown by now.

    accepted_at: when the API took in the last sighting that it rests on. nth: among the decisions
    that the store takes now.
    Everything is written in `tx`; the caps are reserved in Redis before, and noted in `reserved`.
    A reservation that is never given back forbids rather than allows: caps fail closed.
    """
    found = await person(tx, visit, now, remembering)
    if found is None:
        return None
    who, targets = found
    moment = moment_of(plan, visit, dwelling, now)
    zone, decision_id = plan.zones[dwelling.zone_id], new_id()

    def situated() -> Situation:
        return situation_of(who, moment, zone.tags, shelf, now, plan.local(now))

    situation = situated()
    kept = remembering.kept_for(visit.shopper_id)
    taken = decide(situation, kept)
    for _ in range(TRIES_MAX):
        if not isinstance(taken, Send):
            break
        campaign_id = taken.campaign.campaign_id
        wanted = message_of(situation, taken.campaign, decision_id)
        caps = binding_caps(situation, taken.campaign)
        # Under a lock, and read again: another engine may have sent a moment ago, and a Redis that
        # was emptied since would know nothing of it.
        await handsets.lock_shopper(tx, visit.shopper_id)
        known = await pressure.messages(tx, visit.shopper_id, now - LOOKS_BACK)
        if not await live.reserve(visit.shopper_id, wanted, known, caps, situation.local):
            taken = _lost(taken, Reason.CAP_RACE)
            break
        reserved.append(Reserved(visit.shopper_id, wanted))
        # The budget is one conditional UPDATE, so it holds across all stores.
        if await campaigns.spend(tx, taken.campaign, moment.store_id):
            # Known to the next decision of this turn; taken back with the reservation.
            shelf.catalogue.sent(campaign_id)
            break
        reserved.pop()
        await live.unreserve(visit.shopper_id, wanted)
        why = await _why_unspent(tx, campaign_id, moment.store_id)
        if why is not Reason.BUDGET_SPENT:
            taken = _lost(taken, why)
            break
        # Spent by other stores meanwhile: the next best has its turn.
        shelf.catalogue.is_spent(campaign_id)
        situation = situated()
        taken = decide(situation, kept)
    else:
        taken = _lost(taken, Reason.CAP_RACE) if isinstance(taken, Send) else taken

    def stored(decision: Decision) -> StoredDecision:
        row = _stored(decision_id, visit, dwelling, situation, decision)
        seen = {**row.seen, "policy": shelf.policy_id, "accepted_at_s": _s(accepted_at)}
        return replace(row, seen=seen, nth=nth)

    await decisions.store_decision(tx, stored(taken))
    if not isinstance(taken, Send):
        return Taken(decision_id)
    if not await decisions.store_send(tx, wanted, visit.shopper_id):
        # Another engine sent it in this visit a moment ago; its transaction is through by now.
        await campaigns.give_back(tx, wanted.campaign_id)
        shelf.catalogue.unsent(wanted.campaign_id)
        reserved.pop()
        await live.unreserve(visit.shopper_id, wanted)
        await decisions.retell(tx, stored(_lost(taken, Reason.CAMPAIGN_SEEN)))
        return Taken(decision_id)
    until = min(now + timedelta(seconds=taken.valid_for_s), taken.campaign.valid_until)
    for target in targets:
        await outbox.put(tx, decision_id, target.handset_id, now, until)
    return Taken(decision_id, taken.campaign.campaign_id)


async def _why_unspent(tx: AsyncConnection, campaign_id: str, store_id: str) -> Reason:
    """What kept `campaigns.spend` from spending."""
    halted = await stops.standing(tx)
    if halted.silences(store_id):
        return Reason.STOPPED
    if campaign_id in halted.campaign_ids:
        return Reason.CAMPAIGN_STOPPED
    state = await campaigns.state(tx, campaign_id)
    if state is None or state[0] is not Status.LIVE:
        return Reason.NOT_LIVE
    return Reason.BUDGET_SPENT


def _lost(send: Send, why: Reason) -> Hold:
    """Not sent after all."""
    winner, *others = send.weighed
    lost = replace(winner, against=(why,))
    return Hold(lost.against, (lost, *others))


def _stored(
    decision_id: str, visit: Visit, dwelling: Dwelling, situation: Situation, taken: Decision
) -> StoredDecision:
    if isinstance(taken, Send):
        outcome, ghost, reasons, arm = "send", False, [], Arm.TREATED
    else:
        outcome, ghost, reasons = "hold", taken.ghost is not None, [why.value for why in taken.why]
        arm = Arm.HELD_OUT if Reason.HELD_OUT in taken.why else Arm.CONTROL
    best = taken.weighed[0].campaign_id if taken.weighed else None
    seen = _seen(situation, best, taken)
    if ghost or outcome == "send":
        seen["arm"] = arm.value
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
        seen=seen,
        heard_at=datetime.fromtimestamp(dwelling.at_s, UTC),
        at=situation.now,
    )


def _seen(situation: Situation, best: str | None, taken: Decision) -> dict[str, Any]:
    """What the decision looked at, without the candidates (they are in `weighed`).

    best: the campaign that was sent, or came nearest to it.
    """
    stopped = situation.stops
    seen: dict[str, Any] = msgspec.to_builtins(
        {
            "consents": sorted(situation.shopper.consents),
            "country": situation.shopper.country,
            "facts": _told(situation.facts),
            "candidates": len(situation.candidates),
            # By which the reasons were judged: they may be others when somebody asks why.
            "limits": {
                "confidence": MIN_CONFIDENCE,
                "still_here_p": MIN_STILL_HERE,
                "first_after_s": situation.policy.first_after_s,
                "worth_cents": RELEVANCE_THRESHOLD_CENTS,
            },
            "has_push_target": situation.shopper.has_push_target,
            "moment": situation.moment,
            "is_holiday": situation.is_holiday,
            "sent": len(situation.pressure.messages),
            "own": [cap.most for cap in situation.pressure.own],
            "caps": full_caps(situation, best),
            "caps_apart": caps_apart(situation, taken.weighed),
            "stopped": {
                "here": stopped.silences(situation.moment.store_id),
                "campaigns": sorted(stopped.campaign_ids),
            },
            # How much, not what: a copy here would outlive the consent to keep it.
            "browsed": len(situation.browsed),
        }
    )
    return seen


def _told(facts: Facts) -> dict[str, Any]:
    """The facts that an audience could ask for, without those that rest on a profile: a copy of
    these would outlive the consent to keep it."""
    return {"locale": facts.locale, "platforms": sorted(facts.platforms or ())}


def _s(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()

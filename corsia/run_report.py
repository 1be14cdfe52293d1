"""What a run left behind, or has left so far, gathered into the scorecard's records."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import or_, select, true

from beacons.presence import GONE_AFTER_S, LAG_S
from corsia.run_records import DecisionRecord, Push, Records, Rules, ZoneEntry, caps_of
from corsia.truth import ConsentChange, TruthSample
from db import campaigns, gateways, pressure, salts, stores
from db.connect import Database
from db.tables import decisions, outbox, visits, zone_visits
from firmware_sim.truth import (
    ConsentChanged,
    Failed,
    HandsetEvent,
    PushReceived,
    Registered,
    read_handset_events,
    read_truth,
)
from offers.assignment import campaign_draw, hold_out_draw
from offers.pressure import DEFAULT_POLICY, is_promotion
from shoppers.consent import Purpose

RULES: Final = Rules(
    caps=caps_of(DEFAULT_POLICY),
    quiet_first_s=DEFAULT_POLICY.first_after_s,
    visit_break_s=GONE_AFTER_S,
)


async def gather(
    database: Database, store_id: str, run_dir: Path, sightings_spooled: int
) -> Records:
    """The records of a run of one store, from its logs and its database."""
    truth = [TruthSample(point.at_s, point.handset_id, point.zone) for point in read_truth(run_dir)]
    events = read_handset_events(run_dir)
    return await records_of(database, store_id, truth, events, sightings_spooled)


async def records_of(
    database: Database,
    store_id: str,
    truth: Sequence[TruthSample],
    events: Iterable[HandsetEvent],
    sightings_spooled: int,
    only: frozenset[str] | None = None,
) -> Records:
    """The records that belong to these samples and events, from the database of their run.

    only: the handsets whose rows are wanted, where truth and events are those of a part of the run.
    """
    events = tuple(events)
    consents = _consents(events)
    shoppers = {change.shopper_id for change in consents}
    wanted = true() if only is None else visits.c.handset_id.in_(only)
    async with database.read() as tx:
        drawn = await salts.load(tx)
        _, policy = await pressure.policy(tx)
        plan = await stores.load_store(tx, store_id)
        live = [one.campaign for one in await campaigns.live_campaigns(tx)]
        made = await campaigns.load_campaigns(tx)
        decided = (
            await tx.execute(
                select(
                    decisions.c.id,
                    decisions.c.shopper_id,
                    decisions.c.zone_id,
                    decisions.c.campaign_id,
                    decisions.c.visit_id,
                    decisions.c.at,
                    decisions.c.outcome,
                    decisions.c.reasons,
                    decisions.c.heard_at,
                    decisions.c.seen["accepted_at_s"].as_float().label("accepted_at_s"),
                    visits.c.handset_id,
                )
                .join(visits, visits.c.id == decisions.c.visit_id)
                # The scorecard asks for sends and ghost moments; other holds are nearly all rows.
                .where(wanted, or_(decisions.c.outcome == "send", decisions.c.ghost))
            )
        ).all()
        entered = (
            await tx.execute(
                select(zone_visits.c.zone_id, zone_visits.c.entered_at, visits.c.handset_id)
                .join(visits, visits.c.id == zone_visits.c.visit_id)
                .where(wanted)
            )
        ).all()
        accepted = (
            await tx.execute(
                select(outbox.c.decision_id, outbox.c.handset_id, outbox.c.settled_at).where(
                    outbox.c.outcome == "delivered",
                    true() if only is None else outbox.c.handset_id.in_(only),
                )
            )
        ).all()
        consumed = await gateways.sightings_taken(tx)
    received = [
        Push(event.decision_id, event.handset_id, event.accepted_at, event.shown_at)
        for event in events
        if isinstance(event, PushReceived)
    ]
    arrived = {(push.decision_id, push.handset_id) for push in received}
    zones = [zone for floor in plan.floors for zone in floor.zones] if plan else []
    times = [sample.t_s for sample in truth]
    return Records(
        truth=truth,
        consents=consents,
        decisions=[
            DecisionRecord(
                decision_id=row.id,
                shopper_id=row.shopper_id,
                handset_id=row.handset_id,
                zone_id=row.zone_id,
                campaign_id=row.campaign_id,
                visit_id=row.visit_id,
                decided_s=row.at.timestamp(),
                is_send=row.outcome == "send",
                reasons=tuple(row.reasons),
                ready_s=_ready_s(row.accepted_at_s, row.heard_at),
            )
            for row in decided
        ],
        pushes=[
            *received,
            # What FCM took and no handset ever saw is a push all the same, not shown.
            *(
                Push(row.decision_id, row.handset_id, row.settled_at.timestamp(), None)
                for row in accepted
                if (row.decision_id, row.handset_id) not in arrived
            ),
        ],
        entries=[
            ZoneEntry(row.handset_id, row.zone_id, row.entered_at.timestamp()) for row in entered
        ],
        eligible={
            zone.zone_id: frozenset(
                one.campaign_id for one in live if one.is_for(store_id, zone.zone_id, zone.tags)
            )
            for zone in zones
        },
        control=frozenset(
            (shopper_id, campaign.campaign_id)
            # No salt was ever drawn where nothing was decided.
            for salt in (drawn.history[-1:] if drawn else ())
            for shopper_id in shoppers
            for campaign in made
            # Who is held out still gets what is no promotion.
            if (
                is_promotion(campaign.tier)
                and hold_out_draw(salt.text, shopper_id) < policy.hold_out_share
            )
            or campaign_draw(salt.text, campaign.campaign_id, shopper_id) < campaign.control_share
        ),
        sightings_spooled=sightings_spooled,
        sightings_consumed=consumed,
        seconds=max(times) - min(times) if times else 0.0,
    )


def failed_calls(run_dir: Path) -> tuple[str, ...]:
    """What handsets asked of the API and did not get, a few words each."""
    return tuple(
        f"{event.what}: {event.status or 'no answer'}"
        for event in read_handset_events(run_dir)
        if isinstance(event, Failed)
    )


def _ready_s(accepted_at_s: float | None, heard_at: datetime) -> float | None:
    """When presence could tell of it at the earliest: LAG_S after the end of the half second that
    decided it, or when the last sighting of it was accepted, if that was later."""
    if accepted_at_s is None:
        return None
    return max(accepted_at_s, heard_at.timestamp() + LAG_S)


def _consents(events: Iterable[HandsetEvent]) -> list[ConsentChange]:
    shopper_of: dict[str, str] = {}
    changes = []
    for event in events:
        match event:
            case Registered():
                shopper_of[event.handset_id] = event.shopper_id
                acked_s = event.at_s
            case ConsentChanged():
                acked_s = event.acked_at
            case _:
                continue
        changes.append(
            ConsentChange(
                handset_id=event.handset_id,
                shopper_id=shopper_of[event.handset_id],
                asked_s=event.at_s,
                acked_s=acked_s,
                purposes=frozenset(
                    Purpose(name) for name, granted in event.consents.items() if granted
                ),
            )
        )
    return changes

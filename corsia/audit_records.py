"""What a fault run left behind, gathered for its audit: SQL and the simulator's logs."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select

from beacons.floor import ZoneKind
from beacons.presence import GONE_AFTER_S
from corsia.audit import Accepted, Decided, Evidence, OutboxRow, Shown
from corsia.audit_caps import Law, OwnCap, limit_of, terms_of
from corsia.run_records import Records
from corsia.truth import consents
from db import campaigns, pressure, stores
from db.connect import Database
from db.tables import decisions, outbox, sends, visits
from firmware_sim.fcm_faults import Trouble
from firmware_sim.truth import (
    EnteredStore,
    HandsetEvent,
    LeftStore,
    OwnCapSet,
    PushReceived,
    Registered,
    read_handset_events,
    read_pushes,
)

# Never at the checkout or in quiet zones (DESIGN 7): whoever pays, asks or only passes is left be.
QUIET: Final = frozenset(
    {ZoneKind.CHECKOUT, ZoneKind.ENTRANCE, ZoneKind.QUIET, ZoneKind.SERVICE_DESK, ZoneKind.PICKUP}
)
# An engine that was killed notices late that somebody is gone: ten seconds of its lease, and twenty
# for which SQL may be away.
SURELY_ANOTHER_AFTER_S: Final = GONE_AFTER_S + 30.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What FCM did with sends: when it took some, which failures it met them with, and when it
    said that Apple refuses its key."""

    accepted_s: Sequence[float]
    troubles: Mapping[str, int]
    key_refused_s: Sequence[float]


async def gather_evidence(
    database: Database, records: Records, store_id: str, run_dir: Path
) -> Evidence:
    """The evidence of a run of one store, under one policy. records: what the scorecard is made
    from, for the same run."""
    events = read_handset_events(run_dir)
    shopper_of = {
        event.handset_id: event.shopper_id for event in events if isinstance(event, Registered)
    }
    entered, began = _comings(events)
    async with database.read() as tx:
        decided = (
            await tx.execute(
                select(
                    decisions.c.id,
                    decisions.c.shopper_id,
                    decisions.c.visit_id,
                    decisions.c.campaign_id,
                    decisions.c.zone_id,
                    decisions.c.at,
                    decisions.c.outcome,
                    decisions.c.reasons,
                    sends.c.released_at,
                    visits.c.entered_at,
                )
                .join(visits, visits.c.id == decisions.c.visit_id)
                .outerjoin(sends, sends.c.decision_id == decisions.c.id)
            )
        ).all()
        rows = (
            await tx.execute(
                select(outbox.c.decision_id, outbox.c.handset_id, outbox.c.outcome, outbox.c.why)
            )
        ).all()
        _, policy = await pressure.policy(tx)
        made = await campaigns.load_campaigns(tx)
        plan = await stores.load_store(tx, store_id)
    if plan is None:
        raise LookupError(f"no store {store_id} in the database of the run")
    return Evidence(
        decisions=[
            Decided(
                decision_id=row.id,
                shopper_id=row.shopper_id,
                visit_id=row.visit_id,
                campaign_id=row.campaign_id,
                zone_id=row.zone_id,
                visit_age_s=(row.at - row.entered_at).total_seconds(),
                at_s=row.at.timestamp(),
                is_send=row.outcome == "send",
                reasons=tuple(row.reasons),
                is_given_back=row.released_at is not None,
            )
            for row in decided
        ],
        outbox=[OutboxRow(row.decision_id, row.handset_id, row.outcome, row.why) for row in rows],
        accepted=[
            Accepted(one.decision_id, one.handset_id, one.at_s)
            for one in read_pushes(run_dir)
            if one.accepted
        ],
        shown=[
            Shown(event.decision_id, event.handset_id, event.shown_at)
            for event in events
            if isinstance(event, PushReceived) and event.shown_at is not None
        ],
        shopper_of=shopper_of,
        entered_s=entered,
        began_s=began,
        consents=consents(records.consents),
        control=records.control,
        law=Law(
            limits=[limit_of(cap) for cap in policy.caps],
            terms={one.campaign_id: terms_of(one) for one in made},
            own=_own_caps(events, shopper_of),
            tz=ZoneInfo(plan.tz),
        ),
        quiet_s=policy.first_after_s,
        quiet_zones=frozenset(
            zone.zone_id for floor in plan.floors for zone in floor.zones if zone.kind in QUIET
        ),
    )


def answers(run_dir: Path) -> Answers:
    """What FCM did with what it was asked to send."""
    judged = read_pushes(run_dir)
    return Answers(
        accepted_s=[one.at_s for one in judged if one.accepted],
        troubles=Counter(one.trouble for one in judged if one.trouble is not None),
        key_refused_s=[one.at_s for one in judged if one.trouble == Trouble.THIRD_PARTY_AUTH.name],
    )


def _comings(
    events: Iterable[HandsetEvent],
) -> tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]:
    """When each handset came in; and those times that began another visit without doubt."""
    entered: defaultdict[str, list[float]] = defaultdict(list)
    began: defaultdict[str, list[float]] = defaultdict(list)
    left_s: dict[str, float] = {}
    for event in events:
        match event:
            case EnteredStore(at_s=at_s, handset_id=handset_id):
                entered[handset_id].append(at_s)
                if at_s - left_s.get(handset_id, -math.inf) > SURELY_ANOTHER_AFTER_S:
                    began[handset_id].append(at_s)
            case LeftStore(at_s=at_s, handset_id=handset_id):
                left_s[handset_id] = at_s
            case _:
                pass
    return entered, began


def _own_caps(
    events: Iterable[HandsetEvent], shopper_of: Mapping[str, str]
) -> Mapping[str, Sequence[OwnCap]]:
    """What each shopper has allowed, from the answer on: before it nobody can know."""
    own: defaultdict[str, list[OwnCap]] = defaultdict(list)
    for event in events:
        if isinstance(event, OwnCapSet):
            said = OwnCap(event.acked_at, event.pushes_per_week)
            own[shopper_of[event.handset_id]].append(said)
    return own

"""What a fault run left behind, gathered for its audit: SQL and the simulator's logs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from corsia.audit import Accepted, Decided, Evidence, OutboxRow, Shown
from corsia.run_records import Records, Rules
from corsia.truth import consents
from db import campaigns
from db.connect import Database
from db.tables import decisions, outbox, sends
from firmware_sim.truth import (
    EnteredStore,
    PushReceived,
    Registered,
    read_handset_events,
    read_pushes,
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What FCM did with sends: how many it took, and which failures it met them with."""

    accepted_s: Sequence[float]
    troubles: Mapping[str, int]


async def gather_evidence(
    database: Database, records: Records, rules: Rules, run_dir: Path
) -> Evidence:
    """The evidence of a run. records: what the scorecard is made from, for the same run."""
    events = read_handset_events(run_dir)
    entered: defaultdict[str, list[float]] = defaultdict(list)
    for event in events:
        if isinstance(event, EnteredStore):
            entered[event.handset_id].append(event.at_s)
    async with database.read() as tx:
        decided = (
            await tx.execute(
                select(
                    decisions.c.id,
                    decisions.c.shopper_id,
                    decisions.c.visit_id,
                    decisions.c.campaign_id,
                    decisions.c.at,
                    decisions.c.outcome,
                    decisions.c.reasons,
                    sends.c.released_at,
                ).outerjoin(sends, sends.c.decision_id == decisions.c.id)
            )
        ).all()
        rows = (
            await tx.execute(
                select(outbox.c.decision_id, outbox.c.handset_id, outbox.c.outcome, outbox.c.why)
            )
        ).all()
        live = [one.campaign for one in await campaigns.live_campaigns(tx)]
    return Evidence(
        decisions=[
            Decided(
                decision_id=row.id,
                shopper_id=row.shopper_id,
                visit_id=row.visit_id,
                campaign_id=row.campaign_id,
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
        shopper_of={
            event.handset_id: event.shopper_id for event in events if isinstance(event, Registered)
        },
        entered_s=entered,
        consents=consents(records.consents),
        control=records.control,
        budgets={one.campaign_id: one.budget_sends for one in live if one.budget_sends is not None},
        caps=rules.caps,
    )


def answers(run_dir: Path) -> Answers:
    """What FCM did with what it was asked to send."""
    judged = read_pushes(run_dir)
    return Answers(
        accepted_s=[one.at_s for one in judged if one.accepted],
        troubles=Counter(one.trouble for one in judged if one.trouble is not None),
    )

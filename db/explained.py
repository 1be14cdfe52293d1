"""A stored decision told: what was decided, why, what would have changed it, and what it rests on.

One place for the command line, its JSON and the app. Only what is stored is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.decisions import StoredDecision
from db.tables import consents
from offers.otherwise import Otherwise, Stored, Winner, otherwise, stored
from offers.reasons import seen_by, unless, why
from offers.shopper_words import otherwise_to_shopper, to_shopper

# Of the campaigns that the draw could have chosen, so many are named.
NAMED_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class StandingConsent:
    """An answer that stood at a decision. consent_id: its row in the ledger."""

    consent_id: int
    purpose: str
    granted: bool
    text_version: str
    locale: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AboutCampaign:
    """One candidate in an operator's words. otherwise: None where nothing could be lifted."""

    campaign_id: str
    against: tuple[str, ...]
    otherwise: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A decision in an operator's words. arm: None where the experiment had no part in it."""

    decision_id: str
    outcome: str
    verdict: str
    at: datetime
    zone_id: str
    arm: str | None
    about: tuple[AboutCampaign, ...]
    data_used: tuple[str, ...]
    consents: tuple[StandingConsent, ...]


@dataclass(frozen=True, slots=True)
class ToldToShopper:
    """A decision in words for the shopper whom it is about."""

    why: tuple[str, ...]
    otherwise: str | None
    data_used: tuple[str, ...]


def told(
    decision: StoredDecision, standing: tuple[StandingConsent, ...], campaign_id: str | None = None
) -> Told:
    """The decision for an operator.

    campaign_id: tell of this candidate; None: of all, the nearest first.
    """
    candidates = stored(decision.weighed)
    is_sent = decision.outcome == "send"
    arm = decision.seen.get("arm", "control") if decision.ghost else decision.seen.get("arm")
    return Told(
        decision_id=decision.decision_id,
        outcome=decision.outcome,
        verdict=f"sent {decision.campaign_id}" if is_sent else "nothing was sent",
        at=decision.at,
        zone_id=decision.zone_id,
        arm=arm,
        about=tuple(
            AboutCampaign(
                one.campaign_id,
                tuple(
                    why(reason, seen_by(decision.seen, one.campaign_id)) for reason in one.against
                ),
                _otherwise(one, candidates, seen_by(decision.seen, one.campaign_id)),
            )
            for one in candidates
            if campaign_id in {None, one.campaign_id}
        ),
        data_used=_data_used(decision.seen, "the shopper"),
        consents=standing,
    )


def told_to_shopper(decision: StoredDecision) -> ToldToShopper:
    """The decision for its shopper, who may know all of it: also that they were drawn by lot into
    a group without offers. Nobody is told that who does not ask."""
    candidates = stored(decision.weighed)
    nearest = next((one for one in candidates if one.campaign_id == decision.campaign_id), None)
    data_used = _data_used(decision.seen, "you")
    if decision.outcome == "send":
        weighed = (w for w in decision.weighed if w["campaign_id"] == decision.campaign_id)
        words = next((tuple(w["relevance"]) for w in weighed), ())
        return ToldToShopper(words, None, data_used)
    changed = None if nearest is None else otherwise(candidates, nearest.campaign_id)
    if changed is None or any(one.is_ghost for one in changed.wins):
        return ToldToShopper(to_shopper(decision.reasons), None, data_used)
    wins = {one.campaign_id for one in changed.wins}
    what = "Another offer" if decision.campaign_id not in wins else "It"
    if len(wins) > 1:
        what = "It, or another offer,"
    sentence = otherwise_to_shopper(changed.lifted, what)
    return ToldToShopper(to_shopper(decision.reasons), sentence, data_used)


async def consents_at(
    tx: AsyncConnection, shopper_id: str, at: datetime
) -> tuple[StandingConsent, ...]:
    """The shopper's last answer on each purpose as of that time, by purpose."""
    last = (
        select(func.max(consents.c.id))
        .where(consents.c.shopper_id == shopper_id, consents.c.at <= at)
        .group_by(consents.c.purpose)
    )
    rows = await tx.execute(
        select(consents).where(consents.c.id.in_(last)).order_by(consents.c.purpose)
    )
    return tuple(
        StandingConsent(row.id, row.purpose, row.granted, row.text_version, row.locale, row.at)
        for row in rows
    )


def _otherwise(one: Stored, candidates: list[Stored], seen: Mapping[str, Any]) -> str | None:
    changed = otherwise(candidates, one.campaign_id)
    return None if changed is None else _told_otherwise(one, changed, seen)


def _told_otherwise(one: Stored, changed: Otherwise, seen: Mapping[str, Any]) -> str:
    conditions = " and ".join(unless(reason, seen) for reason in changed.lifted)
    (winner, *others) = changed.wins
    if others:
        return f"{conditions}, the draw would have been between {_any_of(one, changed.wins)}"
    if winner.campaign_id == one.campaign_id:
        return f"it would have been sent {conditions}"
    if winner.is_ghost:
        ahead = f"{winner.campaign_id} goes first, and the shopper is in its control group"
        return f"{conditions or 'even so'}, silence: {ahead}"
    if not changed.lifted:
        return f"{winner.campaign_id} was sent instead: it fitted better, or its kind goes first"
    return f"{conditions}, {winner.campaign_id} would have been sent instead"


def _any_of(one: Stored, wins: Sequence[Winner]) -> str:
    """The campaign itself, then the others, the likeliest first; of many the first ones."""
    others = [each for each in wins if each.campaign_id != one.campaign_id]
    names = ["it"] if len(others) < len(wins) else []
    for each in others:
        silent = " (silence: its control group)" if each.is_ghost else ""
        names.append(f"{each.campaign_id}{silent}")
    if len(names) > NAMED_MAX:
        names = [*names[: NAMED_MAX - 1], f"{len(names) - NAMED_MAX + 1} others"]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _data_used(seen: Mapping[str, Any], who: str) -> tuple[str, ...]:
    """What was looked at, as far as the decision kept it. who: as they are called."""
    moment = seen.get("moment", {})
    used = []
    if moment:
        used.append(
            f"where {who} stood: {moment['confidence']:.0%} sure of the zone,"
            f" {moment['zone_dwell_s']:.0f} s there, {moment['visit_age_s']:.0f} s into the visit"
        )
    if "sent" in seen:
        used.append(f"how much had been sent to {who} before: {seen['sent']}")
    if seen.get("browsed"):
        used.append(f"what {who} looked at in the app: {seen['browsed']}")
    if "country" in seen:
        used.append(f"the country, for its law: {seen['country']}")
    if "facts" in seen:
        platforms = ", ".join(seen["facts"].get("platforms", ())) or "unknown"
        used.append(f"language {seen['facts'].get('locale', 'unknown')}, handset {platforms}")
    return tuple(used)


def utc(at: datetime) -> str:
    """An instant as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

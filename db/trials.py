"""Trials: the questions asked of campaigns, written down before their answers are known."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect import insert_new
from db.worth_tables import trials
from offers.asking import Cut
from offers.attribution import Window
from offers.trial import Trial
from offers.worth import Finding

# In the table: the question asked of all campaigns together.
_ALL: Final = ""
_MINUTE: Final = timedelta(minutes=1)
_THIS: Final = update(trials).where(
    trials.c.campaign_id == bindparam("of"), trials.c.since == bindparam("begun")
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A trial; one that was cut ends there. document: its answer, once that is settled."""

    trial: Trial
    is_cut: bool
    document: Any = None

    @property
    def answer(self) -> Finding | None:
        """What it found, when nothing more will be learnt."""
        return None if self.document is None else msgspec.convert(self.document, Finding)


async def all_trials(tx: AsyncConnection) -> dict[str | None, list[Stored]]:
    """campaign (None: all together) -> its trials, the latest last."""
    found: defaultdict[str | None, list[Stored]] = defaultdict(list)
    for row in await tx.execute(select(trials).order_by(trials.c.since)):
        within = None if row.within_min is None else row.within_min * _MINUTE
        trial = Trial(
            row.campaign_id or None,
            Window(row.goal),
            row.since,
            row.until if row.cut_at is None else row.cut_at,
            row.control_share,
            within,
        )
        found[trial.campaign_id].append(Stored(trial, row.cut_at is not None, row.answer))
    return dict(found)


async def ask(tx: AsyncConnection, asked: Sequence[Trial]) -> None:
    """Write questions down, before their answers are known; what is there already stays."""
    rows = [
        {
            "campaign_id": trial.campaign_id or _ALL,
            "since": trial.since,
            "until": trial.until,
            "goal": trial.goal.value,
            "control_share": trial.control_share,
            "within_min": None if trial.within is None else trial.within // _MINUTE,
        }
        for trial in asked
    ]
    await insert_new(tx, trials, rows)


async def cut(tx: AsyncConnection, cuts: Sequence[Cut]) -> None:
    """These end there, unanswered or answered with what is known; one that was cut stays as it is.

    Ask first: what begins may be among them.
    """
    rows = [{"of": one.campaign_id or _ALL, "begun": one.since, "ends": one.at} for one in cuts]
    if rows:
        ended = _THIS.where(trials.c.cut_at.is_(None)).values(cut_at=bindparam("ends"))
        await tx.execute(ended, rows)


async def settle(tx: AsyncConnection, answers: Sequence[Finding]) -> None:
    """Nothing more will be learnt of the trials of these."""
    rows = [
        {
            "of": one.trial.campaign_id or _ALL,
            "begun": one.trial.since,
            "found": msgspec.to_builtins(one),
        }
        for one in answers
    ]
    if rows:
        await tx.execute(_THIS.values(answer=bindparam("found")), rows)

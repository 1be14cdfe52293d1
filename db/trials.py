"""Trials: the questions asked of campaigns, written down before their answers are known."""

from datetime import datetime
from typing import Final

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.worth_tables import trials
from offers.attribution import Window
from offers.trial import Trial

# In the table: the question asked of all campaigns together.
_ALL: Final = ""


async def last_trials(tx: AsyncConnection) -> dict[str | None, tuple[Trial, bool]]:
    """campaign (None: all together) -> its latest trial, and whether it was cut."""
    rows = await tx.execute(select(trials).order_by(trials.c.since))
    return {
        row.campaign_id or None: (
            Trial(
                row.campaign_id or None,
                Window(row.goal),
                row.since,
                row.until if row.cut_at is None else row.cut_at,
                row.control_share,
            ),
            row.cut_at is not None,
        )
        for row in rows
    }


async def ask(tx: AsyncConnection, trial: Trial) -> None:
    """Write a question down, before its answer is known."""
    await tx.execute(
        trials.insert().values(
            campaign_id=trial.campaign_id or _ALL,
            since=trial.since,
            until=trial.until,
            goal=trial.goal.value,
            control_share=trial.control_share,
        )
    )


async def cut(tx: AsyncConnection, campaign_id: str | None, at: datetime) -> None:
    """The trial that runs ends there, unanswered or answered with what is known."""
    await tx.execute(
        update(trials)
        .where(
            trials.c.campaign_id == (campaign_id or _ALL),
            trials.c.cut_at.is_(None),
            trials.c.until > at,
        )
        # Not before it began: nothing of it counts then.
        .values(cut_at=case((trials.c.since > at, trials.c.since), else_=at))
    )

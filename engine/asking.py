"""The trials that begin and end, written down before anybody looks at what they say.

It reads and decides in nobody's way, and writes what has changed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from db import asked, pressure, salts, trials
from db.asked import Asking
from db.connect import Database
from db.pressure import SavedPolicy
from db.trials import Stored
from engine.in_groups import in_groups
from offers.asking import Cut, Step, asked_since, question_of, question_of_all, seen_until
from offers.campaign import Campaign
from offers.pressure import DEFAULT_POLICY
from offers.trial import Trial

# campaign (None: all together) -> its trials
_Known = Mapping[str | None, Sequence[Stored]]


async def ask_questions(database: Database, now: datetime) -> None:
    """Write down the trials that begin, and cut those whose question has changed."""
    async with database.read() as tx:
        history = await salts.load(tx)
        if history is None:
            return  # nobody has been dealt into arms yet
        known = await trials.all_trials(tx)
        policies = await pressure.saved_policies(tx)
        campaigns = await asked.asking(tx)
    looks: dict[str | None, Sequence[Step]] = {None: _steps_of_all(policies, known, now)}
    for group in in_groups(campaigns):
        ids = [one.campaign.campaign_id for one in group if _is_news(one, known)]
        async with database.read() as tx:
            published = await asked.published(tx, ids)
        for one in group:
            name = one.campaign.campaign_id
            looks[name] = _steps_of(one, published.get(name, []), _seen_until(known, name))
    moved: list[tuple[list[Trial], list[Cut]]] = []
    for campaign_id, steps in looks.items():
        last = known[campaign_id][-1] if campaign_id in known else None
        begins, cuts = asked_since(
            [one for one in steps if one.at <= now],
            None if last is None else last.trial,
            history,
            now,
            is_cut=last is not None and last.is_cut,
        )
        if begins or cuts:
            moved.append((begins, cuts))
    for several in in_groups(moved):
        # Of one campaign both at once: a trial that begins hides from the next look what is to be
        # cut before it.
        async with database.begin() as tx:
            await trials.ask(tx, [one for begins, _ in several for one in begins])
            await trials.cut(tx, [one for _, cuts in several for one in cuts])


def _is_news(one: Asking, known: _Known) -> bool:
    """Whether a campaign was changed since its question was last looked at."""
    seen = _seen_until(known, one.campaign.campaign_id)
    return seen is None or one.changed_at > seen


def _seen_until(known: _Known, campaign_id: str | None) -> datetime | None:
    if campaign_id not in known:
        return None
    last = known[campaign_id][-1]
    return seen_until(last.trial, is_cut=last.is_cut)


def _steps_of(
    one: Asking, published: Sequence[tuple[datetime, Campaign]], seen: datetime | None
) -> list[Step]:
    """What a campaign asked when it was last looked at, and each change since."""
    steps = [Step(at, question_of(campaign)) for at, campaign in published]
    question = question_of(one.campaign)
    if not steps or steps[-1].question != question:
        steps.append(Step(one.changed_at, question))  # stored past the versions
    return _since(steps, seen)


def _steps_of_all(saved: Sequence[SavedPolicy], known: _Known, now: datetime) -> list[Step]:
    """The same of all campaigns together: by the quarter, and by each change of the hold-out."""
    quarter = question_of_all(0.0, now).since
    seen = _seen_until(known, None) or quarter
    shares = [(salts.BEGINNING, DEFAULT_POLICY.hold_out_share)]
    shares += [(one.at, one.policy.hold_out_share) for one in saved if one.at <= now]
    # The quarter begins with the share of then, whenever that is looked at.
    shares.append((quarter, [share for at, share in shares if at <= quarter][-1]))
    shares.sort(key=lambda one: one[0])
    shares.append((now, shares[-1][1]))
    return _since(
        [Step(max(at, seen), question_of_all(share, max(at, seen))) for at, share in shares], seen
    )


def _since(steps: Sequence[Step], seen: datetime | None) -> list[Step]:
    before = [one for one in steps if seen is not None and one.at <= seen]
    return [*before[-1:], *steps[len(before) :]]

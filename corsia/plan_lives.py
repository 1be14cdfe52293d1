"""What plan files do to the lives of the campaigns they hold, and what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from corsia.plan_files import Plan
from corsia.yaml_lines import Fault
from offers.campaign import Campaign, Status
from offers.versions import Act, Deed, Life, Step, VersionRefused, acts_of_import, step


@dataclass(frozen=True, slots=True)
class Hands:
    """Through whose hands plans come in. reviewed_by: who else has seen their campaigns."""

    by: str
    reviewed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A campaign of a file: what the file asks for, what is done for it, and what then stands."""

    wanted: Campaign
    steps: tuple[Step, ...]
    life: Life

    def sentence(self, verb: str) -> str:
        """verb: `took in` or `would take in`."""
        campaign_id, status = self.wanted.campaign_id, self.life.status
        stays = ""
        if self.wanted.status is Status.LIVE and status is Status.PAUSED:
            stays = f"; it stays paused until `corsia campaign resume {campaign_id}`"
        if not self.steps:
            return f"campaign {campaign_id} ({status.value}) is as it was{stays}"
        what = status.value
        if self.life.waiting is not None and self.steps[-1].act.deed is Deed.WRITE:
            sent = self.life.published
            beside = "" if sent is None else f"; version {sent.number} stays {status.value}"
            what = f"version {self.life.waiting.number}, a draft{beside}"
        return f"{verb} campaign {campaign_id} ({what}){stays}"


def taken_in(
    plans: Sequence[Plan], lives: Mapping[str, Life], hands: Hands, now: datetime
) -> tuple[list[Taken], list[Fault]]:
    """What becomes of every campaign of the plans, and what their lives do not allow.

    lives: of those that are stored. plans: each was read from a file.
    """
    taken: list[Taken] = []
    faults: list[Fault] = []
    for plan in plans:
        for number, campaign in enumerate(plan.campaigns):
            life = lives.get(campaign.campaign_id, Life(campaign.campaign_id))
            try:
                acts = acts_of_import(campaign, life, hands.by, hands.reviewed_by, now)
                taken.append(_done(campaign, life, acts))
            except VersionRefused as error:
                document = plan.document
                assert document is not None
                faults.append(document.fault(("campaigns", number, "status"), str(error)))
    return taken, faults


def _done(wanted: Campaign, life: Life, acts: tuple[Act, ...]) -> Taken:
    steps = []
    for act in acts:
        steps.append(step(life, act))
        life = steps[-1].life
    return Taken(wanted, tuple(steps), life)

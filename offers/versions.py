"""The life of a campaign: who may do what to which of its versions, and what then is so.

A version is what one person wrote, and never changes. It is submitted, reviewed by somebody else
and published; publishing replaces the version that was published before, all at once. Whether the
published one is sent is the campaign's own status: live, paused or ended.
"""

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from offers.campaign import Campaign, Status
from offers.creative_lint import Severity, lint

# Marks what was stored without anybody's name: a demonstration, or a row older than versions.
SYSTEM: Final = "corsia"


class VersionState(StrEnum):
    """How far one version has come. The names are stored: never renamed."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVIEWED = "reviewed"
    PUBLISHED = "published"
    REPLACED = "replaced"  # by a later version


class Deed(StrEnum):
    """What people do. The names are stored: never renamed."""

    WRITE = "write"
    SUBMIT = "submit"
    REVIEW = "review"
    RETURN = "return"  # a reviewer says no: a draft again
    PUBLISH = "publish"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


# What was done, as a history says it.
DONE: Final[dict[Deed, str]] = {
    Deed.WRITE: "written",
    Deed.SUBMIT: "submitted",
    Deed.REVIEW: "reviewed",
    Deed.RETURN: "returned",
    Deed.PUBLISH: "published",
    Deed.PAUSE: "paused",
    Deed.RESUME: "resumed",
    Deed.END: "ended",
}

# A version: what must be so before a deed, and what is so after it.
OF_VERSION: Final[dict[Deed, tuple[frozenset[VersionState], VersionState]]] = {
    Deed.SUBMIT: (frozenset({VersionState.DRAFT}), VersionState.SUBMITTED),
    Deed.REVIEW: (frozenset({VersionState.SUBMITTED}), VersionState.REVIEWED),
    Deed.RETURN: (
        frozenset({VersionState.SUBMITTED, VersionState.REVIEWED}),
        VersionState.DRAFT,
    ),
    Deed.PUBLISH: (frozenset({VersionState.REVIEWED}), VersionState.PUBLISHED),
}
# A campaign: likewise.
OF_CAMPAIGN: Final[dict[Deed, tuple[frozenset[Status], Status]]] = {
    Deed.PAUSE: (frozenset({Status.LIVE}), Status.PAUSED),
    Deed.RESUME: (frozenset({Status.PAUSED}), Status.LIVE),
    Deed.END: (frozenset({Status.DRAFT, Status.LIVE, Status.PAUSED}), Status.ENDED),
}


class VersionRefused(Exception):
    """A deed that the life of a campaign does not allow; the message says why, and what does."""


class NeedsReview(VersionRefused):
    def __init__(self, campaign_id: str) -> None:
        super().__init__(
            f"{campaign_id} is new or changed, and nobody but its author has seen it: say who"
            " reviewed it (--reviewed-by NAME), or let it come in as a draft (status: draft)"
        )


class OwnReview(VersionRefused):
    def __init__(self, name: str, author: str) -> None:
        super().__init__(f"{name} was written by {author}: somebody else must review it")


class Ended(VersionRefused):
    def __init__(self, campaign_id: str) -> None:
        super().__init__(f"{campaign_id} has ended and stays so; give the new one another id")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a campaign: what its author wrote, and how far it has come.

    campaign: as written; its status says nothing here.
    """

    campaign: Campaign
    state: VersionState
    author: str
    created_at: datetime
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    @property
    def number(self) -> int:
        return self.campaign.version

    @property
    def name(self) -> str:
        return f"version {self.number} of {self.campaign.campaign_id}"


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody does something to a campaign. campaign: what is written; of Deed.WRITE only."""

    deed: Deed
    by: str
    at: datetime
    note: str = ""
    campaign: Campaign | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """A campaign as it stands: its status, the version that is sent, and the one that waits.

    last_number: of all its versions; 0 when it has none yet.
    """

    campaign_id: str
    status: Status = Status.DRAFT
    published: Version | None = None
    waiting: Version | None = None
    last_number: int = 0

    @property
    def current(self) -> Campaign | None:
        """The version that is sent, else the one that waits, with the campaign's status."""
        version = self.published or self.waiting
        return None if version is None else replace(version.campaign, status=self.status)


@dataclass(frozen=True, slots=True)
class Step:
    """What an act made of a campaign: the new life, the versions that are new or another now, and
    the number of the version that the act was about."""

    act: Act
    life: Life
    changed: tuple[Version, ...]
    number: int


def step(life: Life, act: Act) -> Step:
    """What the act makes of the campaign. Raises VersionRefused."""
    if life.status is Status.ENDED:
        raise Ended(life.campaign_id)
    if act.deed is Deed.WRITE:
        return _written(life, act)
    if act.deed in OF_CAMPAIGN:
        after = replace(life, status=_status_after(life, act.deed))
        version = life.published or life.waiting
        return Step(act, after, (), version.number if version is not None else 0)
    if life.waiting is None:
        raise VersionRefused(
            f"no version of {life.campaign_id} waits for anything; `corsia import` takes in a new"
            " one"
        )
    version = _moved(life.waiting, act)
    if act.deed is not Deed.PUBLISH:
        return Step(act, replace(life, waiting=version), (version,), version.number)
    # What was paused stays paused: it was stopped for a reason.
    status = Status.LIVE if life.status is Status.DRAFT else life.status
    after = replace(life, status=status, published=version, waiting=None)
    return Step(act, after, (*_replaced(life.published), version), version.number)


def acts_of_import(
    wanted: Campaign, life: Life, by: str, reviewed_by: str | None, now: datetime
) -> tuple[Act, ...]:
    """What a file does to a campaign that it holds; nothing when it says what is so already.

    by: who takes it in. reviewed_by: who else has seen it. A campaign that is paused stays paused,
    whatever the file says: somebody stopped it, and a file that came later does not know why.
    Raises VersionRefused, also for what `step` would refuse on the way.
    """
    if life.status is Status.ENDED and wanted.status is not Status.ENDED:
        raise Ended(life.campaign_id)
    if life.status is wanted.status is Status.ENDED:
        return ()
    deeds: list[Deed] = []
    if not _holds(life.published, wanted):
        deeds = _deeds_on_the_way(wanted, life.waiting)
    status = Status.LIVE if Deed.PUBLISH in deeds and life.status is Status.DRAFT else life.status
    if wanted.status is Status.PAUSED and status is Status.LIVE:
        deeds.append(Deed.PAUSE)
    if wanted.status is Status.ENDED:
        deeds = [*([Deed.WRITE] if life.current is None else []), Deed.END]
    if Deed.REVIEW in deeds:
        if reviewed_by is None:
            raise NeedsReview(life.campaign_id)
        known = None if Deed.WRITE in deeds else life.waiting
        author = by if known is None else known.author
        if is_same_person(author, reviewed_by):
            raise OwnReview(life.campaign_id, author)
    return tuple(
        Act(
            deed,
            (reviewed_by or by) if deed is Deed.REVIEW else by,
            now,
            campaign=wanted if deed is Deed.WRITE else None,
        )
        for deed in deeds
    )


def is_same_content(one: Campaign, other: Campaign) -> bool:
    """Whether two versions say the same, whatever their numbers and status."""
    return replace(one, version=1, status=Status.DRAFT) == replace(
        other, version=1, status=Status.DRAFT
    )


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are meant to be one person's: case and spaces do not make a second."""
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _holds(version: Version | None, wanted: Campaign) -> bool:
    return version is not None and is_same_content(version.campaign, wanted)


def _deeds_on_the_way(wanted: Campaign, waiting: Version | None) -> list[Deed]:
    """From what waits to what the file wants: a draft, or what is published."""
    way = [Deed.WRITE, Deed.SUBMIT, Deed.REVIEW, Deed.PUBLISH]
    if waiting is not None and _holds(waiting, wanted):
        done = {VersionState.DRAFT: 1, VersionState.SUBMITTED: 2, VersionState.REVIEWED: 3}
        way = way[done[waiting.state] :]
    return [deed for deed in way if deed is Deed.WRITE or wanted.status is not Status.DRAFT]


def _written(life: Life, act: Act) -> Step:
    assert act.campaign is not None
    number = life.last_number + 1
    campaign = replace(act.campaign, version=number, status=Status.DRAFT)
    version = Version(campaign, VersionState.DRAFT, act.by, act.at)
    after = replace(life, waiting=version, last_number=number)
    return Step(act, after, (*_replaced(life.waiting), version), number)


def _replaced(version: Version | None) -> tuple[Version, ...]:
    return () if version is None else (replace(version, state=VersionState.REPLACED),)


def _moved(version: Version, act: Act) -> Version:
    before, after = OF_VERSION[act.deed]
    if version.state not in before:
        raise VersionRefused(_not_yet(version, act.deed))
    if act.deed is Deed.SUBMIT:
        for finding in lint(version.campaign.offer):
            if finding.severity is Severity.FAULT:
                raise VersionRefused(f"{version.name}: its {finding.field} {finding.sentence}")
    if act.deed is Deed.RETURN:
        return replace(version, state=after, reviewed_by=None, reviewed_at=None)
    if act.deed is not Deed.REVIEW:
        return replace(version, state=after)
    if is_same_person(version.author, act.by):
        raise OwnReview(version.name, version.author)
    return replace(version, state=after, reviewed_by=act.by, reviewed_at=act.at)


def _status_after(life: Life, deed: Deed) -> Status:
    before, after = OF_CAMPAIGN[deed]
    if life.status not in before:
        only = " or ".join(sorted(one.value for one in before))
        raise VersionRefused(
            f"{life.campaign_id} is {life.status.value}; only what is {only} can be {DONE[deed]}"
        )
    return after


def _not_yet(version: Version, deed: Deed) -> str:
    """Why the version is not where this deed needs it, and what comes first."""
    campaign_id = version.campaign.campaign_id
    if version.state is VersionState.DRAFT:
        return f"{version.name} is a draft: `corsia campaign submit {campaign_id}` comes first"
    if version.state is VersionState.SUBMITTED and deed is Deed.PUBLISH:
        return f"{version.name} is not reviewed: `corsia campaign review {campaign_id}` comes first"
    return f"{version.name} is {version.state.value} already"

"""The life of a campaign: four eyes before anything is sent, and no version that changes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers.campaign import Campaign, Offer, Status
from offers.versions import (
    Act,
    Deed,
    Ended,
    Life,
    NeedsReview,
    OwnReview,
    VersionRefused,
    VersionState,
    acts_of_import,
    is_same_content,
    is_same_person,
    step,
)
from tests.offers.situations import NOW, a_campaign

NEW = Life("pasta")


def act(deed: Deed, by: str = "anna", campaign: Campaign | None = None) -> Act:
    return Act(deed, by, NOW, campaign=campaign)


def after(life: Life, *acts: Act) -> Life:
    for one in acts:
        life = step(life, one).life
    return life


def written(name: str = "Pasta week", by: str = "anna") -> Act:
    return act(Deed.WRITE, by, campaign=a_campaign(name=name))


TO_LIVE = (written(), act(Deed.SUBMIT), act(Deed.REVIEW, "bruno"), act(Deed.PUBLISH))
LIVE = after(NEW, *TO_LIVE)


def test_a_campaign_is_written_submitted_reviewed_and_published() -> None:
    assert LIVE.status is Status.LIVE
    assert LIVE.published is not None
    assert LIVE.waiting is None
    version = LIVE.published
    assert (version.author, version.reviewed_by, version.number) == ("anna", "bruno", 1)
    assert LIVE.current == a_campaign(version=1)


@pytest.mark.parametrize("reviewer", ["anna", " Anna", "ANNA ", "A nna"])
def test_nobody_reviews_what_they_wrote(reviewer: str) -> None:
    submitted = after(NEW, written(), act(Deed.SUBMIT))

    with pytest.raises(OwnReview, match="version 1 of pasta was written by anna: somebody else"):
        step(submitted, act(Deed.REVIEW, reviewer))


@pytest.mark.parametrize(
    ("done", "deed", "said"),
    [
        ((written(),), Deed.REVIEW, "is a draft: `corsia campaign submit pasta` comes first"),
        ((written(),), Deed.PUBLISH, "is a draft: `corsia campaign submit pasta` comes first"),
        (TO_LIVE[:2], Deed.PUBLISH, "not reviewed: `corsia campaign review pasta` comes first"),
        (TO_LIVE[:2], Deed.SUBMIT, "version 1 of pasta is submitted already"),
        (TO_LIVE[:3], Deed.REVIEW, "version 1 of pasta is reviewed already"),
        (TO_LIVE, Deed.PUBLISH, "no version of pasta waits for anything"),
        (TO_LIVE, Deed.RESUME, "pasta is live; only what is paused can be resumed"),
        (TO_LIVE[:3], Deed.PAUSE, "pasta is draft; only what is live can be paused"),
    ],
)
def test_what_the_life_does_not_allow_is_refused_in_words(
    done: tuple[Act, ...], deed: Deed, said: str
) -> None:
    with pytest.raises(VersionRefused, match=said):
        step(after(NEW, *done), act(deed, "carla"))


def test_an_edit_stands_beside_what_is_sent_until_it_is_published() -> None:
    edited = after(LIVE, written("New name"))
    assert edited.published == LIVE.published
    assert edited.current == LIVE.current
    assert edited.waiting is not None
    assert edited.waiting.number == 2

    reviewed = after(edited, act(Deed.SUBMIT), act(Deed.REVIEW, "bruno"))
    done = step(reviewed, act(Deed.PUBLISH))

    assert done.life.current == a_campaign(name="New name", version=2)
    assert [(one.number, one.state) for one in done.changed] == [
        (1, VersionState.REPLACED),
        (2, VersionState.PUBLISHED),
    ]


def test_a_new_draft_replaces_the_one_that_waited() -> None:
    done = step(after(LIVE, written("Second")), written("Third", "bruno"))

    assert [(one.number, one.state) for one in done.changed] == [
        (2, VersionState.REPLACED),
        (3, VersionState.DRAFT),
    ]


def test_what_a_reviewer_returns_is_a_draft_again_and_needs_a_new_review() -> None:
    returned = after(NEW, *TO_LIVE[:3], act(Deed.RETURN, "bruno"))

    assert returned.waiting is not None
    assert returned.waiting.state is VersionState.DRAFT
    assert returned.waiting.reviewed_by is None


def test_a_paused_campaign_stays_paused_when_a_version_is_published() -> None:
    paused = after(LIVE, act(Deed.PAUSE), written("New"), *TO_LIVE[1:])

    assert paused.status is Status.PAUSED
    assert after(paused, act(Deed.RESUME)).status is Status.LIVE


def test_a_text_with_a_fault_is_not_submitted() -> None:
    faulty = Act(Deed.WRITE, "anna", NOW, campaign=a_campaign(offer=Offer("Hello {name}", "b")))

    with pytest.raises(VersionRefused, match=r"version 1 of pasta: its title '\{name\}' is"):
        step(after(NEW, faulty), act(Deed.SUBMIT))


@pytest.mark.parametrize("deed", Deed)
def test_what_has_ended_stays_so(deed: Deed) -> None:
    ended = after(LIVE, act(Deed.END))

    with pytest.raises(Ended, match="pasta has ended and stays so"):
        step(ended, act(deed, campaign=a_campaign()))


@given(st.lists(st.tuples(st.sampled_from(Deed), st.sampled_from(["anna", "bruno"]))))
def test_nothing_is_ever_live_that_its_author_alone_has_seen(
    deeds: list[tuple[Deed, str]],
) -> None:
    life = NEW
    contents: dict[int, Campaign] = {}
    for number, (deed, by) in enumerate(deeds):
        wrote = replace(a_campaign(), name=f"{number}")
        try:
            life = step(life, Act(deed, by, NOW, campaign=wrote)).life
        except VersionRefused:
            continue
        for version in (life.published, life.waiting):
            if version is not None:
                # A version never changes its words.
                said = contents.setdefault(version.number, version.campaign)
                assert version.campaign == said
        if life.status is not Status.DRAFT and life.published is not None:
            assert life.published.reviewed_by not in {None, life.published.author}
        if life.status in {Status.LIVE, Status.PAUSED}:
            assert life.published is not None


# What a file does


def imported(
    life: Life, campaign: Campaign, by: str = "anna", reviewed_by: str | None = "bruno"
) -> Life:
    later = NOW + timedelta(hours=1)
    return after(life, *acts_of_import(campaign, life, by, reviewed_by, later))


def test_a_file_that_says_live_needs_a_reviewer() -> None:
    with pytest.raises(NeedsReview, match=r"--reviewed-by NAME"):
        imported(NEW, a_campaign(), reviewed_by=None)
    with pytest.raises(OwnReview):
        imported(NEW, a_campaign(), reviewed_by="Anna")

    life = imported(NEW, a_campaign())
    assert life.status is Status.LIVE
    assert life.published is not None
    assert (life.published.author, life.published.reviewed_by) == ("anna", "bruno")


@pytest.mark.parametrize("status", [Status.LIVE, Status.DRAFT])
def test_a_file_with_what_is_live_already_changes_nothing(status: Status) -> None:
    assert acts_of_import(a_campaign(status=status), LIVE, "carla", None, NOW) == ()


def test_a_draft_in_a_file_stands_beside_what_is_live() -> None:
    life = imported(LIVE, a_campaign(name="New", status=Status.DRAFT), reviewed_by=None)

    assert life.current == LIVE.current
    assert life.waiting is not None
    assert acts_of_import(
        a_campaign(name="New", status=Status.DRAFT), life, "anna", None, NOW
    ) == ()  # fmt: skip


def test_what_was_reviewed_before_needs_no_other_review() -> None:
    reviewed = after(NEW, *TO_LIVE[:3])

    assert imported(reviewed, a_campaign(), reviewed_by=None).status is Status.LIVE


def test_a_file_does_not_resume_what_somebody_paused() -> None:
    paused = after(LIVE, act(Deed.PAUSE))

    assert imported(paused, a_campaign()).status is Status.PAUSED
    assert imported(paused, a_campaign(name="New")).status is Status.PAUSED


def test_a_file_may_pause_and_end_without_a_review() -> None:
    paused = imported(LIVE, a_campaign(status=Status.PAUSED), reviewed_by=None)
    assert paused.status is Status.PAUSED
    ended = imported(LIVE, a_campaign(status=Status.ENDED), reviewed_by=None)
    assert ended.status is Status.ENDED
    assert imported(ended, a_campaign(status=Status.ENDED), reviewed_by=None) == ended
    assert imported(NEW, a_campaign(status=Status.ENDED), reviewed_by=None).status is Status.ENDED
    with pytest.raises(Ended):
        imported(ended, a_campaign())


def test_a_new_campaign_may_come_in_paused_when_it_was_reviewed() -> None:
    with pytest.raises(NeedsReview):
        imported(NEW, a_campaign(status=Status.PAUSED), reviewed_by=None)
    assert imported(NEW, a_campaign(status=Status.PAUSED)).status is Status.PAUSED


def test_numbers_and_status_are_no_content_and_names_are_compared_loosely() -> None:
    assert is_same_content(a_campaign(), a_campaign(version=7, status=Status.DRAFT))
    assert not is_same_content(a_campaign(), a_campaign(budget_sends=7))
    assert is_same_person("Anna Rossi", "anna  rossi")
    assert not is_same_person("anna", "hanna")

"""The live campaigns, found by the zone they run in and by what their audience requires.

Ten thousand campaigns are live and a decision looks at those few that may be for this shopper at
this shelf. Whom the index leaves out is not in the audience: it never leaves out one who is.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from offers.audience import Audience
from offers.audience_checks import checks_of
from offers.audience_keys import Key, required
from offers.campaign import Campaign
from offers.situation import Candidate


@dataclass(frozen=True, slots=True)
class Live:
    """A live campaign, what it has sent, and its audience; None: everybody."""

    campaign: Campaign
    sends: int
    audience: Audience | None = None


def ready(one: Live) -> Candidate:
    """A live campaign as a decision weighs it."""
    if one.audience is None:
        return Candidate(one.campaign, one.sends)
    return Candidate(one.campaign, one.sends, checks_of(one.audience))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The campaigns of one zone, by their numbers: for whoever comes, and by a key of theirs."""

    anybody: tuple[int, ...]
    by_key: Mapping[Key, tuple[int, ...]]


class Catalogue:
    """The live campaigns of all stores. It stands still but for what is sent of each."""

    def __init__(self, live: Iterable[Live]) -> None:
        self._candidates: list[Candidate] = []
        self._required: list[frozenset[Key] | None] = []
        self._number: dict[str, int] = {}
        self._in_zone: defaultdict[str, list[int]] = defaultdict(list)
        self._tagged: defaultdict[str, list[int]] = defaultdict(list)
        self._shelves: dict[tuple[str, str, AbstractSet[str]], _Shelf] = {}
        for number, one in enumerate(live):
            campaign = one.campaign
            self._candidates.append(ready(one))
            self._required.append(None if one.audience is None else required(one.audience))
            self._number[campaign.campaign_id] = number
            for zone_id in campaign.zone_ids:
                self._in_zone[zone_id].append(number)
            for tag in campaign.zone_tags:
                self._tagged[tag].append(number)

    def __len__(self) -> int:
        return len(self._candidates)

    def find(
        self, store_id: str, zone_id: str, tags: frozenset[str], keys: Collection[Key]
    ) -> tuple[Candidate, ...]:
        """The campaigns of a zone that may be for a shopper, in the order in which they came.

        tags: those that the zone bears now. keys: `offers.audience_keys.keys_of`.
        """
        shelf = self._shelves.get((store_id, zone_id, tags))
        if shelf is None:
            shelf = self._shelves[store_id, zone_id, tags] = self._stacked(store_id, zone_id, tags)
        found = set(shelf.anybody)
        for key in keys:
            found.update(shelf.by_key.get(key, ()))
        candidates = self._candidates
        return tuple(candidates[number] for number in sorted(found))

    def sent(self, campaign_id: str) -> None:
        """One more of this campaign has been sent; its budget is one smaller. No matter when it is
        not in the catalogue any more."""
        self._add(campaign_id, 1)

    def unsent(self, campaign_id: str) -> None:
        """One of this campaign that was called sent was not."""
        self._add(campaign_id, -1)

    def sends_are(self, sends: Mapping[str, int]) -> None:
        """So much has been sent, by campaign; of others what was known stays."""
        for campaign_id, count in sends.items():
            number = self._number.get(campaign_id)
            if number is None:
                continue
            known = self._candidates[number]
            if known.sends != count or known.is_spent:
                self._candidates[number] = replace(known, sends=count, is_spent=False)

    def is_spent(self, campaign_id: str) -> None:
        """The campaign's budget is spent, until `sends_are` says what it has sent."""
        number = self._number.get(campaign_id)
        if number is not None:
            self._candidates[number] = replace(self._candidates[number], is_spent=True)

    def _add(self, campaign_id: str, sends: int) -> None:
        number = self._number.get(campaign_id)
        if number is not None:
            known = self._candidates[number]
            self._candidates[number] = replace(known, sends=max(0, known.sends + sends))

    def _stacked(self, store_id: str, zone_id: str, tags: AbstractSet[str]) -> _Shelf:
        here = set(self._in_zone.get(zone_id, ()))
        for tag in tags:
            here.update(self._tagged.get(tag, ()))
        anybody: list[int] = []
        by_key: defaultdict[Key, list[int]] = defaultdict(list)
        for number in sorted(here):
            if not self._candidates[number].campaign.is_for(store_id, zone_id, tags):
                continue
            keys = self._required[number]
            if keys is None:
                anybody.append(number)
                continue
            for key in keys:
                by_key[key].append(number)
        return _Shelf(tuple(anybody), {key: tuple(numbers) for key, numbers in by_key.items()})

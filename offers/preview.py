"""What campaigns would have done: their reach, what they win and lose, and what it would cost.

Counted over moments that were decided twice: with the campaigns that are live, and with these
beside them. A shopper who stands at a shelf is decided on every second, so that all but sends is
counted once a visit.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from offers.campaign import Campaign
from offers.situation import Decision, Reason, Send


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one campaign would have done.

    visits: in which it stood in a shopper's zone and was for them. reach: shoppers it went to.
    ghosts: visits in which silence would have been kept to compare. won, lost: visits in which it
    went first where another would have been sent, and in which another went first; by that other.
    held: visits in which it was never sent, by the main reason of the moment that came nearest.
    cost_cents: if everybody responded. expected_cents: the sum of its scores when sent.
    """

    campaign_id: str
    visits: int
    reach: int
    sends: int
    ghosts: int
    won: Mapping[str, int]
    lost: Mapping[str, int]
    held: Mapping[Reason, int]
    cost_cents: int
    expected_cents: float


@dataclass(frozen=True, slots=True)
class Preview:
    """All of it. sends: of every campaign, as it is and as it would be. shoppers_by_sends: how many
    shoppers get so many, both ways."""

    campaigns: tuple[Rehearsed, ...]
    moments: int
    visits: int
    sends: Mapping[str, tuple[int, int]]
    shoppers_by_sends: tuple[Mapping[int, int], Mapping[int, int]]


class Tally:
    """Counts both decisions of each moment, in the order of time."""

    def __init__(self, tried: Collection[Campaign]) -> None:
        self._tried = {one.campaign_id: one for one in tried}
        self._moments = 0
        self._visits: set[str] = set()
        self._sends: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._to: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._met: defaultdict[str, set[str]] = defaultdict(set)
        self._reached: defaultdict[str, set[str]] = defaultdict(set)
        self._sent_in: defaultdict[str, set[str]] = defaultdict(set)
        self._ghosts: defaultdict[str, set[str]] = defaultdict(set)
        self._won: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._lost: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._held: defaultdict[str, dict[str, tuple[int, Reason]]] = defaultdict(dict)
        self._expected: defaultdict[str, float] = defaultdict(float)

    def add(self, shopper_id: str, visit_id: str, as_is: Decision, as_tried: Decision) -> None:
        """One moment of a visit."""
        self._moments += 1
        self._visits.add(visit_id)
        for which, decision in enumerate((as_is, as_tried)):
            if isinstance(decision, Send):
                self._sends[which][decision.campaign.campaign_id] += 1
                self._to[which][shopper_id] += 1
        winner = as_tried.campaign.campaign_id if isinstance(as_tried, Send) else None
        for one in as_tried.weighed:
            if one.campaign_id not in self._tried:
                continue
            if Reason.OUTSIDE_AUDIENCE not in one.against:
                self._met[one.campaign_id].add(visit_id)
            if winner == one.campaign_id:
                self._send(one.campaign_id, shopper_id, visit_id, one.score)
                if isinstance(as_is, Send):
                    self._won[winner].setdefault(visit_id, as_is.campaign.campaign_id)
            elif winner is not None and one.against == (Reason.OUTRANKED,):
                self._lost[one.campaign_id].setdefault(visit_id, winner)
            elif one.against:
                known = self._held[one.campaign_id].get(visit_id)
                if known is None or len(one.against) < known[0]:
                    held = len(one.against), one.against[0]
                    self._held[one.campaign_id][visit_id] = held
        ghost = None if isinstance(as_tried, Send) else as_tried.ghost
        if ghost is not None and ghost.campaign_id in self._tried:
            self._ghosts[ghost.campaign_id].add(visit_id)

    def _send(self, campaign_id: str, shopper_id: str, visit_id: str, score: float) -> None:
        self._reached[campaign_id].add(shopper_id)
        self._sent_in[campaign_id].add(visit_id)
        self._expected[campaign_id] += score

    def preview(self) -> Preview:
        """What has been counted so far."""
        as_is, as_tried = self._sends
        return Preview(
            campaigns=tuple(self._rehearsed(campaign) for campaign in self._tried.values()),
            moments=self._moments,
            visits=len(self._visits),
            sends={
                campaign_id: (as_is[campaign_id], as_tried[campaign_id])
                for campaign_id in sorted(as_is.keys() | as_tried.keys())
            },
            shoppers_by_sends=(Counter(self._to[0].values()), Counter(self._to[1].values())),
        )

    def _rehearsed(self, campaign: Campaign) -> Rehearsed:
        name = campaign.campaign_id
        sends, sent_in = self._sends[1][name], self._sent_in[name]
        silent = {
            visit_id: reason
            for visit_id, (_, reason) in self._held[name].items()
            if visit_id not in sent_in
        }
        return Rehearsed(
            campaign_id=name,
            visits=len(self._met[name]),
            reach=len(self._reached[name]),
            sends=sends,
            ghosts=len(self._ghosts[name]),
            won=Counter(self._won[name].values()),
            lost=Counter(
                other for visit, other in self._lost[name].items() if visit not in sent_in
            ),
            held=Counter(silent.values()),
            cost_cents=sends * campaign.offer.cost_cents,
            expected_cents=self._expected[name],
        )

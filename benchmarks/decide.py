"""How long a decision takes among ten thousand live campaigns, beside a scan over all of them.

Run from the root of the repository: `make bench-decide`.
"""

import gc
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import eq
from random import Random
from typing import Final

import click
import numpy as np

from benchmarks.machine import one_core, processor, rss_mb
from benchmarks.text_table import number, table
from offers.audience import And, Audience, Compared, Did, IsOneOf, Measured, Not, Or, Sign
from offers.audience_fields import (
    Bought,
    DeedField,
    Facts,
    Lifecycle,
    MeasureField,
    NumberField,
    WordField,
)
from offers.audience_keys import keys_of
from offers.baskets import Association
from offers.campaign import Campaign, Hours, Offer, Status, Tier
from offers.catalogue import Catalogue, Live, ready
from offers.decide import decide
from offers.fading import Tally
from offers.habits import Habit
from offers.known import Known, Learnt, Profile
from offers.learning import Learning, Tried, Warmth
from offers.pressure import DEFAULT_POLICY, Message, Pressure
from offers.relevance import Kept
from offers.situation import (
    Browsed,
    Candidate,
    Decision,
    Moment,
    Send,
    ShopperView,
    Situation,
    ZoneRole,
)
from offers.stops import Stops
from shoppers.consent import Purpose

SEED: Final = 7
CAMPAIGNS: Final = 10_000
SHOPPERS: Final = 100_000
ZONES: Final = 100
DECISIONS: Final = 20_000
# A shopper is decided on every second that they stand in a zone: some thirty times a visit in the
# fault run (docs/chaos.md). Fewer here, so that first decisions weigh more than they do.
ZONES_A_VISIT: Final = 4
DECISIONS_A_ZONE: Final = 3
# A scan takes some milliseconds.
SCANNED: Final = 300
P50_MS: Final = 0.3
P99_MS: Final = 1.0
STORE: Final = "store-1"
NOW: Final = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

ZONE_IDS: Final = tuple(f"zone-{n}" for n in range(ZONES))
TAGS: Final = tuple(f"tag-{n}" for n in range(40))
CATEGORIES: Final = tuple(f"category-{n}" for n in range(60))
LOOKS: Final = ("viewed", "searched", "listed", "carted")
# Shoppers share them: to know a hundred thousand apart would only fill the memory of the bench.
PROFILES: Final = 2_000
SEGMENTS: Final = tuple(f"segment-{n}" for n in range(30))


@dataclass(frozen=True, slots=True)
class Shopper:
    """Somebody who may come."""

    view: ShopperView
    facts: Facts
    browsed: tuple[Browsed, ...]
    pressure: Pressure
    known: Known
    kept: Kept


# send or hold, and the campaign sent, or whose control group the shopper is in.
Outcome = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Timed:
    """How long each decision took, and what was decided."""

    ms: np.ndarray[tuple[int], np.dtype[np.float64]]
    candidates: np.ndarray[tuple[int], np.dtype[np.int64]]
    outcomes: list[Outcome]

    def every(self, nth: int) -> "Timed":
        """The first of each so many."""
        return Timed(self.ms[::nth], self.candidates[::nth], self.outcomes[::nth])


@click.command()
@click.option(
    "--campaigns", default=CAMPAIGNS, show_default=True, type=click.IntRange(1, 1_000_000)
)
@click.option("--shoppers", default=SHOPPERS, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--decisions", default=DECISIONS, show_default=True, type=click.IntRange(100, 10**6))
@click.option("--seed", default=SEED, show_default=True)
def main(campaigns: int, shoppers: int, decisions: int, seed: int) -> None:
    """Decisions among many campaigns: found by zone and audience, and by scanning all.

    Both weigh the same shoppers in the same zones, and must decide the same. CPU time on one core.
    """
    chance = Random(seed)
    before_mb = rss_mb()
    live = [a_campaign(n, chance) for n in range(campaigns)]
    catalogue = Catalogue(live)
    tags = {zone_id: frozenset(chance.sample(TAGS, 2)) for zone_id in ZONE_IDS}
    for zone_id in ZONE_IDS:
        catalogue.find(STORE, zone_id, tags[zone_id], ())
    catalogue_mb = rss_mb() - before_mb
    learnt, learning = what_is_learnt(chance, campaigns)
    profiles = [Known(a_profile(chance), learnt, learning) for _ in range(PROFILES)]
    crowd = [a_shopper(n, profiles[n % PROFILES], chance) for n in range(shoppers)]
    crowd_mb = rss_mb() - before_mb - catalogue_mb
    moments = visits(crowd, decisions, chance)
    # As the engine does once it is set up: what stays is not searched for garbage again and again.
    gc.collect()
    gc.freeze()

    def indexed(shopper: Shopper, zone_id: str) -> Situation:
        keys = keys_of(shopper.facts)
        return situation(shopper, zone_id, catalogue.find(STORE, zone_id, tags[zone_id], keys))

    everything = [ready(one) for one in live]

    def scanned(shopper: Shopper, zone_id: str) -> Situation:
        here = [c for c in everything if c.campaign.is_for(STORE, zone_id, tags[zone_id])]
        return situation(shopper, zone_id, tuple(here))

    with one_core():
        found = timed(moments, indexed)
        plain = timed(moments[:SCANNED], scanned)
    agree = sum(map(eq, found.outcomes, plain.outcomes))
    click.echo(f"{processor()}, one core; Python {platform.python_version()}; CPU time")
    click.echo(
        f"{campaigns:,} live campaigns in {ZONES} zones of a store, {shoppers:,} shoppers,"
        f" seed {seed}\n"
    )
    columns = ["decisions", "candidates p50", "p99", "ms p50", "p99", "most", "decisions/s"]
    a_visit = ZONES_A_VISIT * DECISIONS_A_ZONE
    rows = [
        _row("found by zone and audience", found),
        _row("  the first of each visit", found.every(a_visit)),
        _row("scanned, all of them", plain),
    ]
    click.echo(table("", columns, rows) + "\n")
    sent = sum(kind == "send" for kind, _ in found.outcomes)
    click.echo(f"{sent / decisions:.0%} of the decisions send, the others hold")
    click.echo(f"the scan decided the same in {agree} of {len(plain.outcomes)}")
    click.echo(f"a scan takes {np.median(plain.ms) / np.median(found.ms):,.0f} times as long")
    click.echo(
        f"memory: catalogue {catalogue_mb:,.0f} MB, shoppers of the bench {crowd_mb:,.0f} MB"
    )
    p50, p99 = np.percentile(found.ms, [50, 99])
    click.echo(f"p50 at most {P50_MS:g} ms: {_met(p50 <= P50_MS)}; p99 at most {P99_MS:g} ms:"
               f" {_met(p99 <= P99_MS)}")  # fmt: skip
    if agree < len(plain.outcomes):
        raise click.ClickException("the index and the scan do not decide the same")


def visits(crowd: Sequence[Shopper], decisions: int, chance: Random) -> list[tuple[Shopper, str]]:
    """Shoppers and the zones that they are decided on in, one visit after the other.

    What was worked out of a shopper is forgotten between two visits.
    """
    moments: list[tuple[Shopper, str]] = []
    while len(moments) < decisions:
        shopper = chance.choice(crowd)
        visitor = replace(shopper, kept=Kept())
        for zone_id in chance.sample(ZONE_IDS, ZONES_A_VISIT):
            moments += [(visitor, zone_id)] * DECISIONS_A_ZONE
    return moments[:decisions]


def timed(
    moments: Sequence[tuple[Shopper, str]], situated: Callable[[Shopper, str], Situation]
) -> Timed:
    """Decide each; what it took from knowing shopper and zone to the decision."""
    ms, counts, outcomes = [], [], []
    for shopper, zone_id in moments:
        began = time.process_time_ns()
        there = situated(shopper, zone_id)
        taken = decide(there, shopper.kept)
        ms.append((time.process_time_ns() - began) / 1e6)
        counts.append(len(there.candidates))
        # Kept whole, they would be garbage to search through.
        outcomes.append(_outcome(taken))
    return Timed(np.array(ms), np.array(counts), outcomes)


def situation(shopper: Shopper, zone_id: str, candidates: tuple[Candidate, ...]) -> Situation:
    """The shopper in that zone, where nothing but the campaigns' own reasons is in the way."""
    return Situation(
        shopper=shopper.view,
        facts=shopper.facts,
        moment=Moment(STORE, "visit", zone_id, ZoneRole.SELLING, 0.9, 120.0, 5.0, 25.0, 0.8),
        browsed=shopper.browsed,
        pressure=shopper.pressure,
        candidates=candidates,
        stops=Stops(),
        policy=DEFAULT_POLICY,
        now=NOW,
        local=NOW,
        is_holiday=False,
        control_salt="salt",
        known=shopper.known,
    )


def a_campaign(n: int, chance: Random) -> Live:
    """One in three of no audience or a wide one; mostly one to three zones, some by a tag."""
    by_tag = chance.random() < 0.1
    hours = (Hours((NOW - timedelta(hours=2)).time(), (NOW + timedelta(hours=2)).time()),)
    campaign = Campaign(
        campaign_id=f"campaign-{n}",
        name=f"Campaign {n}",
        offer=Offer("Title", "Body", margin_cents=chance.randrange(50, 900), cost_cents=20),
        zone_ids=frozenset(() if by_tag else chance.sample(ZONE_IDS, chance.randint(1, 3))),
        zone_tags=frozenset(chance.sample(TAGS, 1) if by_tag else ()),
        valid_from=NOW - timedelta(days=chance.randint(0, 30)),
        valid_until=NOW + timedelta(days=chance.randint(1, 30)),
        categories=frozenset(chance.sample(CATEGORIES, chance.randint(1, 3))),
        tier=chance.choices(list(Tier), [1, 2, 20, 77])[0],
        status=Status.LIVE,
        hours=hours if chance.random() < 0.2 else (),
        budget_sends=chance.choice([None, 1_000]),
    )
    return Live(campaign, chance.choice([0, 10, 1_000]), an_audience(chance))


def an_audience(chance: Random) -> Audience | None:
    """As managers write them: most name what somebody buys, looks at or is."""
    segment = IsOneOf(WordField.SEGMENT, frozenset(chance.sample(SEGMENTS, 2)))
    status = IsOneOf(WordField.LIFECYCLE, frozenset(chance.sample(list(Lifecycle), 2)))
    category = chance.choice(CATEGORIES)
    buys = Did(DeedField.BOUGHT, category, timedelta(days=chance.choice([7, 30, 90])))
    looks = Did(DeedField.BROWSED, category, timedelta(hours=chance.choice([2, 48])))
    likes = Measured(MeasureField.INTEREST, category, Sign.AT_LEAST, 0.3)
    regular = Compared(NumberField.VISITS, Sign.AT_LEAST, chance.randint(2, 10))
    kinds: list[tuple[float, Audience | None]] = [
        (0.15, None),
        (0.10, regular),
        (0.10, Not(segment)),
        (0.10, status),
        (0.15, And((segment, regular))),
        (0.15, And((likes, Not(buys)))),
        (0.15, Or((buys, looks))),
        (0.10, And((status, buys))),
    ]
    weights, audiences = zip(*kinds, strict=True)
    chosen: Audience | None = chance.choices(audiences, weights)[0]
    return chosen


def what_is_learnt(chance: Random, campaigns: int) -> tuple[Learnt, Learning]:
    """From all baskets, and from what campaigns were answered."""
    shares = {category: chance.uniform(0.01, 0.4) for category in CATEGORIES}
    complements = {
        category: {
            then: Association(category, then, 100, 0.01, 0.2, 2.0)
            for then in chance.sample(CATEGORIES, 3)
        }
        for category in CATEGORIES
    }
    learning: Learning = {
        f"campaign-{n}": {warmth: Tried(chance.randrange(2_000), 12) for warmth in Warmth}
        for n in range(campaigns)
    }
    return Learnt(shares, complements), learning


def a_profile(chance: Random) -> Profile:
    """A household that buys some categories again and again."""
    first_at = NOW - timedelta(days=300)

    def lately() -> datetime:
        return NOW - timedelta(days=chance.uniform(1, 60))

    return Profile(
        baskets=Tally(chance.uniform(3, 40), lately()),
        habits={
            category: Habit(first_at, chance.randint(1, 20), Tally(chance.uniform(1, 9), lately()))
            for category in chance.sample(CATEGORIES, chance.randint(2, 20))
        },
        dwelt={
            category: Tally(chance.uniform(20, 120), lately())
            for category in chance.sample(CATEGORIES, chance.randint(0, 6))
        },
        alike={category: chance.uniform(-1, 1) for category in chance.sample(CATEGORIES, 30)},
    )


def a_shopper(n: int, known: Known, chance: Random) -> Shopper:
    """A consenting shopper with some history."""
    looks = {
        category: {chance.choice(LOOKS): NOW - timedelta(minutes=chance.randrange(4_000))}
        for category in chance.sample(CATEGORIES, chance.randint(0, 4))
    }
    facts = Facts(
        country="IT",
        locale="it-IT",
        platforms=frozenset({chance.choice(["android", "ios"])}),
        lifecycle=chance.choice(list(Lifecycle)),
        segments=frozenset(chance.sample(SEGMENTS, chance.randint(0, 4))),
        visits=chance.randrange(30),
        interests={
            category: chance.random()
            for category in chance.sample(CATEGORIES, chance.randint(2, 10))
        },
        purchases={
            category: Bought(NOW - timedelta(days=chance.randrange(120)), 3, 900)
            for category in chance.sample(CATEGORIES, chance.randint(2, 12))
        },
        browsing=looks,
    )
    return Shopper(
        ShopperView(f"shopper-{n}", "IT", frozenset(Purpose), has_push_target=True),
        facts,
        tuple(
            Browsed(look, category, at)
            for category, own in looks.items()
            for look, at in own.items()
        ),
        Pressure(tuple(a_message(n, chance) for n in range(chance.randint(0, 1)))),
        known,
        Kept(),
    )


def a_message(n: int, chance: Random) -> Message:
    """One push of the last days."""
    return Message(
        message_id=f"sent-{n}",
        at=NOW - timedelta(days=chance.randint(1, 6)),
        campaign_id=f"campaign-{chance.randrange(CAMPAIGNS)}",
        visit_id="earlier",
        zone_id=chance.choice(ZONE_IDS),
        store_id=STORE,
        is_answered=True,
    )


def _outcome(decision: Decision) -> Outcome:
    """The campaign sent or kept back; of a silence, whatever it says of its candidates."""
    if isinstance(decision, Send):
        return "send", decision.campaign.campaign_id
    return "hold", decision.ghost.campaign_id if decision.ghost else None


def _row(name: str, of: Timed) -> tuple[str, list[str]]:
    p50, p99 = np.percentile(of.ms, [50, 99])
    few, many = np.percentile(of.candidates, [50, 99])
    rate = 1e3 / float(of.ms.mean())
    return name, [
        f"{len(of.ms):,}", number(few, 0), number(many, 0), number(p50, 3), number(p99, 3),
        number(of.ms.max(), 3), f"{rate:,.0f}",
    ]  # fmt: skip


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()

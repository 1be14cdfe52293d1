"""A preview for readers: a page for a terminal, a document for machines."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from textwrap import wrap
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from corsia.held_back import WORDS
from db.explained import utc
from engine.past import Gone
from offers.campaign import Status
from offers.preview import Preview, Rehearsed

# Of the campaigns and of the reasons that a campaign met, what a person reads.
ROWS_MAX: Final = 8
BAR_COLUMNS: Final = 20
COLUMNS: Final = 79
# Shoppers who get so many or more stand in one row.
MANY: Final = 8
_GONE: Final = {
    Gone.ZONE: "in zones that no plan has any more",
    Gone.FORM: "stored by a Corsia that kept too little of them",
}


@dataclass(frozen=True, slots=True)
class Previewed:
    """A preview, and what it rests on.

    stands: how each of its campaigns stands in the database, None where it is new, in their order.
    as_stored: moments that the live campaigns decide as they were truly decided. aside: those that
    could not be decided again.
    """

    preview: Preview
    since: datetime
    until: datetime
    stands: tuple[Status | None, ...]
    as_stored: int
    aside: Mapping[Gone, int]
    by_newest_policy: bool
    took_s: float


def as_json(done: Previewed) -> dict[str, Any]:
    """All of it, ready for `json.dumps`. Pairs are as it is, and as it would be."""
    found = done.preview
    return {
        "since": done.since.isoformat(),
        "until": done.until.isoformat(),
        "took_s": round(done.took_s, 1),
        "moments": found.moments,
        "moments_as_stored": done.as_stored,
        "moments_set_aside": {why.value: count for why, count in done.aside.items()},
        "visits": found.visits,
        "shoppers": found.shoppers,
        "campaigns": [
            {
                "campaign_id": one.campaign_id,
                "replaces": None if stands is None else stands.value,
                "visits": one.visits,
                "reach": one.reach,
                "sends": one.sends,
                "ghosts": one.ghosts,
                "took": dict(one.took),
                "lost": dict(one.lost),
                "held": {reason.value: count for reason, count in one.held.items()},
                "cost_at_most_cents": one.cost_cents,
                "expected_cents": round(one.expected_cents, 2),
                "likely_cents": [round(cents, 2) for cents in one.likely_cents],
            }
            for one, stands in zip(found.campaigns, done.stands, strict=True)
        ],
        "sends": {name: list(both) for name, both in found.sends.items()},
        "shoppers_by_sends": [
            {str(sends): count for sends, count in sorted(one.items())}
            for one in found.shoppers_by_sends
        ],
        "notes": list(notes(done)),
    }


def show(done: Previewed, console: Console) -> None:
    """Print it, for 80 columns."""
    for line in lines(done):
        console.print(line, highlight=False)


def lines(done: Previewed) -> Iterable[Text]:
    """The page, line by line."""
    found = done.preview
    yield Text(f"from {utc(done.since)} to {utc(done.until)}:")
    yield Text(
        f"{_many(found.moments, 'moment')} of {_many(found.visits, 'visit')} by"
        f" {_many(found.shoppers, 'shopper')}, replayed in {done.took_s:.1f} s"
    )
    for one, stands in zip(found.campaigns, done.stands, strict=True):
        instead = "" if stands is None else f", in place of the one that is {stands.value}"
        yield Text()
        yield Text.assemble((one.campaign_id, "bold"), instead)
        yield from map(Text, _campaign(one))
    if found.sends:
        yield Text()
        yield from _sends(found)
    yield Text()
    yield from _pressure(found)
    yield Text()
    for note in notes(done):
        first, *rest = wrap(note, COLUMNS - 2)
        yield Text(f"- {first}", style="dim")
        yield from (Text(f"  {line}", style="dim") for line in rest)


def notes(done: Previewed) -> Iterable[str]:
    """What is assumed, and how far the past could be had again, a sentence each."""
    found = done.preview
    yield (
        "The campaigns of the file are tried for all that time, whatever their dates; the live ones"
        " keep theirs. Hours, days, limits and budgets hold."
    )
    changed = found.moments - done.as_stored
    then = "every moment as it was decided then"
    if changed:
        then = (
            f"{_many(changed, 'moment')} otherwise than then, as campaigns have changed since, or"
            " something that was known has been erased"
        )
    yield f"As it is: the campaigns that are live now, as they are now. They decide {then}."
    rules = "the policy of today" if done.by_newest_policy else "the policy of each moment"
    yield f"Caps and hold-out are those of {rules}; halts are those of then."
    yield (
        "What only the preview sends is taken to reach its shopper and not to be ignored. Whoever"
        " gets one offer instead of another may walk or buy otherwise: that is not foreseen."
    )
    yield (
        "Between promotions of one tier the same lot decides as in the store: which of them a"
        " shopper gets may fall otherwise another week."
    )
    for why, count in done.aside.items():
        yield f"Left as they fell: {_many(count, 'moment')} {_GONE[why]}."


def _campaign(one: Rehearsed) -> Iterable[str]:
    if not one.visits:
        yield _row(0, "visits in which it was for anybody who stood in its zones")
        return
    yield _row(one.visits, f"{_noun(one.visits, 'visit')} in which it was for the shopper:")
    yield _row(one.sends, f"sent, to {_many(one.reach, 'shopper')}" if one.sends else "sent")
    if one.ghosts:
        yield _row(one.ghosts, "silence, to compare with: its control group, or the hold-out")
    for other, count in _most(one.lost):
        yield _row(count, f"lost to {other}")
    for words, count in _most({WORDS[reason]: count for reason, count in one.held.items()}):
        yield _row(count, f"not sent: {words}")
    for other, count in _most(one.took):
        yield f"it goes first in {_many(count, 'visit')} in which {other} was sent until now"
    if one.sends:
        low, high = one.likely_cents
        yield f"costs {_money(one.cost_cents)} at most, if everybody responds"
        yield f"may earn {_money(one.expected_cents)} on average, by a guess of who responds;"
        if high <= one.expected_cents:
            yield "  from so few sends most likely nothing at all"
        else:
            yield (
                f"  four times in five {_money(low)} to {_money(high)}, if the guess is as good as"
                " we assume"
            )


def _sends(found: Preview) -> Iterable[Text]:
    """What each campaign sends; the most changed first."""
    changed = sorted(found.sends.items(), key=lambda one: (-abs(one[1][1] - one[1][0]), one[0]))
    shown = changed[:ROWS_MAX]
    total = tuple(sum(each[which] for each in found.sends.values()) for which in (0, 1))
    width = max(len("all together"), *(len(name) for name, _ in shown))
    yield Text(f"{'sends':{width}}  as it is  with it  change", style="bold")
    for name, (before, after) in [*shown, ("all together", total)]:
        yield Text(f"{name:{width}}  {before:8,}  {after:7,}  {after - before:+6,}")
    if len(changed) > len(shown):
        rest = _many(len(changed) - len(shown), "campaign")
        yield Text(f"and {rest} more, changed no more than these")


def _pressure(found: Preview) -> Iterable[Text]:
    """How many shoppers get how many, both ways."""
    before, after = (_rows(one) for one in found.shoppers_by_sends)
    most = max((*before.values(), *after.values()), default=0)
    yield Text(f"{'pushes':8}{'shoppers, as it is':{BAR_COLUMNS + 9}}with it", style="bold")
    for sends in range(max((*before, *after), default=0) + 1):
        name = f"{sends} or more" if sends == MANY else f"{sends}"
        cells = (_bar(each.get(sends, 0), most) for each in (before, after))
        yield Text(f"{name:>6}  {'  '.join(cells)}".rstrip())


def _rows(shoppers_by_sends: Mapping[int, int]) -> Mapping[int, int]:
    """The shoppers of each row of the picture."""
    rows: Counter[int] = Counter()
    for sends, shoppers in shoppers_by_sends.items():
        rows[min(sends, MANY)] += shoppers
    return rows


def _bar(count: int, most: int) -> str:
    """`###  12`. Whoever is there is seen."""
    filled = 0 if not count else max(1, round(BAR_COLUMNS * count / most))
    return f"{count:>6,} {'#' * filled:{BAR_COLUMNS}}"


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first; beyond ROWS_MAX together in one."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    if len(ordered) <= ROWS_MAX:
        return ordered
    rest = ordered[ROWS_MAX - 1 :]
    return [*ordered[: ROWS_MAX - 1], (f"one of {len(rest)} more", sum(one[1] for one in rest))]


def _row(count: int, words: str) -> str:
    return f"{count:>7,} {words}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {_noun(count, noun)}"


def _noun(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _money(cents: float) -> str:
    """In the currency's hundredths divided by 100."""
    return f"{cents / 100:,.2f}"

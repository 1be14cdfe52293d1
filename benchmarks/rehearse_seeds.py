"""The scorecards of several seeds beside each other, and which of them miss the bars.

Run from the root of the repository: `make rehearse-seeds`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.text_table import number, table
from corsia.bad_days import Fault
from corsia.commands.finite import FiniteRange
from corsia.scorecard_views import MUST_BE_ZERO

SEEDS: Final = tuple(range(1, 11))
PROCESSES: Final = 2
FAULTS: Final[dict[str, tuple[Fault | None, ...]]] = {
    "none": (None,),
    "dead": (Fault.DEAD,),
    "both": (None, Fault.DEAD),
}
# In virtual time the network costs nothing; with real processes batching and uplink cost about
# this much (corsia.fast_rehearsal).
NETWORK_S: Final = 0.5
# A whole run takes 20 s; one that hangs is given up.
RUN_WITHIN_S: Final = 1_800

# Caps, consents, repeats and losses: what the scorecard says must be 0, in one figure.
BROKEN: Final = "broken"

Card = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach, for most seeds. at_least False: must not exceed."""

    key: str
    title: str
    digits: int
    whole: float | None = None
    dead: float | None = None
    at_least: bool = True

    def is_missed(self, card: Card, fault: Fault | None) -> bool:
        """Whether there is a bar and the figure is on the wrong side of it, or not there."""
        bar = self.dead if fault is Fault.DEAD else self.whole
        value = card[self.key]
        if bar is None:
            return False
        return value is None or (value < bar if self.at_least else value > bar)


BARS: Final = (
    Bar("aisle_precision", "precision", 3, whole=0.90, dead=0.85),
    Bar("aisle_recall", "recall", 3, whole=0.5),
    Bar("in_aisle_delivery", "delivery", 3),
    Bar("p50", "to push s p50", 1, whole=6.0, at_least=False),
    Bar("p95", "p95", 1, whole=15.0, at_least=False),
    Bar("flaps_per_min", "flaps/min", 2, whole=0.3, at_least=False),
    Bar("wrong_aisle", "wrong aisle", 0),
    Bar("pushes", "pushes", 0),
    Bar(BROKEN, "broken promises", 0, whole=0, dead=0, at_least=False),
)


class RehearsalFailedError(Exception):
    """A rehearsal ended without a scorecard; the message holds what it said last."""


@click.command()
@click.option(
    "--seed", "seeds", type=int, multiple=True, help="Give it several times.  [default: 1 to 10]"
)
@click.option("--minutes", default=3.0, show_default=True, type=FiniteRange(0.2, 120))
@click.option("--shoppers", default=40, show_default=True, type=click.IntRange(1, 2_000))
@click.option("--fault", type=click.Choice(list(FAULTS)), default="both",
              show_default=True, help="dead: two gateways are silent.")  # fmt: skip
@click.option("--processes", default=PROCESSES, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every scorecard to this file too.",
)
def main(
    seeds: tuple[int, ...],
    minutes: float,
    shoppers: int,
    fault: str,
    processes: int,
    json_file: Path | None,
) -> None:
    """Rehearse several seeds in virtual time; print their scorecards, the median, who misses.

    Half a second is added to the time to the push, for the network that virtual time leaves out.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    found: dict[str, dict[int, Card]] = {}
    for each in FAULTS[fault]:
        title = "all gateways" if each is None else "two gateways dead"
        try:
            cards = rehearsed(seeds or SEEDS, minutes, shoppers, each, processes)
        except RehearsalFailedError as error:
            raise click.ClickException(str(error)) from error
        found[title] = cards
        click.echo(f"{seed_table(title, cards, each)}\n")
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=2) + "\n")


def rehearsed(
    seeds: Sequence[int], minutes: float, shoppers: int, fault: Fault | None, processes: int
) -> dict[int, Card]:
    """Each seed's scorecard, in the order of the seeds. Raises RehearsalFailedError."""
    cards = {}
    with ThreadPoolExecutor(processes) as pool:
        runs = {pool.submit(_rehearse, seed, minutes, shoppers, fault): seed for seed in seeds}
        for done, run in enumerate(as_completed(runs), start=1):
            cards[runs[run]] = run.result()
            click.echo(f"{done} of {len(runs)}: seed {runs[run]}", err=True)
    return dict(sorted(cards.items()))


def seed_table(title: str, cards: Mapping[int, Card], fault: Fault | None) -> str:
    """The scorecards, `!` beside what misses its bar, the medians, the bars, and who misses."""
    rows = [(f"seed {seed}", _cells(card, fault)) for seed, card in cards.items()]
    middle = {bar.key: _median([card[bar.key] for card in cards.values()]) for bar in BARS}
    rows.append(("median", _cells(middle, fault)))
    rows.append(("bar", [_bar_cell(bar, fault) for bar in BARS]))
    lines = [table(title, [bar.title for bar in BARS], rows), ""]
    for bar in BARS:
        missing = [str(seed) for seed, card in cards.items() if bar.is_missed(card, fault)]
        if missing:
            lines.append(f"{bar.title} misses {_bar_cell(bar, fault)}: seed {', '.join(missing)}")
    return "\n".join(lines if len(lines) > 2 else [*lines, "every seed meets every bar"])


def as_card(document: Mapping[str, object]) -> Card:
    """The figures of one scorecard's JSON, flat; NETWORK_S is added to the time to the push."""
    to_push = document["entry_to_push_s"]
    assert isinstance(to_push, dict)
    figures = {
        **document,
        **{name: None if s is None else s + NETWORK_S for name, s in to_push.items()},
        BROKEN: sum(abs(_figure(document[name]) or 0) for name in MUST_BE_ZERO),
    }
    return {bar.key: _figure(figures[bar.key]) for bar in BARS}


def _rehearse(seed: int, minutes: float, shoppers: int, fault: Fault | None) -> Card:
    with tempfile.TemporaryDirectory(prefix="corsia-seed-") as scratch:
        out = Path(scratch) / "card.json"
        command = [
            sys.executable, "-m", "corsia", "rehearse", "--fast", "--seed", str(seed),
            "--minutes", str(minutes), "--shoppers", str(shoppers), "--json", str(out),
        ]  # fmt: skip
        if fault is not None:
            command += ["--fault", fault.value]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=RUN_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise RehearsalFailedError(
                f"seed {seed} was not over after {RUN_WITHIN_S / 60:.0f} minutes"
            ) from error
        # 1 is said of broken promises too; the table shows them.
        if not out.is_file():
            said = "\n  ".join(done.stderr.splitlines()[-5:])
            raise RehearsalFailedError(f"seed {seed} ended without a scorecard:\n  {said}")
        return as_card(json.loads(out.read_text()))


def _figure(value: object) -> float | None:
    assert value is None or isinstance(value, int | float)
    return value


def _cells(card: Card, fault: Fault | None) -> list[str]:
    return [
        number(card[bar.key], bar.digits) + ("!" if bar.is_missed(card, fault) else " ")
        for bar in BARS
    ]


def _bar_cell(bar: Bar, fault: Fault | None) -> str:
    value = bar.dead if fault is Fault.DEAD else bar.whole
    if value is None:
        return ""
    return f"{'>=' if bar.at_least else '<='}{value:g}"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


if __name__ == "__main__":
    main()

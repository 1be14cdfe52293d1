"""Presence in the simulated store over several seeds: with what is known of it, and two dead.

Run from the root of the repository: `make bench-store`.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.reliability import bars, bins, expected_error, svg
from benchmarks.store_score import SURE, StoreScore, store_score
from benchmarks.store_walks import START_S, store_walks
from benchmarks.text_table import number, table
from corsia.bad_days import dead_gateways
from corsia.commands.finite import FiniteRange
from corsia.fast_store import NO_OUTAGE, Outage
from firmware_sim.floor import supermarket

SEEDS: Final = tuple(range(1, 11))
PROCESSES: Final = 2


class Scene(StrEnum):
    """What is known of the store, and which gateways are dead."""

    POSITIONS = "positions only"
    CALIBRATED = "calibrated"
    SURVEYED = "calibrated and surveyed"
    DEAD = "calibrated, two dead"
    DYING = "calibrated, two die at half time"


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    scene: Scene
    seed: int
    minutes: float
    shoppers: int

    @property
    def outage(self) -> Outage:
        if self.scene not in {Scene.DEAD, Scene.DYING}:
            return NO_OUTAGE
        from_s = 0.0 if self.scene is Scene.DEAD else START_S + self.minutes * 30
        return Outage(dead_gateways(supermarket(), self.seed), from_s)


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of a score; None where nothing was there to be measured."""

    key: str
    title: str
    digits: int
    figure: Callable[[StoreScore], float | None]


COLUMNS: Final = (
    Column("moments", "moments", 0, lambda s: s.moments[0.0].made),
    Column("precision", "precision", 3, lambda s: _share(s.moments[0.0].right,
                                                         s.moments[0.0].made)),
    Column("recall", "recall", 3, lambda s: _share(s.moments[0.0].stays, s.stays_worth)),
    Column("moment_p50_s", "after s p50", 1, lambda s: _rank(s.moments[0.0].delays_s, 0.5)),
    Column("moment_p95_s", "p95", 1, lambda s: _rank(s.moments[0.0].delays_s, 0.95)),
    Column("flaps_per_min", "flaps/min", 2, lambda s: _share(s.flaps, s.present_min)),
    Column("right", "right", 3, lambda s: _share(s.right, s.right + s.wrong + s.unknown)),
    Column("wrong", "wrong", 3, lambda s: _share(s.wrong, s.right + s.wrong + s.unknown)),
    Column("unknown", "unknown", 3, lambda s: _share(s.unknown, s.right + s.wrong + s.unknown)),
    Column("answer_p50_s", "answer s p50", 1, lambda s: _rank(s.answer_s, 0.5)),
    Column("answer_p95_s", "p95", 1, lambda s: _rank(s.answer_s, 0.95)),
    Column("missed", "missed", 3, lambda s: _share(s.stays_answerable - len(s.answer_s),
                                                   s.stays_answerable)),
    Column("calibration_error", "ECE", 3, lambda s: expected_error(s.claims)),
)  # fmt: skip


@click.command()
@click.option(
    "--seed", "seeds", type=int, multiple=True, help="Give it several times.  [default: 1 to 10]"
)
@click.option("--minutes", default=3.0, show_default=True, type=FiniteRange(0.2, 120))
@click.option("--shoppers", default=40, show_default=True, type=click.IntRange(1, 2_000))
@click.option("--processes", default=PROCESSES, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file too.",
)
@click.option(
    "--svg",
    "svg_dir",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Draw the reliability curves into this folder.",
)
def main(
    seeds: tuple[int, ...],
    minutes: float,
    shoppers: int,
    processes: int,
    json_file: Path | None,
    svg_dir: Path | None,
) -> None:
    """Judge presence in the simulated store by the truth, at the moment at which it speaks.

    \b
    moments    stays told that have lasted 2 s, in a zone that sells: when a decision is taken
    precision  share of them that find the handset in that zone; recall: share of true stays of
               8 s or more that hold a right one; after: seconds from the true entry
    flaps      stays told in a zone where the handset was not within 3 s
    right...   of the time in a zone: the told zone is right, is wrong, none is told
    answer     seconds from the true entry to the first right answer; missed: stays without one
    ECE        how far the confidence is from the share that is so, 0 to 1

    Dead gateways differ by seed and are dead in the night before too, unless they die later.
    Consents are obeyed; caps and control groups play no part.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    jobs = [Job(scene, seed, minutes, shoppers) for scene in Scene for seed in seeds or SEEDS]
    scores = dict(_played(jobs, processes))
    figures = {}
    for scene in Scene:
        own = {job.seed: scores[job] for job in jobs if job.scene == scene}
        whole = StoreScore()
        for score in own.values():
            whole.add(score)
        click.echo(f"{_seed_table(scene, own, whole)}\n")
        click.echo(f"{_certainty_table(scene, whole)}\n")
        click.echo(f"{scene}, the told or else the likeliest zone, each half second")
        click.echo(f"{bars(whole.claims)}\n")
        figures[scene] = _figures(own, whole)
        if svg_dir is not None:
            name = f"reliability-{scene.name.lower()}.svg"
            (svg_dir / name).write_text(svg(scene, whole.claims))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def _played(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, StoreScore]]:
    """Each run's score, as they come in."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = {pool.submit(_play, job): job for job in jobs}
        for done, future in enumerate(as_completed(waiting), start=1):
            job = waiting[future]
            click.echo(f"{done} of {len(jobs)}: {job.scene}, seed {job.seed}", err=True)
            yield job, future.result()


def _play(job: Job) -> StoreScore:
    run = store_walks(
        job.seed,
        job.minutes,
        job.shoppers,
        job.outage,
        calibrated=job.scene is not Scene.POSITIONS,
        survey=job.scene is Scene.SURVEYED,
    )
    return store_score(run)


def _seed_table(scene: str, scores: dict[int, StoreScore], whole: StoreScore) -> str:
    rows = [(f"seed {seed}", _row(score)) for seed, score in sorted(scores.items())]
    medians = [_median([column.figure(score) for score in scores.values()]) for column in COLUMNS]
    rows.append(("median", _cells(medians)))
    rows.append(("all seeds", _row(whole)))
    return table(scene, [column.title for column in COLUMNS], rows)


def _certainty_table(scene: str, whole: StoreScore) -> str:
    """What waiting for more certainty buys, and what it costs."""
    rows = []
    for sure in SURE:
        one = whole.moments[sure]
        precision, recall = _share(one.right, one.made), _share(one.stays, whole.stays_worth)
        p50_s, p95_s = _rank(one.delays_s, 0.5), _rank(one.delays_s, 0.95)
        cells = [number(one.made, 0), number(precision, 3), number(recall, 3)]
        name = f"speak when sure by {sure:.0%}" if sure else "speak after 2 s"
        rows.append((name, [*cells, number(p50_s, 1), number(p95_s, 1)]))
    return table(scene, ["moments", "precision", "recall", "after s p50", "p95"], rows)


def _figures(scores: dict[int, StoreScore], whole: StoreScore) -> dict[str, object]:
    """The same for machines."""
    return {
        "seeds": {
            seed: {column.key: column.figure(score) for column in COLUMNS}
            for seed, score in sorted(scores.items())
        },
        "all": {column.key: column.figure(whole) for column in COLUMNS},
        "certainty": {
            str(sure): {
                "moments": whole.moments[sure].made,
                "precision": _share(whole.moments[sure].right, whole.moments[sure].made),
                "recall": _share(whole.moments[sure].stays, whole.stays_worth),
            }
            for sure in SURE
        },
        "reliability": [
            None if one is None else {"n": one.n, "said": one.said, "right": one.right}
            for one in bins(whole.claims)
        ],
    }


def _row(score: StoreScore) -> list[str]:
    return _cells([column.figure(score) for column in COLUMNS])


def _cells(figures: Sequence[float | None]) -> list[str]:
    return [number(figure, column.digits) for figure, column in zip(figures, COLUMNS, strict=True)]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rank(values: Sequence[float], share: float) -> float | None:
    """A time that occurred: nearest rank, as the scorecard has it."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


if __name__ == "__main__":
    main()

"""Corsia beside the baselines on recorded walks: one table per dataset, and the mean.

Run from the root of the repository: `make bench-zones`, or for another split of recordings
    python -m benchmarks.zones_table --recordings DIR --json zones.json
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from benchmarks.baselines import NearestWithHysteresis, StrongestGateway
from benchmarks.shared_data import RECORDINGS, NoRecordingsError, check_recordings, zone_scorer
from benchmarks.text_table import number, table
from benchmarks.zones import CorsiaEstimator

FINE_ZONES: Final = "zones_fine.csv"
MEAN: Final = "mean"

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of the scorer, and how it is shown."""

    key: str
    title: str
    digits: int = 2


COLUMNS: Final = (
    Column("zone_acc", "zone_acc"),
    Column("near_acc", "near_acc"),
    Column("false_pm", "false/min", 1),
    Column("offer_prec", "offer prec."),
    Column("offer_recall", "offer recall"),
    Column("delay_p50", "delay p50 s", 1),
    Column("delay_p90", "p90 s", 1),
    Column("missed", "missed"),
    Column("us_per_sight", "us/sighting", 0),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to name zones. options: for the constructor, on top of anchors, zones, survey."""

    title: str
    estimator: type[Any]
    options: dict[str, Any]


ROWS: Final = (
    Row("strongest gateway, last 3 s", StrongestGateway, {}),
    Row("nearest with hysteresis", NearestWithHysteresis, {}),
    Row("Corsia, positions only", CorsiaEstimator, {"survey": None}),
    Row("Corsia, with survey", CorsiaEstimator, {}),
)

# What Corsia is to reach on the three development datasets, by the title of the table.
BARS: Final[Mapping[str, tuple[tuple[str, Figures], ...]]] = {
    "tetam": (("required", {"zone_acc": 0.82}), ("aim", {"zone_acc": 0.88})),
    "uji-lib": (("required", {"zone_acc": 0.77}), ("aim", {"zone_acc": 0.82})),
    f"uji-lib, {FINE_ZONES}": (("required", {"zone_acc": 0.76}), ("aim", {"zone_acc": 0.82})),
    MEAN: (
        ("required, positions only", {"zone_acc": 0.56}),
        (
            "required, with survey",
            {"zone_acc": 0.68, "near_acc": 0.77, "false_pm": 1.2, "offer_prec": 0.74,
             "offer_recall": 0.64, "delay_p50": 1.1, "delay_p90": 3.8, "us_per_sight": 40},
        ),
        ("aim, positions only", {"zone_acc": 0.62}),
        (
            "aim, with survey",
            {"zone_acc": 0.74, "near_acc": 0.83, "false_pm": 0.6, "offer_prec": 0.84,
             "offer_recall": 0.72, "delay_p50": 0.9, "delay_p90": 3.0, "us_per_sight": 10},
        ),
    ),
}  # fmt: skip


@click.command()
@click.option(
    "--recordings",
    default=RECORDINGS,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder of recorded walks.  [default: shared/data/rssi beside the repository]",
)
@click.option("--dataset", help="Only this dataset.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all figures of the scorer to this file too.",
)
def main(recordings: Path, dataset: str | None, json_file: Path | None) -> None:
    """Score Corsia and two baselines on recorded walks.

    \b
    zone_acc    share of the time in which the named zone is the true one
    near_acc    the same, zones that begin within 1 m of the device counted as right
    false/min   changes to a zone where the device is not within 3 s
    offer       one a stay that has held for 2 s: share made in the right zone (prec.),
                share of true visits that get one (recall)
    delay       from the true entry to the first right answer; missed: visits without one
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    try:
        check_recordings(recordings)
        scorer = zone_scorer()
    except NoRecordingsError as error:
        raise click.ClickException(str(error)) from error
    tables: dict[str, dict[str, Figures]] = {}
    for title, scores in _scores(scorer, recordings, dataset):
        tables[title] = scores
        bars = BARS.get(title, ()) if recordings == RECORDINGS else ()
        click.echo(f"{_table(title, scores, bars)}\n")
    if not tables:
        raise click.UsageError(f"--dataset: {recordings} has no dataset {dataset}")
    if json_file is not None:
        json_file.write_text(json.dumps(_without_nan(tables), indent=2) + "\n")


def _scores(
    scorer: ModuleType, recordings: Path, dataset: str | None
) -> Iterator[tuple[str, dict[str, Figures]]]:
    """For each dataset, their mean, and each dataset with fine zones: the figures of each row."""
    coarse = {}
    for site in scorer.load_split(recordings, dataset):
        coarse[site.name] = _score(scorer, site)
        yield site.name, coarse[site.name]
    if len(coarse) > 1:
        yield MEAN, {row.title: _mean([one[row.title] for one in coarse.values()]) for row in ROWS}
    if (recordings / FINE_ZONES).is_file():
        for site in scorer.load_split(recordings, dataset, FINE_ZONES):
            yield f"{site.name}, {FINE_ZONES}", _score(scorer, site)


def _score(scorer: ModuleType, site: Any) -> dict[str, Figures]:
    scores = {}
    for row in ROWS:
        click.echo(f"{site.name}, {len(site.traces)} walks: {row.title}", err=True)
        scored = scorer.evaluate([site], row.estimator, **row.options)
        scores[row.title] = {key: float(value) for key, value in scored.loc[site.name].items()}
    return scores


def _mean(of_datasets: list[Figures]) -> Figures:
    """Each dataset weighs the same; one of which nothing could be measured is left out."""
    means = {}
    for key in of_datasets[0]:
        known = [figures[key] for figures in of_datasets if not math.isnan(figures[key])]
        means[key] = sum(known) / len(known) if known else math.nan
    return means


def _table(title: str, scores: dict[str, Figures], bars: Sequence[tuple[str, Figures]]) -> str:
    rows = [
        (name, [number(figures[column.key], column.digits) for column in COLUMNS])
        for name, figures in scores.items()
    ]
    rows += [
        (name, [number(figures.get(column.key), column.digits) for column in COLUMNS])
        for name, figures in bars
    ]
    return table(title, [column.title for column in COLUMNS], rows)


def _without_nan(tables: dict[str, dict[str, Figures]]) -> dict[str, dict[str, dict[str, Any]]]:
    """JSON has no NaN: what nothing could be measured of is null."""
    return {
        title: {
            name: {key: None if math.isnan(v) else v for key, v in figures.items()}
            for name, figures in scores.items()
        }
        for title, scores in tables.items()
    }


if __name__ == "__main__":
    main()

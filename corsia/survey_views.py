"""What surveys say to a terminal: how a recording goes, what came of it, what one covers."""

from typing import Final, Self

import click
from rich.console import Console
from rich.live import Live as LiveLine
from rich.table import Table
from rich.text import Text

from beacons.store_plan import StorePlan
from beacons.survey_report import SurveyReport
from beacons.survey_walk import SurveyedWalk
from corsia.store_survey import Progress
from corsia.survey_picture import as_characters
from corsia.survey_recorder import Faults
from db.surveys import KeptSurvey

# Where nobody watches a line that changes, one is written this often.
PLAIN_EVERY_S: Final = 10.0
PICTURE_COLUMNS: Final = 76
# Of the faults of a walk, what a person reads.
MOST_SAID: Final = 12


class ProgressLine:
    """A line that changes where somebody watches a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = LiveLine(console=console, transient=True) if console.is_terminal else None
        self._next_s = 0.0

    def __enter__(self) -> Self:
        self._console.print("recording; walk now, and tap where you turn (Ctrl-C ends it)")
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.stop()

    def show(self, progress: Progress) -> None:
        text = Text(progress_line(progress))
        if self._line is not None:
            self._line.update(text, refresh=True)
        elif progress.seconds >= self._next_s:
            self._next_s = progress.seconds + PLAIN_EVERY_S
            self._console.print(text)


def progress_line(progress: Progress) -> str:
    """How the recording goes, in one line."""
    minutes, seconds = divmod(int(progress.seconds), 60)
    tapped = "" if progress.tapped_s is None else f", the last {progress.tapped_s:.0f} s ago"
    parts = [
        f"{minutes}:{seconds:02}",
        f"{progress.heard} sightings by {progress.gateways} gateways",
        f"{progress.taps} taps{tapped}",
    ]
    if progress.faults.missing:
        parts.append(f"{progress.faults.missing} batches missed")
    if progress.trouble is not None:
        parts.append(progress.trouble)
    return "  ".join(parts)


def tell_walk(walk: SurveyedWalk, faults: Faults) -> None:
    """What came of a walk, and what did not."""
    for sentence in walk.left_out[:MOST_SAID]:
        click.echo(sentence, err=True)
    if len(walk.left_out) > MOST_SAID:
        click.echo(f"... and {len(walk.left_out) - MOST_SAID} more ways or taps.", err=True)
    for why, count in walk.unused.items():
        click.echo(f"{count} sightings {why.value}.", err=True)
    if faults.missing:
        click.echo(f"{faults.missing} batches were gone before they were read.", err=True)
    if faults.malformed:
        click.echo(f"{faults.malformed} entries of the stream were no batches.", err=True)
    if faults.over:
        click.echo(f"{faults.over} sightings were more than a survey can hold.", err=True)
    points = walk.survey.points
    heard_by = _count(len({point.gateway_id for point in points}), "gateway")
    click.echo(
        f"{_count(walk.places, 'place')} on {walk.walked_m:.0f} m in {walk.seconds:.0f} s,"
        f" heard by {heard_by}, {len(points) / max(walk.places, 1):.1f} at a place"
    )


def tell_kept(survey_id: str) -> None:
    click.echo(f"survey {survey_id} is kept; engines use it within a minute")
    click.echo(f"corsia store survey show {survey_id}")


def tell_report(plan: StorePlan, kept: KeptSurvey, report: SurveyReport) -> None:
    console = Console()
    console.print(
        f"[bold]{plan.store_id}[/], {kept.made_at:%Y-%m-%d %H:%M} UTC: {report.places} places in"
        f" {report.seconds:.0f} s, {report.gateways_per_place:.1f} gateways at a place"
    )
    if report.law is not None:
        console.print(
            f"law of distance: {report.law.power_at_1m_dbm:.0f} dBm at 1 m, exponent"
            f" {report.law.exponent:.1f}, measurements {report.law.spread_db:.1f} dB about it"
        )
    if report.strange:
        console.print(f"{report.strange} measurements are of floors or gateways not in the plan")
    zones = Table("zone", "places", "seconds", "covered", "gateways at a place")
    for zone in report.zones:
        zones.add_row(
            zone.zone_id, str(zone.places), f"{zone.seconds:.0f}", f"{zone.covered:.0%}",
            f"{zone.gateways:.1f}",
        )  # fmt: skip
    console.print(zones)
    gateways = Table("gateway", "heard at places", "off the law, dB")
    for gateway in report.gateways:
        off = "" if gateway.residual_db is None else f"{gateway.residual_db:+.1f}"
        gateways.add_row(
            gateway.gateway_id, str(gateway.places) if gateway.places else "never", off
        )
    console.print(gateways)
    for floor in plan.floors:
        console.print(f"floor {floor.floor_id}")
        columns = min(PICTURE_COLUMNS, console.width)
        for line in as_characters(floor, kept.survey, columns):
            console.print(Text(line, no_wrap=True))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

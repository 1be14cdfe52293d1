"""`corsia rehearse`: play a simulated or recorded store and print the scorecard."""

import json
import tempfile
from pathlib import Path
from typing import Final

import click
import uvloop
from click.core import ParameterSource
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from config.clock import SystemClock
from config.log import set_up_logging
from config.process import until_stopped
from config.settings import load_settings
from corsia import chaos_views
from corsia.bad_days import Fault
from corsia.chaos import SqlKind, rehearse_chaos
from corsia.chaos_report import ChaosReport, shortfalls
from corsia.commands.failures import said_plainly
from corsia.commands.finite import FiniteRange
from corsia.fast_rehearsal import rehearse_fast
from corsia.rehearsal import RehearsalPlan, Rehearsed
from corsia.rehearsal import rehearse as play
from corsia.scorecard_views import as_json, as_table, violations
from corsia.stack import StackError
from corsia.store_survey import SurveyError
from db.redis_server import RedisServerError
from firmware_sim.floor import FloorError
from firmware_sim.recording import RecordingError
from firmware_sim.surveyor import SurveyRefusedError
from firmware_sim.walker import WalkError

EXIT_STOPPED: Final = 130  # as a shell says of what Ctrl-C ended

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--minutes", type=FiniteRange(0.2, 1_440), help="How long.  [default: 3; of a fault run 30]"
)
@click.option("--shoppers", type=click.IntRange(1, 2_000), default=40, show_default=True)
@click.option("--seed", default=7, show_default=True, help="The same seed, the same shoppers.")
@click.option("--store", type=_FILE, help="A store in TOML.  [default: the supermarket]")
@click.option("--recording", type=_FOLDER, help="Replay recorded walks instead of a model.")
@click.option("--dataset", default="tetam", show_default=True, help="Which of the recordings.")
@click.option(
    "--fault",
    type=click.Choice([fault.value for fault in Fault]),
    help="cut: a gateway loses its network for 20 s and is killed with -9 meanwhile. "
    "dead: two gateways are silent from the start, which ones depends on the seed. "
    "chaos: processes are killed, Redis is emptied, SQL goes away, FCM fails in every documented "
    "way; prints an audit instead of the scorecard.",
)
@click.option(
    "--sql",
    type=click.Choice(["sqlite", "postgres"]),
    default="sqlite",
    show_default=True,
    help="With --fault chaos: which database is taken away; postgres comes with corsia[test].",
)
@click.option(
    "--fast",
    is_flag=True,
    help="In virtual time, in one process: the same core, engine, SQL and handsets, for long runs.",
)
@click.option("--survey", is_flag=True, help="A staff member surveys the store before it opens: "
              "six minutes more, unless --fast.")  # fmt: skip
@click.option(
    "--uncalibrated",
    is_flag=True,
    help="The gateways were hung up a moment ago. Otherwise they have calibrated each other by "
    "their canaries in the night before.",
)
@click.option("--json", "json_file", type=_FILE, help="Write the scorecard to this file too.")
@click.option("--keep", type=_FOLDER, help="Keep database, logs and truth in this folder.")
def rehearse(
    minutes: float | None,
    shoppers: int,
    seed: int,
    store: Path | None,
    recording: Path | None,
    dataset: str,
    fault: str | None,
    sql: SqlKind,
    json_file: Path | None,
    keep: Path | None,
    *,
    fast: bool,
    survey: bool,
    uncalibrated: bool,
) -> None:
    """Play a store with known truth and print how Corsia did.

    The real processes run in real time: gateways hear simulated radio, handsets are clients of
    the API, pushes go through a faithful FCM. Exits with 1 when a cap or a consent was violated,
    a push was shown twice or a sighting was lost; after --fault chaos, which empties Redis and
    what it held, when the audit found a broken promise, when a process crashed, and when nothing
    was sent or shown or a kind of blow hit nothing, so that the run proves nothing.

    \b
    Examples:
      corsia rehearse --minutes 3 --shoppers 40 --seed 7 --json out.json
      corsia rehearse --fast --minutes 60 --shoppers 200
      corsia rehearse --fast --fault dead
      corsia rehearse --fast --survey
      corsia rehearse --recording ../shared/data/rssi --dataset tetam
      corsia rehearse --fault chaos --minutes 30
    """
    console = Console(stderr=True)
    # A fault run says itself whom it has killed.
    set_up_logging("error" if fault == Fault.CHAOS else "warning", "console")
    if json_file is not None and not json_file.parent.is_dir():
        raise click.UsageError(f"--json: there is no folder {json_file.parent}")
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"--keep: {keep} is not empty; two runs in one folder would mix")
    if recording is not None and (store is not None or _is_given("shoppers")):
        raise click.UsageError("--recording brings its own store and its own walks")
    if survey and recording is not None:
        raise click.UsageError("--survey walks the modelled store, not a recording")
    if fault == Fault.CHAOS and (fast or survey or recording is not None):
        raise click.UsageError(
            "--fault chaos plays the modelled store in real time: leave out --fast, --recording "
            "and --survey"
        )
    if fast and (recording is not None or fault == Fault.CUT):
        raise click.UsageError(
            "--fast plays the modelled store, without --recording and --fault cut"
        )
    if _is_given("sql") and fault != Fault.CHAOS:
        raise click.UsageError("--sql goes with --fault chaos")
    if minutes is None and recording is None:
        minutes = 30.0 if fault == Fault.CHAOS else 3.0
    plan = RehearsalPlan(
        minutes=minutes,
        shoppers=shoppers,
        seed=seed,
        store=store,
        recording=recording,
        dataset=dataset,
        fault=None if fault is None else Fault(fault),
        survey=survey,
        calibrated=not uncalibrated,
    )
    with tempfile.TemporaryDirectory(prefix="corsia-") as scratch:
        run_dir = (keep or Path(scratch)).resolve()
        run_dir.mkdir(parents=True, exist_ok=True)
        with said_plainly(
            StackError, RedisServerError, FloorError, RecordingError, DBAPIError, OSError,
            WalkError, SurveyError, SurveyRefusedError,
        ):  # fmt: skip
            settings = load_settings()

            def tell(sentence: str) -> None:
                console.print(f"[dim]{sentence}[/]")

            async def run() -> Rehearsed | ChaosReport:
                if plan.fault is Fault.CHAOS:
                    return await rehearse_chaos(plan, settings, run_dir, SystemClock(), tell, sql)
                if fast:
                    return await rehearse_fast(plan, settings, run_dir, tell)
                return await play(plan, settings, run_dir, SystemClock(), tell)

            done = uvloop.run(until_stopped(run()))
    if done is None:
        console.print("stopped before the end: no scorecard")
        raise SystemExit(EXIT_STOPPED)
    if isinstance(done, ChaosReport):
        _show_chaos(done, json_file)
    else:
        _show(done, json_file)


def _show(done: Rehearsed, json_file: Path | None) -> None:
    card = done.card
    Console().print(as_table(card))
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(card), indent=2) + "\n")
    wrong = violations(card)
    for sentence in wrong:
        click.echo(f"violated: {sentence}", err=True)
    if done.failed_calls:
        calls = f"{len(done.failed_calls)} calls of handsets failed, first: {done.failed_calls[0]}"
        click.echo(calls, err=True)
    if wrong or done.failed_calls:
        raise SystemExit(1)


def _show_chaos(report: ChaosReport, json_file: Path | None) -> None:
    chaos_views.show(report, Console())
    if json_file is not None:
        json_file.write_text(json.dumps(chaos_views.as_json(report), indent=2) + "\n")
    if report.audit.breaches or shortfalls(report):
        raise SystemExit(1)


def _is_given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE

"""`corsia sim ...`: the simulated store as a process, and its radio beside the recorded one."""

from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from config.clock import SystemClock
from config.log import set_up_logging
from config.parent import end_with_parent
from config.process import leave, run_process
from config.settings import load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.finite import FiniteRange
from firmware_sim.floor import supermarket
from firmware_sim.realism import figures_table, store_heard_share
from firmware_sim.recording import RecordingError, load_recording
from firmware_sim.run import SimulatorConfig, run_simulator

# The simulator is believed while its radio is this close to the recorded one.
FIGURES_WITHIN: Final = 0.25

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def sim() -> None:
    """A store with known truth: radios, shoppers, handsets and a fake Firebase."""


@sim.command()
@click.option("--run-dir", required=True, type=_FOLDER, help="Gets the logs and the air's sockets.")
@click.option("--api-url", required=True, help="The API that the handsets speak to.")
@click.option("--fcm-port", default=0, show_default=True, help="Where the fake FCM listens.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), help="A store in TOML.")
@click.option("--recording", type=_FOLDER, help="Play recorded walks instead of a model.")
@click.option("--dataset", default="tetam", show_default=True)
@click.option(
    "--minutes", type=FiniteRange(0.0, min_open=True), help="How long; without it, for ever."
)
@click.option("--shoppers", default=40, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--survey", is_flag=True, help="First walk the survey that somebody opens.")
@click.option("--newcomers", is_flag=True, help="Whoever leaves is replaced until the end.")
@click.option(
    "--returning",
    type=FiniteRange(0.0, 1.0),
    default=0.0,
    show_default=True,
    help="With --newcomers: the share of those who leave that come in again instead.",
)
@click.option(
    "--fcm-delay-s",
    type=FiniteRange(0.0),
    default=0.0,
    show_default=True,
    help="How long FCM takes to answer.",
)
@click.option(
    "--push-trouble",
    type=FiniteRange(0.0, 1.0),
    default=0.0,
    show_default=True,
    help="The share of pushes that FCM fails, in each documented way in turn.",
)
@click.option(
    "--refused-key",
    type=(FiniteRange(0.0), FiniteRange(0.0)),
    multiple=True,
    metavar="FROM UNTIL",
    help="Apple refuses FCM's key for our app, in seconds from the opening; may be repeated.",
)
@click.option(
    "--own-caps",
    type=FiniteRange(0.0, 1.0),
    default=0.0,
    show_default=True,
    help="The share of shoppers who set in the app how many pushes a week they allow.",
)
@click.option("--with-parent", type=int, hidden=True)
def run(
    run_dir: Path,
    api_url: str,
    fcm_port: int,
    store: Path | None,
    recording: Path | None,
    dataset: str,
    minutes: float | None,
    shoppers: int,
    seed: int,
    returning: float,
    fcm_delay_s: float,
    push_trouble: float,
    refused_key: tuple[tuple[float, float], ...],
    own_caps: float,
    *,
    survey: bool,
    newcomers: bool,
    with_parent: int | None,
) -> None:
    """Run the simulated store against an API.

    `corsia up --demo` and `corsia rehearse` start it for you.
    """
    if with_parent is not None:
        end_with_parent(with_parent)
    settings = load_settings()
    set_up_logging(settings.log_level, settings.log_style)
    config = SimulatorConfig(
        run_dir=run_dir,
        api_url=api_url,
        fcm_port=fcm_port,
        fcm_key_file=run_dir / "fcm-key.json",
        store=store,
        recording=recording,
        dataset=dataset,
        minutes=minutes,
        shoppers=shoppers,
        seed=seed,
        survey=survey,
        newcomers=newcomers,
        returning=returning,
        answer_delay_s=fcm_delay_s,
        push_trouble=push_trouble,
        refused_keys=tuple(sorted(refused_key)),
        own_caps=own_caps,
    )
    leave(run_process(lambda: run_simulator(config, SystemClock())))


@sim.command()
@click.option("--recording", type=_FOLDER, required=True, help="A folder of recorded walks.")
@click.option("--dataset", default="tetam", show_default=True)
@click.option("--seed", default=7, show_default=True)
def figures(recording: Path, dataset: str, seed: int) -> None:
    """Print the simulated radio's figures beside those of real recordings.

    The simulated tag repeats the recorded walks, so that only the radio differs. Exits with 1
    when a figure is more than 25 % off.
    """
    with said_plainly(RecordingError):
        rows = figures_table(load_recording(recording, dataset), seed)
    table = Table("figure", "unit", "simulated", "recorded", "ratio")
    for row in rows:
        table.add_row(
            row.name, row.unit, f"{row.simulated:.3f}", f"{row.recorded:.3f}", f"{row.ratio:.2f}"
        )
    Console().print(table)
    share = store_heard_share(supermarket(), seed)
    click.echo(f"a Pi in range hears {share:.0%} of adverts sent once a second (real Pis: 30-40 %)")
    if any(abs(row.ratio - 1) > FIGURES_WITHIN for row in rows):
        raise SystemExit(1)

"""`corsia doctor`: what is installed, reachable and mis-set, and how to mend it."""

import click
import uvloop
from rich.console import Console
from rich.markup import escape

from config.clock import SystemClock
from config.settings import load_settings
from corsia.doctor import examine
from corsia.findings import State

SIGNS = {State.OK: "[green]ok[/]  ", State.WARN: "[yellow]warn[/]", State.FAIL: "[red]fail[/]"}


@click.command()
@click.option("--demo", is_flag=True, help="Judge it as a demonstration: no real shoppers.")
def doctor(*, demo: bool) -> None:
    """Look over this machine and its settings; change nothing.

    Exits with 1 when something must be mended before Corsia can run.
    """
    findings = uvloop.run(examine(load_settings(), SystemClock(), is_demo=demo))
    console = Console()
    for finding in findings:
        console.print(f"{SIGNS[finding.state]} [bold]{finding.name}[/]: {escape(finding.what)}")
        if finding.mend:
            console.print(f"       {escape(finding.mend)}", style="dim")
    failed = sum(finding.state is State.FAIL for finding in findings)
    warned = sum(finding.state is State.WARN for finding in findings)
    console.print(f"\n{failed} to mend, {warned} to look at, {len(findings)} looked at")
    if failed:
        raise SystemExit(1)

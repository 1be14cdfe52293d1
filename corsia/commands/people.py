"""Who does something, as the commands ask for it: names, until the console brings accounts."""

import getpass
from typing import Any, Final

import click

# Of a name as the database keeps it.
MAX_NAME: Final = 120


class _Name(click.ParamType[Any]):
    """Somebody's name: one line, not blank."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = " ".join(str(value).split())
        if not text or len(text) > MAX_NAME or not text.isprintable():
            self.fail(f"a name has 1 to {MAX_NAME} printable characters", param, ctx)
        return text


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise click.UsageError("this login has no name: say who you are with --by NAME") from error


BY: Final = click.option(
    "--by", type=_Name(), default=_login, help="Who does this; without it, your login name."
)
REVIEWED_BY: Final = click.option(
    "--reviewed-by",
    type=_Name(),
    metavar="NAME",
    help="Who else has read the new and changed campaigns that go live.",
)

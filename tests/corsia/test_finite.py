"""Options that take a number take no `nan` and no `inf`, which pass click's own ranges."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import dwell, presence_speed, rehearse_seeds, store_table
from corsia.cli import main
from corsia.commands.finite import FiniteRange

COMMANDS = (
    ("rehearse", "--fast"),
    ("store", "survey", "start", "supermarket", "--handset", "h"),
    ("sim", "run", "--run-dir", "run", "--api-url", "http://127.0.0.1:1"),
)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_minutes_that_are_no_number_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], value: str
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, [*command, f"--minutes={value}"])

    assert done.exit_code == 2
    assert f"Invalid value for '--minutes': '{value}' is not a finite number." in done.stderr


@pytest.mark.parametrize(
    ("value", "said"),
    [("5", None), ("0.5", "is not in the range"), ("11", "is not in the range"), ("x", "valid")],
)
def test_the_range_holds_as_before(value: str, said: str | None) -> None:
    kind = FiniteRange(1.0, 10.0)

    if said is None:
        assert kind.convert(value, None, None) == 5.0
    else:
        with pytest.raises(click.BadParameter, match=said):
            kind.convert(value, None, None)


def commands(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


def test_every_option_that_is_a_float_is_finite() -> None:
    benches = (dwell.main, presence_speed.main, rehearse_seeds.main, store_table.main)

    floats = [
        (command.name, parameter.name, parameter.type)
        for command in (*commands(main), *benches)
        for parameter in command.params
        if isinstance(parameter.type, click.types.FloatParamType)
    ]

    assert len(floats) >= 7
    assert [found for found in floats if not isinstance(found[2], FiniteRange)] == []

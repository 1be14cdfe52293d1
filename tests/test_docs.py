"""What the documents tell people to type exists, and what can be run quickly is run."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from corsia.cli import main

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
_FENCED = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`((?:corsia|make) [^`]+)`")
_LINK = re.compile(r"\]\(([^)#]+)\)")
# Words in capitals stand for what the reader puts there.
_STANDS_FOR = re.compile(r"^[A-Z_]+$")


def typed(document: Path) -> list[str]:
    """Every command line of a document, without comments and settings before it."""
    text = document.read_text()
    lines = [line for block in _FENCED.findall(text) for line in block.splitlines()]
    lines += _INLINE.findall(_FENCED.sub("", text))
    bare = [re.sub(r"^([A-Z_]+=\S+ )*", "", line.partition("  #")[0].strip()) for line in lines]
    return [line for line in bare if line.startswith(("corsia ", "make "))]


ALL = sorted({line for document in DOCUMENTS for line in typed(document)})


@pytest.mark.parametrize("line", [line for line in ALL if line.startswith("make ")])
def test_a_make_target_that_is_named_exists(line: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *line.split()[1:]], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("line", [line for line in ALL if line.startswith("corsia ")])
def test_a_command_that_is_named_exists_with_its_options(line: str) -> None:
    words = shlex.split(line.partition(">")[0].replace("...", ""))[1:]
    command: click.Command = main
    context = click.Context(main, info_name="corsia")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0].split("|")[0].strip())
        assert found is not None, f"no command {words[0]!r}"
        command, context = found, click.Context(found, info_name=words[0], parent=context)
        words = [word for word in words[1:] if word != "|"]
    known = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in known | {"--help", "--version"}, line
        elif isinstance(command, click.Group):
            assert _STANDS_FOR.match(word), f"{line}: no command {word!r}"


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in _LINK.findall(document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []

"""The rules of DESIGN section 2 and of the style guide that a machine can check."""

import json
import subprocess
import sys
from pathlib import Path

from tests.test_packaging import PACKAGES, ROOT

LINES_MAX = 400
# Alembic's own entry: it runs, and only within a migration.
NOT_TO_IMPORT = {"db.migrations.env"}
# What a Pi does not have.
SERVER_ONLY = (
    "numpy", "shapely", "sqlalchemy", "redis", "firebase_admin", "yaml", "alembic", "asyncpg",
    "aiosqlite", "prometheus_client", "jwt",
)  # fmt: skip


def _modules() -> dict[str, Path]:
    """Every module of ours, by its name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            # Migrations are found by their paths; their names are no identifiers.
            if all(part.isidentifier() for part in parts):
                found[name] = path
    return found


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_outgrows_one_subject() -> None:
    long = {
        name: lines
        for name, path in _modules().items()
        if (lines := len(path.read_text().splitlines())) > LINES_MAX
    }

    assert long == {}


def test_every_module_says_first_what_it_is_for() -> None:
    silent = [name for name, path in _modules().items() if not path.read_text().startswith('"""')]

    assert silent == []


def test_a_package_is_its_modules() -> None:
    """`__init__.py` holds a docstring only: one imports from the module that defines the name."""
    busy = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
        if path.read_text().count('"""') != 2 or not path.read_text().rstrip().endswith('"""')
    ]

    assert busy == []


IMPORT_ALL = """
import importlib, json, sys

done = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove",
                 "os.rename", "sqlite3.connect", "os.fork", "os.posix_spawn"):
        done.append(f"{event} {arguments[:1]}")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        done.append(f"write to {arguments[0]}")

# Vendors first: what they do when they are imported is not our doing.
for vendor in json.loads(sys.argv[2]):
    importlib.import_module(vendor)
sys.addaudithook(watch)
import warnings
warnings.simplefilter("error")
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(done))
"""
VENDORS = (
    "aiohttp.web", "aiosqlite", "alembic.command", "asyncpg", "bleak", "bluetooth_auto_recovery",
    "firebase_admin.messaging", "jwt", "numpy", "prometheus_client", "redis.asyncio", "rich.live",
    "shapely", "sqlalchemy.ext.asyncio", "uvloop", "yaml",
)  # fmt: skip


def test_importing_does_nothing() -> None:
    names = sorted(_modules().keys() - NOT_TO_IMPORT)

    done = _python(IMPORT_ALL, json.dumps(names), json.dumps(VENDORS))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


ON_A_PI = """
import sys
from importlib.abc import MetaPathFinder

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv[1].split(","))
del sys.argv[1]
sys.meta_path.insert(0, NotInstalled())
from corsia.cli import main
main(prog_name="corsia")
"""
IBEACON = "0201061aff4c0002152f234454cf6d4a0fadf2f4911ba9ffa600010002c5"


def _on_a_pi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _python(ON_A_PI, ",".join(SERVER_ONLY), *arguments)


def test_a_pi_decodes_without_anything_of_the_server() -> None:
    done = _on_a_pi("gateway", "decode", IBEACON)

    assert done.returncode == 0, done.stderr
    (frame,) = json.loads(done.stdout)["frames"]
    assert (frame["type"], frame["major"], frame["minor"]) == ("ibeacon", 1, 2)


def test_a_pi_has_the_gateway_ready_to_run() -> None:
    done = _on_a_pi("gateway", "run", "--help")

    assert done.returncode == 0, done.stderr


def test_a_command_that_needs_the_server_says_what_to_install() -> None:
    done = _on_a_pi("up")

    assert done.returncode == 1
    assert "pip install 'corsia[server]'" in done.stderr
    assert "Traceback" not in done.stderr

"""What is installed: ten plain names that nobody else claims, and a wheel of exactly these."""

import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "beacons", "config", "corsia", "db", "engine", "firmware_sim", "gateway", "mobile_api",
    "offers", "shoppers",
)  # fmt: skip


def test_the_list_is_the_folders_that_are_packages() -> None:
    found = {init.parent.name for init in ROOT.glob("*/__init__.py")}

    assert found == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_means_our_folder_and_nobody_elses(name: str) -> None:
    spec = find_spec(name)

    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")
    assert set(packages_distributions().get(name, [])) <= {"corsia"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without network from what is checked out."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_our_packages_and_no_test(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()

    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert [name for name in names if "test" in name.lower()] == []
    assert [name for name in names if "__pycache__" in name] == []


def test_the_wheel_holds_all_that_the_packages_need(wheel: zipfile.ZipFile) -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert set(wheel.namelist()) >= kept
    for package in PACKAGES:
        assert f"{package}/py.typed" in kept


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (entries,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]

    assert "corsia = corsia.__main__:main" in wheel.read(entries).decode()

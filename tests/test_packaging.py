"""The wheel: it has every file of the repository in its place, and its command works in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from evolve import __version__
from evolve.suite.tasks import load_suite

ROOT = Path(__file__).parent.parent
BUNDLED = ("scaffolds", "tasks/bugfix")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own, as pip installs it, with compiled files."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def evolve(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, with the dependencies of this environment."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def repository_files() -> dict[str, tuple[bool, bytes]]:
    """Executable bit and content of everything that git has and the wheel should have, by its place in the wheel."""
    listed = subprocess.run(["git", "ls-files", "-z", "evolve", *BUNDLED], cwd=ROOT, capture_output=True, check=True)
    paths = [path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file()]
    places = {path: path if path.startswith("evolve/") else f"evolve/bundled/{path}" for path in paths}
    return {place: (os.access(ROOT / path, os.X_OK), (ROOT / path).read_bytes()) for path, place in places.items()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_wheel_has_every_file_with_its_mode(wheel: Path) -> None:
    expected = repository_files()
    with zipfile.ZipFile(wheel) as archive:
        found = {
            info.filename: (bool((info.external_attr >> 16) & 0o100), archive.read(info))
            for info in archive.infolist()
            if ".dist-info/" not in info.filename
        }
    assert {place for place in expected if found.get(place) != expected[place]} == set()
    assert any(executable for executable, _ in expected.values())
    assert not any("__pycache__" in place for place in found)


def test_its_metadata_names_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        place = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(place).decode())
        scripts = archive.read(place.replace("METADATA", "entry_points.txt")).decode()
    assert (metadata["Name"], metadata["Version"]) == ("evolve-scaffold", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"LICENSE", "THIRD_PARTY.md"} == set(metadata.get_all("License-File") or ())
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "THIRD_PARTY.md"}
    assert "evolve = evolve.cli:main" in scripts


@pytest.mark.slow
def test_it_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    assert evolve(installed, tmp_path, "--version").stdout == f"evolve {__version__}\n"
    listed = evolve(installed, tmp_path, "tasks", "list", "--json", "--suite", "tasks/bugfix")
    assert listed.returncode == 0 and listed.stdout.count('"task"') == 60, listed.stderr
    made = evolve(installed, tmp_path, "init", "--example")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].startswith("nothing is missing")
    assert not list(tmp_path.rglob("__pycache__")), "pip compiled the bundled files, and the copy has none of that"
    assert load_suite(tmp_path / "tasks").digest == load_suite(ROOT / "tasks" / "bugfix").digest
    assert set(tomllib.loads((tmp_path / "evolve.toml").read_text())) == {"scaffold", "suite"}


@pytest.mark.slow
def test_init_says_what_is_wrong_in_one_line(installed: Path, tmp_path: Path) -> None:
    done = evolve(installed, tmp_path, "init", "--tasks", "gone")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "gone: holds no task" in done.stderr and not list(tmp_path.iterdir())

"""The commands: what help and short commands import, and how they start and end."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evolve import cli
from evolve.cli import measuring, setup_commands
from evolve.host import platform
from evolve.maintenance import gc
from evolve.runs.settings import Settings
from evolve.store import Store
from tests.forked import forked
from tests.played import RUN

ROOT = Path(__file__).parents[1]
SLOW = ("numpy", "scipy", "sqlalchemy", "docker", "openai")
PROBE = """
import atexit, json, sys
sys.argv = ["evolve", *sys.argv[1:]]
atexit.register(lambda: print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr))
from evolve.cli import main
main()
"""


def imported(folder: Path, *words: str) -> set[str]:
    """The top-level packages that a command has imported by its end."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROBE}", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", ["--version", "--help", "run --help", "doctor --help"])
def test_help_and_version_import_nothing_slow(tmp_path: Path, words: str) -> None:
    assert imported(tmp_path, *words.split()) & set(SLOW) == set()


def test_the_version_imports_no_settings_either(tmp_path: Path) -> None:
    assert imported(tmp_path, "--version") & {"pydantic", "typer", "rich"} == set()


@pytest.mark.parametrize(
    "words",
    [
        ("history",),
        *(pytest.param(words, marks=pytest.mark.slow) for words in (("show", "1"), ("lineage",), ("diff", "1"))),
    ],
)
def test_a_command_that_shows_imports_no_engine_model_or_statistics(played_home: Path, words: tuple[str, ...]) -> None:
    slow = {"scipy", "docker", "openai", "alembic"} | ({"git"} if words[0] == "history" else set())
    assert imported(played_home, *words) & slow == set()


def test_help_names_default_and_variable(tmp_path: Path) -> None:
    shown = " ".join(forked(tmp_path, "run", "--help", COLUMNS="200").stdout.replace("│", " ").split())
    for words in ("Number of rounds to run. (default: 10)", "--limit KEY=VALUE", "max_tokens"):
        assert words in shown, words


def test_the_list_of_tasks_says_where_they_are_and_how_many_each_split_has(tmp_path: Path) -> None:
    shown = forked(tmp_path, "tasks", "list")
    assert shown.stdout.splitlines()[-1].endswith("tasks/bugfix: 28 train, 16 validation, 16 holdout")


def test_a_calibration_is_of_the_rule_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Settings] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measuring, "calibrate_scaffold", lambda what, settings, *_: asked.append(settings))
    monkeypatch.setattr(sys, "argv", ["evolve", "calibrate", "--gate", "risk=0.05", "--gate", "rule=greedy"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert (asked[0].gate.risk, asked[0].gate.rule) == (0.05, "greedy")


def test_the_parts_of_gc_are_those_of_its_help() -> None:
    assert setup_commands.PARTS.split(", ") == list(gc.PARTS)


@pytest.mark.parametrize(("system", "words"), [("darwin", "macOS"), ("win32", "WSL2")])
def test_elsewhere_than_on_linux_one_line_names_the_alternative(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], system: str, words: str
) -> None:
    monkeypatch.setattr(platform.sys, "platform", system)
    monkeypatch.setattr(sys, "argv", ["evolve", "history"])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    error = capsys.readouterr().err
    assert raised.value.code == 2 and error.count("\n") == 1 and words in error and "evolve needs Linux" in error


def test_a_command_works_from_any_folder(played_home: Path, tmp_path: Path) -> None:
    runs = str(played_home / "runs")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (["history"], ["show", "1"], ["lineage"], ["diff", "1"]):
        here = forked(played_home, *words).stdout
        assert here and forked(elsewhere, *words, "--runs", runs).stdout == here
        assert forked(elsewhere, *words, EVOLVE_RUNS=runs).stdout == here


def test_a_difference_is_shown_after_the_scaffold_is_gone(played_home: Path) -> None:
    before = forked(played_home, "diff", "1").stdout
    (played_home / "repo" / "scaffold").rename(played_home / "repo" / "moved")
    (played_home / "repo").rename(played_home / "runs" / "repo")
    assert forked(played_home, "diff", "1").returncode == 2
    (played_home / "runs" / "repo").rename(played_home / "repo")
    (played_home / "repo" / ".git").rename(played_home / ".git")
    assert forked(played_home, "diff", "1").stdout == before != ""


def test_the_result_is_of_the_run_that_ended_and_not_of_the_newest(
    played_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(Path("runs", "evolve.db")) as store:
        row = store.runs()[0]
        store.create_run(replace(row, id="newer", created_at="2099-01-01T00:00:00+00:00"), ())
        assert store.runs()[0].id == "newer"
        measuring.print_result(store, RUN, Path("runs"))
        assert capsys.readouterr().out.startswith(f"run {RUN}: 3 rounds, ")
        measuring.print_result(store, "newer", Path("runs"))
        assert capsys.readouterr().out == "run newer: no round is decided yet\n"

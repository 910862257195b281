"""Which names a run may have: a bad one is refused before anything is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.host import run_names
from evolve.runs.settings import read_settings
from tests.forked import forked

NEVER = [
    "",
    ".",
    "..",
    ".x",
    "a/b",
    "../up",
    "a..b",
    "a.lock",
    "x@{1}",
    "x y",
    "x\n",
    "\x1b[2J",
    "x\0",
    "é",
    "a" * 65,
    "a~1",
]
NOT_NEW = ["-x", "--help", "-", "_x", "NEW", "New"]


@pytest.mark.parametrize("name", NEVER)
def test_no_setting_may_name_it(name: str) -> None:
    with pytest.raises(BadInput, match="must not contain a zero character" if "\0" in name else "not a run id"):
        read_settings(run=name)


@pytest.mark.parametrize("name", [*NEVER, *NOT_NEW])
def test_no_new_run_may_have_it(name: str) -> None:
    with pytest.raises(BadInput, match="not a run id"):
        run_names.check_new(name, ())


def problem_of(name: str) -> BadInput | None:
    try:
        run_names.check_new(name, ())
    except BadInput as error:
        return error
    return None


@given(st.text(max_size=70) | st.text(alphabet="-_aZ09./@{\\", min_size=1, max_size=70))
def test_a_name_that_is_taken_is_a_git_ref_a_folder_and_no_option(name: str) -> None:
    problem = problem_of(name)
    if problem is not None:
        assert "\n" not in str(problem) and problem.fix
        return
    subprocess.run(["git", "check-ref-format", "--branch", name], check=True, capture_output=True)
    assert Path("/runs", name).parent == Path("/runs") and not name.startswith(("-", "."))


@pytest.mark.parametrize(("name", "other"), [("night", "Night"), ("NIGHT", "night"), ("evolve-x", "evolve-x")])
def test_a_name_that_differs_only_by_case_or_is_a_file_is_refused(name: str, other: str) -> None:
    with pytest.raises(BadInput, match="run id"):
        run_names.check_new(name, ["y", other])
    run_names.check_new(f"{name}2", ["y", other])


COMMANDS = [
    (["run", "--run", "-x"], {}),
    (["run", "--run=-x"], {}),
    (["run", "--plan"], {"EVOLVE_RUN": "-x"}),
    (["run"], {"EVOLVE_RUN": "../up"}),
    (["history", "--run=-x"], {}),
    (["show", "1"], {"EVOLVE_RUN": ".x"}),
    (["transcript", "1", "--run=a/b"], {}),
    (["lineage", "--run=a.lock"], {}),
    (["diff", "1", "--run=x@{1}"], {}),
    (["claim", "--", "-x"], {}),
    (["gc", "--run=-x"], {}),
    (["replay", "evolve/../up/champion"], {}),
    (["replay", "evolve/-x/champion"], {}),
    (["eval", "evolve/-x/champion"], {}),
    (["calibrate", "evolve/-x/champion"], {}),
]


@pytest.mark.parametrize(("words", "variables"), COMMANDS)
def test_a_command_writes_nothing(tmp_path: Path, words: list[str], variables: dict[str, str]) -> None:
    done = forked(tmp_path, *words, **variables)
    errors = done.stderr.splitlines()
    assert done.returncode == 2 and len(errors) == 1 and errors[0].startswith("error:"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_beside_other_runs_nothing_is_written_either(played_home: Path) -> None:
    """The database is there, so its rows are read: a run that is stored keeps its name."""
    names = sorted(path.name for path in (played_home / "runs").iterdir())
    done = forked(played_home, "run", "--run=-x")
    assert done.returncode == 2 and "not a run id" in done.stderr
    assert sorted(path.name for path in (played_home / "runs").iterdir()) == names

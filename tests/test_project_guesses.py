"""What is guessed about an agent from its files."""

from __future__ import annotations

import pytest

from evolve.project.guesses import guess_entry, guess_evolvable, with_ignored


@pytest.mark.parametrize(
    ("paths", "entry"),
    [
        (["tools.py", "main.py", "agent.py"], "main.py"),
        (["tools.py", "agent.py"], "agent.py"),
        (["pkg/tools.py", "src/agent.py"], "src/agent.py"),
        (["solver.py", "setup.py", "test_solver.py", "solver_test.py", "pkg/x.py"], "solver.py"),
        (["one.py", "two.py"], None),
        (["run.sh", "README.md"], None),
        ([], None),
    ],
)
def test_entry(paths: list[str], entry: str | None) -> None:
    assert guess_entry(paths) == entry


def test_evolvable_files_are_code_prompts_and_settings() -> None:
    assert guess_evolvable(["prompts/a.md", "main.py", "logo.png", "LICENSE"]) == ("*.py", "*.md")
    assert guess_evolvable([]) == ("*.py",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "runs/\n"),
        ("*.log\n", "*.log\nruns/\n"),
        ("*.log", "*.log\nruns/\n"),
        ("/runs/\n*.log", "/runs/\n*.log"),
        ("  runs  \n", "  runs  \n"),
        ("# runs/\nmyruns/\n", "# runs/\nmyruns/\nruns/\n"),
    ],
)
def test_runs_are_ignored_once(before: str, after: str) -> None:
    assert with_ignored(before, ["runs"]) == after == with_ignored(after, ["runs"])

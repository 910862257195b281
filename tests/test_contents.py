"""What of a folder on disk is its scaffold's, with real files, links and repositories."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.guard import MAX_TOTAL_CHARS
from evolve.repo import Lineage, survey_seed
from evolve.runs import opening
from evolve.runs.contents import check_scaffold, describe_left_out
from evolve.runs.repository import left_out_places, lineage_of, outside_of
from evolve.runs.request import RunRequest
from evolve.suite.tasks import Suite, load_suite
from tests.adversarial import weakened
from tests.faults import victim
from tests.test_identity import engineless, git, play, request, rows, write

__all__ = ["engineless"]

SOLVE = "#!/bin/sh\necho forty-two > answer.txt\n"
TEST = "#!/bin/sh\ngrep -q forty-two answer.txt && echo 1 > /logs/verifier/reward.txt\n"
TASK = {
    "task.toml": "",
    "instruction.md": "Write the answer into answer.txt.\n",
    "environment/Dockerfile": "FROM evolve-base\n",
    "tests/test.sh": TEST,
    "solution/solve.sh": SOLVE,
}
AGENT = {"scaffold.toml": 'name = "x"\nentry = "main.py"\nevolvable = ["*.py"]\n', "main.py": "print()\n"}
WHEN = "2026-11-23T21:44:00+01:00"


def write_suite(folder: Path) -> Path:
    return write(folder, {"suite.toml": '[splits]\ntrain = ["t"]\n'} | {f"t/{path}": TASK[path] for path in TASK})


@pytest.fixture(params=["alone", "repository"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A scaffold by itself, or at the top of a repository that tracks everything."""
    folder = write(tmp_path / "agent", AGENT)
    if request.param == "repository":
        write_suite(folder / "evals")
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "x")
        shutil.rmtree(folder / "evals")
    return folder


def found(agent: Path, *without: Path) -> tuple[list[str], dict[str, str]]:
    survey = survey_seed(agent, without)
    lineage = Lineage.open(agent, agent.parent / "own.git", without=without)
    seed = lineage.seed("20261123-2144-quiet-otter", WHEN)
    assert sorted(lineage.files(seed)) == sorted(entry.path for entry in survey.entries)
    return sorted(entry.path for entry in survey.entries), dict(survey.left_out)


def test_suites_tasks_results_and_state_are_left_out_by_name(agent: Path) -> None:
    write_suite(agent / "evals")
    write(agent / "other" / "deep", TASK)
    write(agent, {"out/evolve.db": "", "out/x": "", ".evolve/x": "", "tests/test_main.py": "import main\n"})
    own, left_out = found(agent)
    assert own == ["main.py", "scaffold.toml", "tests/test_main.py"]
    assert left_out == {
        "evals": "a suite",
        "other/deep": "a task",
        "out": "results of runs",
        ".evolve": "Evolve's state",
    }
    line = describe_left_out(left_out)
    assert line.startswith("left out of the scaffold: .evolve (Evolve's state), evals (a suite), other/deep (a task)")


def test_the_suite_of_the_run_is_left_out_wherever_it_is_and_whatever_it_is_called(agent: Path) -> None:
    write(agent, {"bench/notes.txt": "no suite.toml here\n", "results/x": ""})
    (agent.parent / "link").symlink_to(agent / "bench")
    assert found(agent, agent.parent / "link", agent / "results") == (
        ["main.py", "scaffold.toml"],
        dict.fromkeys(["bench", "results"], "the suite or the results of this run"),
    )


def test_links_into_a_suite_are_left_out_and_others_are_refused(agent: Path) -> None:
    suite = write_suite(agent.parent / "elsewhere")
    (agent / "evals").symlink_to(suite)
    (agent / "one").symlink_to(suite / "t")
    (agent / "notes.txt").symlink_to(suite / "t" / "solution" / "solve.sh")
    own, left_out = found(agent)
    assert own == ["main.py", "scaffold.toml"]
    assert left_out == {"evals": "a suite", "one": "a task", "notes.txt": "a task"}
    (agent / "hosts").symlink_to("/etc/hosts")
    with pytest.raises(BadInput, match="hosts"):
        survey_seed(agent)


def test_a_suite_in_a_repository_of_its_own_is_left_out(agent: Path) -> None:
    suite = write_suite(agent / "evals")
    git(suite, "init", "-q")
    git(suite, "add", "-A")
    git(suite, "commit", "-qm", "x")
    assert found(agent) == (["main.py", "scaffold.toml"], {"evals": "a suite"})


def test_a_scaffold_at_the_top_of_its_suite_sees_no_task(agent: Path) -> None:
    write_suite(agent)
    assert found(agent, agent) == (["main.py", "scaffold.toml"], {"suite.toml": "a suite", "t": "a task"})


def suite_of(agent: Path) -> Suite:
    return load_suite(write_suite(agent.parent / "suite"))


@pytest.mark.parametrize("name", ["helper.sh", "data/a.txt"])
@pytest.mark.parametrize("hidden", ["solution/solve.sh", "tests/test.sh", "instruction.md"])
def test_a_copy_of_a_hidden_file_is_refused_by_name(agent: Path, name: str, hidden: str) -> None:
    suite = suite_of(agent)
    check_scaffold(agent, suite, agent.parent / "runs")
    write(agent, {name: f"{TASK[hidden]}\n"})
    with pytest.raises(BadInput, match=rf"{name}: has the content of t/{hidden}"):
        check_scaffold(agent, suite, agent.parent / "runs")


def test_a_hard_link_is_a_copy(agent: Path) -> None:
    suite = suite_of(agent)
    os.link(suite.folder / "t" / "solution" / "solve.sh", agent / "x")
    with pytest.raises(BadInput, match=r"x: has the content of t/solution/solve\.sh"):
        check_scaffold(agent, suite, agent.parent / "runs")


def test_an_entry_point_that_is_left_out_is_reported(agent: Path) -> None:
    suite = suite_of(agent)
    write(agent, {"scaffold.toml": AGENT["scaffold.toml"].replace("main.py", "t/main.py"), "t/main.py": ""})
    check_scaffold(agent, suite, agent.parent / "runs")
    write(agent / "t", TASK)
    with pytest.raises(BadInput, match=r"entry point `t/main\.py` is left out"):
        check_scaffold(agent, suite, agent.parent / "runs")


def test_a_scaffold_that_no_patch_could_change_is_refused_at_the_start(agent: Path) -> None:
    suite, runs = suite_of(agent), agent.parent / "runs"
    write(agent, {"frozen.txt": "x" * (MAX_TOTAL_CHARS + 1)})
    check_scaffold(agent, suite, runs)
    write(agent, {"large.py": "x" * (MAX_TOTAL_CHARS + 1)})
    with pytest.raises(BadInput, match=r"`evolvable` names have 2000\d\d characters"):
        check_scaffold(agent, suite, runs)


def test_the_places_of_suite_and_results_are_known_relative_to_the_scaffold(agent: Path) -> None:
    suite, runs = write_suite(agent / "evals"), agent / "a" / "runs"
    assert outside_of(agent, left_out_places(suite, runs)) == ("evals", "a/runs")
    assert outside_of(agent, left_out_places(agent, agent.parent / "runs")) == ()


def shared(tmp_path: Path) -> tuple[RunRequest, Suite]:
    """A run whose suite lies in its scaffold's folder, which git tracks as a whole."""
    agent = write(tmp_path / "agent", victim.FILES)
    suite = load_suite(write_suite(agent / "evals"))
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(agent, *words)
    asked = request(agent, tmp_path / "runs")
    return replace(asked, config=asked.config.model_copy(update={"suite": suite.folder})), suite


def test_a_run_says_what_it_leaves_out_and_commits_none_of_it(tmp_path: Path, engineless: None) -> None:
    asked, suite = shared(tmp_path)
    opening.check(asked)
    assert opening.left_out_line(asked) == "left out of the scaffold: evals (a suite)"
    name = play(asked, 1, suite)
    lineage = lineage_of(rows(asked.runs)[0], asked.runs)
    trees = [git(tmp_path / "agent", "ls-tree", "-r", "--name-only", branch.sha) for branch in lineage.branches(name)]
    assert len(trees) > 1 and not any("evals" in tree for tree in trees)


def test_a_run_of_an_earlier_version_that_holds_hidden_files_is_refused(tmp_path: Path, engineless: None) -> None:
    asked, suite = shared(tmp_path)
    with weakened.all_files_are_the_scaffolds():
        name = play(asked, 0, suite)
    with pytest.raises(BadInput, match=r"its file evals/t/instruction\.md has the content of t/instruction\.md"):
        play(replace(asked, run=name), 1, suite)
    assert play(asked, 1, suite) != name, "the same command starts a new run"

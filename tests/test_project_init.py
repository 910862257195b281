"""`evolve init` and `evolve tasks new`, in folders with and without an agent."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile
from evolve.project.init import SAMPLE, init_project, new_task, report_lines
from evolve.repo.contents import scaffold_paths
from evolve.suite.bundled import bundled_suite
from evolve.suite.scaffold import check_folder
from evolve.suite.tasks import load_suite
from tests import harbor_tasks
from tests.test_project_writing import listing
from tests.test_tasks import make_task


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def make_tasks(folder: Path, count: int) -> Path:
    for number in range(count):
        make_task(folder / f"task-{number}")
    return folder


def values(file: Path) -> dict[str, object]:
    return tomllib.loads(file.read_text())


def test_an_empty_folder_lacks_an_agent_tasks_and_a_model(tmp_path: Path) -> None:
    report = init_project(tmp_path)
    assert set(report.done) == {"evolve.toml", "scaffold.toml", "tasks/suite.toml", f"tasks/{SAMPLE}", ".gitignore"}
    assert values(tmp_path / "evolve.toml") == {"scaffold": ".", "suite": "tasks"}
    assert [task.name for task in load_suite(tmp_path / "tasks").split(Split.TRAIN)] == [SAMPLE]
    assert (tmp_path / ".gitignore").read_text() == "runs/\n"
    last = report_lines(report)[-1]
    assert last.startswith("still missing: the Python file") and "tasks new NAME" in last and "`model`" in last


def test_an_agent_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("agent.py", "prompts/system.md", ".venv/x.toml", "runs/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    make_tasks(tmp_path / "tasks", 4)
    monkeypatch.setenv("MODEL", "openai/x")
    report = init_project(tmp_path)
    spec = check_folder(tmp_path)
    assert (spec.name, spec.entry, spec.evolvable) == (tmp_path.name, "agent.py", ("*.py", "*.md"))
    assert len(load_suite(tmp_path / "tasks").tasks) == 4
    assert report_lines(report)[-1] == "nothing is missing; next: `evolve run`"


def test_the_agent_never_sees_its_tasks_results_and_settings(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    init_project(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "evolve.db").write_text("")
    own, left_out = scaffold_paths(
        tmp_path, [name for name, content in listing(tmp_path).items() if content is not None]
    )
    assert own == [".gitignore", "main.py", "scaffold.toml"]
    assert left_out == {"runs": "results of runs", "tasks": "a suite"}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    init_project(tmp_path)
    before = listing(tmp_path)
    report = init_project(tmp_path)
    assert listing(tmp_path) == before
    assert set(report.done.values()) == {"already exists"}


def test_existing_files_are_kept_and_what_they_lack_is_named(tmp_path: Path) -> None:
    (tmp_path / "evolve.toml").write_text('scaffold = "agent"\nmodel = "x"\n')
    (tmp_path / "scaffold.toml").write_text("not toml")
    (tmp_path / ".gitignore").write_text("*.log")
    report = init_project(tmp_path)
    assert (tmp_path / "evolve.toml").read_text() == 'scaffold = "agent"\nmodel = "x"\n'
    assert (tmp_path / ".gitignore").read_text() == "*.log\nruns/\n"
    assert report.done["scaffold.toml"] == "already exists"
    assert report.missing[:2] == ('scaffold = "." in evolve.toml', 'suite = "tasks" in evolve.toml')


def test_a_folder_named_tasks_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "queue.py").write_text("")
    init_project(tmp_path)
    assert values(tmp_path / "evolve.toml")["suite"] == "evolve-tasks"
    assert listing(tmp_path / "tasks") == {"queue.py": b""}


def test_a_folder_of_tasks_becomes_a_suite(tmp_path: Path) -> None:
    make_tasks(tmp_path / "mine", 8)
    (tmp_path / "mine" / "_shared").mkdir()
    shutil.copy(tmp_path / "mine" / "task-0" / "task.toml", tmp_path / "mine" / "_shared")
    init_project(tmp_path, tasks=Path("mine"), seed=3)
    suite = load_suite(tmp_path / "mine")
    assert [len(suite.split(split)) for split in Split] == [4, 2, 2]
    assert values(tmp_path / "evolve.toml")["suite"] == "mine"
    assert "with seed 3" in (tmp_path / "mine" / "suite.toml").read_text()


def test_tasks_elsewhere_are_named_by_their_full_path(tmp_path: Path) -> None:
    make_tasks(tmp_path / "shared", 2)
    (tmp_path / "agent").mkdir()
    init_project(tmp_path / "agent", tasks=Path("../shared"))
    assert values(tmp_path / "agent" / "evolve.toml")["suite"] == str(tmp_path / "shared")
    assert (tmp_path / "shared" / "suite.toml").is_file()


def test_a_folder_of_harbors_tasks_becomes_a_loose_suite_as_it_is(tmp_path: Path) -> None:
    for name in ("a/one", "a/two", "b/three"):
        harbor_tasks.write(tmp_path / "mine" / name, {})
    harbor_tasks.write(tmp_path / "mine/b/gpu", harbor_tasks.REFUSED["gpus"][0])
    before = {name: text for name, text in listing(tmp_path / "mine").items() if text is not None}
    report = init_project(tmp_path, tasks=Path("mine"), profile=SuiteProfile.LOOSE)
    suite = load_suite(tmp_path / "mine")
    assert suite.harbor and {task.name for task in suite.tasks} == {"one", "two", "three"} and not suite.refused
    assert all(task.sandbox.network for task in suite.tasks)
    assert before.items() <= listing(tmp_path / "mine").items()
    assert report.done["mine/b/gpu"].startswith("left out: ") and "environment.gpus" in report.done["mine/b/gpu"]


def test_what_a_strict_suite_refuses_leads_to_the_loose_one(tmp_path: Path) -> None:
    harbor_tasks.write(tmp_path / "mine" / "one", harbor_tasks.USABLE["agent-user"])
    with pytest.raises(BadInput, match=r"agent\.user.*; pass --profile loose"):
        init_project(tmp_path, tasks=Path("mine"))
    assert not (tmp_path / "evolve.toml").exists()
    init_project(tmp_path, tasks=Path("mine"), profile=SuiteProfile.LOOSE)
    with pytest.raises(BadInput, match="set its profile there"):
        init_project(tmp_path, tasks=Path("mine"), profile=SuiteProfile.LOOSE)
    with pytest.raises(BadInput, match="--profile: needs a folder of tasks"):
        init_project(tmp_path, profile=SuiteProfile.LOOSE)


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [("gone", "holds no task"), ("empty", "holds no task"), (".", "contains the agent"), ("..", "contains")],
)
def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path, tasks: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    make_tasks(tmp_path, 1)
    before = listing(tmp_path)
    with pytest.raises(BadInput, match=problem):
        init_project(tmp_path, tasks=Path(tasks))
    assert listing(tmp_path) == before


def test_a_broken_task_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    make_tasks(tmp_path / "mine", 2)
    (tmp_path / "mine" / "task-1" / "instruction.md").unlink()
    before = listing(tmp_path)
    with pytest.raises(BadInput, match=r"task-1/instruction.md"):
        init_project(tmp_path, tasks=Path("mine"))
    assert listing(tmp_path) == before


def test_the_example_is_the_bundled_suite_and_scaffold(tmp_path: Path) -> None:
    report = init_project(tmp_path, example=True)
    assert load_suite(tmp_path / "tasks").digest == load_suite(bundled_suite()).digest
    assert check_folder(tmp_path / "scaffold").name == "single"
    assert values(tmp_path / "evolve.toml") == {"scaffold": "scaffold", "suite": "tasks"}
    assert report.missing == ()


def test_the_example_has_no_tasks_option(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--example"):
        init_project(tmp_path, tasks=Path("x"), example=True)


def test_a_new_task_starts_a_suite(tmp_path: Path) -> None:
    new_task(tmp_path, "one")
    new_task(tmp_path, "two", split=Split.HOLDOUT)
    suite = load_suite(tmp_path / "tasks")
    assert {task.name: task.split for task in suite.tasks} == {"one": Split.TRAIN, "two": Split.HOLDOUT}
    assert suite.tasks[0].difficulty == "easy"
    assert 'name = "one"' in (tmp_path / "tasks" / "one" / "task.toml").read_text()
    assert (tmp_path / "tasks" / "one" / "tests" / "test.sh").stat().st_mode & 0o100


def test_a_new_task_goes_into_the_projects_suite(tmp_path: Path) -> None:
    (tmp_path / "evolve.toml").write_text('suite = "mine"\n')
    report = new_task(tmp_path, "one")
    assert set(report.done) == {"mine/suite.toml", "mine/one"}


@pytest.mark.parametrize("name", ["", "..", "a/b", "Upper", "_verifier", "-x", "a" * 65, 'a"b'])
def test_a_task_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is not a task's name"):
        new_task(tmp_path, name)
    assert listing(tmp_path) == {}


def test_a_task_that_exists_is_kept(tmp_path: Path) -> None:
    new_task(tmp_path, "one")
    before = listing(tmp_path)
    with pytest.raises(BadInput, match="already exists"):
        new_task(tmp_path, "one")
    (tmp_path / "tasks" / "suite.toml").write_text("[splits\n")
    with pytest.raises(BadInput, match="can't be added"):
        new_task(tmp_path, "two")
    assert set(listing(tmp_path)) == set(before)


def test_a_suite_starts_with_train(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist yet"):
        new_task(tmp_path, "one", split=Split.VALIDATION)
    assert listing(tmp_path) == {}
